/* What one consumer received and is not done with; memory only.  Its user
 * locks, and asks Kafka.
 *
 *     NAME        waiting -> held -> (ending) -> done
 *     NAME-later  delayed ---------> (ending) -> done
 *
 * 'Ending' is a message of which a copy is on its way to a topic: if that
 * arrives it is done, else it is as before.  When a partition goes to somebody
 * else, what was not done of it goes along. */
#pragma once

#include "queue/kafka_later.h"
#include "queue/kafka_record.h"
#include "queue/kafka_tracker.h"
#include "queue/queue.h"

enum kafka_state {
    KAFKA_WAITING,
    KAFKA_HELD,
    KAFKA_DELAYED,
    KAFKA_ENDING,
};

struct kafka_item {
    struct kafka_item *next; /* Of those waiting. */
    enum kafka_state state;
    bool later;  /* Of NAME-later. */
    bool orphan; /* Its partition went while it was ending. */
    int32_t partition;
    int64_t offset;
    int64_t serial; /* No other delivery has it. */
    int64_t lease_until_ms;
    char *body;
    struct kafka_record record; /* Of 'body'; with a reason: to be buried. */
};

struct kafka_partition {
    bool later;
    int32_t id;
    int64_t committed; /* Watermark that Kafka was told. */
    struct kafka_tracker tracker;
};

struct kafka_holds { /* Zeroed is empty. */
    struct kafka_partition *partitions;
    size_t partition_count;
    struct kafka_item *waiting; /* Oldest first. */
    struct kafka_item *last_waiting;
    size_t waiting_count;
    struct kafka_later later;
    int64_t serial;
    int64_t check_leases_ms; /* No lease ends before. */
};

struct kafka_held { /* Of one partition. */
    int64_t next;   /* Offset after the last received; 0 before the first. */
    int64_t waiting;
    int64_t held; /* Or delayed, in NAME-later. */
};

void kafka_holds_free(struct kafka_holds *holds);
void kafka_holds_assign(struct kafka_holds *holds, bool later, int32_t id);
void kafka_holds_revoke(struct kafka_holds *holds, bool later, int32_t id);
/* NULL if the partition is not ours. */
struct kafka_partition *kafka_holds_partition(const struct kafka_holds *holds,
                                              bool later, int32_t id);
struct kafka_held kafka_holds_count(const struct kafka_partition *partition);

/* Copies what 'record' leads to.  One whose body is too large is not for the
 * user: it is held, its lease over, with a reason. */
void kafka_holds_add(struct kafka_holds *holds, bool later, int32_t id,
                     int64_t offset, const struct kafka_record *record);
size_t kafka_holds_hand_out(struct kafka_holds *holds, size_t max,
                            int64_t lease_ms, struct queue_message *ret);
/* NULL unless it is held by us, under this very delivery. */
struct kafka_item *kafka_holds_find(const struct kafka_holds *holds,
                                    const char *handle);
/* These become ending. */
size_t kafka_holds_take_expired(struct kafka_holds *holds, int64_t boot_ms,
                                size_t max, struct kafka_item **ret);
size_t kafka_holds_take_due(struct kafka_holds *holds, int64_t wall_ms,
                            size_t max, struct kafka_item **ret);
/* Ends one that is held or ending; frees it if it is 'done' or an orphan. */
void kafka_holds_end(struct kafka_holds *holds, struct kafka_item *item,
                     bool done);
