#include "runtime/heartbeat.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "runtime/backoff.h"
#include "runtime/beat.h"
#include "runtime/engine.h"
#include "runtime/metrics.h"
#include "runtime/supervisor.h"
#include "runtime/tail.h"

#define EARLY_BEAT_MS 1000
#define REAP_JITTER_MS 1000
#define REAP_LIMIT 1000
#define NEVER INT64_MAX

struct heartbeat {
    struct supervisor *sup;
    struct links links;
    struct tail tail; /* Bells that are still to be rung. */
    struct backoff backoff;
    int64_t retry_at_ms; /* After the last failure. */
    int64_t jitter_ms;   /* Of every reap, so that a fleet does not reap in one
                            wave when all were told the same instant. */
    pthread_t thread;
    bool started;

    pthread_mutex_t lock; /* Of what follows. */
    pthread_cond_t changed;
    int64_t beat_at_ms;
    int64_t wanted_at_ms; /* Asked for since the last one began. */
    int64_t beaten_ms;    /* When the last beat was sent. */
    int64_t reap_at_ms;
    bool stopped;
};

static void
failed(struct heartbeat *heartbeat, const char *message, const struct err *err)
{
    if (err->kind == ERR_FATAL) {
        supervisor_unfit(heartbeat->sup, err);
    }
    heartbeat->retry_at_ms =
        clock_boot_ms() + backoff_next_ms(&heartbeat->backoff, message, err);
}

/* --- reap ---------------------------------------------------------------- */

static void
write_depth(struct heartbeat *heartbeat, struct buf *request)
{
    const struct supervisor *sup = heartbeat->sup;
    struct queue_depth depth;
    struct err err = {0};

    if (queue_depth(heartbeat->links.queue, sup->queue_name, &depth, &err)) {
        metrics_add(METRICS_QUEUE_FAILURES, 1);
        return; /* Reaping without it only rings later. */
    }
    metrics_set(METRICS_DEPTH_WAITING, depth.waiting);
    metrics_set(METRICS_DEPTH_IN_FLIGHT, depth.in_flight);
    metrics_set(METRICS_DEPTH_DELAYED, depth.delayed);
    metrics_set(METRICS_DEPTH_DEAD, depth.dead);
    buf_json_key(request, "depth");
    buf_json_object(request);
    buf_json_key(request, sup->worker->name);
    buf_json_int(request, depth.waiting + depth.in_flight + depth.delayed);
    buf_json_end(request);
}

static void
write_reap(struct heartbeat *heartbeat, struct buf *request)
{
    engine_begin(request);
    buf_json_key(request, "limit");
    buf_json_int(request, REAP_LIMIT);
    buf_json_key(request, "adopt");
    buf_json_bool(request, heartbeat->sup->conf.adopt);
    write_depth(heartbeat, request);
    buf_json_end(request);
}

static int
reap(struct heartbeat *heartbeat, struct err *err)
{
    _cleanup(store_reply_free) struct store_reply reply = {0};
    _cleanup(buf_free) struct buf request = {0};

    write_reap(heartbeat, &request);
    if (engine_call(heartbeat->sup, heartbeat->links.store, ENGINE_REAP,
                    &request, heartbeat->sup->conf.lease_ms / 6, &reply, NULL,
                    err)) {
        return -1;
    }
    for (size_t i = 1; i < reply.count; i++) {
        _cleanup(json_put) struct json_object *bell = NULL;
        if (engine_head(&reply.rows[i], &bell, err) ||
            tail_ring(&heartbeat->tail, bell, "", err)) {
            return -1;
        }
    }
    return 0;
}

static void
reap_once(struct heartbeat *heartbeat)
{
    struct err err = {0};

    pthread_mutex_lock(&heartbeat->lock);
    heartbeat->reap_at_ms = NEVER;
    pthread_mutex_unlock(&heartbeat->lock);
    if (reap(heartbeat, &err) == 0) {
        return;
    }
    failed(heartbeat, "reap failed, repeating", &err);
    heartbeat_reap_by(heartbeat, heartbeat->retry_at_ms);
}

/* --- the thread ---------------------------------------------------------- */

static bool
ring(struct heartbeat *heartbeat)
{
    struct err err = {0};

    if (tail_flush(&heartbeat->tail, heartbeat->links.queue,
                   heartbeat->sup->flight, &err)) {
        failed(heartbeat, "bells cannot be rung, repeating", &err);
        return false;
    }
    return true;
}

static bool
beat(struct heartbeat *heartbeat, bool last)
{
    struct err err = {0};

    if (beat_all(heartbeat->sup, &heartbeat->links, last, &heartbeat->tail,
                 &err)) {
        failed(heartbeat, "beat failed, repeating", &err);
        return false;
    }
    return true;
}

static int64_t
next_beat_ms(struct heartbeat *heartbeat, bool good)
{
    int64_t third_ms = heartbeat->sup->conf.lease_ms / 3;

    if (!good) {
        return heartbeat->retry_at_ms;
    }
    backoff_reset(&heartbeat->backoff);
    return clock_boot_ms() +
           clock_jitter_ms(third_ms - third_ms / 10, third_ms + third_ms / 10);
}

