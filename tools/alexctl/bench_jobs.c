#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "alexctl/bench.h"
#include "alexctl/submitter.h"
#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"

#define QUERY_TIMEOUT_MS 60000
#define POLL_MS 50
#define SILENCE_WITHIN_MS 120000
#define SAY_EVERY_MS 5000

int64_t
bench_scale(const struct bench *bench, int64_t count, int64_t least)
{
    int64_t scaled = count * bench->percent / 100;
    return scaled > least ? scaled : least;
}

/* Sleeps a little; -1 when somebody wants us to end.  The signals are blocked
 * so that workers are always stopped. */
static int
nap(struct err *err)
{
    sigset_t signals;
    struct timespec span = {.tv_nsec = POLL_MS * 1000000};
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    if (sigtimedwait(&signals, NULL, &span) > 0) {
        return err_set(err, ERR_RETRY, CTL_TIMED_OUT, "interrupted");
    }
    return 0;
}

int
bench_make_user(struct bench *bench, struct err *err)
{
    static const char portfolio[] =
        "\"years_until_retirement\":25,\"target_retirement_income\":100000},"
        "\"accounts\":[{\"key\":\"bench:1\",\"name\":\"401(k)\","
        "\"cash_balance\":\"5000.00\",\"positions\":["
        "{\"symbol\":\"SPY\",\"quantity\":\"100\"},"
        "{\"symbol\":\"QQQ\",\"quantity\":\"50\"},"
        "{\"symbol\":\"BND\",\"quantity\":\"200\"},"
        "{\"symbol\":\"VEA\",\"quantity\":\"150\"},"
        "{\"symbol\":\"GLD\",\"quantity\":\"25\"}]}]}";
    _cleanup(buf_free) struct buf request = {0};
    _cleanup(store_reply_free) struct store_reply reply = {0};
    char id[UUID_SIZE];
    uuid_v4(id);
    snprintf(bench->user, sizeof(bench->user), "bench-%.8s", id);
    buf_printf(&request, "{\"v\":1,\"user\":{\"clerk_user_id\":\"%s\",%s",
               bench->user, portfolio);
    if (ctl_call(bench->ctl, "portfolio", &request, &reply, err) < 0) {
        return err_wrap(err, "a user with seed instruments (db seed)");
    }
    return 0;
}

/* 'format' with the run's jobs in place of %s. */
static char *
about_jobs(const struct bench *bench, const char *format)
{
    _cleanup(cleanup_free) char *jobs = xasprintf(
        "(select id from public.jobs where clerk_user_id = '%s')", bench->user);
    const char *place = strstr(format, "%s");
    if (place == NULL) {
        return xstrdup(format);
    }
    return xasprintf("%.*s%s%s", (int)(place - format), format, jobs,
                     place + 2);
}

static int
exec_format(struct bench *bench, const char *format, struct err *err)
{
    _cleanup(cleanup_free) char *sql = about_jobs(bench, format);
    return store_exec(bench->store, sql, QUERY_TIMEOUT_MS, err);
}

int
bench_forget_jobs(struct bench *bench, struct err *err)
{
    static const char *const statements[] = {
        ("delete from fleet.checkpoints where task_id in "
         "(select t.id from fleet.tasks t where t.job_id in %s)"),
        "delete from fleet.results where job_id in %s",
        "delete from fleet.inputs where job_id in %s",
        "delete from fleet.events where job_id in %s",
        "delete from fleet.tasks where job_id in %s",
        "delete from fleet.runs where job_id in %s",
        "delete from public.jobs where id in %s",
        "vacuum analyze fleet.tasks",
        "vacuum analyze fleet.runs",
        "vacuum analyze public.jobs",
    };
    for (size_t i = 0; i < ARRAY_COUNT(statements); i++) {
        if (exec_format(bench, statements[i], err) < 0) {
            return -1;
        }
    }
    return 0;
}

int
bench_remove_user(struct bench *bench, struct err *err)
{
    _cleanup(cleanup_free) char *sql = xasprintf(
        "delete from public.users where clerk_user_id = '%s'", bench->user);
    return bench_forget_jobs(bench, err) < 0
               ? -1
               : store_exec(bench->store, sql, QUERY_TIMEOUT_MS, err);
}

