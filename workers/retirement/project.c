#include "retirement/project.h"

#include <math.h>

#include "base/cleanup.h"

#define SAFE 0.10 /* 90 % of the futures are above this percentile. */
#define MILESTONE_YEARS 5
#define WITHDRAWAL_RATE 0.04
#define LATER_YEARS 2
#define SPEND_LESS 0.10
#define EARN_LESS 0.01
#define PLANNED 0 /* Index of the plan as it is among the cases. */

_Static_assert(RETIREMENT_CHANGES_MAX + 2 <= MONTECARLO_CASES_MAX,
               "plan, changes and lower returns fit one run");

const double retirement_percentiles[RETIREMENT_PERCENTILES] = {
    0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95};
const double retirement_band_percentiles[RETIREMENT_BANDS] = {0.10, 0.25, 0.50,
                                                              0.75, 0.90};

/* Mean w'mu and variance w'Sw of the rebalanced portfolio, and each class's
 * part of the variance, w_i (Sw)_i. */
static void
fill_moments(const struct retirement_case *plan, struct retirement_result *ret)
{
    const struct retirement_assumptions *a = plan->assumptions;
    double variance = 0;

    for (size_t i = 0; i < RETIREMENT_CLASSES; i++) {
        double covariance = 0;

        for (size_t j = 0; j < RETIREMENT_CLASSES; j++) {
            covariance += plan->weights[j] * a->sd[j] * a->correlation[i][j];
        }
        ret->risk_share[i] = plan->weights[i] * a->sd[i] * covariance;
        ret->mean += plan->weights[i] * a->mean[i];
        variance += ret->risk_share[i];
    }
    ret->sd = variance > 0 ? sqrt(variance) : 0;
    for (size_t i = 0; variance > 0 && i < RETIREMENT_CLASSES; i++) {
        ret->risk_share[i] /= variance;
    }
}

/* 'value' after 'years' of saving at the mean return. */
static double
compound(const struct retirement_case *plan, double mean, double value,
         int years)
{
    double level = 1;

    for (int t = 0; t < years; t++) {
        level *= 1 + plan->assumptions->inflation_before;
        value = value * (1 + mean) + plan->contribution * level;
    }
    return value;
}

static void
fill_expectations(const struct retirement_case *plan,
                  struct retirement_result *ret)
{
    const int years = plan->years_to_retirement;

    ret->expected = compound(plan, ret->mean, plan->value, years);
    ret->expected_from_savings = compound(plan, ret->mean, 0, years);
    ret->price_level = 1;
    for (int t = 0; t < years; t++) {
        ret->price_level *= 1 + plan->assumptions->inflation_before;
    }
    ret->four_percent_income = plan->value * WITHDRAWAL_RATE;
}

static int
next_milestone(int year, int retirement, int end)
{
    int next = (year / MILESTONE_YEARS + 1) * MILESTONE_YEARS;

    if (year < retirement && next > retirement) {
        next = retirement;
    }
    return next < end ? next : end;
}

static void
fill_milestones(const struct retirement_case *plan,
                struct retirement_result *ret)
{
    const int retirement = plan->years_to_retirement;
    const int end = retirement + plan->years_in_retirement;
    struct retirement_milestone m = {.year = 0, .value = plan->value};

    ret->milestones[ret->milestone_count++] = m;
    while (m.year < end) {
        const int next = next_milestone(m.year, retirement, end);

        m.retired = m.year >= retirement;
        m.income = m.retired ? m.value * WITHDRAWAL_RATE : 0;
        if (!m.retired) {
            m.value = compound(plan, ret->mean, plan->value, next);
        }
        for (; m.retired && m.year < next; m.year++) {
            m.value = m.value * (1 + ret->mean) - m.income;
        }
        m.year = next;
        ret->milestones[ret->milestone_count++] = m;
    }
}

static struct montecarlo_estimate
quantile(struct montecarlo *run, size_t which, double percentile)
{
    struct montecarlo_estimate income;

    montecarlo_quantiles(run, which, MONTECARLO_INCOME, &percentile, 1,
                         &income);
    return income;
}

static void
fill_spread(struct montecarlo *run, enum montecarlo_what what,
            struct retirement_spread *ret)
{
    montecarlo_quantiles(run, PLANNED, what, retirement_percentiles,
                         RETIREMENT_PERCENTILES, ret->percentiles);
    ret->mean = montecarlo_mean(run, PLANNED, what);
}

static void
fill_bands(struct montecarlo *run, const struct montecarlo_case *planned,
           struct retirement_result *ret)
{
    const int years =
        planned->years_to_retirement + planned->years_in_retirement;

    for (size_t i = 0; i < RETIREMENT_BANDS; i++) {
        ret->bands[0][i] = planned->value;
    }
    for (int year = 1; year <= years; year++) {
        montecarlo_year_quantiles(run, PLANNED, year,
                                  retirement_band_percentiles, RETIREMENT_BANDS,
                                  ret->bands[year]);
    }
    ret->band_count = (size_t)years + 1;
}

