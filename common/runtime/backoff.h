/* How long to wait before trying again: 0.2 s doubling to 5 s, each time a
 * random part of it, so that a fleet does not come back in one wave. */
#pragma once

#include <stdint.h>

#include "base/clock.h"

#define BACKOFF_FIRST_MS 200
#define BACKOFF_LAST_MS 5000

struct backoff {
    int64_t ms; /* 0: nothing failed yet. */
};

static inline int64_t
backoff_next(struct backoff *backoff)
{
    backoff->ms = backoff->ms == 0 ? BACKOFF_FIRST_MS : 2 * backoff->ms;
    if (backoff->ms > BACKOFF_LAST_MS) {
        backoff->ms = BACKOFF_LAST_MS;
    }
    return clock_jitter_ms(backoff->ms / 2, backoff->ms);
}
