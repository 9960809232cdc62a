/* receive() asks once and waits, then again without waiting while full batches
 * come, so that many messages make one claim.  A wait is cut into slices well
 * below the lease: a delivery may be as old as the question it answers. */
#include "queue/sqs_receive.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "queue/sqs_dead.h"
#include "queue/sqs_entry.h"
#include "queue/sqs_lease.h"

/* SQS waits no longer. */
#define SLICE_MAX_MS 20000
/* For a reply beyond the wait: one that is cut off hides messages. */
#define REPLY_MIN_MS 3000

#define EMPTY_PAUSE_MS 50

/* One receive, until 'deadline_ms'. */
struct receiving {
    struct sqs *sqs;
    size_t max;
    struct queue_message *messages;
    size_t count;
    size_t came; /* In the last batch. */
    bool reset;
};

static int64_t
slice_ms(const struct sqs *sqs, int64_t left_ms)
{
    int64_t ms = sqs->base.lease_ms / 3;
    ms = ms > SLICE_MAX_MS ? SLICE_MAX_MS : ms < 1000 ? 1000 : ms / 1000 * 1000;
    return left_ms < ms ? left_ms : ms;
}

static void
write_question(struct buf *out, size_t max, int64_t wait_s, int64_t hidden_s)
{
    buf_json_key(out, "MaxNumberOfMessages");
    buf_json_int(out, max < SQS_BATCH_MAX ? (int64_t)max : SQS_BATCH_MAX);
    buf_json_key(out, "WaitTimeSeconds");
    buf_json_int(out, wait_s);
    buf_json_key(out, "VisibilityTimeout");
    buf_json_int(out, hidden_s);
    sqs_entry_write_wanted(out);
}

static int
ask(struct sqs_call *call, struct sqs *sqs, struct sqs_question *question,
    struct json_object **ret, struct err *err)
{
    if (sqs_call_start(call, &sqs->wire, err)) {
        return -1;
    }
    write_question(&call->body, question->max, sqs_seconds(question->wait_ms),
                   sqs_seconds(question->hidden_ms));
    question->asked_boot_ms = clock_boot_ms();
    return sqs_call_run(call, &sqs->wire, ret, err);
}

int
sqs_receive_batch(struct sqs *sqs, struct sqs_question *question,
                  struct json_object **ret, struct err *err)
{
    _cleanup(json_put) struct json_object *reply = NULL;
    struct json_object *messages = NULL;
    int64_t reply_ms =
        sqs->wire.call_ms > REPLY_MIN_MS ? sqs->wire.call_ms : REPLY_MIN_MS;
    _cleanup(sqs_call_free) struct sqs_call call = {
        .action = "ReceiveMessage",
        .queue = question->queue,
        .waits = question->wakeable,
        .deadline_ms =
            clock_boot_ms() + sqs_seconds(question->wait_ms) * 1000 + reply_ms,
    };
    int result = ask(&call, sqs, question, &reply, err);
    question->missing = call.missing;
    if (result) {
        return -1;
    }
    if (json_member(reply, "Messages", json_type_array, &messages, err)) {
        err->kind = ERR_RETRY;
        return err_wrap(err, "SQS ReceiveMessage");
    }
    *ret = json_object_get(messages);
    return 0;
}

/* Ours from now on, unless it is too large to be anybody's. */
static void
take(struct receiving *receiving, struct json_object *entry,
     int64_t asked_boot_ms)
{
    struct sqs *sqs = receiving->sqs;
    struct queue_message message;
    const char *receipt;
    int64_t queued_wall_ms;
    if (!sqs_entry_read(entry, &message, &receipt, &queued_wall_ms)) {
        return;
    }
    message.received_boot_ms = asked_boot_ms;
    sqs_holds_add(sqs->holds, &message, receipt, queued_wall_ms,
                  asked_boot_ms + sqs->base.lease_ms);
    if (message.body_size <= QUEUE_BODY_MAX_BYTES) {
        receiving->messages[receiving->count++] = message;
        return;
    }
    char reason[80];
    struct err ignored;
    snprintf(reason, sizeof(reason), "body: %zu bytes, at most %u allowed",
             message.body_size, QUEUE_BODY_MAX_BYTES);
    sqs_dead_letter(&sqs->base, &message, reason, &ignored);
    queue_message_free(&message);
}

static int
receive_batch(struct receiving *receiving, int64_t wait_ms, struct err *err)
{
    struct sqs *sqs = receiving->sqs;
    _cleanup(json_put) struct json_object *entries = NULL;
    size_t room = receiving->max - receiving->count;
    struct sqs_question question = {
        .queue = sqs->base.name,
        .max = room,
        .wait_ms = wait_ms,
        .hidden_ms = sqs->base.lease_ms,
        .wakeable = true,
    };
    if (sqs_receive_batch(sqs, &question, &entries, err)) {
        sqs->missing = sqs->missing || question.missing;
        return -1;
    }
    receiving->reset = receiving->reset || sqs->missing;
    sqs->missing = false;
    receiving->came = entries ? json_object_array_length(entries) : 0;
    for (size_t i = 0; i < receiving->came && i < room; i++) {
        take(receiving, json_object_array_get_idx(entries, i),
             question.asked_boot_ms);
    }
    return 0;
}

/* The first batch. */
static int
await(struct receiving *receiving, int64_t until_ms, struct err *err)
{
    struct sqs_wire *wire = &receiving->sqs->wire;
    int64_t left_ms = until_ms - clock_boot_ms();
    do {
        int64_t wait_ms = left_ms > 0 ? slice_ms(receiving->sqs, left_ms) : 0;
        int64_t asked_ms = clock_boot_ms();
        if (atomic_exchange(&wire->woken, false)) {
            return 0;
        }
        /* A wake that an earlier receive heeded may end this one's call. */
        if (receive_batch(receiving, wait_ms, err) &&
            !(err->kind == ERR_RETRY && err->code == ECANCELED)) {
            return -1;
        }
        /* SQS may answer at once that nothing came: too many are in flight. */
        if (receiving->came == 0 && clock_boot_ms() - asked_ms < wait_ms / 2) {
            poll(NULL, 0, EMPTY_PAUSE_MS);
        }
        left_ms = until_ms - clock_boot_ms();
    } while (receiving->came == 0 && !receiving->reset && left_ms > 0);
    return 0;
}

int
sqs_receive(struct queue *queue, size_t max, int64_t wait_ms,
            struct queue_message *ret, size_t *ret_count, bool *reset,
            struct err *err)
{
    struct sqs *sqs = (struct sqs *)queue;
    struct receiving receiving = {.sqs = sqs, .max = max, .messages = ret};
    struct err ignored;
    if (await(&receiving, clock_boot_ms() + wait_ms, err)) {
        return -1;
    }
    for (size_t i = 1; i < max / SQS_BATCH_MAX + 1 &&
                       receiving.came == SQS_BATCH_MAX && receiving.count < max;
         i++) {
        if (receive_batch(&receiving, 0, &ignored)) {
            break;
        }
    }
    *reset = receiving.reset;
    *ret_count = receiving.count;
    return 0;
}

void
sqs_wake(struct queue *queue)
{
    struct sqs *sqs = (struct sqs *)queue;
    atomic_store(&sqs->wire.woken, true);
    aws_client_wake(sqs->wire.client);
}
