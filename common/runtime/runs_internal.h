/* What the files of runs.h share: runs.c is the whole, runs_move.c moves
 * runs between the lists of their stages, runs_exec.c has those in a handler,
 * runs_asks.c gives them what they ask for. */
#pragma once

#include "runtime/asks.h"
#include "runtime/flight.h"
#include "runtime/handlers.h"
#include "runtime/runs.h"

struct run_list {
    struct run *first;
    struct run *last;
    size_t count;
};

struct runs {
    struct supervisor *sup;
    struct handlers *handlers;
    struct asks *asks;
    struct run_list lists[RUN_STAGES]; /* By stage; RUN_LEFT stays empty. */
    struct run_ask *starting;          /* While asks_start() is called. */
    size_t parked_bytes;
    int64_t next_deadline_ms; /* No run has an earlier one. */
    int64_t rate_since_ms;    /* Throughput is counted from here. */
    int64_t rate_ended;
    size_t want; /* Runnable ones we want to see. */
    bool draining;
};

/* --- runs_move.c --- */

void runs_append(struct runs *runs, struct run *run, enum run_stage stage);
/* From the list of its stage. */
void runs_take_off(struct runs *runs, struct run *run);
/* To the front of the queue: it is further than new ones, and holds answers. */
void runs_requeue(struct runs *runs, struct run *run);
/* It waits for answers, or perhaps no longer: see runs_resume(). */
void runs_park(struct runs *runs, struct run *run);
/* A parked run has all its answers. */
void runs_resume(struct runs *runs, struct run *run);
/* To the settler, as ended; copies 'bytes' and 'err' (each may be NULL). */
void runs_leave(struct runs *runs, struct run *run, enum handlers_end end,
                const char *bytes, size_t size, const struct err *err);
/* Ends it, wherever it is, for a reason that is not its own; while the settler
 * reads its input, runs_loaded() does. */
void runs_stop(struct runs *runs, struct run *run, enum run_stop why);
/* The lease is somebody else's: drops it without a word; likewise. */
void runs_lose(struct runs *runs, struct run *run);
/* The settler is done with a loading run: it goes on, unless it has to end. */
void runs_loaded(struct runs *runs, struct run *run, const struct err *err);
/* An answer came for a run that waits: it counts against what they may keep. */
void runs_grew(struct runs *runs, struct run *run, size_t bytes);

/* --- runs_exec.c --- */

int runs_open_handlers(struct runs *runs, struct err *err);
/* Starts what can be started. */
void runs_start_all(struct runs *runs);
/* A handler is idle and a run may have it.  One that must be alone waits for
 * the others to end, and they for it. */
bool runs_can_start(const struct runs *runs);
/* Too much is waiting to be settled. */
bool runs_backlogged(const struct runs *runs);

/* --- runs_asks.c --- */

int runs_open_asks(struct runs *runs, struct err *err);
/* A handler's ask: answered or refused in this call. */
void runs_asked(struct runs *runs, struct run *run,
                const struct channel_ask *ask);
/* A paid answer is stored: MAIL_STORED. */
void runs_stored(struct mail *mail);
/* Nobody waits for what the run has asked any more. */
void runs_forget_asks(struct runs *runs, struct run *run);
