/* Dead letters: tasks that died, and messages that a queue has put aside.
 *
 * A task that died is a row; what a replay of it would meet is the engine's
 * verdict ("dead" and "replay" in schemas/sql/README.md).  A message is bytes:
 * one that is a doorbell after all (a broker put it aside) can be sent again;
 * anything else would only come back. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alexctl/ctl.h"

struct arena;

/* "alex-reporter/1732400000000-0" for a message, a UUID for a task. */
#define DLQ_ID_SIZE (96 + QUEUE_HANDLE_SIZE)

/* Tasks, and messages, that one command looks at. */
#define DLQ_MAX 100000

/* Which of them: what all commands of dlq take. */
struct dlq_filter {
    struct args_list ids;
    const char *kind; /* "task", "message" or NULL for both. */
    const char *agent;
    const char *queue; /* One more, that is no agent's. */
    const char *error_class;
    const char *error_like;
    const char *since; /* A span or a time; so is 'older'. */
    const char *older;
    const char *job;
    const char *user;
    int64_t max_replays; /* -1: however many. */
    bool cancelled;
    /* Not options but what the command is about: */
    bool dismissed;
    bool replayed;
    bool extend;
};

/* Rows of a table of options whose struct 'type' has 'struct dlq_filter
 * filter'. */
#define DLQ_FIELD(type, name) offsetof(type, filter.name)
#define DLQ_FILTER_ROWS(type)                                                   \
    {ARGS_LIST, "id",                                                           \
     "ID",      DLQ_FIELD(type, ids),                                           \
     1,         DLQ_ID_SIZE - 1,                                                \
     NULL,      "only this one, as ls prints it; up to 16 times"},              \
        {ARGS_TEXT, "kind", "KIND", DLQ_FIELD(type, kind),                      \
         1,         10,     NULL,   "only task, or only message"},              \
        {ARGS_TEXT, "agent", "AGENT", DLQ_FIELD(type, agent),                   \
         1,         59,      NULL,    "only this agent's"},                     \
        {ARGS_TEXT, "queue",                                                    \
         "NAME",    DLQ_FIELD(type, queue),                                     \
         1,         80,                                                         \
         NULL,      "also messages of this queue, such as the intake"},         \
        {ARGS_TEXT, "error-class", "CLASS", DLQ_FIELD(type, error_class),       \
         1,         100,           NULL,    "only tasks that died of this"},    \
        {ARGS_TEXT, "error-like",                                               \
         "TEXT",    DLQ_FIELD(type, error_like),                                \
         1,         200,                                                        \
         NULL,      "only with this in the error; % and _ stand for anything"}, \
        {ARGS_TEXT, "since",                                                    \
         "WHEN",    DLQ_FIELD(type, since),                                     \
         1,         40,                                                         \
         NULL,      "died in the last 2h, or since 2026-11-24T10:00Z"},         \
        {ARGS_TEXT, "older", "WHEN", DLQ_FIELD(type, older),                    \
         1,         40,      NULL,   "died before then"},                       \
        {ARGS_TEXT, "job", "JOB", DLQ_FIELD(type, job),                         \
         1,         36,    NULL,  "only of this job"},                          \
        {ARGS_TEXT, "user",       "U",  DLQ_FIELD(type, user),                  \
         1,         CTL_NAME_MAX, NULL, "only tasks of this user's jobs"},      \
        {ARGS_INT, "max-replays",                                               \
         "N",      DLQ_FIELD(type, max_replays),                                \
         -1,       1000000,                                                     \
         "-1",     "leave out what was replayed more often; -1: none"},         \
    {                                                                           \
        ARGS_FLAG, "cancelled", NULL, DLQ_FIELD(type, cancelled), 0, 0, NULL,   \
            "also tasks that were cancelled"                                    \
    }

struct dlq_entry {
    char id[DLQ_ID_SIZE];
    bool message;
    bool dismissed;
    char job[UUID_SIZE]; /* "" for a message that names none. */
    /* Borrowed from the list; "" when not known. */
    const char *queue; /* Messages only. */
    const char *handle;
    const char *agent;
    const char *node;
    const char *user;
    const char *state; /* "dead", ...; "unparseable" or "doorbell". */
    const char *error_class;
    const char *error_text;
    const char *verdict; /* The engine's word; "would_run" is the good one. */
    int64_t age_ms;      /* Since it died; -1 when not known. */
    int64_t fence;
    int64_t tries; /* Charged ones, or deliveries of a message. */
    int64_t replays;
};

struct dlq_list {
    struct arena *arena;
    struct dlq_entry *items;
    size_t count;
    bool more; /* DLQ_MAX or 'most' was reached. */
};

void dlq_list_free(struct dlq_list *list); /* For _cleanup. */

/* Fills the zeroed '*ret' with what 'filter' chooses, at most 'most' of each
 * kind: tasks first, those of a job beside each other.
 * Errors: ERR_REJECT (64) for a filter that is not well-formed. */
int dlq_select(struct ctl *ctl, const struct dlq_filter *filter, size_t most,
               struct dlq_list *ret, struct err *err);
/* The same of messages alone; dlq_select() calls it. */
int dlq_select_messages(struct ctl *ctl, const struct dlq_filter *filter,
                        size_t most, struct dlq_list *list, struct err *err);

/* The next entry of a list, zeroed. */
struct dlq_entry *dlq_list_add(struct dlq_list *list);
/* A span back from now or a time, as milliseconds since 1970.
 * Errors: ERR_REJECT (64) naming 'option'. */
int dlq_time(const char *text, const char *option, int64_t *ret_wall_ms,
             struct err *err);

/* "input no longer valid" for the engine's "invalid_input". */
const char *dlq_verdict_text(const char *verdict);
void dlq_append_age(struct buf *out, int64_t ms);
/* "task 0b1e... reporter dead 3 min: input: no snapshot" */
void dlq_print_entry(const struct dlq_entry *entry, const char *word);
/* "8 replayed, 2 already succeeded", each verdict in the order it is met. */
void dlq_print_summary(const struct dlq_list *list);
void dlq_write_entry(const struct dlq_entry *entry, struct buf *json);
void dlq_write_list(const struct dlq_list *list, struct buf *json);
