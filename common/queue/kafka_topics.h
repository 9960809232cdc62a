/* The three topics of a queue. */
#pragma once

#include "queue/kafka_producer.h"

#define KAFKA_PARTITIONS 8

struct kafka_offsets { /* Of one partition. */
    int32_t partition;
    int64_t low;       /* First that is still there. */
    int64_t high;      /* After the last. */
    int64_t committed; /* By the queue's consumers; 'low' if they never did, or
                          nobody asked. */
};

/* Makes those that are not there; '*ret_made' says if the queue's own was not.
 * More 'partitions' than it has are added, fewer are ignored; 0 stands for
 * KAFKA_PARTITIONS, or what there is.
 * Needs no permission where all are there.
 * Errors: ERR_FATAL: no permission to. */
int kafka_topics_create(struct kafka_producer *producer, const char *name,
                        int partitions, bool *ret_made, struct err *err);

/* The same for who did not ask for it: forbidden is ERR_RETRY, as an operator
 * may make the topics while we go on. */
int kafka_topics_ensure(struct kafka_producer *producer, const char *name,
                        bool *ret_made, struct err *err);

/* Of all partitions of 'topic': none when there is no such topic.
 * Owner: the caller frees '*ret'. */
int kafka_topics_offsets(struct kafka_producer *producer, const char *topic,
                         struct kafka_offsets **ret, size_t *ret_count,
                         struct err *err);
/* Fills in 'committed' of those partitions that have records. */
int kafka_topics_committed(const struct kafka_address *address, int64_t call_ms,
                           const char *topic, const char *group,
                           struct kafka_offsets *offsets, size_t count,
                           struct err *err);

/* Deletes the records of partition 0 before 'offset'; best effort. */
void kafka_topics_trim(struct kafka_producer *producer, const char *topic,
                       int64_t offset);
