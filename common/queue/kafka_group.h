/* A consumer's connection to its group, for the consumer's thread alone: what
 * it reads, owns and commits goes through a 'struct kafka_holds'. */
#pragma once

#include "queue/kafka_holds.h"
#include "queue/kafka_producer.h"

struct kafka_group {
    struct kafka_health health; /* First: see kafka_conf.h. */
    rd_kafka_t *rk;             /* NULL: not joined. */
    const char *name;
    int64_t call_ms;
    pthread_mutex_t *lock; /* Of 'holds'. */
    struct kafka_holds *holds;
    int64_t commit_at_ms;
    bool assigned;  /* At least once, be it nothing. */
    bool paused[2]; /* NAME, NAME-later. */
};

/* Errors: as kafka_handle_new(). */
int kafka_group_join(struct kafka_group *group,
                     const struct kafka_address *address, struct err *err);
/* Commits what is done and leaves, in bounded time. */
void kafka_group_leave(struct kafka_group *group);
/* Waits at most 'wait_ms' for a message, which it adds to the holds.
 * '*ret_gone' becomes true when a topic is not there any more.
 * Errors: no permission. */
int kafka_group_poll(struct kafka_group *group, int wait_ms, bool *ret_added,
                     bool *ret_gone, struct err *err);
/* Commits what is done, from time to time and without waiting. */
void kafka_group_commit(struct kafka_group *group, int64_t boot_ms);
/* Stops or goes on reading NAME, or NAME-later. */
void kafka_group_pause(struct kafka_group *group, bool later, bool pause);
/* True when a broker answers. */
bool kafka_group_probe(struct kafka_group *group);
