/* What the files of the 'prices' provider share: ask_prices.c takes the asks,
 * polygon.c gets quotes from polygon.io. */
#pragma once

#include "runtime/ask_provider.h"
#include "runtime/gate.h"
#include "runtime/quotes.h"

#define PRICES_SYMBOLS_MAX 1000

struct prices_conf {
    char *source; /* "none", "file:PATH" or "polygon". */
    char *polygon_key;
    char *polygon_url;
    char *polygon_plan; /* "free" or "paid". */
};

/* The state of an ask: what it wants to know. */
struct prices_want {
    void *fetch; /* polygon.c's, NULL when it has none. */
    size_t count;
    char symbols[][QUOTES_SYMBOL_SIZE]; /* Sorted, each once. */
};

/* Answers 'ask' with those of its symbols that 'quotes' has. */
void prices_answer(struct ask *ask, const char *source,
                   const struct quotes *quotes, bool paid);

/* Prices of polygon.io.  On the free plan one call gets the whole market's
 * closing prices, kept for the day; on the paid one each ask gets what its
 * symbols trade at. */
struct polygon;

int polygon_open(const struct prices_conf *conf, struct asks *asks,
                 struct polygon **ret, struct err *err);
void polygon_close(struct polygon **polygon);
int polygon_start(struct polygon *polygon, struct ask *ask, struct err *err);
void polygon_forget(struct polygon *polygon, struct ask *ask);
