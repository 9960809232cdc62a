#include "queue/sqs_lease.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "queue/sqs_entry.h"
#include "queue/sqs_send.h"

#define DELETE "DeleteMessageBatch"
#define CHANGE "ChangeMessageVisibilityBatch"

/* SQS keeps a message for 14 days from its sending, whatever happens to it. */
#define RESEND_AGE_MS (7 * 24 * 3600 * (int64_t)1000)

int64_t
sqs_seconds(int64_t ms)
{
    return (ms + 999) / 1000;
}

/* --- batches ------------------------------------------------------------- */

static bool
is_open(const struct sqs_receipt *receipt)
{
    return !receipt->done && !receipt->refused;
}

/* Writes up to ten of those still open; 'ret' says which. */
static size_t
write_batch(struct buf *out, bool changes, struct sqs_receipt *receipts,
            size_t count, size_t *from, struct sqs_receipt **ret)
{
    size_t written = 0;
    buf_json_key(out, "Entries");
    buf_json_array(out);
    for (; *from < count && written < SQS_BATCH_MAX; (*from)++) {
        struct sqs_receipt *receipt = &receipts[*from];
        if (!is_open(receipt)) {
            continue;
        }
        const char id[] = {(char)('0' + written), '\0'};
        buf_json_object(out);
        buf_json_key(out, "Id");
        buf_json_string(out, id);
        buf_json_key(out, "ReceiptHandle");
        buf_json_string(out, receipt->text);
        if (changes) {
            buf_json_key(out, "VisibilityTimeout");
            buf_json_int(out, receipt->visibility_s);
        }
        buf_json_end(out);
        ret[written++] = receipt;
    }
    buf_json_end(out);
    return written;
}

/* The next ten from '*from' on. */
static int
run_batch(struct sqs_wire *wire, struct sqs_call *call,
          struct sqs_receipt *receipts, size_t count, size_t *from,
          struct err *failure, struct err *err)
{
    _cleanup(json_put) struct json_object *reply = NULL;
    struct sqs_receipt *batch[SQS_BATCH_MAX];
    enum sqs_entry_outcome outcomes[SQS_BATCH_MAX];
    bool changes = strcmp(call->action, CHANGE) == 0;
    if (sqs_call_start(call, wire, err)) {
        return -1;
    }
    size_t written =
        write_batch(&call->body, changes, receipts, count, from, batch);
    if (written == 0) {
        return 0;
    }
    if (sqs_call_run(call, wire, &reply, err)) {
        return -1;
    }
    sqs_entry_outcomes(reply, outcomes, failure);
    for (size_t i = 0; i < written; i++) {
        batch[i]->done = outcomes[i] == SQS_ENTRY_DONE;
        batch[i]->refused = outcomes[i] == SQS_ENTRY_REFUSED;
    }
    return 0;
}

static size_t
count_open(const struct sqs_receipt *receipts, size_t count)
{
    size_t open = 0;
    for (size_t i = 0; i < count; i++) {
        open += is_open(&receipts[i]);
    }
    return open;
}

int
sqs_lease_change(struct sqs_wire *wire, const char *queue, const char *action,
                 struct sqs_receipt *receipts, size_t count,
                 int64_t deadline_ms, struct err *err)
{
    struct err failure = {.text = "not answered"};
    int round = 0;
    do {
        for (size_t from = 0; from < count;) {
            _cleanup(sqs_call_free) struct sqs_call call = {
                .action = action, .queue = queue, .deadline_ms = deadline_ms};
            if (run_batch(wire, &call, receipts, count, &from, &failure, err)) {
                return -1;
            }
        }
        if (count_open(receipts, count) == 0) {
            return 0;
        }
    } while (sqs_wire_pause(++round, deadline_ms));
    return err_set(err, ERR_RETRY, 0, "SQS %s %s: %s", action, queue,
                   failure.text);
}

/* --- what is held -------------------------------------------------------- */

/* One operation on messages: their holds, and what SQS said. */
struct change {
    struct sqs *sqs;
    const char *action;
    int64_t deadline_ms;
    int64_t asked_boot_ms;
    struct sqs_hold *holds[QUEUE_BATCH_MAX]; /* By message; NULL: not ours. */
    struct sqs_receipt receipts[QUEUE_BATCH_MAX];
    size_t place[QUEUE_BATCH_MAX]; /* Of the hold's receipt. */
    size_t count;                  /* Of receipts. */
};

static int
change_start(struct change *change, const struct queue_message *messages,
             size_t count, enum sqs_hold_state state, size_t *ret_lost,
             struct err *err)
{
    struct sqs *sqs = change->sqs;
    if (!sqs->holds) {
        return err_set(err, ERR_FATAL, 0, "a sender holds no messages");
    }
    change->deadline_ms = sqs_wire_deadline_ms(&sqs->wire);
    if (sqs_holds_begin(sqs->holds, messages, count, state, change->deadline_ms,
                        change->holds, ret_lost)) {
        return err_set(err, ERR_RETRY, 0,
                       "SQS: a message is still being extended");
    }
    change->asked_boot_ms = clock_boot_ms();
    return 0;
}

static void
change_add(struct change *change, size_t message, int64_t visibility_s)
{
    change->place[message] = change->count;
    change->receipts[change->count++] = (struct sqs_receipt){
        .text = change->holds[message]->receipt, .visibility_s = visibility_s};
}

