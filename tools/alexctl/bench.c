/* alexctl bench: the fleet measured against what it is to reach, and against
 * what database and broker reach alone in the same run. */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alexctl/bench.h"
#include "alexctl/term.h"
#include "base/cleanup.h"

struct options {
    const char *only;
    int64_t percent;
    bool json;
};

#define FIELD(name) offsetof(struct options, name)

static const struct args_option options[] = {
    {ARGS_TEXT, "only", "PART", FIELD(only), 0, 0, NULL,
     "noop, noop10, wide, open, fan, latency, suspended, process, sql, queue"},
    {ARGS_INT, "percent", "N", FIELD(percent), 1, 1000, "100",
     "of the usual amounts of jobs"},
    {ARGS_FLAG, "json", NULL, FIELD(json), 0, 0, NULL, "print one JSON object"},
};

/* In the order they run: those that leave doorbells for later come last. */
static const struct part {
    const char *name;
    const char *says;
    int (*run)(struct bench *bench, struct bench_results *ret, struct err *err);
} parts[] = {
    {"sql", "the database alone", bench_sql},
    {"queue", "the broker alone", bench_queue},
    {"noop", "no-op tasks in full batches", bench_noop},
    {"noop10", "no-op tasks in batches of 10", bench_noop_10},
    {"wide", "one job of 1,000 tasks", bench_wide},
    {"open", "jobs at a steady rate", bench_open},
    {"suspended", "tasks suspended on asks", bench_suspended},
    {"process", "memory and start", bench_process},
    {"fan", "fan-out of 8", bench_fan},
    {"latency", "analyses on an idle fleet", bench_latency},
};

/* What to reach: DESIGN's first goals. */
static const struct row {
    const char *name; /* In JSON. */
    const char *says;
    const char *unit;
    double target;         /* 0: none. */
    enum bench_id ceiling; /* Itself: none. */
    bool less_is_better;
} rows[BENCH_IDS] = {
    [BENCH_NOOP] = {"noop_tasks_per_s", "durable no-op tasks", "/s", 15000,
                    BENCH_SQL_50, false},
    [BENCH_BATCH] = {"noop_claim_batch", "  tasks a claim", "", 0, BENCH_BATCH,
                     false},
    [BENCH_BATCH_10] = {"noop_claim_batch_10", "  tasks a claim", "", 0,
                        BENCH_BATCH_10, false},
    [BENCH_NOOP_10] = {"noop_tasks_per_s_batch_10", "same, few in flight", "/s",
                       8000, BENCH_SQL_10, false},
    [BENCH_FAN] = {"fan_8_jobs_per_s", "fan-out of 8, submit included",
                   "jobs/s", 1500, BENCH_FAN, false},
    [BENCH_WIDE] = {"wide_tasks_per_s", "one job of 1,000 tasks", "/s", 0,
                    BENCH_SQL_50, false},
    [BENCH_OPEN_10_P50] = {"open_10_p50_ms", "open loop at 10 %, p50", "ms", 0,
                           BENCH_OPEN_10_P50, true},
    [BENCH_OPEN_10_P99] = {"open_10_p99_ms", "open loop at 10 %, p99", "ms", 0,
                           BENCH_OPEN_10_P99, true},
    [BENCH_OPEN_50_P50] = {"open_50_p50_ms", "open loop at 50 %, p50", "ms", 0,
                           BENCH_OPEN_50_P50, true},
    [BENCH_OPEN_50_P99] = {"open_50_p99_ms", "open loop at 50 %, p99", "ms", 0,
                           BENCH_OPEN_50_P99, true},
    [BENCH_OPEN_80_P50] = {"open_80_p50_ms", "open loop at 80 %, p50", "ms", 0,
                           BENCH_OPEN_80_P50, true},
    [BENCH_OPEN_80_P99] = {"open_80_p99_ms", "open loop at 80 %, p99", "ms", 0,
                           BENCH_OPEN_80_P99, true},
    [BENCH_P50] = {"analysis_p50_ms", "submit to completed, p50", "ms", 15,
                   BENCH_P50, true},
    [BENCH_P95] = {"analysis_p95_ms", "submit to completed, p95", "ms", 0,
                   BENCH_P95, true},
    [BENCH_P99] = {"analysis_p99_ms", "submit to completed, p99", "ms", 40,
                   BENCH_P99, true},
    [BENCH_SUSPENDED] = {"suspended_tasks", "suspended at once, 8 handlers", "",
                         500, BENCH_SUSPENDED, false},
    [BENCH_SUSPENDED_KB] = {"suspended_kb", "  memory of each", "kB", 0,
                            BENCH_SUSPENDED_KB, true},
    [BENCH_SUPERVISOR] = {"supervisor_mb", "memory (PSS) of a supervisor", "MB",
                          12, BENCH_SUPERVISOR, true},
    [BENCH_HANDLER] = {"handler_mb", "memory (PSS) of an idle handler", "MB", 3,
                       BENCH_HANDLER, true},
    [BENCH_START] = {"start_to_claim_ms", "start to first claim", "ms", 50,
                     BENCH_START, true},
    [BENCH_SQL_50] = {"sql_tasks_per_s", "database alone, batches of 50", "/s",
                      0, BENCH_SQL_50, false},
    [BENCH_SQL_10] = {"sql_tasks_per_s_batch_10",
                      "database alone, batches of 10", "/s", 0, BENCH_SQL_10,
                      false},
    [BENCH_QUEUE] = {"queue_messages_per_s", "broker alone, batches of 50",
                     "/s", 0, BENCH_QUEUE, false},
};

