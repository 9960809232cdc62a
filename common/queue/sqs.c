/* Amazon SQS, standard queues, over its JSON protocol; what only answers like
 * it (ElasticMQ, moto) at AWS_ENDPOINT_URL_SQS.
 *
 * Queues are made by queue_create(), not by themselves: creating is a right
 * that workers need not have.  They need, on NAME and NAME-dlq:
 *
 *     sqs:GetQueueUrl GetQueueAttributes SendMessage ReceiveMessage
 *     DeleteMessage ChangeMessageVisibility
 *
 * SQS counts in whole seconds: leases, delays and waits are rounded up.  A wake
 * cuts a receive off; what SQS was about to answer comes again after a lease.
 *
 * Other parts: sqs_wire (calls), sqs_entry (formats), sqs_holds (who holds
 * what), sqs_lease, sqs_receive, sqs_send, sqs_dead. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "queue/sqs_dead.h"
#include "queue/sqs_lease.h"
#include "queue/sqs_receive.h"
#include "queue/sqs_send.h"

/* Of one operation: below a third of any lease but those of tests. */
#define CALL_MIN_MS 2000
#define CALL_MAX_MS 5000
#define CLOSE_MAX_MS 1000

#define NAME_MAX_BYTES (80 - 4) /* SQS's limit, for NAME-dlq. */

/* --- creating ------------------------------------------------------------ */

/* SetQueueAttributes also for a queue just made: then a queue that exists with
 * other attributes is no special case. */
static int
create_one(struct sqs_wire *wire, const char *name, struct err *err)
{
    _cleanup(json_put) struct json_object *reply = NULL;
    _cleanup(sqs_call_free) struct sqs_call call = {
        .action = "CreateQueue", .deadline_ms = sqs_wire_deadline_ms(wire)};
    buf_json_object(&call.body);
    buf_json_key(&call.body, "QueueName");
    buf_json_string(&call.body, name);
    return sqs_call_run(&call, wire, &reply, err) ? err_wrap(err, "%s", name)
                                                  : 0;
}

struct attribute {
    const char *name;
    const char *value;
};

static int
set_attributes(struct sqs_wire *wire, const char *name,
               const struct attribute *attributes, size_t count,
               struct err *err)
{
    _cleanup(json_put) struct json_object *reply = NULL;
    _cleanup(sqs_call_free) struct sqs_call call = {
        .action = "SetQueueAttributes",
        .queue = name,
        .deadline_ms = sqs_wire_deadline_ms(wire),
    };
    if (sqs_call_start(&call, wire, err)) {
        return -1;
    }
    buf_json_key(&call.body, "Attributes");
    buf_json_object(&call.body);
    for (size_t i = 0; i < count; i++) {
        buf_json_key(&call.body, attributes[i].name);
        buf_json_string(&call.body, attributes[i].value);
    }
    buf_json_end(&call.body);
    return sqs_call_run(&call, wire, &reply, err);
}

/* Owner: the caller puts '*ret'. */
static int
get_attributes(struct sqs_wire *wire, struct sqs_call *call,
               const char *const *names, size_t count, struct json_object **ret,
               struct err *err)
{
    _cleanup(json_put) struct json_object *reply = NULL;
    struct json_object *attributes = NULL;
    call->action = "GetQueueAttributes";
    call->deadline_ms = sqs_wire_deadline_ms(wire);
    if (sqs_call_start(call, wire, err)) {
        return -1;
    }
    buf_json_key(&call->body, "AttributeNames");
    buf_json_array(&call->body);
    for (size_t i = 0; i < count; i++) {
        buf_json_string(&call->body, names[i]);
    }
    buf_json_end(&call->body);
    if (sqs_call_run(call, wire, &reply, err) ||
        json_member(reply, "Attributes", json_type_object, &attributes, err)) {
        return -1;
    }
    *ret = json_object_get(attributes);
    return 0;
}

static int
dead_policy(struct sqs_wire *wire, const char *dead, struct buf *ret,
            struct err *err)
{
    static const char *const names[] = {"QueueArn"};
    _cleanup(json_put) struct json_object *found = NULL;
    _cleanup(sqs_call_free) struct sqs_call call = {.queue = dead};
    const char *arn;
    if (get_attributes(wire, &call, names, ARRAY_COUNT(names), &found, err) ||
        json_string_required(found, "QueueArn", 256, &arn, err)) {
        return -1;
    }
    buf_json_object(ret);
    buf_json_key(ret, "deadLetterTargetArn");
    buf_json_string(ret, arn);
    buf_json_key(ret, "maxReceiveCount");
    buf_json_string(ret, "1000"); /* The most there is: the engine decides. */
    buf_json_end(ret);
    return 0;
}

