/* The charter: a portfolio's aggregates as upstream's charts.
 *
 *     {"charts_payload": {"asset_allocation": {"title", "type", "description",
 *       "data": [{"name", "value", "color"}]}, ...}}
 *
 *   key                  drawn when
 *   asset_allocation     there is any value
 *   geographic_exposure  any holding has a value
 *   sector_breakdown     the same
 *   top_holdings         the same
 *   account_split        at least two accounts have a value
 *   tax_advantaged       names or purposes tell at least one account's taxes,
 *                        and not all value is in the same kind
 *
 * Values are dollars with their cents, largest first, zeros left out; those of
 * every chart add up to the portfolio's total.  What has one name has one
 * colour. */
#pragma once

#include "portfolio/facts.h"
#include "runtime/worker.h"

#define CHARTER_POINTS_MAX 25
#define CHARTER_HOLDINGS_MAX 10 /* Shown by name; the rest is one bar. */
#define CHARTER_ACCOUNTS_MAX 10

extern const struct worker charter_worker;

int charter_handle(struct task *task, const char *input, size_t input_size,
                   struct buf *output, struct err *err);

struct charter_point {
    const char *name;
    int64_t cents;
    const char *color; /* "#RRGGBB" */
};

struct charter_chart {
    struct charter_point points[CHARTER_POINTS_MAX];
    size_t count;
};

/* Adds a point; zeros are left out. */
void charter_add(struct charter_chart *chart, const char *name, int64_t cents);

/* Gives each point its colour: words of the vocabularies theirs, other names
 * one by their spelling, different from the others' while there are enough. */
void charter_color(struct charter_chart *chart);

enum charter_tax {
    CHARTER_TAX_UNKNOWN,
    CHARTER_TAX_ADVANTAGED,
    CHARTER_TAX_TAXABLE,
};

/* What an account's name, or else its purpose, says about its taxes: the words
 * of the usual kinds of account ("401(k)", "Roth IRA", "brokerage"). */
enum charter_tax charter_tax_of(const char *name, const char *purpose,
                                struct arena *mem);
