/* What a provider of answers is: one file, one exported table, one row in
 * asks.c.
 *
 * A provider gets each request parsed, answers it now or later by ask_answer()
 * or ask_fail(), exactly once, and never blocks.  Deadlines are asks.c's. */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/conf.h"
#include "base/err.h"
#include "http/client.h"

struct asks;
struct ask_provider;

struct ask { /* One under way. */
    struct asks *asks;
    struct asks_offer *offer; /* The provider, as asks.c keeps it. */
    size_t place;             /* In asks.c's list. */
    void *context;            /* The loop's. */
    int64_t deadline_ms;      /* CLOCK_BOOTTIME, as clock_boot_ms(). */
    int64_t wake_ms;          /* INT64_MAX: never. */
    void *state;              /* The provider's. */
};

struct ask_provider {
    const char *kind;
    int under_way_max;
    /* Settings, loaded into the first member of the provider's state. */
    const struct conf_row *rows;
    size_t row_count;
    size_t state_size; /* Zeroed memory, given to all functions below. */
    /* '*ret_offered' false: switched off, the kind is unknown then. */
    int (*open)(void *state, struct asks *asks, bool *ret_offered,
                struct err *err);
    void (*close)(void *state);
    /* Errors: ERR_REJECT for a malformed request, ERR_RETRY for not now; then
     * neither ask_answer() nor ask_fail() may have been called. */
    int (*start)(void *state, struct ask *ask, struct json_object *request,
                 struct err *err);
    /* Called when the time of ask_wake_at() has come. */
    void (*wake)(void *state, struct ask *ask);
    /* The ask is about to go: frees 'ask->state' and lets go of the ask. */
    void (*forget)(void *state, struct ask *ask);
};

/* Ends 'ask', which is gone after it.  'paid': see asks.h. */
void ask_answer(struct ask *ask, const char *answer, size_t size, bool paid);
void ask_fail(struct ask *ask, const struct err *err);

void ask_wake_at(struct ask *ask, int64_t at_ms);

/* The client that all providers share; opened at first use. */
int asks_http(struct asks *asks, struct http_client **ret, struct err *err);

extern const struct ask_provider ask_provider_prices;
extern const struct ask_provider ask_provider_delay;
