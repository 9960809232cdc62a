/* How fast doorbells go through a broker: send, receive and ack, in batches,
 * one connection each in its own thread.
 *
 *     bench-queue [SECONDS [BATCH...]]     with ALEX_QUEUE_URL set
 *
 * Prints messages a second for each batch size, once for sending alone and once
 * for whole cycles. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/uuid.h"
#include "queue/bell.h"
#include "queue/queue.h"

struct bench {
    const char *url;
    char name[64];
    size_t batch;
    int64_t until_ms;
    int64_t sent;
    int64_t received;
};

static void
must(int result, const struct err *err)
{
    if (result != 0) {
        fprintf(stderr, "%s\n", err->text);
        exit(1);
    }
}

static struct queue *
connect_to(const struct bench *bench, const char *name)
{
    struct queue *queue = NULL;
    struct err err = {0};
    char id[UUID_SIZE];
    uuid_v4(id);
    const struct queue_options options = {
        .name = name, .consumer = id, .lease_ms = 60000};
    must(queue_open(bench->url, &options, &queue, &err), &err);
    return queue;
}

static void *
send_all(void *arg)
{
    struct bench *bench = arg;
    _cleanup(queue_close) struct queue *queue = connect_to(bench, NULL);
    _cleanup(buf_free) struct buf body = {0};
    struct bell bell = {.agent = "reporter"};
    struct err err = {0};
    uuid_v4(bell.job);
    uuid_v4(bell.task);
    bell_encode(&bell, &body);
    while (clock_boot_ms() < bench->until_ms) {
        struct queue_letter letters[QUEUE_BATCH_MAX];
        for (size_t i = 0; i < bench->batch; i++) {
            letters[i] = (struct queue_letter){.queue = bench->name,
                                               .body = body.data,
                                               .body_size = body.size};
        }
        must(queue_send(queue, letters, bench->batch, &err), &err);
        bench->sent += (int64_t)bench->batch;
    }
    return NULL;
}

static void *
receive_all(void *arg)
{
    struct bench *bench = arg;
    _cleanup(queue_close) struct queue *queue = connect_to(bench, bench->name);
    struct queue_message messages[QUEUE_BATCH_MAX];
    size_t count = 1;
    while (count > 0 || clock_boot_ms() < bench->until_ms) {
        bool reset;
        struct err err = {0};
        must(queue_receive(queue, bench->batch, 200, messages, &count, &reset,
                           &err),
             &err);
        must(queue_ack(queue, messages, count, NULL, &err), &err);
        for (size_t i = 0; i < count; i++) {
            queue_message_free(&messages[i]);
        }
        bench->received += (int64_t)count;
    }
    return NULL;
}

static void
create(const struct bench *bench)
{
    _cleanup(queue_close) struct queue *queue = connect_to(bench, NULL);
    const struct queue_attributes attributes = {.lease_ms = 60000};
    struct err err = {0};
    must(queue_create(queue, bench->name, &attributes, &err), &err);
}

static void
measure(const char *url, size_t batch, int64_t seconds)
{
    struct bench bench = {.url = url, .batch = batch};
    pthread_t receiver;
    char id[UUID_SIZE];
    uuid_v4(id);
    snprintf(bench.name, sizeof(bench.name), "bench-%s", id);
    create(&bench);
    /* A backlog first, so that sending is seen alone. */
    int64_t from_ms = clock_boot_ms();
    bench.until_ms = from_ms + seconds * 1000;
    send_all(&bench);
    double send_s = (double)(clock_boot_ms() - from_ms) / 1e3;
    int64_t backlog = bench.sent;
    bench.until_ms = 0;
    from_ms = clock_boot_ms();
    receive_all(&bench);
    double receive_s = (double)(clock_boot_ms() - from_ms - 200) / 1e3;
    int64_t drained = bench.received;
    bench.sent = bench.received = 0;
    from_ms = clock_boot_ms();
    bench.until_ms = from_ms + seconds * 1000;
    pthread_create(&receiver, NULL, receive_all, &bench);
    send_all(&bench);
    pthread_join(receiver, NULL);
    double both_s = (double)(clock_boot_ms() - from_ms - 200) / 1e3;
    printf("batch %3zu: send %7.0f/s, receive and ack %7.0f/s, all three at "
           "once %7.0f/s\n",
           batch, (double)backlog / send_s, (double)drained / receive_s,
           (double)bench.received / both_s);
    fflush(stdout);
}

int
main(int argc, char **argv)
{
    const char *url = getenv("ALEX_QUEUE_URL");
    int64_t seconds = argc > 1 ? atoi(argv[1]) : 2;
    static const size_t batches[] = {1, 10, 50, 100};
    if (!url || seconds < 1) {
        fprintf(stderr, "usage: ALEX_QUEUE_URL=redis://... bench-queue "
                        "[SECONDS [BATCH...]]\n");
        return 64;
    }
    for (int i = 2; i < argc; i++) {
        measure(url, (size_t)atoi(argv[i]), seconds);
    }
    for (size_t i = 0; argc <= 2 && i < ARRAY_COUNT(batches); i++) {
        measure(url, batches[i], seconds);
    }
    return 0;
}
