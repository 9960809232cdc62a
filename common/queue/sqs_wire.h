/* Calls of SQS over its JSON protocol, all of an operation within one deadline,
 * and the queues' URLs, asked for once.
 *
 *     struct sqs_call call = {.action = "SendMessageBatch", .queue = name,
 *                             .deadline_ms = sqs_wire_deadline_ms(wire)};
 *     sqs_call_start(&call, wire, err);       // {"QueueUrl": ...
 *     buf_json_key(&call.body, "Entries"); ...
 *     sqs_call_run(&call, wire, &reply, err); // }
 *
 * Source: Amazon SQS API Reference 2012-11-05; AWS JSON protocol 1.0. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "aws/call.h"
#include "base/buf.h"
#include "base/json.h"
#include "queue/driver.h"

#define SQS_ACCOUNT_SIZE 16
#define SQS_URL_MAX_BYTES 512

struct sqs_wire {
    struct aws_client *client;
    char account[SQS_ACCOUNT_SIZE]; /* The queues' owner, "": the caller. */
    int64_t call_ms;                /* Of one operation. */
    struct sqs_url *urls;
    atomic_bool woken; /* By queue_wake(), not yet seen by a receive. */
};

struct sqs_call {
    const char *action;
    const char *queue; /* NULL: about none that exists. */
    int64_t deadline_ms;
    bool waits;   /* A wake may end it: ERR_RETRY, ECANCELED. */
    bool missing; /* Out: failed because there is no such queue. */
    struct buf body;
};

/* Errors: ERR_FATAL (78): not sqs://REGION[/ACCOUNT]; as aws_client_open(). */
int sqs_wire_open(struct sqs_wire *wire, const char *url, struct err *err);
void sqs_wire_close(struct sqs_wire *wire);
int64_t sqs_wire_deadline_ms(const struct sqs_wire *wire);

/* Errors: as sqs_call_run(). */
int sqs_call_start(struct sqs_call *call, struct sqs_wire *wire,
                   struct err *err);
/* Owner: the caller puts '*ret', an object.
 * Errors: ERR_RETRY: not reachable, throttled, no such queue ('missing', and
 *   the text says how to make it); ERR_FATAL: no permission, no credentials;
 *   ERR_REJECT: SQS refuses what was asked. */
int sqs_call_run(struct sqs_call *call, struct sqs_wire *wire,
                 struct json_object **ret, struct err *err);
void sqs_call_free(struct sqs_call *call); /* For _cleanup. */
/* Before another round of what was refused in part; false when there is no time
 * for one. */
bool sqs_wire_pause(int round, int64_t deadline_ms);
/* NAME-dlq. */
void sqs_dead_name(const char *name, char ret[QUEUE_NAME_SIZE]);
