/* The handler's side of the runtime: all that an agent sees of the fleet.
 *
 * An agent is a pure function: input JSON in, output JSON out.  It has no
 * database, queue, network, clock or randomness; time and seed come in the
 * input.  What it needs from outside it asks its supervisor for:
 *
 *     if (task_ask(task, "prices", request, size, &answer, &n, err)) {
 *         return -1;          // perhaps ERR_SUSPEND: unwind like any error
 *     }
 *
 * A suspended handler is run again from the start, with the same input, when
 * the answer is there; the ask then returns it.  So an agent must ask the same
 * things in the same order for the same input.
 *
 * The whole main.c of an agent is worker_main(argc, argv, &its_worker). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

struct task;

struct worker {
    const char *name;    /* "reporter": agent, queue alex-reporter. */
    const char *summary; /* One line for --help. */
    /* Writes one JSON object to 'output' (its keys: schemas/sql/README.md,
     * settle) and returns 0, or returns -1 with '*err': ERR_REJECT (this input
     * can never work: the task dies with the text), ERR_RETRY, ERR_SUSPEND
     * (passed on from task_ask), ERR_FATAL (as ERR_RETRY, but this process
     * gets no other task).  Anything else is treated as ERR_RETRY. */
    int (*handle)(struct task *task, const char *input, size_t input_size,
                  struct buf *output, struct err *err);
    /* JSON Schema of 'output', NUL-terminated: which effects this agent may
     * have.  The supervisor checks every result against it. */
    const char *result_schema;
    bool intake; /* Jobs begin here: it also takes ALEX_INTAKE_QUEUE's. */
    int64_t cpu_limit_ms; /* CPU time of one run; 0 is 60,000. */
    int64_t memory_bytes; /* RLIMIT_AS beyond the idle handler; 0: 512 MiB. */
};

/* Supervisor, handler (when re-executed by one), --once, --check, --help and
 * --version.  Returns the exit code: 0, 64 usage, 70 unfit, 78 configuration;
 * with --once also those of once.h. */
int worker_main(int argc, char **argv, const struct worker *worker);

/* Asks for something from outside.  'request' is one JSON value of at most
 * 256 KB, 'kind' names the provider ("prices").
 * Owner: '*answer' (JSON text, NUL-terminated, at most 1 MiB) lives as long as
 *   the task.
 * Errors: ERR_SUSPEND: not yet; return it.  ERR_REJECT: unknown kind, refused,
 *   over a limit, or the provider says never.  ERR_RETRY: it may work later. */
int task_ask(struct task *task, const char *kind, const char *request,
             size_t request_size, const char **answer, size_t *answer_size,
             struct err *err);

/* Tells watchers how far this run is; cheap, may be dropped. */
void task_progress(struct task *task, int percent, const char *text);

/* Memory for this run: freed when the handler returns. */
struct arena *task_arena(struct task *task);

/* A task for unit tests and tools, without a supervisor: asks are answered from
 * 'answers' (JSON: [{"kind","request"|absent,"answer"}], or NULL) and are
 * ERR_REJECT otherwise.  Owner: the caller frees. */
int task_offline_new(const char *answers, size_t size, struct task **ret,
                     struct err *err);
void task_offline_free(struct task **task); /* For _cleanup. */