void
bench_record(struct bench_results *results, enum bench_id id, double value)
{
    results->values[id] = value;
    results->known[id] = true;
}

static int
by_value(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left > right) - (left < right);
}

double
bench_percentile(double *values, size_t count, int percent)
{
    size_t rank = (count * (size_t)percent + 99) / 100;
    qsort(values, count, sizeof(double), by_value);
    return values[rank > 0 ? rank - 1 : 0];
}

/* Above 1 is better than the target. */
static double
ratio(const struct row *row, double value)
{
    return row->less_is_better ? row->target / value : value / row->target;
}

static void
print_row(enum bench_id id, const struct bench_results *results)
{
    const struct row *row = &rows[id];
    double value = results->values[id];
    if (!results->known[id]) {
        return;
    }
    printf("%-34s %10.*f %-7s", row->says, value < 100 ? 1 : 0, value,
           row->unit);
    if (row->ceiling != id && results->known[row->ceiling]) {
        printf("%10.0f", results->values[row->ceiling]);
    } else {
        printf("%10s", "-");
    }
    if (row->target > 0) {
        printf("%9.0f %8.2f  %s", row->target, ratio(row, value),
               ratio(row, value) >= 1 ? "reached" : "not reached");
    }
    putchar('\n');
}

static void
print_table(const struct bench_results *results)
{
    printf("%-34s %10s %-7s%10s%9s %8s\n", "", "measured", "", "ceiling",
           "target", "ratio");
    for (size_t id = 0; id < BENCH_IDS; id++) {
        print_row((enum bench_id)id, results);
    }
}

static void
print_json(const struct bench_results *results)
{
    _cleanup(buf_free) struct buf out = {0};
    buf_json_object(&out);
    for (size_t id = 0; id < BENCH_IDS; id++) {
        const struct row *row = &rows[id];
        if (!results->known[id]) {
            continue;
        }
        buf_json_key(&out, row->name);
        buf_json_object(&out);
        buf_json_key(&out, "measured");
        buf_json_double(&out, results->values[id]);
        if (row->ceiling != id && results->known[row->ceiling]) {
            buf_json_key(&out, "ceiling");
            buf_json_double(&out, results->values[row->ceiling]);
        }
        if (row->target > 0) {
            buf_json_key(&out, "target");
            buf_json_double(&out, row->target);
            buf_json_key(&out, "ratio");
            buf_json_double(&out, ratio(row, results->values[id]));
        }
        buf_json_end(&out);
    }
    buf_json_end(&out);
    puts(out.data);
}

