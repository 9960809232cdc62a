/* Ending and extending deliveries: DeleteMessageBatch and
 * ChangeMessageVisibilityBatch, each entry repeated until SQS has spoken its
 * last word on it. */
#pragma once

#include "queue/sqs_receive.h"

/* A receipt handle and what became of it. */
struct sqs_receipt {
    const char *text;
    int64_t visibility_s; /* Not for deletions. */
    bool done;
    bool refused; /* SQS knows no such delivery (any more). */
};

/* 'action' is one of the two above.  Errors: ERR_RETRY when some are neither
 * done nor refused by the deadline. */
int sqs_lease_change(struct sqs_wire *wire, const char *queue,
                     const char *action, struct sqs_receipt *receipts,
                     size_t count, int64_t deadline_ms, struct err *err);

int sqs_ack(struct queue *queue, const struct queue_message *messages,
            size_t count, size_t *ret_lost, struct err *err);
int sqs_release(struct queue *queue, const struct queue_message *messages,
                size_t count, int64_t delay_ms, size_t *ret_lost,
                struct err *err);
int sqs_extend(struct queue *queue, const struct queue_message *messages,
               size_t count, size_t *ret_lost, struct err *err);
/* So that others need not wait for what this consumer held. */
void sqs_lease_give_back(struct sqs *sqs);

/* Whole seconds, at least as long. */
int64_t sqs_seconds(int64_t ms);
