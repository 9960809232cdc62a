/* A supervisor in small for tests: handlers of the bench worker, each the test
 * program itself executed again, and a loop that waits for runs. */
#pragma once

#include "test.h"

#include "base/buf.h"
#include "bench/bench.h"
#include "runtime/handlers.h"

struct run {
    bool ended;
    int ends; /* How often it was told to have ended. */
    enum handlers_end end;
    struct buf bytes; /* RESULT. */
    struct err err;   /* ERROR, CRASHED, KILLED. */
    int asks;
    int progresses;
    char progress[200];
    struct channel_ask ask; /* The last; only the numbers are valid. */
    const char *answer;     /* To every ask; NULL suspends. */
};

/* First line of main(): does not return in a handler. */
void bench_handlers_main(int argc, char **argv);

struct handlers *bench_handlers_start(const struct worker *worker, int count,
                                      int recycle_tasks);
/* Gives 'run' the task {"node":"t","params":PARAMS}; must find an idle one. */
void bench_handlers_give(struct handlers *handlers, struct run *run,
                         const char *params);
/* Serves until the run has ended, at most 10 s; false if it has not. */
bool bench_handlers_wait(struct handlers *handlers, struct run *run);
/* Serves for so long. */
void bench_handlers_serve(struct handlers *handlers, int64_t ms);
void run_free(struct run *run); /* For _cleanup. */

#define START(name, count)                                                     \
    _cleanup(handlers_free) struct handlers *name =                            \
        bench_handlers_start(&bench_worker, (count), 1000)
#define RUN(name) _cleanup(run_free) struct run name = {0}
