/* Dead letters: records of NAME-dlq, which has one partition.  A topic can't
 * give one record up, so a dead letter that was taken is marked by another
 * record behind it; those at the front are deleted when all of them are gone.
 *
 * So counting, peeking and taking read the topic: at most KAFKA_DEAD_MAX
 * records, beyond which none is seen. */
#pragma once

#include "queue/kafka_producer.h"
#include "queue/queue.h"

#define KAFKA_DEAD_MAX 100000

int kafka_dead_count(const struct kafka_address *address,
                     struct kafka_producer *producer, const char *name,
                     int64_t *ret, struct err *err);
/* As queue_dead_peek() and queue_dead_take(); a handle is an offset. */
int kafka_dead_peek(const struct kafka_address *address,
                    struct kafka_producer *producer, const char *name,
                    const char *after, size_t max, struct queue_message *ret,
                    size_t *ret_count, char ret_next[QUEUE_HANDLE_SIZE],
                    struct err *err);
int kafka_dead_take(const struct kafka_address *address,
                    struct kafka_producer *producer, const char *name,
                    const char *handle, bool resend, struct err *err);
