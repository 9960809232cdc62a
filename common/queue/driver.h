/* What a queue driver implements: one file, one exported table, one row in
 * queue.c.  Members are as in queue.h, after its argument checks: counts are
 * 1..QUEUE_BATCH_MAX, names, bodies and delays within bounds, no pointer NULL
 * but options->name. */
#pragma once

#include "queue/queue.h"

#define QUEUE_NAME_SIZE 96

struct queue_driver {
    const char *const *schemes; /* NULL-terminated. */
    bool early_ack;
    int (*open)(const char *url, const struct queue_options *options,
                struct queue **ret, struct err *err);
    void (*close)(struct queue *queue);
    int (*create)(struct queue *queue, const char *name, /* NULL: no need. */
                  const struct queue_attributes *attributes, struct err *err);
    int (*receive)(struct queue *queue, size_t max, int64_t wait_ms,
                   struct queue_message *ret, size_t *ret_count, bool *reset,
                   struct err *err);
    void (*wake)(struct queue *queue);
    int (*ack)(struct queue *queue, const struct queue_message *messages,
               size_t count, size_t *ret_lost, struct err *err);
    int (*release)(struct queue *queue, const struct queue_message *messages,
                   size_t count, int64_t delay_ms, size_t *ret_lost,
                   struct err *err);
    int (*dead_letter)(struct queue *queue, const struct queue_message *message,
                       const char *reason, struct err *err);
    int (*extend)(struct queue *queue, const struct queue_message *messages,
                  size_t count, size_t *ret_lost, struct err *err);
    int (*send)(struct queue *queue, struct queue_letter *letters, size_t count,
                struct err *err);
    int (*depth)(struct queue *queue, const char *name, struct queue_depth *ret,
                 struct err *err);
    int (*dead_peek)(struct queue *queue, const char *name, const char *after,
                     size_t max, struct queue_message *ret, size_t *ret_count,
                     char ret_next[QUEUE_HANDLE_SIZE], struct err *err);
    int (*dead_take)(struct queue *queue, const char *name, const char *handle,
                     bool resend, struct err *err);
};

struct queue {
    const struct queue_driver *driver;
    char name[QUEUE_NAME_SIZE]; /* "" for a sender only. */
    char consumer[64];          /* The owner id. */
    int64_t lease_ms;
};

extern const struct queue_driver queue_driver_kafka;
extern const struct queue_driver queue_driver_redis;
extern const struct queue_driver queue_driver_sqs;
