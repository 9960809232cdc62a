/* A typical case, and all that can be asked of a run, for comparing runs. */
#pragma once

#include "test.h"

#include "retirement/montecarlo.h"

static const struct montecarlo_case typical = {
    .value = 100000,
    .mean = 0.055,
    .sd = 0.11,
    .years_to_retirement = 18,
    .years_in_retirement = 27,
    .contribution = 8000,
    .income = 21000,
    .inflation_before = 0.02,
    .inflation_after = 0.03,
    .yearly = true,
};

static const struct montecarlo_market market = {.paths = 10000, .seed = 4711};

static inline struct montecarlo *
run_of(const struct montecarlo_market *in, const struct montecarlo_case *plan)
{
    struct montecarlo *run = NULL;
    struct err err = {0};

    if (montecarlo_run(in, plan, 1, &run, &err)) {
        fail_msg("%s", err.text);
    }
    return run;
}

/* All that can be asked of a run, as numbers. */
struct answers {
    double of[MONTECARLO_WHATS][5][2];
    double mean[MONTECARLO_WHATS][2];
    double success[2];
    double yearly[2 * MONTECARLO_YEARS_MAX][3];
};

static const double tenths[] = {0.1, 0.25, 0.5, 0.75, 0.9};

static inline void
ask_case(struct montecarlo *run, size_t which,
         const struct montecarlo_case *plan, struct answers *ret)
{
    const int years = plan->years_to_retirement + plan->years_in_retirement;
    struct montecarlo_estimate e[5];

    memset(ret, 0, sizeof(*ret));
    for (int what = 0; what < MONTECARLO_WHATS; what++) {
        e[0] = montecarlo_mean(run, which, (enum montecarlo_what)what);
        ret->mean[what][0] = e[0].value;
        ret->mean[what][1] = e[0].se;
        montecarlo_quantiles(run, which, (enum montecarlo_what)what, tenths, 5,
                             e);
        memcpy(ret->of[what], e, sizeof(e));
    }
    e[0] = montecarlo_success(run, which, plan->income);
    ret->success[0] = e[0].value;
    ret->success[1] = e[0].se;
    for (int year = 1; plan->yearly && year <= years; year++) {
        montecarlo_year_quantiles(run, which, year, tenths, 3,
                                  ret->yearly[year - 1]);
    }
}

static inline void
ask_all(const struct montecarlo_market *in, const struct montecarlo_case *plan,
        struct answers *ret)
{
    _cleanup(montecarlo_free) struct montecarlo *run = run_of(in, plan);

    ask_case(run, 0, plan, ret);
}