static int
change_run(struct change *change, struct err *err)
{
    return change->count == 0
               ? 0
               : sqs_lease_change(&change->sqs->wire, change->sqs->base.name,
                                  change->action, change->receipts,
                                  change->count, change->deadline_ms, err);
}

/* Returns how many SQS did not know any more. */
static size_t
change_end(struct change *change, size_t count, bool extends)
{
    size_t refused = 0;
    struct sqs_holds *holds = change->sqs->holds;
    for (size_t i = 0; i < count; i++) {
        struct sqs_hold *hold = change->holds[i];
        if (!hold) {
            continue;
        }
        const struct sqs_receipt *receipt = &change->receipts[change->place[i]];
        refused += receipt->refused;
        if (receipt->refused || (receipt->done && !extends)) {
            sqs_holds_drop(holds, hold);
        } else {
            sqs_holds_keep(holds, hold,
                           receipt->done ? change->asked_boot_ms +
                                               change->sqs->base.lease_ms
                                         : 0);
        }
    }
    return refused;
}

/* The operation is over; counts what SQS did not know into '*ret_lost'. */
static int
change_messages(struct change *change, size_t count, bool extends,
                size_t *ret_lost, struct err *err)
{
    int result = change_run(change, err);
    *ret_lost += change_end(change, count, extends);
    return result;
}

int
sqs_ack(struct queue *queue, const struct queue_message *messages, size_t count,
        size_t *ret_lost, struct err *err)
{
    struct change change = {.sqs = (struct sqs *)queue, .action = DELETE};
    if (change_start(&change, messages, count, SQS_HOLD_ENDING, ret_lost,
                     err)) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        if (change.holds[i]) {
            change_add(&change, i, 0);
        }
    }
    return change_messages(&change, count, false, ret_lost, err);
}

int
sqs_extend(struct queue *queue, const struct queue_message *messages,
           size_t count, size_t *ret_lost, struct err *err)
{
    struct change change = {.sqs = (struct sqs *)queue, .action = CHANGE};
    if (change_start(&change, messages, count, SQS_HOLD_EXTENDING, ret_lost,
                     err)) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        if (change.holds[i]) {
            change_add(&change, i, sqs_seconds(queue->lease_ms));
        }
    }
    return change_messages(&change, count, true, ret_lost, err);
}

/* --- release ------------------------------------------------------------- */

static bool
is_old(const struct sqs_hold *hold)
{
    return hold->queued_wall_ms > 0 &&
           clock_wall_ms() - hold->queued_wall_ms > RESEND_AGE_MS;
}

/* A message that nears the end of its 14 days starts anew. */
static int
renew(struct change *change, size_t i, const struct queue_message *message,
      int64_t delay_ms, struct err *err)
{
    struct sqs *sqs = change->sqs;
    struct sqs_receipt receipt = {.text = change->holds[i]->receipt};
    struct queue_letter letter = {
        .queue = sqs->base.name,
        .body = message->body,
        .body_size = message->body_size,
        .delay_ms = delay_ms,
    };
    if (sqs_send(&sqs->base, &letter, 1, err) ||
        sqs_lease_change(&sqs->wire, sqs->base.name, DELETE, &receipt, 1,
                         change->deadline_ms, err)) {
        return -1;
    }
    sqs_holds_drop(sqs->holds, STEAL(change->holds[i]));
    return 0;
}

/* SQS forgets nobody's hold later than 12 h after the receive. */
static int64_t
clamp_ms(const struct sqs_hold *hold, int64_t delay_ms)
{
    int64_t left_ms =
        hold->received_boot_ms + SQS_HOLD_MAX_MS - clock_boot_ms();
    left_ms = left_ms > 0 ? left_ms : 0;
    return delay_ms < left_ms ? delay_ms : left_ms;
}

int
sqs_release(struct queue *queue, const struct queue_message *messages,
            size_t count, int64_t delay_ms, size_t *ret_lost, struct err *err)
{
    struct change change = {.sqs = (struct sqs *)queue, .action = CHANGE};
    int result = 0;
    if (change_start(&change, messages, count, SQS_HOLD_ENDING, ret_lost,
                     err)) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        struct sqs_hold *hold = change.holds[i];
        if (hold && is_old(hold) && messages[i].body && result == 0) {
            result = renew(&change, i, &messages[i], delay_ms, err);
        }
        if (change.holds[i]) {
            change_add(&change, i, sqs_seconds(clamp_ms(hold, delay_ms)));
        }
    }
    if (result) {
        change_end(&change, count, false);
        return -1;
    }
    return change_messages(&change, count, false, ret_lost, err);
}

void
sqs_lease_give_back(struct sqs *sqs)
{
    struct sqs_hold *holds[QUEUE_BATCH_MAX];
    int64_t deadline_ms = sqs_wire_deadline_ms(&sqs->wire);
    size_t count;
    struct err ignored;
    while (clock_boot_ms() < deadline_ms &&
           (count = sqs_holds_begin_all(sqs->holds, QUEUE_BATCH_MAX, holds)) >
               0) {
        struct sqs_receipt receipts[QUEUE_BATCH_MAX] = {0};
        for (size_t i = 0; i < count; i++) {
            receipts[i].text = holds[i]->receipt;
        }
        sqs_lease_change(&sqs->wire, sqs->base.name, CHANGE, receipts, count,
                         deadline_ms, &ignored);
        for (size_t i = 0; i < count; i++) {
            sqs_holds_drop(sqs->holds, holds[i]);
        }
    }
}
