/* An SQS that does as it is told: it answers the calls of a test by a script,
 * and remembers what was asked.
 *
 * What no step of the script is about is answered as if all went well: a
 * receive with no message, a batch with all of its entries done. */
#pragma once

#include "test.h"

#include "queue/queue.h"

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
