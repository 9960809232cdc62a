/* Ceilings, measured in the same run: what the database does without workers
 * and a broker (claim and settle in a loop), and the broker without workers and
 * a database (send, receive and ack in a loop, one connection). */

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "alexctl/bench.h"
#include "alexctl/submitter.h"
#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "store/store.h"

#define CONNECTIONS 2
#define TASKS 20000
#define BATCH_MAX 50
#define CALL_TIMEOUT_MS 20000
/* As long as a doorbell. */
#define LETTER                                                                 \
    "{\"x\":"                                                                  \
    "\"0123456789012345678901234567890123456789012345678901234567890123"       \
    "456789012345678901234567890123456789012345678901234567890123456789012345" \
    "678901234567890123456789012345678901234567890123456789012345678901234567" \
    "890123456789012345678901234567890123456789\"}"

/* --- database -------------------------------------------------------------*/

/* One connection: claims and settles every job of its share. */
struct client {
    const char *url;
    size_t batch;
    char (*jobs)[UUID_SIZE];
    size_t count;
    char owner[UUID_SIZE];
    struct err err;
    int result;
};

/* A root task's id follows from its job's. */
static void
task_id(const char *job, char ret[UUID_SIZE])
{
    uuid_v5(job, BENCH_NODE, strlen(BENCH_NODE), ret);
}

static void
write_claim(const struct client *c, size_t from, size_t count, struct buf *out)
{
    buf_reset(out);
    buf_printf(out,
               "{\"v\":1,\"owner\":\"%s\",\"agent\":\"bench\","
               "\"lease_ms\":60000,\"bells\":[",
               c->owner);
    for (size_t i = 0; i < count; i++) {
        char nonce[UUID_SIZE];
        uuid_v4(nonce);
        buf_printf(out, "%s{\"n\":\"%s\",\"job\":\"%s\"}", i ? "," : "", nonce,
                   c->jobs[from + i]);
    }
    buf_puts(out, "]}");
}

static void
write_settle(const struct client *c, size_t from, size_t count, struct buf *out)
{
    buf_reset(out);
    buf_printf(out, "{\"v\":1,\"owner\":\"%s\",\"outcomes\":[", c->owner);
    for (size_t i = 0; i < count; i++) {
        char task[UUID_SIZE];
        task_id(c->jobs[from + i], task);
        buf_printf(out,
                   "%s{\"job\":\"%s\",\"task\":\"%s\",\"fence\":1,"
                   "\"outcome\":\"succeeded\",\"output\":{\"detail\":{}}}",
                   i ? "," : "", c->jobs[from + i], task);
    }
    buf_puts(out, "]}");
}

static int
call(struct store *store, const char *function, const struct buf *request,
     struct err *err)
{
    _cleanup(store_reply_free) struct store_reply reply = {0};
    return store_call(store, function, request->data, request->size,
                      CALL_TIMEOUT_MS, &reply, err);
}

static int
run_client(struct client *c, struct err *err)
{
    _cleanup(store_close) struct store *store = NULL;
    _cleanup(buf_free) struct buf request = {0};
    if (store_open(c->url, "alexctl bench", &store, err) < 0) {
        return -1;
    }
    for (size_t at = 0; at < c->count; at += c->batch) {
        size_t left = c->count - at;
        size_t some = left < c->batch ? left : c->batch;
        write_claim(c, at, some, &request);
        if (call(store, "claim", &request, err) < 0) {
            return -1;
        }
        write_settle(c, at, some, &request);
        if (call(store, "settle", &request, err) < 0) {
            return -1;
        }
    }
    return 0;
}

static void *
client_main(void *arg)
{
    struct client *c = arg;
    c->result = run_client(c, &c->err);
    return NULL;
}