static int
sqs_create(struct queue *queue, const char *name,
           const struct queue_attributes *attributes, struct err *err)
{
    struct sqs_wire *wire = &((struct sqs *)queue)->wire;
    _cleanup(buf_free) struct buf policy = {0};
    char dead[QUEUE_NAME_SIZE];
    char lease_s[24];
    sqs_dead_name(name, dead);
    snprintf(lease_s, sizeof(lease_s), "%lld",
             (long long)sqs_seconds(attributes->lease_ms));
    if (create_one(wire, dead, err) || create_one(wire, name, err) ||
        dead_policy(wire, dead, &policy, err)) {
        return -1;
    }
    const struct attribute wanted[] = {
        {"MessageRetentionPeriod", "1209600"}, /* 14 days, the most. */
        {"ReceiveMessageWaitTimeSeconds", "20"},
        {"VisibilityTimeout", lease_s},
        {"RedrivePolicy", policy.data},
    };
    return set_attributes(wire, dead, wanted, 2, err) ||
                   set_attributes(wire, name, wanted, ARRAY_COUNT(wanted), err)
               ? -1
               : 0;
}

/* --- depth --------------------------------------------------------------- */

struct counts {
    int64_t visible;
    int64_t hidden;
    int64_t delayed;
};

/* A queue that does not exist holds nothing. */
static int
count_messages(struct sqs_wire *wire, const char *name, struct counts *ret,
               struct err *err)
{
    static const char *const names[] = {
        "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesNotVisible",
        "ApproximateNumberOfMessagesDelayed",
    };
    struct counts counts = {0};
    int64_t *const values[] = {&counts.visible, &counts.hidden,
                               &counts.delayed};
    _cleanup(json_put) struct json_object *found = NULL;
    _cleanup(sqs_call_free) struct sqs_call call = {.queue = name};
    if (get_attributes(wire, &call, names, ARRAY_COUNT(names), &found, err) &&
        !call.missing) {
        return -1;
    }
    for (size_t i = 0; found && i < ARRAY_COUNT(names); i++) {
        const char *text = "0";
        if (json_string(found, names[i], 20, "0", &text, err)) {
            return -1;
        }
        *values[i] = strtoll(text, NULL, 10);
    }
    *ret = counts;
    return 0;
}

static int
sqs_depth(struct queue *queue, const char *name, struct queue_depth *ret,
          struct err *err)
{
    struct sqs_wire *wire = &((struct sqs *)queue)->wire;
    struct counts work;
    struct counts dead;
    char dead_name[QUEUE_NAME_SIZE];
    sqs_dead_name(name, dead_name);
    if (count_messages(wire, name, &work, err) ||
        count_messages(wire, dead_name, &dead, err)) {
        return -1;
    }
    *ret = (struct queue_depth){
        .waiting = work.visible,
        .in_flight = work.hidden,
        .delayed = work.delayed,
        .dead = dead.visible + dead.hidden + dead.delayed,
    };
    return 0;
}

/* --- opening and closing ------------------------------------------------- */

static void
sqs_close(struct queue *queue)
{
    struct sqs *sqs = (struct sqs *)queue;
    if (sqs->wire.call_ms > CLOSE_MAX_MS) {
        sqs->wire.call_ms = CLOSE_MAX_MS;
    }
    sqs_dead_give_back(sqs);
    if (sqs->holds && sqs_holds_leave(sqs->holds)) {
        sqs_lease_give_back(sqs);
        sqs_holds_free(&sqs->holds);
    }
    sqs_wire_close(&sqs->wire);
    free(sqs);
}

static int64_t
call_ms(const struct queue_options *options)
{
    int64_t ms = options->name ? options->lease_ms / 4 : CALL_MAX_MS;
    return ms > CALL_MAX_MS ? CALL_MAX_MS : ms < CALL_MIN_MS ? CALL_MIN_MS : ms;
}

static int
sqs_open(const char *url, const struct queue_options *options,
         struct queue **ret, struct err *err)
{
    const char *name = options->name ? options->name : "";
    if (strlen(name) > NAME_MAX_BYTES) {
        return err_set(err, ERR_FATAL, 78,
                       "queue name: %zu characters, SQS allows %d",
                       strlen(name), NAME_MAX_BYTES);
    }
    struct sqs *sqs = xcalloc(1, sizeof(*sqs));
    if (sqs_wire_open(&sqs->wire, url, err)) {
        free(sqs);
        return -1;
    }
    sqs->base.driver = &queue_driver_sqs;
    sqs->base.lease_ms = options->lease_ms;
    sqs->wire.call_ms = call_ms(options);
    snprintf(sqs->base.name, sizeof(sqs->base.name), "%s", name);
    snprintf(sqs->base.consumer, sizeof(sqs->base.consumer), "%s",
             options->consumer);
    if (options->name) {
        sqs->holds = sqs_holds_open(options->consumer, name);
    }
    *ret = &sqs->base;
    return 0;
}

static const char *const schemes[] = {"sqs", NULL};

const struct queue_driver queue_driver_sqs = {
    .schemes = schemes,
    .open = sqs_open,
    .close = sqs_close,
    .create = sqs_create,
    .receive = sqs_receive,
    .wake = sqs_wake,
    .ack = sqs_ack,
    .release = sqs_release,
    .dead_letter = sqs_dead_letter,
    .extend = sqs_extend,
    .send = sqs_send,
    .depth = sqs_depth,
    .dead_peek = sqs_dead_peek,
    .dead_take = sqs_dead_take,
};
