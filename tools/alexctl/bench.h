/* alexctl bench: what its parts share.
 *
 *     bench.c          the list of measurements, the table
 *     bench_load.c     tasks a second, jobs a second, latency, suspension
 *     bench_open.c     latency at a part of what the fleet can do
 *     bench_process.c  memory and start
 *     bench_ceiling.c  what database and broker reach without workers
 *     bench_fleet.c    worker processes, started and stopped
 *     bench_jobs.c     jobs of its own: made, awaited, measured, removed */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "alexctl/ctl.h"

#define BENCH_USER_SIZE 32
#define BENCH_NODE "root" /* Of the bench agent's jobs. */
/* As the measurements start the bench worker, unless they say otherwise. */
#define BENCH_HANDLERS 8
#define BENCH_IN_FLIGHT 1000
#define BENCH_PATIENCE_MS 300000

struct bench {
    struct ctl *ctl;
    struct store *store;        /* The owner's. */
    char user[BENCH_USER_SIZE]; /* Of this run; "bench-1a2b3c4d". */
    int64_t percent;            /* Of the usual amounts. */
};

/* 'count' of the usual amount, at least 'least'. */
int64_t bench_scale(const struct bench *bench, int64_t count, int64_t least);

/* --- worker processes -----------------------------------------------------*/

struct bench_worker {
    pid_t pid; /* 0: none. */
    char agent[32];
};

/* Starts alex-AGENT from beside this program in a build tree, else from PATH.
 * Errors: ERR_FATAL (78) when there is no such program. */
int bench_worker_start(struct bench *bench, const char *agent, int concurrency,
                       int in_flight, struct bench_worker *ret,
                       struct err *err);
/* SIGTERM, and SIGKILL after ten seconds; for _cleanup. */
void bench_worker_stop(struct bench_worker *worker);
/* A bench worker that has shown that it works. */
int bench_worker_start_warm(struct bench *bench, struct bench_worker *worker,
                            struct err *err);
/* Of the supervisor, and of a handler on average (PSS).  Returns -1 when it can
 * not be read: workers hide it from everybody but root. */
int bench_worker_memory(const struct bench_worker *worker,
                        double *ret_supervisor_mb, double *ret_handler_mb);
/* Returns -1 with an error when it has ended by itself. */
int bench_worker_check(const struct bench_worker *worker, struct err *err);

/* --- jobs -----------------------------------------------------------------*/

/* Makes the run's user, with a small portfolio. */
int bench_make_user(struct bench *bench, struct err *err);
/* Removes user, jobs and what the engine keeps of them. */
int bench_remove_user(struct bench *bench, struct err *err);
/* Jobs whose root task is the bench agent's, with these parameters.  'insured':
 * as a real submitter does it (submitter.h), else without the delayed bell. */
int bench_submit(struct bench *bench, const char *params, int64_t count,
                 bool insured, struct err *err);
/* Waits until no job is open, 'worker' (may be NULL) alive. */
int bench_await(struct bench *bench, const struct bench_worker *worker,
                int64_t timeout_ms, struct err *err);
/* Waits until the agents' queues are empty, delayed bells too. */
int bench_await_silence(struct bench *bench, const char *const *agents,
                        size_t count, struct err *err);
/* Forgets the jobs that are over, so that the next measurement sees its own. */
int bench_forget_jobs(struct bench *bench, struct err *err);
/* The first column of the first row of a query about the run's jobs, in which
 * %s stands for "(select id from public.jobs where clerk_user_id = USER)". */
int bench_query(struct bench *bench, const char *format, double *ret,
                struct err *err);
/* The database's clock, in seconds. */
int bench_now(struct bench *bench, double *ret, struct err *err);

/* --- measurements ---------------------------------------------------------*/

enum bench_id {
    BENCH_NOOP,
    BENCH_BATCH,
    BENCH_NOOP_10,
    BENCH_BATCH_10,
    BENCH_FAN,
    BENCH_WIDE,
    BENCH_OPEN_10_P50,
    BENCH_OPEN_10_P99,
    BENCH_OPEN_50_P50,
    BENCH_OPEN_50_P99,
    BENCH_OPEN_80_P50,
    BENCH_OPEN_80_P99,
    BENCH_P50,
    BENCH_P95,
    BENCH_P99,
    BENCH_SUSPENDED,
    BENCH_SUSPENDED_KB,
    BENCH_SUPERVISOR,
    BENCH_HANDLER,
    BENCH_START,
    BENCH_SQL_50,
    BENCH_SQL_10,
    BENCH_QUEUE,
    BENCH_IDS,
};

struct bench_results {
    double values[BENCH_IDS];
    bool known[BENCH_IDS];
};

void bench_record(struct bench_results *results, enum bench_id id,
                  double value);

/* The smallest value that 'percent' of them are not above; sorts them. */
double bench_percentile(double *values, size_t count, int percent);

int bench_noop(struct bench *bench, struct bench_results *ret, struct err *err);
int bench_noop_10(struct bench *bench, struct bench_results *ret,
                  struct err *err);
int bench_fan(struct bench *bench, struct bench_results *ret, struct err *err);
int bench_wide(struct bench *bench, struct bench_results *ret, struct err *err);
int bench_open(struct bench *bench, struct bench_results *ret, struct err *err);
int bench_latency(struct bench *bench, struct bench_results *ret,
                  struct err *err);
int bench_suspended(struct bench *bench, struct bench_results *ret,
                    struct err *err);
int bench_process(struct bench *bench, struct bench_results *ret,
                  struct err *err);
int bench_sql(struct bench *bench, struct bench_results *ret, struct err *err);
int bench_queue(struct bench *bench, struct bench_results *ret,
                struct err *err);
