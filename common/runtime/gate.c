#include "runtime/gate.h"

#include <assert.h>

#define GATE_BUSY_MS 1000
#define MINUTE_MS 60000

static int
refuse(const struct gate *gate, int64_t after_ms, const char *why,
       struct err *err)
{
    err_set(err, ERR_RETRY, 429, "%s: %s", gate->name, why);
    err->after_ms = after_ms > 0 ? after_ms : 1;
    return -1;
}

int
gate_enter(struct gate *gate, int64_t now_ms, struct err *err)
{
    const int64_t spacing_ms = MINUTE_MS / gate->per_minute;
    const int64_t early_ms = (gate->burst - 1) * spacing_ms;
    const bool failing = gate->failures >= GATE_FAILURES_MAX;

    if (failing && now_ms < gate->shut_until_ms) {
        return refuse(gate, gate->shut_until_ms - now_ms,
                      "it failed too often in a row, waiting", err);
    }
    /* After the wait one call at a time finds out whether it works again. */
    if (gate->under_way >= (failing ? 1 : gate->at_once)) {
        return refuse(gate, GATE_BUSY_MS, "too many calls are under way", err);
    }
    if (now_ms < gate->due_ms - early_ms) {
        return refuse(gate, gate->due_ms - early_ms - now_ms,
                      "too many calls a minute", err);
    }
    gate->due_ms = (gate->due_ms > now_ms ? gate->due_ms : now_ms) + spacing_ms;
    gate->under_way++;
    return 0;
}

void
gate_leave(struct gate *gate, int64_t now_ms, bool ok)
{
    assert(gate->under_way > 0);
    gate->under_way--;
    if (ok) {
        gate->failures = 0;
    } else if (++gate->failures >= GATE_FAILURES_MAX) {
        gate->shut_until_ms = now_ms + GATE_SHUT_MS;
    }
}
