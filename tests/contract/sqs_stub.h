/* An SQS that does as it is told: it answers the calls of a test by a script,
 * and remembers what was asked.
 *
 * What no step of the script is about is answered as if all went well: a
 * receive with no message, a batch with all of its entries done. */
#pragma once

#include "test.h"

#include "base/buf.h"
#include "queue/queue.h"

#define STUB_QUEUE "alex-test"

/* How the next call of 'action' is answered. */
struct step {
    const char *action;
    int status;       /* 0: 200. */
    const char *type; /* NULL: JSON. */
    const char *body; /* NULL: as if all went well. */
    int delay_ms;     /* Before the answer. */
    bool cut;         /* Closes the connection instead of answering. */
};

struct asked {
    char action[48];
    char *body;
    int64_t answered_boot_ms;
    int64_t asked_boot_ms;
};

/* Points AWS_ENDPOINT_URL_SQS at itself. */
void stub_start(void);
void stub_stop(void);
/* Forgets the script and what was asked. */
void stub_reset(void);
void stub_expect(const struct step *steps, size_t count);
/* The calls of 'action' so far ("" for all); the 'i'th of them. */
size_t stub_count(const char *action);
struct asked stub_asked(const char *action, size_t i);

#define SCRIPT(...)                                                            \
    stub_expect((const struct step[]){__VA_ARGS__},                            \
                ARRAY_COUNT(((const struct step[]){__VA_ARGS__})))

/* --- a process that works for STUB_QUEUE ---------------------------------- */

struct stub_world {
    struct queue *queue;
    struct queue *heart; /* Another connection of the same consumer. */
};

int stub_world_open(void **state);
int stub_world_close(void **state);
/* Another connection of that consumer. */
struct queue *stub_connect(int64_t lease_ms);
/* A reply to ReceiveMessage: message i is "mi", its receipt "ri". */
void stub_write_messages(struct buf *out, int first, int count,
                         int64_t sent_wall_ms, const char *body);
size_t stub_receive(struct queue *queue, size_t max, struct queue_message *ret);
/* One message "bell", which the script is told to deliver. */
struct queue_message stub_receive_one(struct queue *queue,
                                      int64_t sent_wall_ms);
