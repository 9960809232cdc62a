/* Spans that a wait may last at most, in ms; -1 is without end. */
#pragma once

#include <stdint.h>

static inline int64_t
wait_sooner(int64_t a_ms, int64_t b_ms)
{
    return a_ms < 0 || (b_ms >= 0 && b_ms < a_ms) ? b_ms : a_ms;
}
