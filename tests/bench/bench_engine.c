/* What the SQL engine does in a second, without workers or a broker: doorbells
 * wait in memory, and each connection claims a batch and settles it.
 *
 *     bench_engine URL noop|fan8 CONNECTIONS BATCH JOBS
 *
 * noop: jobs of one task, submitted before the clock starts.  fan8: a root task
 * that plans eight, submit (ten jobs a call) included.  The database must have
 * been migrated; use one of its own: tests/bench/engine.sh does. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/uuid.h"
#include "store/store.h"

#define BATCH_MAX 100
#define SUBMIT_BATCH 10
#define FAN_WIDTH 8
#define TIMEOUT_MS 20000

struct bell {
    char job[UUID_SIZE];
    char task[UUID_SIZE];
};

struct bench {
    const char *url;
    int batch;
    int width; /* Children of a job's root task. */
    pthread_mutex_t lock;
    struct bell *bells; /* A ring: 'waiting' of them from 'first' on. */
    size_t room;
    size_t first;
    size_t waiting;
    long jobs_unsubmitted;
    long tasks_unsettled;
};

struct client {
    struct bench *bench;
    struct store *store;
    long pid; /* The server process of this connection. */
    char owner[UUID_SIZE];
    struct buf request;
    struct bell held[BATCH_MAX];
    pthread_t thread;
};

static void
die(const char *what, const struct err *err)
{
    fprintf(stderr, "bench_engine: %s: %s\n", what, err->text);
    exit(1);
}

static void
call(struct client *c, const char *function, struct store_reply *reply)
{
    struct err err;
    if (store_call(c->store, function, c->request.data, c->request.size,
                   TIMEOUT_MS, reply, &err) < 0) {
        die(function, &err);
    }
}

/* Copies the UUID after 'key' at or after 'at'; NULL if there is no such key.
 * Replies have one form: this is no parser. */
static const char *
scan(const char *at, const char *key, char ret[UUID_SIZE])
{
    const char *found = strstr(at, key);
    if (found == NULL) {
        return NULL;
    }
    memcpy(ret, found + strlen(key), UUID_SIZE - 1);
    ret[UUID_SIZE - 1] = '\0';
    return found + strlen(key);
}

/* Puts the bells of a reply into the ring. */
static void
ring(struct bench *b, const struct store_reply *reply)
{
    pthread_mutex_lock(&b->lock);
    for (size_t i = 1; i < reply->count; i++) {
        const char *at = strstr(reply->rows[i].head, "\"ring\":[{");
        struct bell bell;
        while (at && (at = scan(at, "\"job\":\"", bell.job)) &&
               (at = scan(at, "\"task\":\"", bell.task))) {
            b->bells[(b->first + b->waiting++) % b->room] = bell;
            at = strchr(at, '}');
            at = at && at[1] == ',' && at[2] == '{' ? at : NULL;
        }
    }
    pthread_mutex_unlock(&b->lock);
}

static int
take(struct client *c)
{
    struct bench *b = c->bench;
    pthread_mutex_lock(&b->lock);
    int count = 0;
    while (count < b->batch && b->waiting > 0) {
        c->held[count++] = b->bells[b->first];
        b->first = (b->first + 1) % b->room;
        b->waiting--;
    }
    pthread_mutex_unlock(&b->lock);
    return count;
}

static void
submit(struct client *c, int jobs)
{
    buf_reset(&c->request);
    buf_puts(&c->request, "{\"v\":1,\"jobs\":[");
    for (int i = 0; i < jobs; i++) {
        char job[UUID_SIZE];
        uuid_v4(job);
        buf_printf(&c->request,
                   "%s{\"job\":\"%s\",\"user\":\"bench\",\"type\":\"bench\","
                   "\"request\":{},\"agent\":\"bench\",\"snapshot\":false}",
                   i ? "," : "", job);
    }
    buf_puts(&c->request, "]}");
    _cleanup(store_reply_free) struct store_reply reply = {0};
    call(c, "submit", &reply);
    ring(c->bench, &reply);
}

static void
put_outcome(struct client *c, const char *head)
{
    char job[UUID_SIZE], task[UUID_SIZE];
    const char *fence = strstr(head, "\"fence\":");
    if (!strstr(head, "\"verdict\":\"run\"") || fence == NULL ||
        !scan(head, "\"job\":\"", job) || !scan(head, "\"task\":\"", task)) {
        fprintf(stderr, "bench_engine: not a task to run: %s\n", head);
        exit(1);
    }
    buf_printf(&c->request,
               "{\"job\":\"%s\",\"task\":\"%s\",\"fence\":%ld,"
               "\"outcome\":\"succeeded\",\"output\":{",
               job, task, strtol(fence + strlen("\"fence\":"), NULL, 10));
    if (c->bench->width > 0 && strstr(head, "\"node\":\"plan\"")) {
        buf_puts(&c->request, "\"plan\":[");
        for (int i = 0; i < c->bench->width; i++) {
            buf_printf(&c->request, "%s{\"node\":\"c%d\",\"agent\":\"bench\"}",
                       i ? "," : "", i);
        }
        buf_puts(&c->request, "]}}");
    } else {
        buf_puts(&c->request, "\"detail\":{\"ok\":true}}}");
    }
}

