/* Latency of no-op jobs that come at a steady rate, whatever becomes of those
 * before them (an open loop), at a tenth, half and four fifths of what the
 * fleet does when they all come at once. */

#include <string.h>
#include <time.h>

#include "alexctl/bench.h"
#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"

#define BURST 5000
#define TICK_US 10000
#define SPAN_US 5000000

static const struct level {
    int percent;
    enum bench_id p50;
    enum bench_id p99;
} levels[] = {
    {10, BENCH_OPEN_10_P50, BENCH_OPEN_10_P99},
    {50, BENCH_OPEN_50_P50, BENCH_OPEN_50_P99},
    {80, BENCH_OPEN_80_P50, BENCH_OPEN_80_P99},
};

/* Jobs a second, submit included. */
static int
measure_capacity(struct bench *bench, const struct bench_worker *worker,
                 double *ret, struct err *err)
{
    return bench_forget_jobs(bench, err) < 0 ||
                   bench_submit(bench, NULL, BURST, false, err) < 0 ||
                   bench_await(bench, worker, BENCH_PATIENCE_MS, err) < 0 ||
                   bench_query(bench,
                               "select (count(*) / extract(epoch from "
                               "max(r.ended_at) - min(j.created_at at time "
                               "zone 'UTC')))::text "
                               "from fleet.runs r join public.jobs j "
                               "on j.id = r.job_id where r.job_id in %s",
                               ret, err) < 0
               ? -1
               : 0;
}

/* What a late tick owes, the next one pays: the rate holds. */
static int
submit_at(struct bench *bench, double jobs_per_s, struct err *err)
{
    int64_t start_us = clock_boot_us();
    int64_t submitted = 0;
    for (int64_t now_us = start_us; now_us < start_us + SPAN_US;
         now_us = clock_boot_us()) {
        int64_t due =
            (int64_t)(jobs_per_s * (double)(now_us - start_us) / 1e6) -
            submitted;
        if (bench_submit(bench, NULL, due, false, err) < 0) {
            return -1;
        }
        submitted += due;
        int64_t left_us = now_us + TICK_US - clock_boot_us();
        if (left_us > 0) {
            nanosleep(&(struct timespec){.tv_nsec = left_us * 1000}, NULL);
        }
    }
    return 0;
}

static int
measure_level(struct bench *bench, const struct bench_worker *worker,
              const struct level *level, double capacity,
              struct bench_results *ret, struct err *err)
{
    static const char query[] =
        "select (1000 * percentile_cont(%g) within group (order by "
        "extract(epoch from r.ended_at - j.created_at at time zone "
        "'UTC')))::text from fleet.runs r "
        "join public.jobs j on j.id = r.job_id where r.job_id in %%s";
    _cleanup(cleanup_free) char *median = xasprintf(query, 0.5);
    _cleanup(cleanup_free) char *tail = xasprintf(query, 0.99);
    double p50_ms = 0;
    double p99_ms = 0;
    if (bench_forget_jobs(bench, err) < 0 ||
        submit_at(bench, capacity * level->percent / 100, err) < 0 ||
        bench_await(bench, worker, BENCH_PATIENCE_MS, err) < 0 ||
        bench_query(bench, median, &p50_ms, err) < 0 ||
        bench_query(bench, tail, &p99_ms, err) < 0) {
        return -1;
    }
    bench_record(ret, level->p50, p50_ms);
    bench_record(ret, level->p99, p99_ms);
    return 0;
}

int
bench_open(struct bench *bench, struct bench_results *ret, struct err *err)
{
    static const char *const agents[] = {"bench"};
    _cleanup(bench_worker_stop) struct bench_worker worker = {0};
    double capacity = 0;
    if (bench_worker_start_warm(bench, &worker, err) < 0 ||
        measure_capacity(bench, &worker, &capacity, err) < 0) {
        return -1;
    }
    ctl_say("  jobs that come all at once: %.0f/s", capacity);
    for (size_t i = 0; i < ARRAY_COUNT(levels); i++) {
        if (measure_level(bench, &worker, &levels[i], capacity, ret, err) < 0) {
            return -1;
        }
    }
    return bench_await_silence(bench, agents, ARRAY_COUNT(agents), err);
}
