#include "runtime/backoff.h"

#include <stddef.h>

#include "base/clock.h"
#include "base/log.h"

int64_t
backoff_next_ms(struct backoff *backoff, const char *message,
                const struct err *err)
{
    if (backoff->ms == 0) {
        backoff->ms = BACKOFF_FIRST_MS;
        backoff->message = message;
        log_warn(message, "error=%s", err->text);
    } else if (backoff->ms * 2 < BACKOFF_LAST_MS) {
        backoff->ms *= 2;
    } else {
        backoff->ms = BACKOFF_LAST_MS;
    }
    return clock_jitter_ms(backoff->ms / 2, backoff->ms);
}

void
backoff_reset(struct backoff *backoff)
{
    if (backoff->ms > 0) {
        log_info("works again", "after=%s", backoff->message);
    }
    *backoff = (struct backoff){0};
}
