/* What goes into an SQS message and what comes out of one, without a network.
 *
 * A body that SQS would refuse or change (XML's characters only, valid UTF-8)
 * travels as base64, marked by the message attribute "alex-encoding".  Dead
 * letters carry "alex-reason", "alex-sent" (ms) and "alex-deliveries".
 * Source: Amazon SQS API Reference 2012-11-05, SendMessage, ReceiveMessage. */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "base/json.h"
#include "queue/queue.h"

#define SQS_BATCH_MAX 10
/* Of a message, attributes included. */
#define SQS_MESSAGE_MAX_BYTES (1024u * 1024)
#define SQS_ID_MAX_BYTES 100
#define SQS_RECEIPT_MAX_BYTES 2048
#define SQS_TRACE_SIZE 80

/* What a dead letter says beside its body. */
struct sqs_epitaph {
    const char *reason;
    int64_t sent_wall_ms;
    int64_t deliveries;
};

/* All three write members of an object that is open in 'out'. */
void sqs_entry_write_body(struct buf *out, const char *body, size_t size);
void sqs_entry_write_letter(struct buf *out, const struct queue_letter *letter);
/* A body too large to have anything beside it goes without. */
void sqs_entry_write_dead(struct buf *out, const char *body, size_t size,
                          const struct sqs_epitaph *epitaph);
/* The names of the attributes sqs_entry_read() wants. */
void sqs_entry_write_wanted(struct buf *out);

/* W3C traceparent -> X-Ray's header; false when it is none. */
bool sqs_entry_trace(const char *traceparent, char ret[SQS_TRACE_SIZE]);

/* An element of ReceiveMessage's "Messages".  'handle' becomes the MessageId,
 * 'received_boot_ms' stays 0; the body may be over QUEUE_BODY_MAX_BYTES.  False
 * for what has no id, receipt or body.
 * Owner: the caller frees '*ret' with queue_message_free(); '*ret_receipt' is
 *   borrowed from 'message'. */
bool sqs_entry_read(struct json_object *message, struct queue_message *ret,
                    const char **ret_receipt, int64_t *ret_queued_wall_ms);

/* What became of an entry of a batch. */
enum sqs_entry_outcome {
    SQS_ENTRY_AGAIN, /* Not answered, or not SQS's last word. */
    SQS_ENTRY_DONE,
    SQS_ENTRY_REFUSED, /* For good. */
};

/* The reply to a batch whose Ids were "0", "1", ...  '*err' tells of the last
 * entry that failed; untouched if none did. */
void sqs_entry_outcomes(struct json_object *reply,
                        enum sqs_entry_outcome ret[SQS_BATCH_MAX],
                        struct err *err);
/* Error names that only ask for patience, however they are spelt. */
bool sqs_entry_is_throttle(const char *code);
