/* The world of a queue test: a queue of its own, two consumers, a sender, and
 * the few moves all tests are made of. */
#pragma once

#include "test.h"

#include "base/err.h"
#include "base/uuid.h"
#include "queue/queue.h"

/* What brokers differ in, and only in degree. */
struct facts {
    const char *url;     /* How the URL begins; the first that fits counts. */
    int64_t lease_ms;    /* Short, so that tests can wait for it; long beside a
                            call. */
    int64_t grain_ms;    /* Delays are rounded up to this. */
    int64_t handover_ms; /* Until another gets what a closed consumer left. */
    int many;            /* Messages it takes in a second or a few. */
    bool repeats;        /* Two that ask at once may both get a message. */
    bool hides; /* A released message counts as in flight until it is due. */
    bool owned; /* A message goes to who owns its partition, not to who asks
                   first; owning takes a while. */
};

struct world {
    const char *url;
    const struct facts *facts;
    char name[96];
    char consumer[UUID_SIZE]; /* Of 'a'. */
    int64_t lease_ms;
    struct queue *a; /* Two processes that receive... */
    struct queue *b;
    struct queue *sender; /* ... and one that only sends. */
};

/* Fails the test, saying why, unless 'result' is 0. */
void ok(int result, const struct err *err);

/* What is sent goes to 'a' as long as that is there... */
int world_open(void **state);
/* ... or to both. */
int world_open_shared(void **state);
int world_close(void **state);
/* Another connection, of consumer 'consumer', to the queue. */
struct queue *world_connect(const struct world *w, const char *consumer);
/* Another queue. */
void world_create(struct world *w, const char *name);

void send_bytes(struct world *w, const char *queue, const char *body,
                size_t size, int64_t delay_ms);
void send_text(struct world *w, const char *queue, const char *body,
               int64_t delay_ms);
/* Exactly one message, within 'wait_ms'; the caller frees, or acks. */
struct queue_message expect_one(struct world *w, struct queue *queue,
                                int64_t wait_ms);
/* The same where anybody may get it: '*who' must where the broker gives a
 * message to who asks for it, else either does, and '*who' becomes that one. */
struct queue_message expect_of_any(struct world *w, struct queue **who,
                                   int64_t wait_ms);
void expect_none(struct world *w, struct queue *queue, int64_t wait_ms);
/* Acks, which must not be lost, and frees. */
void ack(struct world *w, struct queue *queue, struct queue_message *message);
struct queue_depth depth(struct world *w, const char *name);
/* The longest that a delay of 'ms' may be, on a machine that is not asleep. */
int64_t latest_ms(const struct world *w, int64_t ms);

/* Runs the tests against one URL and says how many passed; returns how many
 * failed. */
int world_run(const char *group, const char *url,
              const struct CMUnitTest *tests, size_t count);
/* Runs the tests against each URL in ALEX_TEST_QUEUES, or in ALEX_TEST_REDIS if
 * that is unset; 77 (skipped) without either. */
int world_main(const char *group, const struct CMUnitTest *tests, size_t count);
