/* What a consumer holds of a queue, shared by its connections in this process.
 *
 * SQS has no fence: a receipt handle works on when its time is up, on a message
 * that somebody else holds by then.  So who may still touch a delivery is
 * decided here, by CLOCK_BOOTTIME, and an extension never meets the ending of
 * the same delivery:
 *
 *     held --begin(EXTENDING)--> extending --keep()--> held
 *     held --begin(ENDING)-----> ending ----drop()--> gone, or keep()
 *
 * All functions may be called from any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "queue/queue.h"

/* SQS lets nobody hold a message for more than 12 h. */
#define SQS_HOLD_MAX_MS (11 * 3600 * (int64_t)1000)

enum sqs_hold_state {
    SQS_HOLD_HELD,
    SQS_HOLD_EXTENDING,
    SQS_HOLD_ENDING,
};

struct sqs_hold {
    struct sqs_hold *next;
    uint64_t serial;
    char *receipt; /* Fixed, as are the next two. */
    int64_t received_boot_ms;
    int64_t queued_wall_ms; /* When SQS got it. */
    int64_t until_boot_ms;
    enum sqs_hold_state state;
};

struct sqs_holds;

/* Those of 'consumer' on queue 'name': the same for each of its connections. */
struct sqs_holds *sqs_holds_open(const char *consumer, const char *name);
/* True for the last of them, which then ends what is left with
 * sqs_holds_begin_all() and calls sqs_holds_free(). */
bool sqs_holds_leave(struct sqs_holds *holds);
void sqs_holds_free(struct sqs_holds **holds);

/* Takes note of a delivery and makes its handle: "MessageId:serial". */
void sqs_holds_add(struct sqs_holds *holds, struct queue_message *message,
                   const char *receipt, int64_t queued_wall_ms,
                   int64_t until_boot_ms);

/* Each message's hold, now in 'state', or NULL.  '*ret_lost' counts those that
 * are not ours any more; an extension also passes over, uncounted, what is
 * being ended.  An ending waits for an extension under way, until
 * 'deadline_ms'; then it gives -1 and has changed nothing. */
int sqs_holds_begin(struct sqs_holds *holds,
                    const struct queue_message *messages, size_t count,
                    enum sqs_hold_state state, int64_t deadline_ms,
                    struct sqs_hold **ret, size_t *ret_lost);
/* At most 'max' of what is still held, to be ended. */
size_t sqs_holds_begin_all(struct sqs_holds *holds, size_t max,
                           struct sqs_hold **ret);
/* Held again, at least until 'until_boot_ms'. */
void sqs_holds_keep(struct sqs_holds *holds, struct sqs_hold *hold,
                    int64_t until_boot_ms);
/* Not ours any more; frees it. */
void sqs_holds_drop(struct sqs_holds *holds, struct sqs_hold *hold);