static int
check_only(const char *only, struct err *err)
{
    for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
        if (only == NULL || strcmp(only, parts[i].name) == 0) {
            return 0;
        }
    }
    return err_set(err, ERR_REJECT, CTL_EXIT_USAGE,
                   "--only takes noop, noop10, wide, open, fan, latency, "
                   "suspended, process, sql or queue, not '%.40s'",
                   only);
}

static int
check_idle(struct bench *bench, struct err *err)
{
    double open = 0;
    if (bench_query(bench,
                    "select count(*)::text from fleet.runs "
                    "where ended_at is null",
                    &open, err) < 0) {
        return -1;
    }
    return open < 1 ? 0
                    : err_set(err, ERR_REJECT, 0,
                              "%.0f jobs are open here: bench wants a fleet of "
                              "its own (tools/servers start --dir /tmp/bench)",
                              open);
}

static int
run_parts(struct bench *bench, const char *only, struct bench_results *ret,
          struct err *err)
{
    for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
        if (only != NULL && strcmp(only, parts[i].name) != 0) {
            continue;
        }
        ctl_say("%s", parts[i].says);
        if (parts[i].run(bench, ret, err) < 0) {
            return err_wrap(err, "%s", parts[i].name);
        }
        if (bench_forget_jobs(bench, err) < 0) {
            return -1;
        }
    }
    return 0;
}

static void
say_if_busy(void)
{
    double load = 0;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (getloadavg(&load, 1) == 1 && load > (double)cores / 2) {
        ctl_say("this machine is busy (load %.1f on %ld cores): what follows "
                "is worse than it could be",
                load, cores);
    }
}

/* Ctrl-C and SIGTERM are looked for while waiting (bench_jobs.c). */
static void
block_signals(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL);
}

static int
run(struct ctl *ctl, const void *given, struct err *err)
{
    const struct options *o = given;
    struct bench bench = {.ctl = ctl, .percent = o->percent};
    struct bench_results results = {0};
    struct err ignored;
    if (check_only(o->only, err) < 0 ||
        ctl_store(ctl, true, &bench.store, err) < 0 ||
        check_idle(&bench, err) < 0 || bench_make_user(&bench, err) < 0) {
        return -1;
    }
    say_if_busy();
    block_signals();
    if (run_parts(&bench, o->only, &results, err) < 0) {
        bench_remove_user(&bench, &ignored);
        return -1;
    }
    if (bench_remove_user(&bench, err) < 0) {
        return -1;
    }
    if (o->json) {
        print_json(&results);
    } else {
        print_table(&results);
    }
    return CTL_EXIT_OK;
}

const struct command command_bench = {
    .name = "bench",
    .summary = "Measure the fleet, beside what it is to reach.",
    .details =
        "Wants a database and a broker that nobody else uses, and the owner's\n"
        "connection.  Starts the workers it needs and stops them, makes jobs "
        "of its\nown and removes them.  Takes about three minutes; a quiet "
        "machine and the\nmedian of several runs make it worth quoting.\n\n"
        "The ceiling of tasks is the database's own: two connections that "
        "claim and\nsettle in a loop.  Ends with 0 whatever was reached.\n\n"
        "Examples:\n"
        "  tools/servers start --dir /tmp/bench\n"
        "  eval \"$(tools/servers env --dir /tmp/bench)\"\n"
        "  alexctl db migrate && alexctl db seed && alexctl bench\n"
        "  alexctl bench --only noop --percent 50 --json\n",
    .options = options,
    .option_count = ARRAY_COUNT(options),
    .options_size = sizeof(struct options),
    .run = run,
};
