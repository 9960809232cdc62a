/* What stands before a service that is paid for, or slow, or down: so many
 * calls at a time, so many a minute, and none for a while after failures in a
 * row. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct gate {
    const char *name;   /* For errors: "polygon". */
    int at_once;        /* Calls under way at most. */
    int64_t per_minute; /* Calls begun. */
    int burst;          /* Of which so many may come together. */

    int under_way;
    int failures;          /* In a row. */
    int64_t shut_until_ms; /* After too many of them. */
    int64_t due_ms; /* When the calls so far would have come, evenly spaced. */
};

#define GATE_FAILURES_MAX 5
#define GATE_SHUT_MS 30000

/* Begins a call: 0, and gate_leave() must follow.
 * Errors: ERR_RETRY with code 429 and after_ms: nothing was begun. */
int gate_enter(struct gate *gate, int64_t now_ms, struct err *err);
/* Ends one.  'ok': the service works, whatever it said. */
void gate_leave(struct gate *gate, int64_t now_ms, bool ok);