/* Claims and settles what take() took. */
static void
work(struct client *c, int count)
{
    buf_reset(&c->request);
    buf_printf(&c->request,
               "{\"v\":1,\"owner\":\"%s\",\"agent\":\"bench\","
               "\"lease_ms\":60000,\"bells\":[",
               c->owner);
    for (int i = 0; i < count; i++) {
        char nonce[UUID_SIZE];
        uuid_v4(nonce);
        buf_printf(&c->request,
                   "%s{\"n\":\"%s\",\"job\":\"%s\",\"task\":\"%s\"}",
                   i ? "," : "", nonce, c->held[i].job, c->held[i].task);
    }
    buf_puts(&c->request, "]}");
    _cleanup(store_reply_free) struct store_reply claimed = {0};
    call(c, "claim", &claimed);

    buf_reset(&c->request);
    buf_printf(&c->request, "{\"v\":1,\"owner\":\"%s\",\"outcomes\":[",
               c->owner);
    for (size_t i = 1; i < claimed.count; i++) {
        buf_puts(&c->request, i > 1 ? "," : "");
        put_outcome(c, claimed.rows[i].head);
    }
    buf_puts(&c->request, "]}");
    _cleanup(store_reply_free) struct store_reply settled = {0};
    call(c, "settle", &settled);
    ring(c->bench, &settled);
    __atomic_fetch_sub(&c->bench->tasks_unsettled, (long)settled.count - 1,
                       __ATOMIC_RELAXED);
}

/* How many jobs to submit now: none while there is a whole batch to do. */
static int
to_submit(struct bench *b)
{
    pthread_mutex_lock(&b->lock);
    int count = 0;
    if (b->waiting < (size_t)b->batch && b->jobs_unsubmitted > 0) {
        count = b->jobs_unsubmitted < SUBMIT_BATCH ? (int)b->jobs_unsubmitted
                                                   : SUBMIT_BATCH;
        b->jobs_unsubmitted -= count;
    }
    pthread_mutex_unlock(&b->lock);
    return count;
}

static void *
run(void *argument)
{
    struct client *c = argument;
    while (__atomic_load_n(&c->bench->tasks_unsettled, __ATOMIC_RELAXED) > 0) {
        int jobs = to_submit(c->bench);
        if (jobs > 0) {
            submit(c, jobs);
        }
        int count = take(c);
        if (count > 0) {
            work(c, count);
        } else if (jobs == 0) {
            usleep(50);
        }
    }
    return NULL;
}

/* CPU time a process of this machine has used; 0 if it is not to be known. */
static long
cpu_us(long pid)
{
    _cleanup(cleanup_free) char *path = xasprintf("/proc/%ld/schedstat", pid);
    FILE *f = fopen(path, "r");
    long ns = 0;
    if (f != NULL) {
        if (fscanf(f, "%ld", &ns) != 1) {
            ns = 0;
        }
        fclose(f);
    }
    return ns / 1000;
}

static void
client_open(struct client *c, struct bench *bench)
{
    struct err err;
    c->bench = bench;
    uuid_v4(c->owner);
    if (store_open(bench->url, "bench_engine", &c->store, &err) < 0) {
        die("open", &err);
    }
    _cleanup(store_reply_free) struct store_reply reply = {0};
    if (store_query(c->store, "select pg_backend_pid()::text", TIMEOUT_MS,
                    &reply, &err) < 0) {
        die("connect", &err);
    }
    c->pid = strtol(reply.rows[0].head, NULL, 10);
}

static void
measure(struct bench *b, struct client *clients, int count, long jobs)
{
    double tasks = (double)(jobs * (b->width + 1));
    long cpu = 0;
    int64_t start_us = clock_boot_us();
    for (int i = 0; i < count; i++) {
        cpu -= cpu_us(clients[i].pid);
        pthread_create(&clients[i].thread, NULL, run, &clients[i]);
    }
    for (int i = 0; i < count; i++) {
        pthread_join(clients[i].thread, NULL);
        cpu += cpu_us(clients[i].pid);
    }
    double seconds = (double)(clock_boot_us() - start_us) / 1e6;
    printf("%.0f tasks/s, %.0f jobs/s, %.1f us of server CPU a task\n",
           tasks / seconds, (double)jobs / seconds, (double)cpu / tasks);
}

int
main(int argc, char **argv)
{
    if (argc != 6) {
        fputs("usage: bench_engine URL noop|fan8 CONNECTIONS BATCH JOBS\n",
              stderr);
        return 64;
    }
    long jobs = strtol(argv[5], NULL, 10);
    int count = (int)strtol(argv[3], NULL, 10);
    struct bench b = {
        .url = argv[1],
        .batch = (int)strtol(argv[4], NULL, 10),
        .width = strcmp(argv[2], "fan8") == 0 ? FAN_WIDTH : 0,
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .jobs_unsubmitted = jobs,
    };
    b.room = (size_t)jobs * (size_t)(b.width + 1) + 1;
    b.bells = xcalloc(b.room, sizeof(*b.bells));
    b.tasks_unsettled = jobs * (b.width + 1);
    struct client *clients = xcalloc((size_t)count, sizeof(*clients));
    for (int i = 0; i < count; i++) {
        client_open(&clients[i], &b);
    }
    while (b.width == 0 && b.jobs_unsubmitted > 0) {
        b.jobs_unsubmitted -= SUBMIT_BATCH;
        submit(&clients[0], SUBMIT_BATCH);
    }
    printf("%s connections=%d batch=%d jobs=%ld: ", argv[2], count, b.batch,
           jobs);
    measure(&b, clients, count, jobs);
    return 0;
}
