#include <math.h>
#include <stdio.h>

#include "retirement/report.h"

/* Two decimals: cents, and hundredths of a percentage point. */
static void
put(struct buf *out, const char *key, double value)
{
    const double rounded = round(value * 100) / 100;

    buf_json_key(out, key);
    if (isfinite(rounded)) {
        buf_json_double(out, rounded + 0.0); /* No minus zero. */
    } else {
        buf_json_null(out);
    }
}

static void
put_int(struct buf *out, const char *key, int64_t value)
{
    buf_json_key(out, key);
    buf_json_int(out, value);
}

static void
put_year(const struct retirement_report *report, int year, struct buf *out)
{
    put_int(out, "year", year);
    if (report->current_age >= 0) {
        put_int(out, "age", report->current_age + year);
    }
}

static void
put_plan(const struct retirement_report *report, struct buf *out)
{
    const struct retirement_case *plan = report->plan;

    buf_json_key(out, "plan");
    buf_json_object(out);
    put(out, "value", plan->value);
    put_int(out, "years_to_retirement", plan->years_to_retirement);
    buf_json_key(out, "years_assumed");
    buf_json_bool(out, report->years_assumed);
    put_int(out, "years_in_retirement", plan->years_in_retirement);
    put(out, "annual_contribution", plan->contribution);
    put(out, "target_income", plan->income >= 0 ? plan->income : NAN);
    put(out, "unclassified_value",
        (double)report->classes->cents[PORTFOLIO_UNCLASSIFIED] / 100);
    put_int(out, "unpriced_holdings", (int64_t)report->unpriced);
    buf_json_end(out);
}

static void
put_market(const struct retirement_report *report, struct buf *out)
{
    const struct retirement_result *result = report->result;

    buf_json_key(out, "market");
    buf_json_object(out);
    put(out, "mean_return_pct", result->mean * 100);
    put(out, "sd_return_pct", result->sd * 100);
    put(out, "price_level_at_retirement", result->price_level);
    buf_json_key(out, "classes");
    buf_json_array(out);
    for (size_t i = 0; i < RETIREMENT_CLASSES; i++) {
        buf_json_object(out);
        buf_json_key(out, "class");
        buf_json_string(out, portfolio_slice_key(PORTFOLIO_ASSET_CLASS, i));
        put(out, "weight_pct", report->plan->weights[i] * 100);
        put(out, "risk_share_pct", result->risk_share[i] * 100);
        buf_json_end(out);
    }
    buf_json_end(out);
    buf_json_end(out);
}

static void
put_spread(const char *key, const struct retirement_spread *spread,
           struct buf *out)
{
    char name[8];

    buf_json_key(out, key);
    buf_json_object(out);
    put(out, "mean", spread->mean.value);
    for (size_t i = 0; i < RETIREMENT_PERCENTILES; i++) {
        snprintf(name, sizeof(name), "p%.0f", retirement_percentiles[i] * 100);
        put(out, name, spread->percentiles[i].value);
    }
    buf_json_key(out, "se");
    buf_json_object(out);
    put(out, "mean", spread->mean.se);
    for (size_t i = 0; i < RETIREMENT_PERCENTILES; i++) {
        snprintf(name, sizeof(name), "p%.0f", retirement_percentiles[i] * 100);
        put(out, name, spread->percentiles[i].se);
    }
    buf_json_end(out);
    buf_json_end(out);
}

