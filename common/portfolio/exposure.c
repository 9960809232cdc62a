#include "portfolio/exposure.h"

#include <stdbool.h>
#include <string.h>

__extension__ typedef __int128 wide;

enum { FINE_PER_CENT = 1000000 };

/* Adds one holding, cut by its weights: each cut is the difference of two
 * rounded running shares, so that the cuts add up to the holding exactly. */
static void
add_holding(const struct portfolio_position *position,
            enum portfolio_dimension dimension, wide fine[PORTFOLIO_SLICES])
{
    const int64_t *weights = position->instrument->weights[dimension];
    wide value = (wide)position->value_cents * FINE_PER_CENT;
    wide sum = 0;
    wide running = 0;
    wide placed = 0;

    for (size_t i = 0; i < PORTFOLIO_KEYS_MAX; i++) {
        sum += weights[i];
    }
    if (sum == 0) {
        fine[PORTFOLIO_UNCLASSIFIED] += value;
        return;
    }
    for (size_t i = 0; i < PORTFOLIO_KEYS_MAX; i++) {
        running += weights[i];
        wide share = value * running / sum;

        fine[i] += share - placed;
        placed = share;
    }
}

static void
round_to_cents(const wide fine[PORTFOLIO_SLICES], int64_t total_cents,
               int64_t ret[PORTFOLIO_SLICES])
{
    int64_t remainders[PORTFOLIO_SLICES];
    int64_t left = total_cents;

    for (size_t i = 0; i < PORTFOLIO_SLICES; i++) {
        ret[i] = (int64_t)(fine[i] / FINE_PER_CENT);
        remainders[i] = (int64_t)(fine[i] % FINE_PER_CENT);
        left -= ret[i];
    }
    portfolio_round_up(left, remainders, PORTFOLIO_SLICES, ret);
}

void
portfolio_exposure(const struct portfolio *portfolio,
                   enum portfolio_dimension dimension,
                   struct portfolio_exposure *ret)
{
    wide fine[PORTFOLIO_SLICES] = {0};
    int cash = dimension == PORTFOLIO_ASSET_CLASS
                   ? portfolio_key_find(dimension, "cash")
                   : PORTFOLIO_CASH;

    fine[cash] = (wide)portfolio->cash_cents * FINE_PER_CENT;
    for (size_t a = 0; a < portfolio->account_count; a++) {
        const struct portfolio_account *account = &portfolio->accounts[a];

        for (size_t i = 0; i < account->count; i++) {
            add_holding(&account->positions[i], dimension, fine);
        }
    }
    ret->dimension = dimension;
    round_to_cents(fine, portfolio->total_cents, ret->cents);
}

size_t
portfolio_exposure_sort(const struct portfolio_exposure *exposure,
                        size_t ret[PORTFOLIO_SLICES])
{
    size_t count = 0;

    for (size_t slice = 0; slice < PORTFOLIO_SLICES; slice++) {
        size_t at = count;

        if (exposure->cents[slice] == 0) {
            continue;
        }
        while (at > 0 &&
               exposure->cents[ret[at - 1]] < exposure->cents[slice]) {
            ret[at] = ret[at - 1];
            at--;
        }
        ret[at] = slice;
        count++;
    }
    return count;
}
