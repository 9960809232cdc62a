#include "queue/sqs_send.h"

#include <string.h>

#include "base/cleanup.h"
#include "queue/sqs_entry.h"
#include "queue/sqs_receive.h"

/* Of a batch; its ten largest bodies as base64 would not fit under the limit of
 * servers and queues from before August 2025. */
#define BATCH_MAX_BYTES (240u * 1024)

/* One operation on letters. */
struct sending {
    struct sqs *sqs;
    struct queue_letter *letters;
    size_t count;
    int64_t deadline_ms;
    bool tried[QUEUE_BATCH_MAX]; /* In this round, or refused for good. */
    bool refused[QUEUE_BATCH_MAX];
    struct err failure; /* Of the last letter, or queue, that failed. */
    bool failed_call;   /* Some call failed as a whole. */
};

static bool
is_due(const struct sending *sending, size_t i)
{
    return !sending->letters[i].sent && !sending->tried[i] &&
           !sending->refused[i];
}

static void
write_entry(struct buf *out, size_t place, const struct queue_letter *letter)
{
    const char id[] = {(char)('0' + place), '\0'};
    buf_json_object(out);
    buf_json_key(out, "Id");
    buf_json_string(out, id);
    sqs_entry_write_letter(out, letter);
    buf_json_end(out);
}

/* Writes those that go with letter 'first': same queue, ten at most. */
static size_t
write_batch(struct sending *sending, size_t first, struct buf *out,
            size_t ret[SQS_BATCH_MAX])
{
    size_t written = 0;
    const char *queue = sending->letters[first].queue;
    buf_json_key(out, "Entries");
    buf_json_array(out);
    for (size_t i = first; i < sending->count && written < SQS_BATCH_MAX; i++) {
        const struct queue_letter *letter = &sending->letters[i];
        size_t most_bytes = letter->body_size * 2 + 1024;
        bool fits = written == 0 || out->size + most_bytes <= BATCH_MAX_BYTES;
        if (is_due(sending, i) && strcmp(letter->queue, queue) == 0 && fits) {
            write_entry(out, written, letter);
            sending->tried[i] = true;
            ret[written++] = i;
        }
    }
    buf_json_end(out);
    return written;
}

static void
skip_queue(struct sending *sending, const char *queue)
{
    for (size_t i = 0; i < sending->count; i++) {
        if (strcmp(sending->letters[i].queue, queue) == 0) {
            sending->tried[i] = true;
        }
    }
}

static int
send_batch(struct sending *sending, size_t first, struct err *err)
{
    const char *queue = sending->letters[first].queue;
    struct sqs_wire *wire = &sending->sqs->wire;
    size_t sent[SQS_BATCH_MAX];
    enum sqs_entry_outcome outcomes[SQS_BATCH_MAX];
    _cleanup(json_put) struct json_object *reply = NULL;
    _cleanup(sqs_call_free) struct sqs_call call = {
        .action = "SendMessageBatch",
        .queue = queue,
        .deadline_ms = sending->deadline_ms,
    };
    if (sqs_call_start(&call, wire, err)) {
        return -1;
    }
    size_t written = write_batch(sending, first, &call.body, sent);
    if (sqs_call_run(&call, wire, &reply, err)) {
        return -1;
    }
    sqs_entry_outcomes(reply, outcomes, &sending->failure);
    for (size_t i = 0; i < written; i++) {
        sending->letters[sent[i]].sent = outcomes[i] == SQS_ENTRY_DONE;
        sending->refused[sent[i]] = outcomes[i] == SQS_ENTRY_REFUSED;
    }
    return 0;
}

/* Each letter once.  A queue that fails does not keep the others waiting. */
static void
send_round(struct sending *sending)
{
    memset(sending->tried, 0, sizeof(sending->tried));
    for (size_t i = 0; i < sending->count; i++) {
        if (is_due(sending, i) && send_batch(sending, i, &sending->failure)) {
            sending->failed_call = true;
            skip_queue(sending, sending->letters[i].queue);
        }
    }
}

static size_t
count_left(const struct sending *sending)
{
    size_t left = 0;
    for (size_t i = 0; i < sending->count; i++) {
        left += !sending->letters[i].sent;
    }
    return left;
}

static size_t
count_refused(const struct sending *sending)
{
    size_t refused = 0;
    for (size_t i = 0; i < sending->count; i++) {
        refused += sending->refused[i];
    }
    return refused;
}

int
sqs_send(struct queue *queue, struct queue_letter *letters, size_t count,
         struct err *err)
{
    struct sqs *sqs = (struct sqs *)queue;
    struct sending sending = {
        .sqs = sqs,
        .letters = letters,
        .count = count,
        .deadline_ms = sqs_wire_deadline_ms(&sqs->wire),
        .failure = {.kind = ERR_RETRY, .text = "not answered"},
    };
    int round = 0;
    do {
        send_round(&sending);
    } while (count_left(&sending) > count_refused(&sending) &&
             !sending.failed_call &&
             sqs_wire_pause(++round, sending.deadline_ms));
    if (count_left(&sending) == 0) {
        return 0;
    }
    *err = sending.failure;
    if (err->kind != ERR_FATAL) {
        bool again = count_left(&sending) > count_refused(&sending);
        err->kind = again ? ERR_RETRY : ERR_REJECT;
    }
    return -1;
}
