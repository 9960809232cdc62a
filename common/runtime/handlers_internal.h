/* What the files of handlers.h share: handlers.c keeps the set of processes,
 * handlers_frames.c decides about what they send, handlers_tend.c lets them be
 * born and die. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "runtime/handlers.h"
#include "runtime/slot.h"

#define HANDLERS_STUCK_MAX 4
/* What 0 means in struct worker. */
#define HANDLERS_CPU_LIMIT_MS 60000
#define HANDLERS_MEMORY_BYTES ((int64_t)512 * 1024 * 1024)

struct handlers {
    struct handlers_options options;
    struct handlers_events events;
    int exe_fd;
    int poll_fd;
    int child_fd;      /* signalfd of SIGCHLD. */
    int failed_starts; /* In a row. */
    bool warned;       /* About a sandbox that lacks something. */
    int64_t pace_ms;   /* No spawn without need before this. */
    struct err start_err;
    int stuck_count;
    pid_t stuck[HANDLERS_STUCK_MAX]; /* Killed, but not dying. */
    struct slot slots[];
};

static inline struct slot *
handlers_slots_end(struct handlers *handlers)
{
    return handlers->slots + handlers->options.count;
}

static inline int64_t
handlers_cpu_limit_ms(const struct worker *worker)
{
    return worker->cpu_limit_ms > 0 ? worker->cpu_limit_ms
                                    : HANDLERS_CPU_LIMIT_MS;
}

/* Deals with every whole frame that 'slot' has received. */
void handlers_take_frames(struct handlers *handlers, struct slot *slot);
/* The run of 'slot' is over: frees the slot and then tells, because the
 * receiver may well start the next run from there. */
void handlers_end_run(struct handlers *handlers, struct slot *slot,
                      enum handlers_end end, const char *bytes, size_t size,
                      const struct err *err);
/* Spawns into a cold slot; a failure is counted, see handlers_tend(). */
void handlers_spawn(struct handlers *handlers, struct slot *slot,
                    int64_t now_ms);
/* Buries every child that is dead, ours or not. */
void handlers_reap(struct handlers *handlers);
/* Spawns, gives up on what does not get ready or does not die, and says when
 * there is more of that to do; see handlers_run(). */
int handlers_tend(struct handlers *handlers, int64_t *ret_next_ms,
                  struct err *err);