/* Jobs with ids that are known here, and bells that nobody hears. */
static int
submit_known(struct bench *bench, char (*ids)[UUID_SIZE], size_t count,
             struct err *err)
{
    for (size_t at = 0; at < count; at += SUBMITTER_BATCH_MAX) {
        struct submitter_job jobs[SUBMITTER_BATCH_MAX];
        size_t left = count - at;
        size_t some = left < SUBMITTER_BATCH_MAX ? left : SUBMITTER_BATCH_MAX;
        for (size_t i = 0; i < some; i++) {
            jobs[i] = (struct submitter_job){.user = bench->user,
                                             .type = "bench",
                                             .agent = "bench",
                                             .node = BENCH_NODE,
                                             .request = "{}",
                                             .no_snapshot = true,
                                             .uninsured = true,
                                             .silent = true};
            uuid_v4(jobs[i].id);
            memcpy(ids[at + i], jobs[i].id, UUID_SIZE);
        }
        if (submitter_submit(bench->ctl, jobs, some, err) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
run_clients(struct bench *bench, size_t batch, char (*ids)[UUID_SIZE],
            size_t count, double *ret_rate, struct err *err)
{
    struct client clients[CONNECTIONS] = {0};
    pthread_t threads[CONNECTIONS];
    size_t share = count / CONNECTIONS;
    int64_t started_us = clock_boot_us();
    for (size_t i = 0; i < CONNECTIONS; i++) {
        clients[i].url = bench->ctl->store_url;
        clients[i].batch = batch;
        clients[i].jobs = ids + i * share;
        clients[i].count = i + 1 < CONNECTIONS ? share : count - i * share;
        uuid_v4(clients[i].owner);
        if (pthread_create(&threads[i], NULL, client_main, &clients[i]) != 0) {
            return err_set(err, ERR_FATAL, 0, "cannot start a thread");
        }
    }
    for (size_t i = 0; i < CONNECTIONS; i++) {
        pthread_join(threads[i], NULL);
    }
    *ret_rate = (double)count * 1e6 / (double)(clock_boot_us() - started_us);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        if (clients[i].result < 0) {
            *err = clients[i].err;
            return -1;
        }
    }
    return 0;
}

static int
measure_sql(struct bench *bench, size_t batch, double *ret, struct err *err)
{
    size_t count = (size_t)bench_scale(bench, TASKS, 200);
    _cleanup(cleanup_free) void *ids = xcalloc(count, UUID_SIZE);
    return submit_known(bench, ids, count, err) < 0 ||
                   run_clients(bench, batch, ids, count, ret, err) < 0 ||
                   bench_await(bench, NULL, CALL_TIMEOUT_MS, err) < 0
               ? -1
               : 0;
}

int
bench_sql(struct bench *bench, struct bench_results *ret, struct err *err)
{
    double rate = 0;
    if (measure_sql(bench, BATCH_MAX, &rate, err) < 0) {
        return -1;
    }
    bench_record(ret, BENCH_SQL_50, rate);
    if (bench_forget_jobs(bench, err) < 0 ||
        measure_sql(bench, 10, &rate, err) < 0) {
        return -1;
    }
    bench_record(ret, BENCH_SQL_10, rate);
    return 0;
}

/* --- broker ---------------------------------------------------------------*/

#define ROUNDS 1000
#define RECEIVE_WAIT_MS 1000

struct messages {
    struct queue_message items[BATCH_MAX];
    size_t count;
};

static void
messages_free(struct messages *messages)
{
    for (size_t i = 0; i < messages->count; i++) {
        queue_message_free(&messages->items[i]);
    }
}

/* Sends a batch, receives what is there and acks it. */
static int
run_round(struct queue *queue, size_t *ret_count, struct err *err)
{
    struct queue_letter letters[BATCH_MAX];
    _cleanup(messages_free) struct messages messages = {0};
    bool reset = false;
    for (size_t i = 0; i < BATCH_MAX; i++) {
        letters[i] = (struct queue_letter){
            .queue = "alex-bench", .body = LETTER, .body_size = strlen(LETTER)};
    }
    if (queue_send(queue, letters, BATCH_MAX, err) < 0 ||
        queue_receive(queue, BATCH_MAX, RECEIVE_WAIT_MS, messages.items,
                      &messages.count, &reset, err) < 0 ||
        (messages.count > 0 &&
         queue_ack(queue, messages.items, messages.count, NULL, err) < 0)) {
        return -1;
    }
    *ret_count += messages.count;
    return 0;
}

int
bench_queue(struct bench *bench, struct bench_results *ret, struct err *err)
{
    _cleanup(queue_close) struct queue *queue = NULL;
    char consumer[UUID_SIZE];
    struct queue_options options = {
        .name = "alex-bench", .consumer = consumer, .lease_ms = 60000};
    int64_t rounds = bench_scale(bench, ROUNDS, 10);
    size_t received = 0;
    uuid_v4(consumer);
    if (queue_open(bench->ctl->queue_url, &options, &queue, err) < 0) {
        return -1;
    }
    int64_t started_us = clock_boot_us();
    for (int64_t i = 0; i < rounds; i++) {
        if (run_round(queue, &received, err) < 0) {
            return -1;
        }
    }
    bench_record(ret, BENCH_QUEUE,
                 (double)received * 1e6 /
                     (double)(clock_boot_us() - started_us));
    return 0;
}
