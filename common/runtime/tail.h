/* What the queue must still hear once the engine has committed: ring, then ack,
 * release or dead-letter.  In this order: a crash in between means a bell too
 * many, never one too few.
 *
 * Filled from replies of the engine, then flushed until it succeeds; messages
 * are extended by the heartbeat meanwhile. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "queue/queue.h"
#include "runtime/flight.h"

struct tail_item;

struct tail {
    struct queue_letter *letters;
    size_t letter_count;
    struct tail_item *items;
    size_t item_count;
};

void tail_free(struct tail *tail); /* For _cleanup. */
bool tail_empty(const struct tail *tail);

/* 'bells': what the engine calls a bell, one object or an array of them, or
 * NULL; 'group' is whose job they are of, or "".
 * Errors: ERR_REJECT for another shape; those before it are added. */
int tail_ring(struct tail *tail, struct json_object *bells, const char *group,
              struct err *err);

/* Each ends a run: its message is done with, and tail_flush() removes it from
 * the registry.  One whose message was acked early has none any more, and is
 * released by a bell of its own, to 'agent'. */
void tail_ack(struct tail *tail, struct run *run);
void tail_release(struct tail *tail, struct run *run, const char *agent,
                  int64_t delay_ms);
void tail_dead_letter(struct tail *tail, struct run *run, const char *reason);

/* Does all that is left to do and empties the tail; after an error it may be
 * called again and goes on where it was. */
int tail_flush(struct tail *tail, struct queue *queue, struct flight *flight,
               struct err *err);