static void
wait_until(struct heartbeat *heartbeat, int64_t at_ms)
{
    struct timespec until;
    int64_t wait_ms = at_ms - clock_boot_ms();

    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t at_ns = until.tv_nsec + wait_ms % 1000 * 1000000;
    until.tv_sec += wait_ms / 1000 + at_ns / 1000000000;
    until.tv_nsec = at_ns % 1000000000;
    pthread_cond_timedwait(&heartbeat->changed, &heartbeat->lock, &until);
}

static int64_t
sooner(int64_t a_ms, int64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

/* Sleeps until something is due; false when stopped. */
static bool
wait_due(struct heartbeat *heartbeat, bool *ret_beat, bool *ret_reap)
{
    pthread_mutex_lock(&heartbeat->lock);
    for (;;) {
        int64_t beat_ms =
            sooner(heartbeat->beat_at_ms, heartbeat->wanted_at_ms);
        int64_t reap_ms = heartbeat->reap_at_ms;
        int64_t now_ms = clock_boot_ms();
        if (heartbeat->stopped || beat_ms <= now_ms || reap_ms <= now_ms) {
            *ret_beat = beat_ms <= now_ms;
            *ret_reap = reap_ms <= now_ms;
            if (*ret_beat) {
                heartbeat->wanted_at_ms = NEVER;
            }
            break;
        }
        wait_until(heartbeat, sooner(beat_ms, reap_ms));
    }
    bool go_on = !heartbeat->stopped;
    pthread_mutex_unlock(&heartbeat->lock);
    return go_on;
}

static void *
heartbeat_main(void *arg)
{
    struct heartbeat *heartbeat = arg;
    bool beat_due;
    bool reap_due;

    while (wait_due(heartbeat, &beat_due, &reap_due)) {
        bool good = true;
        if (reap_due) {
            reap_once(heartbeat);
        }
        if (beat_due) {
            good = beat(heartbeat, false);
        }
        good = ring(heartbeat) && good;
        if (beat_due || !good) {
            int64_t next_ms = next_beat_ms(heartbeat, good);
            pthread_mutex_lock(&heartbeat->lock);
            heartbeat->beaten_ms = clock_boot_ms();
            heartbeat->beat_at_ms = next_ms;
            pthread_mutex_unlock(&heartbeat->lock);
        }
    }
    if (atomic_load(&heartbeat->sup->claims_abandoned)) {
        beat(heartbeat, true);
        ring(heartbeat);
    }
    mailbox_post(&heartbeat->sup->to_loop, mail_new(MAIL_ENDED, NULL));
    return NULL;
}

static struct heartbeat *
heartbeat_new(struct supervisor *sup)
{
    struct heartbeat *heartbeat = xcalloc(1, sizeof(*heartbeat));
    pthread_condattr_t attr;

    heartbeat->sup = sup;
    heartbeat->jitter_ms = clock_jitter_ms(0, REAP_JITTER_MS);
    heartbeat->beat_at_ms = next_beat_ms(heartbeat, true);
    heartbeat->wanted_at_ms = NEVER;
    pthread_mutex_init(&heartbeat->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&heartbeat->changed, &attr);
    pthread_condattr_destroy(&attr);
    return heartbeat;
}

int
heartbeat_start(struct supervisor *sup, struct err *err)
{
    _cleanup(heartbeat_free) struct heartbeat *heartbeat = heartbeat_new(sup);

    if (links_open(sup, sup->queue_name, &heartbeat->links, err)) {
        return -1;
    }
    sup->heartbeat = heartbeat;
    if (supervisor_thread(heartbeat_main, heartbeat, &heartbeat->thread, err)) {
        sup->heartbeat = NULL;
        return -1;
    }
    heartbeat->started = true;
    heartbeat = NULL;
    return 0;
}

void
heartbeat_free(struct heartbeat **heartbeat_at)
{
    struct heartbeat *heartbeat = STEAL(*heartbeat_at);

    if (heartbeat == NULL) {
        return;
    }
    if (heartbeat->started) {
        pthread_join(heartbeat->thread, NULL);
    }
    links_close(&heartbeat->links);
    tail_free(&heartbeat->tail);
    pthread_cond_destroy(&heartbeat->changed);
    pthread_mutex_destroy(&heartbeat->lock);
    free(heartbeat);
}

void
heartbeat_beat_soon(struct heartbeat *heartbeat)
{
    int64_t now_ms = clock_boot_ms();

    pthread_mutex_lock(&heartbeat->lock);
    int64_t at_ms = heartbeat->beaten_ms + EARLY_BEAT_MS;
    at_ms = at_ms > now_ms ? at_ms : now_ms;
    if (at_ms < heartbeat->wanted_at_ms) {
        heartbeat->wanted_at_ms = at_ms;
        pthread_cond_signal(&heartbeat->changed);
    }
    pthread_mutex_unlock(&heartbeat->lock);
}

void
heartbeat_reap_by(struct heartbeat *heartbeat, int64_t at_ms)
{
    pthread_mutex_lock(&heartbeat->lock);
    at_ms += heartbeat->jitter_ms;
    if (at_ms < heartbeat->reap_at_ms) {
        heartbeat->reap_at_ms = at_ms;
        pthread_cond_signal(&heartbeat->changed);
    }
    pthread_mutex_unlock(&heartbeat->lock);
}

void
heartbeat_stop(struct heartbeat *heartbeat)
{
    pthread_mutex_lock(&heartbeat->lock);
    heartbeat->stopped = true;
    pthread_cond_signal(&heartbeat->changed);
    pthread_mutex_unlock(&heartbeat->lock);
}
