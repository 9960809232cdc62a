/* What the portfolio is exposed to: its value cut up by asset class, region or
 * sector. */
#pragma once

#include "portfolio/snapshot.h"

/* Slices add up to the portfolio's total, to the cent: a holding is split by
 * its weights (relative to their sum) in millionths of a cent, and the sums are
 * rounded to cents by largest remainder.  Holdings that are not classified are
 * one slice.  Account cash is asset class "cash", and a slice of its own among
 * regions and sectors. */
struct portfolio_exposure {
    enum portfolio_dimension dimension;
    int64_t cents[PORTFOLIO_SLICES];
};

void portfolio_exposure(const struct portfolio *portfolio,
                        enum portfolio_dimension dimension,
                        struct portfolio_exposure *ret);

/* The slices that are not zero, largest first (ties: in vocabulary order);
 * returns how many. */
size_t portfolio_exposure_sort(const struct portfolio_exposure *exposure,
                               size_t ret[PORTFOLIO_SLICES]);
