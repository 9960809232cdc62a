/* The receiving half of the Redis driver, and the connection both halves use.
 */
#pragma once

#include "queue/driver.h"
#include "queue/redis_session.h"

struct redis {
    struct queue base;
    struct redis_session session;
    int wake_fd;
    int64_t promote_at_ms;
    int64_t take_over_at_ms;
    char cursor[QUEUE_HANDLE_SIZE]; /* Where the next take-over begins. */
    int64_t asked_boot_ms;          /* Of the last XREADGROUP... */
    int64_t block_ms;               /* ... and how long it may take. */
    redisReply *batch; /* Holds 'entries'; NULL when all are handed out. */
    const redisReply *entries;
    size_t next;
    int64_t batch_boot_ms;
};

int redis_receive(struct queue *queue, size_t max, int64_t wait_ms,
                  struct queue_message *ret, size_t *ret_count, bool *reset,
                  struct err *err);
void redis_wake(struct queue *queue);

/* Connects if need be and reads what is owed: then the next command may go
 * out. */
int redis_ready(struct redis *redis, int64_t deadline_ms, struct err *err);
/* redis_ready(), then a call of the script, within one operation's time. */
int redis_run(struct redis *redis, const struct redis_call *call,
              redisReply **ret, struct err *err);
/* Gives back what was delivered and not handed out. */
void redis_give_back(struct redis *redis);
