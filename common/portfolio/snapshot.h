/* A handler's input, decoded once: the job, and the user's portfolio as it was
 * when the job started.
 *
 *     {"job":{"id","user","type","request"}, "node", "agent", "params":{},
 *      "snapshot":{"as_of","seed","user":{},"accounts":[],"instruments":{}},
 *      "needs":{"plan":{"prices":[]}|null, "tag":{"instruments":[]}|null}}
 *
 * The snapshot is overlaid with what earlier tasks of the job found out:
 * prices, classifications and notes among the needs.  All agents load through
 * here, so they value the same portfolio in the same way:
 *
 *   - an instrument without a positive price is unpriced: its holdings count as
 *     $0.00 and are listed as unpriced;
 *   - negative cash and negative quantities (debts, short sales) count as 0 and
 *     are listed: an analysis of assets cannot say more about them;
 *   - an instrument is classified if its three allocation maps are complete
 *     (known words, 0 to 100 each, sums of 100 within 0.05) and are not the
 *     placeholders upstream's API writes for a symbol it has never seen;
 *   - accounts are told apart by id, never by name.
 *
 * Money is in cents, a price in 1/10,000 dollar, a quantity in 1/100,000,000
 * share.  A position's value is rounded half up to the cent, once. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "portfolio/money.h"
#include "portfolio/vocabulary.h"

#define PORTFOLIO_ACCOUNTS_MAX 100
#define PORTFOLIO_POSITIONS_MAX 5000
#define PORTFOLIO_OPTIONS_MAX 64
#define PORTFOLIO_SYMBOL_CHARS 20 /* As the columns are. */
#define PORTFOLIO_NAME_CHARS 255
#define PORTFOLIO_LABEL_CHARS 32
#define PORTFOLIO_TYPE_CHARS 50
#define PORTFOLIO_PURPOSE_CHARS 10000 /* The column has no bound. */
#define PORTFOLIO_NOTES_MAX 10
#define PORTFOLIO_NOTE_BYTES 300
#define PORTFOLIO_PRICE_SCALE 4
#define PORTFOLIO_QUANTITY_SCALE 8
#define PORTFOLIO_QUANTITY_MAX                                                 \
    INT64_C(9000000000000000000)                         /* 90 bn shares.      \
                                                          */
#define PORTFOLIO_PRICE_MAX INT64_C(1000000000000)       /* NUMERIC(12,4). */
#define PORTFOLIO_MONEY_MAX_CENTS INT64_C(1000000000000) /* NUMERIC(12,2). */

/* What upstream's API appends to the name of a symbol it has never seen. */
#define PORTFOLIO_PLACEHOLDER_NAME " - User Added"

struct portfolio_instrument {
    const char *symbol;        /* Upper case. */
    const char *name;          /* Never empty: the symbol if there is none. */
    const char *type;          /* As stored; "" if unknown. */
    int64_t price;             /* 0: unpriced. */
    const char *price_source;  /* "" if unknown. */
    const char *price_as_of;   /* "" if unknown. */
    const char *classified_by; /* "seed", "curated 2026-11", "rule"; "". */
    bool classified;
    /* All 0 if not classified. */
    int64_t weights[PORTFOLIO_DIMENSIONS][PORTFOLIO_KEYS_MAX];
};

struct portfolio_position {
    const struct portfolio_instrument *instrument;
    int64_t quantity; /* Never negative. */
    int64_t value_cents;
    bool was_negative; /* Stored below 0, counted as 0. */
};

struct portfolio_account {
    const char *id;
    const char *name;  /* As the user wrote it. */
    const char *label; /* For people: one short line, and unique among the
                          accounts: "Brokerage (2)". */
    const char *purpose;
    int64_t cash_cents; /* Never negative. */
    int64_t interest;   /* On cash, a year, times 10,000: 4.5 % is 450. */
    int64_t holdings_cents;
    const struct portfolio_position *positions; /* As stored: by symbol. */
    size_t count;
    bool cash_was_negative; /* Stored below 0, counted as 0. */
};

struct portfolio_target {
    const char *key;
    int64_t weight; /* Percentage times 10,000. */
};

struct portfolio_targets {
    const struct portfolio_target *items;
    size_t count;
};

struct portfolio_option {
    const char *key;
    const char *value;
};

struct portfolio {
    const char *job; /* UUID. */
    const char *node;
    const char *params;       /* JSON object, as text. */
    const char *as_of;        /* As it came. */
    const char *generated_at; /* The same in upstream's form:
                                 2026-11-23T10:11:12.345678, UTC, no zone. */
    int64_t seed;             /* 0 .. 2^53-1, from the job alone. */
    const char *display_name; /* "" if unknown. */
    int years;                /* To retirement; -1: the user did not say. */
    int64_t income_cents;     /* Wanted a year; -1: the user did not say. */
    struct portfolio_targets class_targets;
    struct portfolio_targets region_targets;
    const struct portfolio_option
        *options; /* Of the request; scalars as text. */
    size_t option_count;
    /* What earlier tasks of the job want said about the data: sentences. */
    const char *notes[PORTFOLIO_NOTES_MAX];
    size_t note_count;

    const struct portfolio_account *accounts; /* Oldest first. */
    size_t account_count;
    size_t position_count; /* Over all accounts, rows. */
    const struct portfolio_instrument *instruments; /* By symbol. */
    size_t instrument_count; /* Those held, and those only in the snapshot. */
    int64_t cash_cents;
    int64_t holdings_cents;
    int64_t total_cents; /* The sum of the two. */
};

/* Decodes 'input'.  Money may be decimal text or a number; absent or null is:
 * cash 0, price unpriced, years and income 'did not say', options and params
 * none.  A held symbol without an instrument row is an instrument without a
 * price and classification.
 * Owner: '*ret' and all it points to live in 'mem'.
 * Errors: ERR_REJECT naming the field and the limit. */
int portfolio_load(const char *input, size_t size, struct arena *mem,
                   const struct portfolio **ret, struct err *err);

/* portfolio_load() as a later task of the job will see it that gets 'result',
 * a task's output (JSON object), among its needs. */
int portfolio_load_with(const char *input, size_t size, const char *result,
                        size_t result_size, struct arena *mem,
                        const struct portfolio **ret, struct err *err);

/* Value of the request's option ({"options":{"assumptions":"upstream-v1"}}), or
 * 'fallback'. */
const char *portfolio_option(const struct portfolio *portfolio, const char *key,
                             const char *fallback);
/* NULL if there is none.  'symbol' is upper case. */
const struct portfolio_instrument *
portfolio_instrument_find(const struct portfolio *portfolio,
                          const char *symbol);
