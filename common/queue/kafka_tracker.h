/* What of one partition was received and is done: Kafka remembers no more than
 * one offset a partition, below which all is done.
 *
 *     received  5 6 7 8 9      watermark: 6, the first that is not done; after
 *     done      x . x x .      6 is done too: 9 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kafka_slot {
    int64_t offset;
    void *item; /* NULL: done. */
};

struct kafka_tracker { /* Zeroed is empty. */
    struct kafka_slot *slots;
    size_t first; /* Of those in use. */
    size_t count;
    size_t capacity;
    int64_t next; /* After the last received; 0 before the first. */
};

void kafka_tracker_free(struct kafka_tracker *tracker);
/* False, and nothing happened, for an offset received before. */
bool kafka_tracker_add(struct kafka_tracker *tracker, int64_t offset,
                       void *item);
/* NULL if it is done or was never received. */
void *kafka_tracker_find(const struct kafka_tracker *tracker, int64_t offset);
void kafka_tracker_done(struct kafka_tracker *tracker, int64_t offset);
/* The first offset that is not done; 0 before the first is received. */
int64_t kafka_tracker_watermark(const struct kafka_tracker *tracker);
