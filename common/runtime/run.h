/* A task in flight: a message, and once it is claimed the lease, the input and
 * the answers that belong to it.
 *
 * Passed from thread to thread; who may touch which part when is said beside
 * it.  References are counted: the registry (flight.h) holds one, and so does
 * everybody who has it. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/uuid.h"
#include "queue/bell.h"
#include "queue/queue.h"

struct run_answer;
struct run_ask;

enum run_state {
    RUN_CLAIMING, /* Received; the claim is not answered yet. */
    RUN_LEASED,   /* Ours: beaten until it is settled. */
    RUN_LOST,     /* The lease is somebody else's by now: touch nothing. */
    RUN_SETTLED,  /* The engine is done with it; only its message is left. */
};

/* Where the loop has it. */
enum run_stage {
    RUN_NEW,     /* Not yet: the receiver has it. */
    RUN_QUEUED,  /* Waits for a handler. */
    RUN_RUNNING, /* In a handler. */
    RUN_PARKED,  /* Waits for answers. */
    RUN_LOADING, /* Waits for its input to be read again. */
    RUN_LEFT,    /* Handed to the settler, or forgotten. */
    RUN_STAGES,
};

/* Why the loop stopped a run; the settler turns it into an outcome. */
enum run_stop {
    RUN_STOP_NONE,
    RUN_STOP_CANCEL,
    RUN_STOP_DEADLINE,
    RUN_STOP_INTERRUPT, /* Drain, or a lease about to lapse: nobody's fault. */
};

struct run {
    /* --- constant once claimed --- */
    struct queue_message message;
    char nonce[UUID_SIZE];
    char job[UUID_SIZE];
    char task[UUID_SIZE]; /* "" until claimed: the job's root task. */
    char node[64];
    char trace[64];              /* W3C traceparent or "". */
    char group[BELL_GROUP_SIZE]; /* The user, as the bell said, or "". */
    int64_t fence;
    int64_t attempt;
    int64_t claimed_ms;  /* CLOCK_BOOTTIME. */
    int64_t deadline_ms; /* CLOCK_BOOTTIME. */
    bool alone;          /* Nothing else may run beside it. */
    bool intake;         /* From upstream's queue: not the heartbeat's. */

    /* --- any thread --- */
    _Atomic int refs;
    _Atomic int64_t good_until_ms; /* Self-fencing: CLOCK_BOOTTIME. */
    _Atomic bool watched;          /* Somebody looks at the job's progress. */

    /* --- under the registry's lock: flight.c --- */
    enum run_state state;
    bool acked;     /* Once claimed: it has no message any more. */
    char *progress; /* JSON, or NULL. */
    struct run *prev;
    struct run *next;

    /* --- who has it: the receiver, then the loop, then the settler --- */
    enum run_stage stage;
    _Atomic int stop; /* enum run_stop. */
    char *input;      /* NULL: not read yet, or dropped while parked. */
    size_t input_size;
    struct run_answer *answers;
    size_t answer_count;
    size_t answer_bytes;
    bool lacks_answers;   /* Stored answers are still to be read. */
    struct run_ask *asks; /* Under way. */
    bool lost;            /* Before the loop had it, or while loading. */
    bool asked;           /* Since it was last started. */
    size_t parked_bytes;
    int64_t started_us;
    struct run *before; /* In the list of its stage. */
    struct run *after;
};

/* An answer a run starts with. */
struct run_answer {
    uint32_t ordinal;
    char sha256[DIGEST_SHA256_SIZE];
    char *bytes;
    size_t size;
    bool stored;     /* A checkpoint has it; otherwise it was free. */
    struct err *err; /* Instead of bytes: the ask failed. */
};

struct run *run_ref(struct run *run);
void run_unref(struct run *run); /* NULL is nothing. */
/* The lease is ours for 'lease_ms' from 'sent_ms' (CLOCK_BOOTTIME), before
 * which the request for it was not sent. */
void run_set_lease(struct run *run, int64_t sent_ms, int64_t lease_ms);
/* Past the time up to which the lease is certainly ours: no extend, release,
 * ack or paid ask until a beat says otherwise. */
bool run_fenced(const struct run *run);
/* Takes over 'bytes' (or NULL) and copies 'err' (or NULL). */
void run_add_answer(struct run *run, uint32_t ordinal, const char *sha256,
                    char *bytes, size_t size, bool stored,
                    const struct err *err);
const struct run_answer *run_find_answer(const struct run *run,
                                         uint32_t ordinal, const char *sha256);
/* Drops the answers that can be had again: all but errors. */
void run_drop_answers(struct run *run);
size_t run_bytes(const struct run *run);
