/* Everything this supervisor holds: one 'struct run' for each message from its
 * receipt until it is acked, released or forgotten.
 *
 * This is the only state that all four threads share.  A run goes
 *
 *     receiver: added -> claimed -> loop: run -> settler: settled -> removed
 *
 * and the heartbeat sees all of them at any time: it extends every message and
 * beats every lease. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "queue/queue.h"
#include "runtime/run.h"

struct flight;

struct flight *flight_new(size_t max);
void flight_free(struct flight **flight); /* For _cleanup. */

/* --- receiver --- */

/* Waits until the loop wants more runs than are queued and there is room;
 * returns how many, or 0 when stopped. */
size_t flight_wait_room(struct flight *flight);
/* Takes over the message; the caller borrows the registry's reference. */
struct run *flight_add(struct flight *flight, struct queue_message *message,
                       bool intake);
/* Waits while a beat is under way that does not name the runs just added: it
 * would hand the new leases back. */
void flight_wait_beat(struct flight *flight);
/* The claim sent at 'sent_ms' was answered: ours for 'lease_ms'. */
void flight_leased(struct flight *flight, struct run *run, int64_t sent_ms,
                   int64_t lease_ms);
/* Its message is acked, or about to be: nobody extends it any more. */
void flight_acked(struct flight *flight, struct run *run);
/* Sleeps, but not past flight_stop(). */
void flight_sleep(struct flight *flight, int64_t ms);
bool flight_stopped(struct flight *flight);

/* --- loop --- */

/* How many runnable ones the loop wants to see. */
void flight_want(struct flight *flight, size_t runnable);
/* 'by' more runs are runnable now. */
void flight_queued(struct flight *flight, int by);
/* Replaces the progress of a run; takes over 'json'. */
void flight_progress(struct flight *flight, struct run *run, char *json);
/* Receives nothing more: ends the receiver's waits. */
void flight_stop(struct flight *flight);

/* --- settler --- */

/* The engine has no lease of ours here any more. */
void flight_settled(struct flight *flight, struct run *run);
/* The message is gone too: drops the registry's reference. */
void flight_remove(struct flight *flight, struct run *run);
/* The lease is somebody else's by now, and so is the message: drops the
 * registry's reference without a word to anybody. */
void flight_forget(struct flight *flight, struct run *run);

/* --- heartbeat --- */

struct flight_held {
    struct run *run; /* A reference. */
    bool claiming;   /* Its nonce may have a lease by now. */
    bool extend;     /* Its message is still ours to extend. */
    char *progress;  /* JSON, or NULL. */
};

size_t flight_count(struct flight *flight);
/* Everything held, the '*ret_leased' with a lease first; until
 * flight_beat_end() no new claim starts.
 * Owner: the caller passes '*ret' to flight_beat_end(). */
void flight_beat_begin(struct flight *flight, struct flight_held **ret,
                       size_t *ret_count, size_t *ret_leased);
/* The lease is gone; false if it had been settled meanwhile, which is why. */
bool flight_lose(struct flight *flight, struct run *run);
void flight_beat_end(struct flight *flight, struct flight_held *held,
                     size_t count);
