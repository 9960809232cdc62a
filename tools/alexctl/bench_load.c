/* Load: how many tasks and jobs a second, how soon, how many at once. */

#include <string.h>
#include <time.h>

#include "alexctl/bench.h"
#include "alexctl/submitter.h"
#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"

#define FEW_IN_FLIGHT 20 /* Makes claims of about ten. */
#define NOOPS 30000
#define FANS 4000
#define FAN_PARAMS "{\"op\":\"fan\",\"width\":8}"
/* As many as a plan may have: with the join 1,000. */
#define WIDE_PARAMS "{\"op\":\"fan\",\"width\":999,\"join\":true}"
#define WIDES 10
#define LATENCIES 200
#define SUSPENDED 500
#define ASK_PARAMS "{\"op\":\"ask\",\"delay_ms\":3000}"

static const char *const bench_agent[] = {"bench"};

/* All are waiting when the worker starts; the clock runs from the first claim
 * to the last settle.  A claim stamps all its tasks with one time. */
static int
burn_down(struct bench *bench, int in_flight, double *ret_rate,
          double *ret_batch, struct err *err)
{
    _cleanup(bench_worker_stop) struct bench_worker worker = {0};
    int64_t count = bench_scale(bench, NOOPS, 200);
    if (bench_submit(bench, NULL, count, false, err) < 0 ||
        bench_worker_start(bench, "bench", BENCH_HANDLERS, in_flight, &worker,
                           err) < 0 ||
        bench_await(bench, &worker, BENCH_PATIENCE_MS, err) < 0 ||
        bench_query(bench,
                    "select (count(*) / extract(epoch from max(since) - "
                    "min(claimed_at)))::text from fleet.tasks "
                    "where job_id in %s",
                    ret_rate, err) < 0 ||
        bench_query(bench,
                    "select (count(*)::float / count(distinct claimed_at))"
                    "::text from fleet.tasks where job_id in %s",
                    ret_batch, err) < 0) {
        return -1;
    }
    return bench_await_silence(bench, bench_agent, 1, err);
}

int
bench_noop(struct bench *bench, struct bench_results *ret, struct err *err)
{
    double rate = 0;
    double batch = 0;
    if (burn_down(bench, BENCH_IN_FLIGHT, &rate, &batch, err) < 0) {
        return -1;
    }
    bench_record(ret, BENCH_NOOP, rate);
    bench_record(ret, BENCH_BATCH, batch);
    return 0;
}

int
bench_noop_10(struct bench *bench, struct bench_results *ret, struct err *err)
{
    double rate = 0;
    double batch = 0;
    if (burn_down(bench, FEW_IN_FLIGHT, &rate, &batch, err) < 0) {
        return -1;
    }
    bench_record(ret, BENCH_NOOP_10, rate);
    bench_record(ret, BENCH_BATCH_10, batch);
    return 0;
}

/* The clock runs from before the first submit to the last job's end. */
int
bench_fan(struct bench *bench, struct bench_results *ret, struct err *err)
{
    _cleanup(bench_worker_stop) struct bench_worker worker = {0};
    int64_t count = bench_scale(bench, FANS, 20);
    double from = 0;
    double to = 0;
    if (bench_worker_start_warm(bench, &worker, err) < 0 ||
        bench_now(bench, &from, err) < 0 ||
        bench_submit(bench, FAN_PARAMS, count, true, err) < 0 ||
        bench_await(bench, &worker, BENCH_PATIENCE_MS, err) < 0 ||
        bench_query(bench,
                    "select extract(epoch from max(ended_at))::text "
                    "from fleet.runs where job_id in %s",
                    &to, err) < 0) {
        return -1;
    }
    bench_record(ret, BENCH_FAN, (double)count / (to - from));
    ctl_say("  waiting for the insurance doorbells (30 s)");
    return bench_await_silence(bench, bench_agent, 1, err);
}

/* Tasks of one job at a time: they all wait for its row. */
int
bench_wide(struct bench *bench, struct bench_results *ret, struct err *err)
{
    _cleanup(bench_worker_stop) struct bench_worker worker = {0};
    double rates[WIDES];
    if (bench_worker_start_warm(bench, &worker, err) < 0) {
        return -1;
    }
    for (size_t i = 0; i < WIDES; i++) {
        if (bench_forget_jobs(bench, err) < 0 ||
            bench_submit(bench, WIDE_PARAMS, 1, false, err) < 0 ||
            bench_await(bench, &worker, BENCH_PATIENCE_MS, err) < 0 ||
            bench_query(bench,
                        "select (count(*) / extract(epoch from max(since) - "
                        "min(claimed_at)))::text from fleet.tasks "
                        "where job_id in %s",
                        &rates[i], err) < 0) {
            return -1;
        }
    }
    bench_record(ret, BENCH_WIDE, bench_percentile(rates, WIDES, 50));
    return bench_await_silence(bench, bench_agent, 1, err);
}

/* --- latency --------------------------------------------------------------*/

