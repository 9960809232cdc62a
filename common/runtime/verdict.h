/* What the engine says about a doorbell, and what that means for its message.
 * Source: schemas/sql/README.md, claim. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "runtime/flight.h"

enum verdict_action {
    VERDICT_RUN,      /* Hand it to a handler; ack after settle. */
    VERDICT_RING_ACK, /* Ring what it lists, ack. */
    VERDICT_RELEASE,  /* Release for 'until_ms'. */
    VERDICT_UNKNOWN,  /* No such job (yet): verdict_unknown_delay_ms(). */
};

/* Before a bell that means nothing yet (an unknown job, a word or a version
 * that only newer workers know) is looked at again. */
#define VERDICT_LATER_MS 60000

struct verdict {
    struct json_object *head; /* Owner of what follows. */
    enum verdict_action action;
    const char *nonce;
    const char *word;
    int64_t until_ms;
    struct json_object *ring; /* Bells, or NULL. */
    int64_t lease_ms;         /* RUN, these three. */
    int64_t deadline_ms;
    int64_t checkpoints;
};

void verdict_free(struct verdict *verdict); /* For _cleanup. */

/* Takes over 'head', also when it fails.
 * Errors: ERR_FATAL: not what the contract says. */
int verdict_decode(struct json_object *head, struct verdict *ret,
                   struct err *err);
/* Fills a run with what a RUN verdict says about it. */
int verdict_fill(const struct verdict *verdict, int64_t sent_ms,
                 struct run *run, struct err *err);

/* A bell for an unknown job rings once more: its submitter rings before it
 * commits.  -1: it has had its time, ack it. */
int64_t verdict_unknown_delay_ms(const struct queue_message *message,
                                 int64_t now_wall_ms);