int
bench_submit(struct bench *bench, const char *params, int64_t count,
             bool insured, struct err *err)
{
    while (count > 0) {
        struct submitter_job jobs[SUBMITTER_BATCH_MAX];
        size_t some =
            count < SUBMITTER_BATCH_MAX ? (size_t)count : SUBMITTER_BATCH_MAX;
        for (size_t i = 0; i < some; i++) {
            jobs[i] = (struct submitter_job){.user = bench->user,
                                             .type = "bench",
                                             .agent = "bench",
                                             .node = BENCH_NODE,
                                             .request = "{}",
                                             .params = params,
                                             .no_snapshot = true,
                                             .uninsured = !insured};
            uuid_v4(jobs[i].id);
        }
        if (submitter_submit(bench->ctl, jobs, some, err) < 0) {
            return -1;
        }
        count -= (int64_t)some;
    }
    return 0;
}

int
bench_query(struct bench *bench, const char *format, double *ret,
            struct err *err)
{
    _cleanup(cleanup_free) char *sql = about_jobs(bench, format);
    _cleanup(store_reply_free) struct store_reply reply = {0};
    if (store_query(bench->store, sql, QUERY_TIMEOUT_MS, &reply, err) < 0) {
        return -1;
    }
    bool none = reply.count == 0 || reply.rows[0].head == NULL;
    *ret = none ? 0 : strtod(reply.rows[0].head, NULL);
    return 0;
}

int
bench_now(struct bench *bench, double *ret, struct err *err)
{
    return bench_query(
        bench, "select extract(epoch from clock_timestamp())::text", ret, err);
}

/* Without counting all the time: that would be a part of what is measured. */
static int
count_open(struct bench *bench, bool just_whether, double *ret, struct err *err)
{
    return bench_query(bench,
                       just_whether ? "select count(*)::text from (select from "
                                      "fleet.runs where ended_at is null "
                                      "limit 1) r"
                                    : "select count(*)::text from fleet.runs "
                                      "where ended_at is null",
                       ret, err);
}

int
bench_await(struct bench *bench, const struct bench_worker *worker,
            int64_t timeout_ms, struct err *err)
{
    int64_t give_up_ms = clock_boot_ms() + timeout_ms;
    int64_t say_ms = clock_boot_ms() + SAY_EVERY_MS;
    double open = 0;
    for (;;) {
        bool tell = clock_boot_ms() > say_ms || clock_boot_ms() > give_up_ms;
        if (count_open(bench, !tell, &open, err) < 0) {
            return -1;
        }
        if (open < 1) {
            return 0;
        }
        if (clock_boot_ms() > give_up_ms) {
            return err_set(err, ERR_RETRY, CTL_TIMED_OUT,
                           "%.0f jobs are still open after %" PRId64 " s", open,
                           timeout_ms / 1000);
        }
        if (tell) {
            say_ms = clock_boot_ms() + SAY_EVERY_MS;
            ctl_say("  %.0f jobs to go", open);
        }
        if (nap(err) < 0 ||
            (worker != NULL && bench_worker_check(worker, err) < 0)) {
            return -1;
        }
    }
}

int
bench_await_silence(struct bench *bench, const char *const *agents,
                    size_t count, struct err *err)
{
    struct queue *queue = NULL;
    int64_t give_up_ms = clock_boot_ms() + SILENCE_WITHIN_MS;
    if (ctl_queue(bench->ctl, &queue, err) < 0) {
        return -1;
    }
    for (size_t i = 0; i < count;) {
        char name[96];
        struct queue_depth depth;
        bell_queue_name(agents[i], name);
        if (queue_depth(queue, name, &depth, err) < 0) {
            return -1;
        }
        int64_t messages = depth.waiting + depth.in_flight + depth.delayed;
        if (messages == 0) {
            i++;
        } else if (clock_boot_ms() > give_up_ms) {
            return err_set(err, ERR_RETRY, CTL_TIMED_OUT,
                           "%s still holds %" PRId64 " messages", name,
                           messages);
        } else if (nap(err) < 0) {
            return -1;
        }
    }
    return 0;
}
