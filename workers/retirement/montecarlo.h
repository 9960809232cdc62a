/* Seeded Monte Carlo of retirement portfolios: simulate once, then ask.
 *
 *     montecarlo_run(&market, cases, 1, &run, &err);
 *     montecarlo_success(run, 0, 60000);           // how likely it lasts
 *     montecarlo_quantiles(run, 0, MONTECARLO_INCOME, &p, 1, &income);
 *
 * A year t (from 1) of the 'years_to_retirement':
 *     value = value * (1 + return) + contribution * level(t)
 * then a year k (from 1) of the 'years_in_retirement':
 *     value = value * (1 + return) - income * level(...) ; at 0 it ends
 * where level(t) = (1 + inflation_before)^t, and in retirement goes on as
 * level(years_to_retirement) * (1 + inflation_after)^k.  So contribution and
 * income are in today's money, and flows happen at the end of a year.
 *
 * A portfolio rebalanced every year to weights w, whose classes' returns are
 * jointly normal with mean mu and covariance S, returns w'mu + sqrt(w'Sw) z:
 * one normal z per path and year is the exact model, not a simplification.
 * Returns below -100 % count as -100 %.
 *
 * The draws are a function of (seed, path, year) alone.  Results are the same
 * to the bit for any number of threads, on any instruction set, and whichever
 * cases run together; cases that differ in money or horizon see the same
 * markets (common random numbers), which is also why several in one run cost
 * little more than one. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define MONTECARLO_PATHS_MAX 1000000
#define MONTECARLO_YEARS_MAX 100 /* Of each phase. */
#define MONTECARLO_CASES_MAX 8

struct montecarlo;

struct montecarlo_market {
    size_t paths; /* 100..MONTECARLO_PATHS_MAX */
    uint64_t seed;
    unsigned threads;   /* 1..64; 0 is 1. */
    const char *kernel; /* "avx512", "avx2", "base"; NULL: the best here. */
};

struct montecarlo_case {
    double value;            /* Today, 0..1e15. */
    double mean;             /* Of a year's return, -0.5..1; 0.05 is 5 %. */
    double sd;               /* Of a year's return, 0..1. */
    int years_to_retirement; /* 0..MONTECARLO_YEARS_MAX */
    int years_in_retirement; /* 0..MONTECARLO_YEARS_MAX */
    double contribution;     /* A year, today's money, 0..1e15. */
    double income;           /* A year, today's money, 0..1e15. */
    double inflation_before; /* Until retirement, -0.1..0.5. */
    double inflation_after;  /* In retirement, -0.1..0.5. */
    bool yearly;             /* Keep every year: 8 bytes a path and year. */
};

/* A number with its standard error, both in the number's unit. */
struct montecarlo_estimate {
    double value;
    double se;
};

enum montecarlo_what {
    MONTECARLO_AT_RETIREMENT, /* Value when retirement begins. */
    MONTECARLO_AT_END,        /* Value after the last year. */
    /* The largest income (today's money) that would have lasted to the end:
     * its 10th percentile is what 90 % of the paths sustain.  Infinite when
     * there are no years in retirement. */
    MONTECARLO_INCOME,
    MONTECARLO_LASTED, /* Years of retirement that ended with money left. */
    MONTECARLO_WHATS,
};

/* Simulates 'count' cases, 1..MONTECARLO_CASES_MAX, in the same market.
 * Owner: the caller frees '*ret'.
 * Errors: ERR_REJECT naming the field outside its range; ERR_RETRY when a
 *   thread can't be started. */
int montecarlo_run(const struct montecarlo_market *market,
                   const struct montecarlo_case *cases, size_t count,
                   struct montecarlo **ret, struct err *err);
void montecarlo_free(struct montecarlo **run); /* For _cleanup. */

/* 'which' is the index of a case. */

/* The share of paths, 0..1, that sustain 'income' to the end. */
struct montecarlo_estimate montecarlo_success(const struct montecarlo *run,
                                              size_t which, double income);
struct montecarlo_estimate montecarlo_mean(const struct montecarlo *run,
                                           size_t which,
                                           enum montecarlo_what what);

/* Exact order statistics (number floor(p * paths), from 0) at 'count' (at most
 * 16) increasing probabilities 'p' in (0, 1).  The standard error is half the
 * distance of the order statistics one binomial deviation sqrt(paths p (1-p))
 * to either side (Conover, Practical Nonparametric Statistics, 3.2). */
void montecarlo_quantiles(struct montecarlo *run, size_t which,
                          enum montecarlo_what what, const double *p,
                          size_t count, struct montecarlo_estimate *ret);

/* The same of the value at the end of year 'year', 1..all years, without
 * standard errors.  The case must have asked for 'yearly'. */
void montecarlo_year_quantiles(struct montecarlo *run, size_t which, int year,
                               const double *p, size_t count, double *ret);
