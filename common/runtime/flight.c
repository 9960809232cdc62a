#include "runtime/flight.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "runtime/metrics.h"

struct flight {
    pthread_mutex_t lock;
    pthread_cond_t changed; /* What the receiver waits for. */
    struct run *first;
    size_t count;
    size_t max;
    size_t want;
    size_t queued;
    bool stopped;
    bool beating;
};

/* --- the registry -------------------------------------------------------- */

struct flight *
flight_new(size_t max)
{
    struct flight *flight = xcalloc(1, sizeof(*flight));
    pthread_condattr_t attr;

    pthread_mutex_init(&flight->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&flight->changed, &attr);
    pthread_condattr_destroy(&attr);
    flight->max = max;
    return flight;
}

void
flight_free(struct flight **flight)
{
    if (*flight == NULL) {
        return;
    }
    while ((*flight)->first != NULL) {
        flight_remove(*flight, (*flight)->first);
    }
    pthread_cond_destroy(&(*flight)->changed);
    pthread_mutex_destroy(&(*flight)->lock);
    free(*flight);
    *flight = NULL;
}

/* Refills at half: a fetch brings at least half of what is wanted, so that
 * batches stay large under load, and the queue does not run dry meanwhile. */
static size_t
flight_room(const struct flight *flight)
{
    if (flight->queued > flight->want / 2 || flight->count >= flight->max) {
        return 0;
    }
    size_t wanted = flight->want - flight->queued;
    size_t left = flight->max - flight->count;
    size_t room = wanted < left ? wanted : left;
    return room < QUEUE_BATCH_MAX ? room : QUEUE_BATCH_MAX;
}

size_t
flight_wait_room(struct flight *flight)
{
    size_t room;

    pthread_mutex_lock(&flight->lock);
    while ((room = flight_room(flight)) == 0 && !flight->stopped) {
        pthread_cond_wait(&flight->changed, &flight->lock);
    }
    if (flight->stopped) {
        room = 0;
    }
    pthread_mutex_unlock(&flight->lock);
    return room;
}

struct run *
flight_add(struct flight *flight, struct queue_message *message, bool intake)
{
    struct run *run = xcalloc(1, sizeof(*run));

    run->message = *message;
    *message = (struct queue_message){0};
    uuid_v4(run->nonce);
    run->refs = 1;
    run->intake = intake;
    pthread_mutex_lock(&flight->lock);
    run->next = flight->first;
    if (run->next != NULL) {
        run->next->prev = run;
    }
    flight->first = run;
    flight->count++;
    pthread_mutex_unlock(&flight->lock);
    return run;
}

void
flight_wait_beat(struct flight *flight)
{
    pthread_mutex_lock(&flight->lock);
    while (flight->beating) {
        pthread_cond_wait(&flight->changed, &flight->lock);
    }
    pthread_mutex_unlock(&flight->lock);
}

void
flight_leased(struct flight *flight, struct run *run, int64_t sent_ms,
              int64_t lease_ms)
{
    run_set_lease(run, sent_ms, lease_ms);
    pthread_mutex_lock(&flight->lock);
    run->state = RUN_LEASED;
    pthread_mutex_unlock(&flight->lock);
}

void
flight_acked(struct flight *flight, struct run *run)
{
    pthread_mutex_lock(&flight->lock);
    run->acked = true;
    pthread_mutex_unlock(&flight->lock);
}

void
flight_sleep(struct flight *flight, int64_t ms)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&flight->lock);
    while (!flight->stopped &&
           pthread_cond_timedwait(&flight->changed, &flight->lock, &until) ==
               0) {
    }
    pthread_mutex_unlock(&flight->lock);
}

bool
flight_stopped(struct flight *flight)
{
    pthread_mutex_lock(&flight->lock);
    bool stopped = flight->stopped;
    pthread_mutex_unlock(&flight->lock);
    return stopped;
}

