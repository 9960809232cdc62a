/* A worker at work: four threads that share what is below and nothing else.
 *
 *     receiver   bells -> claims -> runs          receiver.h
 *     loop       runs -> handlers -> outcomes     loop.h (the main thread)
 *     settler    outcomes -> engine, bells, acks  settler.h
 *     heartbeat  leases, messages, reap           heartbeat.h
 *
 * Each has its own connections to store and queue, so that none waits for
 * another's call. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/uuid.h"
#include "queue/queue.h"
#include "runtime/conf.h"
#include "runtime/flight.h"
#include "runtime/mailbox.h"
#include "runtime/worker.h"
#include "store/store.h"

struct heartbeat;

struct supervisor {
    const struct worker *worker;
    struct worker_conf conf;
    char owner[UUID_SIZE]; /* Fresh per process: whose leases are whose. */
    char queue_name[96];
    struct flight *flight;
    struct mailbox to_loop;
    struct mailbox to_settler;
    struct heartbeat *heartbeat;
    _Atomic int64_t backlog_bytes; /* Results that are not settled yet. */
    _Atomic int64_t progress_ms;   /* When something last went on. */
    _Atomic bool receiving;        /* The last receive succeeded. */
    _Atomic bool claims_abandoned; /* Leases may be ours without our knowing. */
};

/* Works until told to stop; returns worker_main()'s exit code. */
int supervisor_run(const struct worker *worker, const struct worker_conf *conf);
/* The URLs and the schema are good: 0, or -1 (ERR_FATAL, 78). */
int supervisor_check(const struct worker *worker,
                     const struct worker_conf *conf, struct err *err);

/* --- for the threads --- */

struct links { /* A thread's own connections. */
    struct store *store;
    struct queue *queue;
};

/* 'queue_name' is where the queue's connection receives from. */
int links_open(const struct supervisor *sup, const char *queue_name,
               struct links *ret, struct err *err);
void links_close(struct links *links); /* For _cleanup. */
/* Starts a thread that gets no signals. */
int supervisor_thread(void *(*main)(void *), void *arg, pthread_t *ret,
                      struct err *err);
/* What liveness is made of. */
void supervisor_progress(struct supervisor *sup);
/* Tells the loop that this thread cannot go on. */
void supervisor_unfit(struct supervisor *sup, const struct err *err);
