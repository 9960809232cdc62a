/* The queue: doorbells from and to the fleet.
 *
 * A message says only "look at this task"; losing, repeating or reordering one
 * is harmless (the engine decides), so the interface is small and the same on
 * every broker.  The driver is chosen by URL scheme:
 *
 *     redis://[user:password@]host:6379[/db]      streams and consumer groups
 *     rediss://...                                the same over TLS; the
 *                                                 certificate must be valid,
 *                                                 and SIGPIPE ignored
 *     sqs://region[/account]                      Amazon SQS, or what answers
 *                                                 at AWS_ENDPOINT_URL_SQS
 *     kafka://[user:password@]host:9092[,host:9092][?sasl=MECHANISM][&ca=FILE]
 *                                                 topics and consumer groups;
 *                                                 SCRAM-SHA-512 unless told
 *     kafkas://...                                the same over TLS
 *
 * A 'struct queue' is one connection, for one thread at a time.  It connects
 * when first used and again after failures.  Messages are values: a message
 * received on one connection may be acked on another of the same 'consumer'. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct queue;

/* Largest body sent or received; a larger one is dead-lettered unread. */
#define QUEUE_BODY_MAX_BYTES (64u * 1024)
#define QUEUE_BATCH_MAX 100
#define QUEUE_HANDLE_SIZE 128

struct queue_message {
    char handle[QUEUE_HANDLE_SIZE]; /* The driver's name for this delivery. */
    char *body;                     /* NUL-terminated; may hold NUL bytes. */
    size_t body_size;
    int64_t received_boot_ms; /* Taken before the receive was sent. */
    int64_t sent_wall_ms;     /* First sending; 0 when the broker can't say. */
    int64_t deliveries;       /* As the broker counts; for logs only. */
    char *reason;             /* Dead letters only, else NULL. */
};

struct queue_letter {  /* A message to send. */
    const char *queue; /* "alex-reporter". */
    const char *body;
    size_t body_size;
    const char *group; /* Fairness group (the user) or NULL. */
    const char *trace; /* W3C traceparent or NULL. */
    int64_t delay_ms;
    bool sent; /* Out: accepted by the broker. */
};

struct queue_depth {
    int64_t waiting;   /* Not yet delivered. */
    int64_t in_flight; /* Delivered, not acked; on Kafka by this process,
                          others' count as waiting. */
    int64_t delayed;
    int64_t dead; /* In NAME-dlq. */
};

struct queue_options {
    const char *name;     /* Queue to receive from: "alex-reporter" (a-z, 0-9,
                             - and _); NULL for a sender only. */
    const char *consumer; /* Fresh per process start: the owner id. */
    int64_t lease_ms;     /* Unacked for this long: delivered to another. */
};

/* What queue_create() gives a queue. */
struct queue_attributes {
    int64_t lease_ms;
    int partitions; /* Kafka only; 0: the driver's default. */
};

/* Errors: ERR_FATAL (78): unknown scheme, malformed URL or name.  Never waits;
 * the text never has the password. */
int queue_open(const char *url, const struct queue_options *options,
               struct queue **ret, struct err *err);
void queue_close(struct queue **queue); /* For _cleanup. */

/* Makes the queue NAME and its NAME-dlq as the fleet needs them, or corrects
 * their attributes; safe to repeat.  Nothing to do where queues come into being
 * by themselves.
 * Errors: ERR_FATAL: no permission to. */
int queue_create(struct queue *queue, const char *name,
                 const struct queue_attributes *attributes, struct err *err);

/* True where a message is acked as soon as it was claimed, because holding it
 * until its task is done would hold others up.  The task's own lease brings it
 * back then, and whoever wants it run again later has to ring anew. */
bool queue_acks_early(const struct queue *queue);

/* Waits up to 'wait_ms' for at most 'max' messages (QUEUE_BATCH_MAX), also
 * promotes delayed ones that are due and takes over those whose consumer died.
 * 0 messages is success.  '*reset' becomes true when the broker had forgotten
 * the queue (wiped, failed over) and it was made anew: bells may be lost, so
 * the caller reaps.
 * Owner: the caller frees each with queue_message_free().
 * Errors: ERR_RETRY: unreachable; ERR_FATAL: authentication, no permission,
 *   maxmemory-policy other than noeviction. */
int queue_receive(struct queue *queue, size_t max, int64_t wait_ms,
                  struct queue_message *ret, size_t *ret_count, bool *reset,
                  struct err *err);
void queue_message_free(struct queue_message *message);
/* Ends a queue_receive() that waits in another thread, within 100 ms. */
void queue_wake(struct queue *queue);

/* The three ways to be done with a delivery, and extend, take any number of
 * messages.  '*ret_lost' (may be NULL) counts those that were no longer ours:
 * nothing was done for them.  Safe to repeat. */
int queue_ack(struct queue *queue, const struct queue_message *messages,
              size_t count, size_t *ret_lost, struct err *err);
/* Delivered again after 'delay_ms' (0: now), to anybody. */
int queue_release(struct queue *queue, const struct queue_message *messages,
                  size_t count, int64_t delay_ms, size_t *ret_lost,
                  struct err *err);
/* Moved to NAME-dlq, bytes intact, with the reason beside it. */
int queue_dead_letter(struct queue *queue, const struct queue_message *message,
                      const char *reason, struct err *err);
/* Keeps unacked deliveries ours for another lease. */
int queue_extend(struct queue *queue, const struct queue_message *messages,
                 size_t count, size_t *ret_lost, struct err *err);

/* Sends any number of letters to any queues.  Each letter's 'sent' says if it
 * was accepted; -1 with ERR_RETRY if any was not: call again, accepted ones are
 * skipped.
 * Errors: ERR_REJECT, before anything is sent, if a queue's name, a body or a
 *   delay is out of bounds. */
int queue_send(struct queue *queue, struct queue_letter *letters, size_t count,
               struct err *err);
/* Any queue by name; costs the broker one or two cheap commands. */
int queue_depth(struct queue *queue, const char *name, struct queue_depth *ret,
                struct err *err);

/* Dead letters, oldest first, from 'after' ("" for the start): at most 'max'
 * are peeked at without being taken, and QUEUE_BODY_MAX_BYTES of each body;
 * '*ret_next' is where to go on, or "".
 * Owner: the caller frees each with queue_message_free(). */
int queue_dead_peek(struct queue *queue, const char *name, const char *after,
                    size_t max, struct queue_message *ret, size_t *ret_count,
                    char ret_next[QUEUE_HANDLE_SIZE], struct err *err);
/* Removes one; with 'resend' its body goes back to the queue first.
 * Errors: ERR_REJECT (404) if there is no such dead letter. */
int queue_dead_take(struct queue *queue, const char *name, const char *handle,
                    bool resend, struct err *err);