/* What is seen when 'planned' is walked with its income. */
static void
fill_walk(struct montecarlo *run, const struct montecarlo_case *planned,
          struct retirement_result *ret)
{
    ret->income = planned->income;
    ret->success = montecarlo_success(run, PLANNED, planned->income);
    ret->lasted = montecarlo_mean(run, PLANNED, MONTECARLO_LASTED);
    fill_spread(run, MONTECARLO_AT_RETIREMENT, &ret->at_retirement);
    fill_spread(run, MONTECARLO_AT_END, &ret->at_end);
    fill_bands(run, planned, ret);
}

static void
fill_change(struct montecarlo *run, const struct montecarlo_case *planned,
            size_t which, struct retirement_change *change)
{
    change->success =
        montecarlo_success(run, which, planned->income - change->spend_less);
    change->sustainable = quantile(run, which, SAFE);
}

static bool
change_applies(const struct retirement_change *change,
               const struct retirement_case *plan)
{
    return (change->save_more > 0 || change->work_longer > 0 ||
            change->spend_less > 0) &&
           plan->years_in_retirement > change->work_longer &&
           plan->years_to_retirement + change->work_longer <=
               MONTECARLO_YEARS_MAX &&
           (change->save_more <= 0 ||
            plan->years_to_retirement + change->work_longer > 0);
}

static struct montecarlo_case
apply_change(const struct montecarlo_case *planned,
             const struct retirement_change *change)
{
    struct montecarlo_case changed = *planned;

    changed.yearly = false;
    changed.mean -= change->earn_less;
    changed.contribution += change->save_more;
    changed.years_to_retirement += change->work_longer;
    changed.years_in_retirement -= change->work_longer;
    return changed;
}

/* The changes that make sense for the plan, all at once as the last. */
static void
choose_changes(const struct retirement_case *plan,
               struct retirement_result *ret)
{
    const double half = round(plan->contribution / 2 / 1000) * 1000;
    const double more = half < 1000 ? 1000 : half;
    const double less = plan->income > 0 ? plan->income * SPEND_LESS : 0;
    const struct retirement_change rows[RETIREMENT_CHANGES_MAX] = {
        {.save_more = more},
        {.work_longer = LATER_YEARS},
        {.spend_less = less},
        {.save_more = more, .work_longer = LATER_YEARS, .spend_less = less},
    };

    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        if (change_applies(&rows[i], plan)) {
            ret->changes[ret->change_count++] = rows[i];
        }
    }
    ret->lower_returns.earn_less = EARN_LESS;
}

/* The plan, its changes and lower returns, in one run. */
static int
simulate(const struct montecarlo_market *market,
         const struct montecarlo_case *planned, struct retirement_result *ret,
         struct montecarlo **ret_run, struct err *err)
{
    _cleanup(montecarlo_free) struct montecarlo *run = NULL;
    struct montecarlo_case cases[MONTECARLO_CASES_MAX] = {*planned};
    const size_t lower = 1 + ret->change_count;

    for (size_t i = 0; i < ret->change_count; i++) {
        cases[1 + i] = apply_change(planned, &ret->changes[i]);
    }
    cases[lower] = apply_change(planned, &ret->lower_returns);
    if (montecarlo_run(market, cases, lower + 1, &run, err)) {
        return -1;
    }
    ret->sustainable = quantile(run, PLANNED, SAFE);
    ret->median_sustainable = quantile(run, PLANNED, 0.5);
    for (size_t i = 0; i < ret->change_count; i++) {
        fill_change(run, planned, 1 + i, &ret->changes[i]);
    }
    fill_change(run, planned, lower, &ret->lower_returns);
    *ret_run = STEAL(run);
    return 0;
}

static struct montecarlo_case
planned_case(const struct retirement_case *plan,
             const struct retirement_result *result)
{
    return (struct montecarlo_case){
        .value = plan->value,
        .mean = result->mean,
        .sd = result->sd,
        .years_to_retirement = plan->years_to_retirement,
        .years_in_retirement = plan->years_in_retirement,
        .contribution = plan->contribution,
        .income = plan->income > 0 ? plan->income : 0,
        .inflation_before = plan->assumptions->inflation_before,
        .inflation_after = plan->assumptions->inflation_after,
        .yearly = true,
    };
}

int
retirement_project(const struct retirement_case *plan,
                   struct retirement_result *ret, struct err *err)
{
    const struct montecarlo_market market = {.paths = plan->paths,
                                             .seed = plan->seed};
    _cleanup(montecarlo_free) struct montecarlo *run = NULL;
    struct retirement_result result = {0};
    struct montecarlo_case planned;

    fill_moments(plan, &result);
    fill_expectations(plan, &result);
    fill_milestones(plan, &result);
    choose_changes(plan, &result);
    planned = planned_case(plan, &result);
    if (simulate(&market, &planned, &result, &run, err)) {
        return -1;
    }
    if (plan->income < 0 && plan->years_in_retirement > 0) {
        /* No target: show what drawing the sustainable income does. */
        planned.income = result.sustainable.value;
        montecarlo_free(&run);
        if (montecarlo_run(&market, &planned, 1, &run, err)) {
            return -1;
        }
    }
    fill_walk(run, &planned, &result);
    *ret = result;
    return 0;
}
