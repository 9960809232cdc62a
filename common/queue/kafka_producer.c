#include "queue/kafka_producer.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/arena.h"
#include "base/cleanup.h"

#define POLL_MS 100
/* For a report that the library promised in time and brings late. */
#define GRACE_MS 200

struct kafka_producer {
    struct kafka_health health; /* First: see kafka_conf.h. */
    rd_kafka_t *rk;
    int64_t call_ms;
    pthread_t thread;
    atomic_bool stopping;
    pthread_mutex_t lock;
    pthread_cond_t reported;
};

/* One call's messages, which outlive the call if reports are late. */
struct batch {
    struct kafka_producer *producer;
    size_t pending;
    bool abandoned;
    struct report {
        struct batch *batch;
        bool sent;
        rd_kafka_resp_err_t code;
    } reports[];
};

void
kafka_topic(const char *name, const char *suffix, char ret[KAFKA_TOPIC_SIZE])
{
    snprintf(ret, KAFKA_TOPIC_SIZE, "%s%s", name, suffix);
}

static void
release(struct batch **batch)
{
    struct kafka_producer *producer = (*batch)->producer;
    pthread_mutex_lock(&producer->lock);
    bool last = (*batch)->pending == 0;
    (*batch)->abandoned = true;
    pthread_mutex_unlock(&producer->lock);
    if (last) {
        free(*batch);
    }
}

static void
on_report(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    struct kafka_producer *producer = opaque;
    struct report *report = message->_private;
    struct batch *batch = report->batch;
    (void)rk;
    pthread_mutex_lock(&producer->lock);
    report->sent = message->err == RD_KAFKA_RESP_ERR_NO_ERROR;
    report->code = message->err;
    bool last = --batch->pending == 0;
    bool abandoned = batch->abandoned;
    if (last) {
        pthread_cond_broadcast(&producer->reported);
    }
    pthread_mutex_unlock(&producer->lock);
    if (last && abandoned) {
        free(batch);
    }
}

static void *
poll_reports(void *arg)
{
    struct kafka_producer *producer = arg;
    while (!producer->stopping) {
        rd_kafka_poll(producer->rk, POLL_MS);
    }
    return NULL;
}

/* --- sending ------------------------------------------------------------- */

static void
produce(struct kafka_producer *producer, const struct kafka_post *post,
        struct report *report)
{
    const struct kafka_record *record = &post->record;
    rd_kafka_headers_t *headers = kafka_record_headers(record);
    rd_kafka_vu_t values[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = post->topic},
        {.vtype = RD_KAFKA_VTYPE_VALUE,
         .u.mem = {(void *)(uintptr_t)record->body, record->size}},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = report},
    };
    rd_kafka_error_t *error =
        rd_kafka_produceva(producer->rk, values, ARRAY_COUNT(values));
    if (error) { /* Then there will be no report, and the headers are ours. */
        report->code = rd_kafka_error_code(error);
        rd_kafka_error_destroy(error);
        rd_kafka_headers_destroy(headers);
        pthread_mutex_lock(&producer->lock);
        report->batch->pending--;
        pthread_mutex_unlock(&producer->lock);
    }
}

static void
await_reports(struct kafka_producer *producer, const struct batch *batch)
{
    struct timespec until;
    int64_t wait_ms = producer->call_ms + GRACE_MS;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += wait_ms / 1000;
    until.tv_nsec += wait_ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    while (batch->pending > 0 &&
           pthread_cond_timedwait(&producer->reported, &producer->lock,
                                  &until) == 0) {
    }
}

int
kafka_producer_send(struct kafka_producer *producer, struct kafka_post *posts,
                    size_t count, struct err *err)
{
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    _cleanup(release) struct batch *batch =
        xcalloc(1, sizeof(*batch) + count * sizeof(batch->reports[0]));
    batch->producer = producer;
    batch->pending = count;
    for (size_t i = 0; i < count; i++) {
        batch->reports[i].batch = batch;
        batch->reports[i].code = RD_KAFKA_RESP_ERR__MSG_TIMED_OUT;
        produce(producer, &posts[i], &batch->reports[i]);
    }
    pthread_mutex_lock(&producer->lock);
    await_reports(producer, batch);
    for (size_t i = 0; i < count; i++) {
        posts[i].sent = batch->reports[i].sent;
        code = posts[i].sent ? code : batch->reports[i].code;
    }
    pthread_mutex_unlock(&producer->lock);
    if (code) {
        return kafka_fail(&producer->health, code, "sending", err);
    }
    kafka_health_clear(&producer->health);
    return 0;
}

/* --- opening and closing ------------------------------------------------- */

static void
set_report(rd_kafka_conf_t *conf)
{
    rd_kafka_conf_set_dr_msg_cb(conf, on_report);
}

static int
open_handle(struct kafka_producer *producer,
            const struct kafka_address *address, struct err *err)
{
    char timeout[24];
    snprintf(timeout, sizeof(timeout), "%lld", (long long)producer->call_ms);
    const struct kafka_setting settings[] = {
        {"acks", "all"},
        {"message.timeout.ms", timeout},
        {"linger.ms", "1"},
        {"retry.backoff.ms", "50"},
        /* Each message to a partition of its own choice, else a batch would go
         * to one consumer. */
        {"sticky.partitioning.linger.ms", "0"},
        {"message.max.bytes", "10485760"}, /* The broker decides. */
        /* Topics are made by kafka_topics.c, the way we need them. */
        {"allow.auto.create.topics", "false"},
        {"queue.buffering.max.messages", "10000"},
    };
    return kafka_handle_new(RD_KAFKA_PRODUCER, address, settings,
                            ARRAY_COUNT(settings), set_report, producer,
                            &producer->rk, err);
}

int
kafka_producer_open(const struct kafka_address *address, int64_t call_ms,
                    struct kafka_producer **ret, struct err *err)
{
    _cleanup(kafka_producer_close) struct kafka_producer *producer =
        xcalloc(1, sizeof(*producer));
    pthread_condattr_t monotonic;
    *producer = (struct kafka_producer){.health = KAFKA_HEALTH,
                                        .lock = PTHREAD_MUTEX_INITIALIZER,
                                        .call_ms = call_ms};
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&producer->reported, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (open_handle(producer, address, err)) {
        return -1;
    }
    int code = pthread_create(&producer->thread, NULL, poll_reports, producer);
    if (code != 0) {
        rd_kafka_destroy(STEAL(producer->rk));
        return err_set(err, ERR_FATAL, code, "kafka: no thread");
    }
    *ret = STEAL(producer);
    return 0;
}

void
kafka_producer_close(struct kafka_producer **producer)
{
    struct kafka_producer *p = *producer;
    if (!p) {
        return;
    }
    if (p->rk) {
        p->stopping = true;
        pthread_join(p->thread, NULL);
        /* What nobody waits for any more is reported as purged. */
        rd_kafka_purge(p->rk,
                       RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        rd_kafka_flush(p->rk, POLL_MS);
        rd_kafka_destroy(p->rk);
    }
    pthread_cond_destroy(&p->reported);
    pthread_mutex_destroy(&p->lock);
    pthread_mutex_destroy(&p->health.lock);
    free(p);
    *producer = NULL;
}

rd_kafka_t *
kafka_producer_handle(struct kafka_producer *producer)
{
    return producer->rk;
}

struct kafka_health *
kafka_producer_health(struct kafka_producer *producer)
{
    return &producer->health;
}

int64_t
kafka_producer_call_ms(const struct kafka_producer *producer)
{
    return producer->call_ms;
}
