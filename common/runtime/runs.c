#include "runtime/runs.h"

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "runtime/metrics.h"
#include "runtime/runs_internal.h"
#include "runtime/wait.h"

#define BACKLOG_LOOK_MS 50
/* Rounds of a step before the loop looks at its other descriptors. */
#define ROUNDS_MAX 8

/* --- mail ----------------------------------------------------------------- */

static void
take_run(struct runs *runs, struct run *run)
{
    runs_append(runs, run, RUN_QUEUED); /* The receiver has counted it. */
    if (run->lost) {
        runs_lose(runs, run);
        return;
    }
    if (run->deadline_ms < runs->next_deadline_ms) {
        runs->next_deadline_ms = run->deadline_ms;
    }
    if (runs->draining) {
        runs_stop(runs, run, RUN_STOP_INTERRUPT);
    }
}

void
runs_take(struct runs *runs, struct mail *mail)
{
    bool ours = mail->run->stage != RUN_NEW && mail->run->stage != RUN_LEFT;

    switch (mail->kind) {
    case MAIL_RUN:
        take_run(runs, STEAL(mail->run));
        break;
    case MAIL_STORED:
        runs_stored(mail);
        break;
    case MAIL_LOADED:
        runs_loaded(runs, mail->run, &mail->err);
        break;
    case MAIL_LOST:
        if (ours) {
            runs_lose(runs, mail->run);
        }
        mail->run->lost = true;
        break;
    case MAIL_CANCEL:
        if (ours) {
            runs_stop(runs, mail->run, RUN_STOP_CANCEL);
        }
        break;
    default:
        break;
    }
    mail_free(&mail);
}

/* --- steps --------------------------------------------------------------- */

/* Stops those past their deadline, and finds the next one. */
static void
check_deadlines(struct runs *runs)
{
    int64_t now_ms = clock_boot_ms();
    struct run *next;

    if (now_ms < runs->next_deadline_ms) {
        return;
    }
    runs->next_deadline_ms = INT64_MAX;
    for (int stage = 0; stage < RUN_STAGES; stage++) {
        for (struct run *run = runs->lists[stage].first; run; run = next) {
            next = run->after;
            if (run->deadline_ms <= now_ms) {
                runs_stop(runs, run, RUN_STOP_DEADLINE);
            } else if (run->deadline_ms < runs->next_deadline_ms) {
                runs->next_deadline_ms = run->deadline_ms;
            }
        }
    }
}

static int64_t
next_ms(const struct runs *runs)
{
    if (runs_can_start(runs)) {
        return 0;
    }
    if (runs->lists[RUN_QUEUED].count > 0 && runs_backlogged(runs)) {
        return BACKLOG_LOOK_MS;
    }
    if (runs->next_deadline_ms == INT64_MAX) {
        return -1;
    }
    int64_t left_ms = runs->next_deadline_ms - clock_boot_ms();
    return left_ms > 0 ? left_ms : 0;
}

int
runs_step(struct runs *runs, int64_t *ret_next_ms, struct err *err)
{
    int64_t handlers_ms;
    int rounds = 0;

    check_deadlines(runs);
    if (asks_run(runs->asks, err)) {
        return -1;
    }
    do {
        runs_start_all(runs);
        if (handlers_run(runs->handlers, &handlers_ms, err)) {
            return -1;
        }
    } while (runs_can_start(runs) && ++rounds < ROUNDS_MAX);
    *ret_next_ms = wait_sooner(handlers_ms, next_ms(runs));
    return 0;
}

/* --- the whole ----------------------------------------------------------- */

int
runs_open(struct supervisor *sup, struct runs **ret, struct err *err)
{
    _cleanup(runs_close) struct runs *runs = xcalloc(1, sizeof(*runs));

    runs->sup = sup;
    runs->next_deadline_ms = INT64_MAX;
    if (runs_open_asks(runs, err) || runs_open_handlers(runs, err)) {
        return -1;
    }
    *ret = STEAL(runs);
    return 0;
}

void
runs_close(struct runs **runs_at)
{
    struct runs *runs = STEAL(*runs_at);
    struct run *next;

    if (runs == NULL) {
        return;
    }
    for (int stage = 0; stage < RUN_STAGES; stage++) {
        for (struct run *run = runs->lists[stage].first; run; run = next) {
            next = run->after;
            runs_forget_asks(runs, run);
            run_unref(run);
        }
    }
    handlers_free(&runs->handlers);
    asks_close(&runs->asks);
    free(runs);
}

int
runs_handlers_fd(const struct runs *runs)
{
    return handlers_poll_fd(runs->handlers);
}

int
runs_asks_fd(const struct runs *runs)
{
    return asks_poll_fd(runs->asks);
}

static void
stop_all(struct runs *runs, enum run_stage stage)
{
    struct run *next;

    for (struct run *run = runs->lists[stage].first; run; run = next) {
        next = run->after;
        runs_stop(runs, run, RUN_STOP_INTERRUPT);
    }
}

void
runs_drain(struct runs *runs)
{
    runs->draining = true;
    stop_all(runs, RUN_QUEUED);
    stop_all(runs, RUN_PARKED);
    stop_all(runs, RUN_LOADING);
}

void
runs_interrupt(struct runs *runs)
{
    stop_all(runs, RUN_RUNNING);
}

bool
runs_empty(const struct runs *runs)
{
    for (int stage = 0; stage < RUN_STAGES; stage++) {
        if (runs->lists[stage].count > 0) {
            return false;
        }
    }
    return true;
}

void
runs_measure(const struct runs *runs)
{
    const struct supervisor *sup = runs->sup;
    int pids[256];

    metrics_set(METRICS_IN_FLIGHT, (int64_t)flight_count(sup->flight));
    metrics_set(METRICS_RUNNABLE, (int64_t)runs->lists[RUN_QUEUED].count);
    metrics_set(METRICS_RUNNING, (int64_t)runs->lists[RUN_RUNNING].count);
    metrics_set(METRICS_PARKED, (int64_t)(runs->lists[RUN_PARKED].count +
                                          runs->lists[RUN_LOADING].count));
    metrics_set(METRICS_HANDLERS, (int64_t)handlers_pids(runs->handlers, pids,
                                                         ARRAY_COUNT(pids)));
    metrics_set(METRICS_BACKLOG_BYTES, atomic_load(&sup->backlog_bytes));
}
