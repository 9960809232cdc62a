/* What all commands of alexctl share: how one is declared, the connections it
 * may use, and how a program ends.
 *
 * A command is one file that exports one 'struct command'; main.c has the list.
 * It gets its options decoded (args.h), prints results to standard output and
 * everything else (progress, notes) to standard error, and returns an exit code
 * or -1 with '*err' set, which main.c prints and maps to one. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alexctl/args.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "queue/bell.h"
#include "queue/queue.h"
#include "store/store.h"

enum ctl_exit {
    CTL_EXIT_OK = 0,
    CTL_EXIT_FAILED = 1, /* The job failed; fsck found something. */
    CTL_EXIT_USAGE = 64,
    CTL_EXIT_DATA = 65, /* Bad input: a file, a job id nobody knows. */
    CTL_EXIT_UNAVAILABLE = 69,
    CTL_EXIT_INTERNAL = 70,
    CTL_EXIT_AGAIN = 75, /* Waited long enough. */
    CTL_EXIT_CONFIG = 78,
};

/* ERR_RETRY with this code ends in CTL_EXIT_AGAIN, without it in
 * CTL_EXIT_UNAVAILABLE. */
#define CTL_TIMED_OUT 75

/* Characters of a user's id and of an account's name. */
#define CTL_NAME_MAX 255

struct ctl {
    char *store_url; /* "" when not set; so are the others. */
    char *admin_store_url;
    char *queue_url;
    bool colour;         /* Standard output is a terminal that has colours. */
    struct store *store; /* Opened when first used. */
    struct queue *queue;
};

struct command {
    const char *name;    /* One or two words: "jobs", "db migrate". */
    const char *summary; /* One line. */
    const char *details; /* Paragraphs and examples for --help. */
    const struct args_option *options;
    size_t option_count;
    size_t options_size; /* Of the struct that 'options' describes. */
    int (*run)(struct ctl *ctl, const void *options, struct err *err);
};

void ctl_close(struct ctl **ctl); /* For _cleanup. */

/* The engine of ALEX_STORE_URL, or with 'admin' the one of
 * ALEX_ADMIN_STORE_URL if that is set.  One connection, whichever came first.
 * Errors: ERR_FATAL (78) naming the variable that is not set. */
int ctl_store(struct ctl *ctl, bool admin, struct store **ret, struct err *err);
int ctl_queue(struct ctl *ctl, struct queue **ret, struct err *err);

/* Calls an engine function on ctl_store(false), again for a second or two when
 * the answer is lost: every function may be repeated. */
int ctl_call(struct ctl *ctl, const char *function, const struct buf *request,
             struct store_reply *reply, struct err *err);
/* The head of a row of a reply, decoded.
 * Owner: the caller puts '*ret'. */
int ctl_head(const struct store_reply *reply, size_t row,
             struct json_object **ret, struct err *err);

/* Prints a reply's items, all rows but the first, as one JSON array. */
void ctl_print_items(const struct store_reply *reply);

/* Sends doorbells to the queues of their agents; repeats what was refused. */
int ctl_ring(struct ctl *ctl, const struct bell *bells, size_t count,
             struct err *err);
/* Decodes a reply's array of bells ("ring") and sends them. */
int ctl_ring_json(struct ctl *ctl, struct json_object *bells, size_t *ret_count,
                  struct err *err);

/* 'user', or when that is NULL the only user there is.
 * Owner: '*ret' is malloc'd.
 * Errors: ERR_REJECT (64) asking for --user. */
int ctl_user(struct ctl *ctl, const char *user, char **ret, struct err *err);
/* Errors: ERR_REJECT (64) unless 'job' is a UUID; '*ret' is lower case. */
int ctl_job_id(const char *job, char ret[UUID_SIZE], struct err *err);

/* The agent after '*at', which starts as CTL_AGENTS or another list with commas
 * between ("planner,tagger"); false at the end. */
bool ctl_next_agent(const char **at, char ret[64]);

/* A line for people on standard error. */
void ctl_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
