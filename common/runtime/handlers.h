/* The handler processes of one supervisor: spawned, fed, watched, reaped.
 *
 * A handler is this very binary executed again: empty environment, one socket
 * and nothing else, resource limits, no new privileges, a seccomp allow-list.
 * It runs one task at a time and is replaced after 'recycle_tasks' of them.
 * Everything here runs on the loop thread and never blocks: the loop polls the
 * descriptors of handlers_poll_fd() and calls handlers_run(). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "runtime/channel.h"
#include "runtime/worker.h"

struct handlers;
struct run; /* The loop's: a task that is being handled. */

/* How a run ended; exactly one of these per handlers_start(), except after
 * handlers_kill() with HANDLERS_FORGET. */
enum handlers_end {
    HANDLERS_RESULT,  /* 'bytes': the output, not yet checked. */
    HANDLERS_ERROR,   /* 'err': the handler's own (kind SUSPEND included). */
    HANDLERS_CRASHED, /* 'err' says how: signal, exit, bad frame, CPU limit. */
    HANDLERS_KILLED,  /* handlers_kill() came before it had answered whole. */
};

struct handlers_events {
    void (*ended)(void *context, struct run *run, enum handlers_end end,
                  const char *bytes, size_t size, const struct err *err);
    /* Answer at once with handlers_answer() or handlers_refuse(), in this call
     * or at least before the next handlers_run() returns. */
    void (*asked)(void *context, struct run *run,
                  const struct channel_ask *ask);
    void (*progressed)(void *context, struct run *run, const char *json,
                       size_t size);
    void *context;
};

struct handlers_options {
    const struct worker *worker;
    int count;            /* Processes. */
    int recycle_tasks;    /* Replaced after this many. */
    int64_t memory_bytes; /* Per handler, see worker.h. */
};

struct handlers_answer { /* One stored answer to start a run with. */
    uint32_t ordinal;
    char sha256[65];
    const char *bytes;
    size_t size;
};

/* Spawns the first; the others follow one by one from handlers_run(), so that a
 * worker's first claim does not wait for them.  A run may be given to a handler
 * that does not exist yet: one that dies before it is ready is replaced and the
 * run stays, uncharged.  Must be called on the thread that will run them
 * (PDEATHSIG follows the thread); blocks SIGCHLD there.
 * Errors: ERR_FATAL: no /proc, no descriptors. */
int handlers_start_all(const struct handlers_options *options,
                       const struct handlers_events *events,
                       struct handlers **ret, struct err *err);
/* Kills and reaps what is left; bounded (5 s). */
void handlers_free(struct handlers **handlers);

/* An epoll descriptor that is readable when handlers_run() has work. */
int handlers_poll_fd(const struct handlers *handlers);
/* Reads, writes, reaps (every child of the process: it may be PID 1), replaces
 * the dead.  Call it before each wait: '*ret_next_ms' is how long the wait may
 * last at most, or -1.
 * Errors: ERR_FATAL: handlers die before they are ready, or cannot be killed.
 */
int handlers_run(struct handlers *handlers, int64_t *ret_next_ms,
                 struct err *err);
/* How many runs could be given out now. */
int handlers_idle_count(const struct handlers *handlers);

/* Gives 'run' to an idle handler.  The bytes are copied into the channel.
 * Errors: ERR_RETRY: none is idle; ERR_REJECT: more than a frame holds. */
int handlers_start(struct handlers *handlers, struct run *run,
                   const char *input, size_t input_size,
                   const struct handlers_answer *answers, size_t answer_count,
                   struct err *err);
void handlers_answer(struct handlers *handlers, struct run *run,
                     uint32_t ordinal, const char *bytes, size_t size);
void handlers_refuse(struct handlers *handlers, struct run *run,
                     const struct err *why);
/* SIGKILL.  The end follows as an event: HANDLERS_KILLED, or what the handler
 * had already answered whole.  With 'forget' none follows: the run is no longer
 * ours. */
void handlers_kill(struct handlers *handlers, struct run *run, bool forget);

/* The child's side.  Called by worker_main() when the first argument is
 * HANDLERS_CHILD_FLAG; the arguments after it are between the two sides. */
#define HANDLERS_CHILD_FLAG "--handler"
_Noreturn void handlers_child_main(const struct worker *worker, int argc,
                                   char **argv);

/* Memory for metrics and bench: PIDs of live handlers. */
size_t handlers_pids(const struct handlers *handlers, int *pids, size_t max);
