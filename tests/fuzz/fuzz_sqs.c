/* Any JSON that a server may answer with, as the SQS driver reads it.
 *
 * - A message that is accepted has a handle, a receipt and a body within the
 *   limits, and the body is NUL-terminated.
 * - Its body, sent on and received, is the same bytes, also as a dead letter.
 * - Every entry of a batch has an outcome. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "queue/sqs_entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "fuzz_sqs: %s\n", what);
        abort();
    }
}

/* What is sent, as its receiver gets it. */
static void
add_envelope(struct json_object *sent)
{
    struct json_object *body = NULL;
    require(json_object_object_get_ex(sent, "MessageBody", &body), "no body");
    json_object_object_add(sent, "Body", json_object_get(body));
    json_object_object_add(sent, "MessageId", json_object_new_string("id"));
    json_object_object_add(sent, "ReceiptHandle", json_object_new_string("r"));
}

static void
require_same_again(const struct queue_message *message)
{
    const struct sqs_epitaph epitaph = {message->reason ? message->reason : "",
                                        message->sent_wall_ms,
                                        message->deliveries};
    _cleanup(buf_free) struct buf out = {0};
    _cleanup(json_put) struct json_object *sent = NULL;
    struct queue_message again;
    const char *receipt;
    int64_t queued_wall_ms;
    struct err err;
    buf_json_object(&out);
    sqs_entry_write_dead(&out, message->body, message->body_size, &epitaph);
    buf_json_end(&out);
    require(json_parse(out.data, out.size, "sent", &sent, &err) == 0,
            "wrote no JSON");
    add_envelope(sent);
    require(sqs_entry_read(sent, &again, &receipt, &queued_wall_ms),
            "cannot read what it wrote");
    require(again.body_size == message->body_size &&
                memcmp(again.body, message->body, again.body_size) == 0,
            "the body changed on its way");
    require(again.reason && again.reason[0] && strlen(again.reason) <= 1024,
            "a dead letter without a reason that fits");
    queue_message_free(&again);
}

static void
read_message(struct json_object *entry)
{
    struct queue_message message;
    const char *receipt = NULL;
    int64_t queued_wall_ms;
    if (!sqs_entry_read(entry, &message, &receipt, &queued_wall_ms)) {
        return;
    }
    require(message.handle[0] && strlen(message.handle) <= SQS_ID_MAX_BYTES,
            "handle out of bounds");
    require(receipt && strlen(receipt) <= SQS_RECEIPT_MAX_BYTES,
            "receipt out of bounds");
    require(message.body[message.body_size] == '\0', "body has no end");
    require(message.sent_wall_ms >= 0 && message.deliveries >= 0 &&
                queued_wall_ms >= 0,
            "a number came out negative");
    require_same_again(&message);
    queue_message_free(&message);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup(json_put) struct json_object *reply = NULL;
    struct json_object *messages = NULL;
    enum sqs_entry_outcome outcomes[SQS_BATCH_MAX];
    struct err err;
    if (json_parse((const char *)data, size, "reply", &reply, &err)) {
        return 0;
    }
    sqs_entry_outcomes(reply, outcomes, &err);
    for (size_t i = 0; i < SQS_BATCH_MAX; i++) {
        require(outcomes[i] <= SQS_ENTRY_REFUSED, "no outcome");
    }
    if (json_object_is_type(reply, json_type_object) &&
        json_member(reply, "Messages", json_type_array, &messages, &err) == 0) {
        for (size_t i = 0; messages && i < json_object_array_length(messages);
             i++) {
            read_message(json_object_array_get_idx(messages, i));
        }
    }
    return 0;
}
