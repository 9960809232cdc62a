/* How long to wait before trying again: 0.2 s doubling to 5 s, each time a
 * random half of it, so that a fleet does not come back in one wave.  The log
 * has the begin and the end of each outage; the metrics count every failure. */
#pragma once

#include <stdint.h>

#include "base/err.h"

#define BACKOFF_FIRST_MS 200
#define BACKOFF_LAST_MS 5000

struct backoff { /* Zero-initialised: nothing has failed yet. */
    int64_t ms;
    const char *message; /* What failed first. */
};

/* 'message' is a log's: constant. */
int64_t backoff_next_ms(struct backoff *backoff, const char *message,
                        const struct err *err);
/* It works again, if it did not. */
void backoff_reset(struct backoff *backoff);
