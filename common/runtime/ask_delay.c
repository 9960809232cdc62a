/* Kind 'delay': {"delay_ms":N,"answer":VALUE} is answered with VALUE after N
 * ms. For measuring and for tests only; it counts as paid, so that it goes the
 * way of a model's answer: suspended, stored, run again. */
#include <stddef.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "runtime/ask_provider.h"

#define DELAY_MAX_MS 600000

struct delay {
    struct delay_conf {
        bool offered;
    } conf;
};

static const struct conf_row delay_rows[] = {
    {CONF_BOOL, "ALEX_ASK_DELAY", offsetof(struct delay_conf, offered), "off",
     0, 1, "answer asks of kind 'delay' (measuring and tests only)"},
};

static int
delay_open(void *state, struct asks *asks, bool *ret_offered, struct err *err)
{
    const struct delay *delay = state;

    (void)asks;
    (void)err;
    *ret_offered = delay->conf.offered;
    return 0;
}

static void
delay_close(void *state)
{
    (void)state;
}

static int
delay_start(void *state, struct ask *ask, struct json_object *request,
            struct err *err)
{
    int64_t delay_ms = 0;
    struct json_object *answer = NULL;

    (void)state;
    if (json_int_required(request, "delay_ms", 0, DELAY_MAX_MS, &delay_ms,
                          err) != 0) {
        return -1;
    }
    json_object_object_get_ex(request, "answer", &answer);
    ask->state =
        xstrdup(json_object_to_json_string_ext(answer, JSON_C_TO_STRING_PLAIN));
    ask_wake_at(ask, clock_boot_ms() + delay_ms);
    return 0;
}

static void
delay_wake(void *state, struct ask *ask)
{
    (void)state;
    ask_answer(ask, ask->state, strlen(ask->state), true);
}

static void
delay_forget(void *state, struct ask *ask)
{
    (void)state;
    free(ask->state);
}

const struct ask_provider ask_provider_delay = {
    .kind = "delay",
    .under_way_max = 10000,
    .rows = delay_rows,
    .row_count = ARRAY_COUNT(delay_rows),
    .state_size = sizeof(struct delay),
    .open = delay_open,
    .close = delay_close,
    .start = delay_start,
    .wake = delay_wake,
    .forget = delay_forget,
};
