/* The projection: a case in, numbers out; no text, no JSON, no portfolio.
 *
 * Amounts are dollars.  Values are those of their year; incomes and
 * contributions are in today's money (montecarlo.h says how they grow). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "retirement/assumptions.h"
#include "retirement/montecarlo.h"

#define RETIREMENT_YEARS_MAX (2 * MONTECARLO_YEARS_MAX)
#define RETIREMENT_MILESTONES_MAX (RETIREMENT_YEARS_MAX / 5 + 3)
#define RETIREMENT_CHANGES_MAX 4

/* Percentiles of the results at retirement and at the end; the bands have
 * those from 10 to 90 except the outer two. */
#define RETIREMENT_PERCENTILES 7
#define RETIREMENT_BANDS 5
extern const double retirement_percentiles[RETIREMENT_PERCENTILES];
extern const double retirement_band_percentiles[RETIREMENT_BANDS];

struct retirement_case {
    const struct retirement_assumptions *assumptions;
    double value;                       /* Today. */
    double weights[RETIREMENT_CLASSES]; /* Of the value; what they leave to 1
                                           earns nothing. */
    int years_to_retirement;
    int years_in_retirement;
    double contribution; /* A year. */
    double income;       /* Wanted a year; negative: the user did not say. */
    size_t paths;
    uint64_t seed;
};

struct retirement_spread {
    struct montecarlo_estimate percentiles[RETIREMENT_PERCENTILES];
    struct montecarlo_estimate mean;
};

/* Compounding at the mean return; in retirement 4 % of the value, set anew at
 * every milestone, is taken out each year. */
struct retirement_milestone {
    int year;      /* 0, 5, 10, ...; retirement and the end also between. */
    double value;  /* At the end of that year. */
    double income; /* A year since the milestone before; 0 until retirement. */
    bool retired;
};

/* The same plan with something changed, in the same simulated markets. */
struct retirement_change {
    double save_more;  /* A year; 0: as planned. */
    int work_longer;   /* Years, off the retirement; 0: as planned. */
    double spend_less; /* A year; 0: as planned. */
    double earn_less;  /* Of the mean return; 0: as assumed. */
    struct montecarlo_estimate success;     /* Of the target. */
    struct montecarlo_estimate sustainable; /* Income, at 90 %. */
};

struct retirement_result {
    double mean; /* Of the portfolio's return a year. */
    double sd;
    double risk_share[RETIREMENT_CLASSES]; /* Of the variance; sum 1, or 0. */

    double expected;              /* At retirement, compounding at the mean. */
    double expected_from_savings; /* The contributions' part of it. */
    double price_level;           /* At retirement; today is 1. */
    double four_percent_income;   /* Of today's value. */

    double income; /* Simulated: the target, else the sustainable one. */
    struct montecarlo_estimate success; /* 0..1; of the target. */
    struct montecarlo_estimate lasted;  /* Years of retirement, average. */
    /* Income that 90 % and 50 % of the futures sustain; infinite when there
     * are no years in retirement. */
    struct montecarlo_estimate sustainable, median_sustainable;
    struct retirement_spread at_retirement, at_end;

    /* By year from 0 (today), 'band_count' of them. */
    double bands[RETIREMENT_YEARS_MAX + 1][RETIREMENT_BANDS];
    size_t band_count;
    struct retirement_milestone milestones[RETIREMENT_MILESTONES_MAX];
    size_t milestone_count;
    struct retirement_change changes[RETIREMENT_CHANGES_MAX];
    size_t change_count;
    /* How much hangs on the assumptions: returns a point lower. */
    struct retirement_change lower_returns;
};

/* Errors: those of montecarlo_run(). */
int retirement_project(const struct retirement_case *plan,
                       struct retirement_result *ret, struct err *err);