void
flight_want(struct flight *flight, size_t runnable)
{
    pthread_mutex_lock(&flight->lock);
    flight->want = runnable;
    if (flight_room(flight) > 0) {
        pthread_cond_broadcast(&flight->changed);
    }
    pthread_mutex_unlock(&flight->lock);
}

void
flight_queued(struct flight *flight, int by)
{
    pthread_mutex_lock(&flight->lock);
    flight->queued += (size_t)by;
    if (by < 0 && flight_room(flight) > 0) {
        pthread_cond_broadcast(&flight->changed);
    }
    pthread_mutex_unlock(&flight->lock);
}

void
flight_progress(struct flight *flight, struct run *run, char *json)
{
    pthread_mutex_lock(&flight->lock);
    free(run->progress);
    run->progress = json;
    pthread_mutex_unlock(&flight->lock);
}

void
flight_stop(struct flight *flight)
{
    pthread_mutex_lock(&flight->lock);
    flight->stopped = true;
    pthread_cond_broadcast(&flight->changed);
    pthread_mutex_unlock(&flight->lock);
}

void
flight_settled(struct flight *flight, struct run *run)
{
    pthread_mutex_lock(&flight->lock);
    run->state = RUN_SETTLED;
    pthread_mutex_unlock(&flight->lock);
}

void
flight_remove(struct flight *flight, struct run *run)
{
    pthread_mutex_lock(&flight->lock);
    if (run->prev != NULL) {
        run->prev->next = run->next;
    } else {
        flight->first = run->next;
    }
    if (run->next != NULL) {
        run->next->prev = run->prev;
    }
    run->prev = run->next = NULL;
    flight->count--;
    if (flight_room(flight) > 0) {
        pthread_cond_broadcast(&flight->changed);
    }
    pthread_mutex_unlock(&flight->lock);
    run_unref(run);
}

void
flight_forget(struct flight *flight, struct run *run)
{
    metrics_add(METRICS_FORGOTTEN, 1);
    flight_lose(flight, run);
    flight_remove(flight, run);
}

/* --- the heartbeat's view ------------------------------------------------ */

size_t
flight_count(struct flight *flight)
{
    pthread_mutex_lock(&flight->lock);
    size_t count = flight->count;
    pthread_mutex_unlock(&flight->lock);
    return count;
}

static bool
run_extendable(const struct run *run)
{
    if (run->acked || run->intake) {
        return false;
    }
    return run->state == RUN_LEASED ? !run_fenced(run) : run->state != RUN_LOST;
}

void
flight_beat_begin(struct flight *flight, struct flight_held **ret,
                  size_t *ret_count, size_t *ret_leased)
{
    pthread_mutex_lock(&flight->lock);
    flight->beating = true;
    struct flight_held *held = xcalloc(flight->count + 1, sizeof(*held));
    size_t first = 0;
    size_t last = flight->count;
    for (struct run *run = flight->first; run != NULL; run = run->next) {
        held[run->state == RUN_LEASED ? first++ : --last] =
            (struct flight_held){
                .run = run_ref(run),
                .claiming = run->state == RUN_CLAIMING,
                .extend = run_extendable(run),
                .progress = run->progress ? xstrdup(run->progress) : NULL,
            };
    }
    *ret_count = flight->count;
    pthread_mutex_unlock(&flight->lock);
    *ret = held;
    *ret_leased = first;
}

bool
flight_lose(struct flight *flight, struct run *run)
{
    pthread_mutex_lock(&flight->lock);
    bool lost = run->state == RUN_LEASED;
    if (lost) {
        run->state = RUN_LOST;
    }
    pthread_mutex_unlock(&flight->lock);
    return lost;
}

void
flight_beat_end(struct flight *flight, struct flight_held *held, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        run_unref(held[i].run);
        free(held[i].progress);
    }
    free(held);
    pthread_mutex_lock(&flight->lock);
    flight->beating = false;
    pthread_cond_broadcast(&flight->changed);
    pthread_mutex_unlock(&flight->lock);
}