/* Null where there is nothing to sustain, or no target to succeed at. */
static void
put_outcome(const struct retirement_report *report, struct buf *out)
{
    const struct retirement_result *result = report->result;
    const double income = report->plan->income;
    const double target = income >= 0 ? 1 : NAN;

    put(out, "success_rate_pct", result->success.value * 100 * target);
    put(out, "success_se_pct", result->success.se * 100 * target);
    put(out, "simulated_income", result->income);
    put(out, "average_years_lasted", result->lasted.value);
    put(out, "average_years_lasted_se", result->lasted.se);
    put(out, "sustainable_income_90", result->sustainable.value);
    put(out, "sustainable_income_90_se", result->sustainable.se);
    put(out, "sustainable_income_50", result->median_sustainable.value);
    put(out, "sustainable_income_50_se", result->median_sustainable.se);
    put(out, "expected_value_at_retirement", result->expected);
    put(out, "expected_from_contributions", result->expected_from_savings);
    put(out, "four_percent_income", result->four_percent_income);
    put(out, "gap", (income - result->four_percent_income) * target);
}

static void
put_changes(const struct retirement_report *report, struct buf *out)
{
    const struct retirement_result *result = report->result;
    const double target = report->plan->income >= 0 ? 1 : NAN;

    buf_json_key(out, "changes");
    buf_json_array(out);
    for (size_t i = 0; i < result->change_count; i++) {
        const struct retirement_change *change = &result->changes[i];

        buf_json_object(out);
        put(out, "save_more", change->save_more);
        put_int(out, "work_longer_years", change->work_longer);
        put(out, "spend_less", change->spend_less);
        put(out, "success_rate_pct", change->success.value * 100 * target);
        put(out, "success_se_pct", change->success.se * 100 * target);
        put(out, "sustainable_income_90", change->sustainable.value);
        buf_json_end(out);
    }
    buf_json_end(out);
}

static void
put_lower_returns(const struct retirement_report *report, struct buf *out)
{
    const struct retirement_change *lower = &report->result->lower_returns;
    const double target = report->plan->income >= 0 ? 1 : NAN;

    buf_json_key(out, "lower_returns");
    buf_json_object(out);
    put(out, "points", lower->earn_less * 100);
    put(out, "success_rate_pct", lower->success.value * 100 * target);
    put(out, "sustainable_income_90", lower->sustainable.value);
    buf_json_end(out);
}

static void
put_milestones(const struct retirement_report *report, struct buf *out)
{
    const struct retirement_result *result = report->result;

    buf_json_key(out, "milestones");
    buf_json_array(out);
    for (size_t i = 0; i < result->milestone_count; i++) {
        const struct retirement_milestone *m = &result->milestones[i];

        buf_json_object(out);
        put_year(report, m->year, out);
        put(out, "portfolio_value", m->value);
        put(out, "annual_income", m->income);
        buf_json_key(out, "phase");
        buf_json_string(out, m->retired ? "retirement" : "accumulation");
        buf_json_end(out);
    }
    buf_json_end(out);
}

static void
put_bands(const struct retirement_report *report, struct buf *out)
{
    const struct retirement_result *result = report->result;
    char name[8];

    buf_json_key(out, "bands");
    buf_json_array(out);
    for (size_t year = 0; year < result->band_count; year++) {
        buf_json_object(out);
        put_year(report, (int)year, out);
        for (size_t i = 0; i < RETIREMENT_BANDS; i++) {
            snprintf(name, sizeof(name), "p%.0f",
                     retirement_band_percentiles[i] * 100);
            put(out, name, result->bands[year][i]);
        }
        buf_json_end(out);
    }
    buf_json_end(out);
}

void
retirement_write_detail(const struct retirement_report *report, struct buf *out)
{
    buf_json_object(out);
    buf_json_key(out, "assumptions");
    buf_json_string(out, report->plan->assumptions->name);
    put_int(out, "paths", (int64_t)report->plan->paths);
    put_int(out, "seed", report->portfolio->seed);
    put_plan(report, out);
    put_market(report, out);
    put_outcome(report, out);
    put_spread("at_retirement", &report->result->at_retirement, out);
    put_spread("at_end", &report->result->at_end, out);
    put_changes(report, out);
    put_lower_returns(report, out);
    put_milestones(report, out);
    put_bands(report, out);
    buf_json_end(out);
}
