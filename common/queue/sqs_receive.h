/* The receiving half of the SQS driver, and the connection all its parts use.
 */
#pragma once

#include "queue/driver.h"
#include "queue/sqs_holds.h"
#include "queue/sqs_wire.h"

struct sqs {
    struct queue base;
    struct sqs_wire wire;
    struct sqs_holds *holds; /* NULL for a sender only. */
    bool missing;            /* The last receive found no queue. */
    struct sqs_peek *peek;   /* Dead letters hidden for their reader, or NULL */
};

/* One ReceiveMessage. */
struct sqs_question {
    const char *queue;
    size_t max; /* Ten at most come. */
    int64_t wait_ms;
    int64_t hidden_ms;
    bool wakeable;
    int64_t asked_boot_ms; /* Out. */
    bool missing;          /* Out: there is no such queue. */
};

/* Owner: the caller puts '*ret', an array or NULL.
 * Errors: as sqs_call_run(). */
int sqs_receive_batch(struct sqs *sqs, struct sqs_question *question,
                      struct json_object **ret, struct err *err);
int sqs_receive(struct queue *queue, size_t max, int64_t wait_ms,
                struct queue_message *ret, size_t *ret_count, bool *reset,
                struct err *err);
void sqs_wake(struct queue *queue);