static const char *const agents[] = {"planner", "tagger", "reporter", "charter",
                                     "retirement"};

struct fleet {
    struct bench_worker workers[ARRAY_COUNT(agents)];
};

static void
fleet_stop(struct fleet *fleet)
{
    for (size_t i = 0; i < ARRAY_COUNT(agents); i++) {
        bench_worker_stop(&fleet->workers[i]);
    }
}

static int
submit_analysis(struct bench *bench, struct err *err)
{
    struct submitter_job job = {
        .user = bench->user,
        .type = "portfolio_analysis",
        .agent = "planner",
        .node = "plan",
        .request = "{\"analysis_type\":\"portfolio\",\"options\":{}}"};
    uuid_v4(job.id);
    return submitter_submit(bench->ctl, &job, 1, err);
}

/* From before the submit's first doorbell to the job's last settle. */
static int
time_analysis(struct bench *bench, double *ret_ms, struct err *err)
{
    double from = 0;
    double to = 0;
    if (bench_now(bench, &from, err) < 0 || submit_analysis(bench, err) < 0 ||
        bench_await(bench, NULL, BENCH_PATIENCE_MS, err) < 0 ||
        bench_query(bench,
                    "select extract(epoch from max(ended_at))::text "
                    "from fleet.runs where job_id in %s",
                    &to, err) < 0) {
        return -1;
    }
    *ret_ms = (to - from) * 1000;
    return 0;
}

int
bench_latency(struct bench *bench, struct bench_results *ret, struct err *err)
{
    _cleanup(fleet_stop) struct fleet fleet = {0};
    size_t count = (size_t)bench_scale(bench, LATENCIES, 20);
    _cleanup(cleanup_free) double *times_ms = xcalloc(count, sizeof(double));
    for (size_t i = 0; i < ARRAY_COUNT(agents); i++) {
        if (bench_worker_start(bench, agents[i], 2, BENCH_IN_FLIGHT,
                               &fleet.workers[i], err) < 0) {
            return -1;
        }
    }
    double warm_up_ms = 0;
    if (time_analysis(bench, &warm_up_ms, err) < 0) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        if (time_analysis(bench, &times_ms[i], err) < 0) {
            return -1;
        }
    }
    bench_record(ret, BENCH_P50, bench_percentile(times_ms, count, 50));
    bench_record(ret, BENCH_P95, bench_percentile(times_ms, count, 95));
    bench_record(ret, BENCH_P99, bench_percentile(times_ms, count, 99));
    ctl_say("  waiting for the insurance doorbells (30 s)");
    return bench_await_silence(bench, agents, ARRAY_COUNT(agents), err);
}

/* --- suspension -----------------------------------------------------------*/

/* What the supervisor grows by, from idle to all suspended, over their number.
 */
static int
weigh_suspended(struct bench *bench, const struct bench_worker *worker,
                double idle_mb, struct bench_results *ret, struct err *err)
{
    double claimed = 0;
    double mb = 0;
    double handler_mb = 0;
    int64_t give_up_ms = clock_boot_ms() + BENCH_PATIENCE_MS;
    while (claimed < SUSPENDED && clock_boot_ms() < give_up_ms) {
        if (bench_worker_check(worker, err) < 0 ||
            bench_query(bench,
                        "select count(claimed_at)::text from fleet.tasks "
                        "where job_id in %s",
                        &claimed, err) < 0) {
            return -1;
        }
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
    if (bench_worker_memory(worker, &mb, &handler_mb) == 0) {
        bench_record(ret, BENCH_SUSPENDED_KB,
                     (mb - idle_mb) * 1000 / SUSPENDED);
    }
    return 0;
}

/* Those that had been claimed when the first of them ended. */
int
bench_suspended(struct bench *bench, struct bench_results *ret, struct err *err)
{
    _cleanup(bench_worker_stop) struct bench_worker worker = {0};
    double at_once = 0;
    double idle_mb = 0;
    double handler_mb = 0;
    if (bench_worker_start_warm(bench, &worker, err) < 0 ||
        bench_forget_jobs(bench, err) < 0) {
        return -1;
    }
    if (bench_worker_memory(&worker, &idle_mb, &handler_mb) < 0) {
        ctl_say("  so what each weighs is not known");
    }
    if (bench_submit(bench, ASK_PARAMS, SUSPENDED, false, err) < 0 ||
        weigh_suspended(bench, &worker, idle_mb, ret, err) < 0 ||
        bench_await(bench, &worker, BENCH_PATIENCE_MS, err) < 0 ||
        bench_query(bench,
                    "with t as (select claimed_at, since from fleet.tasks "
                    "where state = 'succeeded' and job_id in %s) "
                    "select count(*)::text from t "
                    "where claimed_at < (select min(since) from t)",
                    &at_once, err) < 0) {
        return -1;
    }
    bench_record(ret, BENCH_SUSPENDED, at_once);
    return bench_await_silence(bench, bench_agent, 1, err);
}
