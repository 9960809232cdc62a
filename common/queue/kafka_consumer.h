/* One process's part in a queue's consumer group, shared by its connections.
 *
 * A thread of its own polls Kafka (serving rebalances, feeding a bounded
 * buffer), produces again what was neither acked nor extended for a lease, puts
 * delayed messages into NAME when they are due, and commits what is done. */
#pragma once

#include "queue/kafka_holds.h"
#include "queue/kafka_producer.h"

struct kafka_consumer;

/* Starts the thread; never waits.
 * Owner: 'address' and 'producer' are borrowed until it is closed. */
int kafka_consumer_start(const struct kafka_address *address,
                         struct kafka_producer *producer, const char *name,
                         int64_t lease_ms, struct kafka_consumer **ret,
                         struct err *err);
/* Leaves the group, so that others need not wait for a session to time out. */
void kafka_consumer_stop(struct kafka_consumer **consumer);

/* As queue_receive(); a wait ends when '*woken' is set, and clears it. */
int kafka_consumer_receive(struct kafka_consumer *consumer, bool *woken,
                           size_t max, int64_t wait_ms,
                           struct queue_message *ret, size_t *ret_count,
                           bool *reset, struct err *err);
void kafka_consumer_wake(struct kafka_consumer *consumer, bool *woken);

/* These count what was lost. */
size_t kafka_consumer_ack(struct kafka_consumer *consumer,
                          const struct queue_message *messages, size_t count);
size_t kafka_consumer_extend(struct kafka_consumer *consumer,
                             const struct queue_message *messages,
                             size_t count);
/* Puts copies into NAME, or NAME-later with a delay, or NAME-dlq with a reason,
 * and ends those that arrived. */
int kafka_consumer_move(struct kafka_consumer *consumer,
                        const struct queue_message *messages, size_t count,
                        int64_t delay_ms, const char *reason, size_t *ret_lost,
                        struct err *err);
/* False if the partition is not this consumer's. */
bool kafka_consumer_count(struct kafka_consumer *consumer, bool later,
                          int32_t partition, struct kafka_held *ret);
