#include "runtime/runs_internal.h"

#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "runtime/heartbeat.h"
#include "runtime/metrics.h"

/* Results not settled yet, before no run is started any more. */
#define BACKLOG_MAX_BYTES (16 * 1024 * 1024)
/* Runnable ones to hold: what this span of the recent throughput needs. */
#define HOLD_MS 200
#define HOLD_MAX 100
#define RATE_SPAN_MS 100

static void
free_answers(struct handlers_answer **answers)
{
    free(*answers);
}

/* 1: started; 0: no handler is idle. */
static int
start(struct runs *runs, struct run *run)
{
    _cleanup(free_answers) struct handlers_answer *answers =
        xcalloc(run->answer_count + 1, sizeof(*answers));
    struct err err = {0};
    size_t count = 0;

    for (size_t i = 0; i < run->answer_count; i++) {
        const struct run_answer *from = &run->answers[i];
        if (from->err == NULL) {
            struct handlers_answer *to = &answers[count++];
            to->ordinal = from->ordinal;
            memcpy(to->sha256, from->sha256, sizeof(to->sha256));
            to->bytes = from->bytes;
            to->size = from->size;
        }
    }
    if (handlers_start(runs->handlers, run, run->input, run->input_size,
                       answers, count, &err)) {
        if (err.kind == ERR_RETRY) {
            return 0;
        }
        runs_leave(runs, run, HANDLERS_ERROR, NULL, 0, &err);
        return 1;
    }
    runs_take_off(runs, run);
    runs_append(runs, run, RUN_RUNNING);
    run->asked = false;
    run->started_us = clock_boot_us();
    metrics_add(METRICS_RUNS, 1);
    return 1;
}

bool
runs_backlogged(const struct runs *runs)
{
    return atomic_load(&runs->sup->backlog_bytes) > BACKLOG_MAX_BYTES;
}

bool
runs_can_start(const struct runs *runs)
{
    const struct run *next = runs->lists[RUN_QUEUED].first;
    const struct run *running = runs->lists[RUN_RUNNING].first;

    if (next == NULL || runs_backlogged(runs) ||
        handlers_idle_count(runs->handlers) == 0) {
        return false;
    }
    return running == NULL || (!running->alone && !next->alone);
}

void
runs_start_all(struct runs *runs)
{
    while (runs_can_start(runs) && start(runs, runs->lists[RUN_QUEUED].first)) {
    }
}

/* Holds little when tasks are slow, so that other workers get them, and enough
 * for full batches when they are fast. */
static void
measure_rate(struct runs *runs)
{
    int64_t now_ms = clock_boot_ms();
    int64_t span_ms = now_ms - runs->rate_since_ms;
    size_t least = 2 * (size_t)runs->sup->conf.concurrency;
    size_t most = least > HOLD_MAX ? least : HOLD_MAX;

    runs->rate_ended++;
    if (span_ms < RATE_SPAN_MS) {
        return;
    }
    size_t want = (size_t)(runs->rate_ended * HOLD_MS / span_ms);
    want = want < least ? least : want > most ? most : want;
    runs->rate_ended = 0;
    runs->rate_since_ms = now_ms;
    if (want != runs->want) {
        runs->want = want;
        flight_want(runs->sup->flight, want);
    }
}

static void
ended(void *context, struct run *run, enum handlers_end end, const char *bytes,
      size_t size, const struct err *err)
{
    struct runs *runs = context;
    bool stopped = atomic_load(&run->stop) != RUN_STOP_NONE;

    metrics_observe_us(METRICS_RUN_TIME, clock_boot_us() - run->started_us);
    measure_rate(runs);
    if (end == HANDLERS_ERROR && err->kind == ERR_SUSPEND && run->asked &&
        !stopped) {
        runs_park(runs, run);
    } else {
        runs_leave(runs, run, end, bytes, size, err);
    }
}

static void
asked(void *context, struct run *run, const struct channel_ask *ask)
{
    runs_asked(context, run, ask);
}

static void
progressed(void *context, struct run *run, const char *json, size_t size)
{
    struct runs *runs = context;

    if (size == 0 || json[0] != '{') {
        return; /* The engine keeps objects only. */
    }
    flight_progress(runs->sup->flight, run, xmemdup(json, size));
    if (atomic_load_explicit(&run->watched, memory_order_relaxed)) {
        heartbeat_beat_soon(runs->sup->heartbeat);
    }
}

int
runs_open_handlers(struct runs *runs, struct err *err)
{
    struct supervisor *sup = runs->sup;
    struct handlers_options options = {
        .worker = sup->worker,
        .count = (int)sup->conf.concurrency,
        .recycle_tasks = (int)sup->conf.recycle_tasks,
        .memory_bytes = sup->conf.memory_mib * 1024 * 1024,
    };
    struct handlers_events events = {
        .ended = ended,
        .asked = asked,
        .progressed = progressed,
        .context = runs,
    };

    runs->rate_since_ms = clock_boot_ms();
    runs->want = 2 * (size_t)sup->conf.concurrency;
    flight_want(sup->flight, runs->want);
    return handlers_start_all(&options, &events, &runs->handlers, err);
}
