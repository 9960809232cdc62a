/* Mail between the supervisor's threads: anyone posts, one thread takes.
 *
 * Only pointers move under the lock.  The descriptor is readable while there is
 * mail, so the owner can wait for it beside other descriptors. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/uuid.h"
#include "runtime/handlers.h"

enum mail_kind {
    /* To the loop. */
    MAIL_RUN,    /* Claimed, with its input: run it. */
    MAIL_STORED, /* The answer to (ordinal, sha256) is stored: 'bytes'. */
    MAIL_LOADED, /* The input that was dropped while parked is back: 'bytes'. */
    MAIL_LOST,   /* The lease is gone. */
    MAIL_CANCEL, /* The job was cancelled or is past its deadline. */
    MAIL_UNFIT,  /* A thread met ERR_FATAL: 'err'. */
    MAIL_ENDED,  /* Receiver, settler or heartbeat has ended: in that order. */
    /* To the settler. */
    MAIL_OUTCOME,    /* The run ended as 'end' says: 'bytes', 'err'. */
    MAIL_CHECKPOINT, /* Store the answer 'bytes' to (ordinal, sha256). */
    MAIL_RELOAD,     /* Read the run's input again. */
    MAIL_STOP,       /* End when all that came before is done. */
};

struct mail {
    struct mail *next;
    enum mail_kind kind;
    struct run *run;       /* A reference of its own, or NULL. */
    enum handlers_end end; /* OUTCOME. */
    uint32_t ordinal;      /* STORED, CHECKPOINT. */
    char sha256[DIGEST_SHA256_SIZE];
    char *bytes; /* malloc'd, or NULL. */
    size_t size;
    struct err err;
};

/* Takes over one reference to 'run'. */
struct mail *mail_new(enum mail_kind kind, struct run *run);
void mail_free(struct mail **mail); /* For _cleanup. */

/* Mail in order; zero-initialised is empty. */
struct mail_list {
    struct mail *first;
    struct mail *last;
};

/* Takes over 'mail'. */
void mail_append(struct mail_list *list, struct mail *mail);
/* The first, or NULL. */
struct mail *mail_take(struct mail_list *list);
void mail_list_free(struct mail_list *list);

struct mailbox {
    pthread_mutex_t lock;
    struct mail_list list;
    int fd;
};

int mailbox_open(struct mailbox *box, struct err *err);
/* Frees what nobody took. */
void mailbox_close(struct mailbox *box);
/* Takes over 'mail'. */
void mailbox_post(struct mailbox *box, struct mail *mail);
/* All that is there. */
struct mail_list mailbox_take(struct mailbox *box);
/* Waits until there is mail, at most 'timeout_ms' (-1: as long as it takes). */
void mailbox_wait(struct mailbox *box, int64_t timeout_ms);
