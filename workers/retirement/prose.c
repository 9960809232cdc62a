#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "retirement/report.h"

static void
put_count(struct buf *out, double count)
{
    char digits[32];
    const int length = snprintf(digits, sizeof(digits), "%.0f", count);

    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) {
            buf_puts(out, ",");
        }
        buf_append(out, &digits[i], 1);
    }
}

static void
put_dollars(struct buf *out, double dollars)
{
    buf_puts(out, "$");
    put_count(out, dollars);
}

/* Three significant digits: what a simulation can vouch for. */
static void
put_about(struct buf *out, double dollars)
{
    const double unit = dollars < 1000 ? 1 : pow(10, floor(log10(dollars)) - 2);

    put_dollars(out, round(dollars / unit) * unit);
}

static void
put_percent(struct buf *out, double share)
{
    buf_printf(out, "%.1f%%", share * 100);
}

static void
put_years(struct buf *out, int years)
{
    buf_printf(out, "%d year%s", years, years == 1 ? "" : "s");
}

static bool
has_target(const struct retirement_report *report)
{
    return report->plan->income >= 0;
}

static const char *
readiness(double success)
{
    static const struct {
        double from;
        const char *words;
    } rows[] = {
        {0.90, "On track."},
        {0.75, "Close, with some risk."},
        {0.50, "Uncertain."},
        {0.00, "Not on track."},
    };
    size_t i = 0;

    while (success < rows[i].from) {
        i++;
    }
    return rows[i].words;
}

/* What "an income" means under these assumptions. */
static void
put_terms(const struct retirement_report *report, struct buf *out)
{
    const struct retirement_assumptions *a = report->plan->assumptions;

    if (a->inflation_before > 0) {
        buf_puts(out, "in today's money");
    } else {
        buf_printf(out, "raised by %.1f%% every year",
                   a->inflation_after * 100);
    }
}

static void
put_sustainable(const struct retirement_report *report, struct buf *out)
{
    const struct retirement_result *result = report->result;

    buf_puts(out, "Nine in ten futures sustain ");
    put_about(out, result->sustainable.value);
    buf_puts(out, " a year, half sustain ");
    put_about(out, result->median_sustainable.value);
    buf_puts(out, ".");
}

static void
put_target(const struct retirement_report *report, struct buf *out)
{
    const struct retirement_case *plan = report->plan;
    const struct retirement_result *result = report->result;
    const double short_of = plan->income - result->sustainable.value;

    buf_printf(out, "**%s** In ", readiness(result->success.value));
    put_percent(out, result->success.value);
    buf_puts(out, " of ");
    put_count(out, (double)plan->paths);
    buf_printf(out,
               " simulated futures (standard error %.1f points) the portfolio "
               "pays ",
               result->success.se * 100);
    put_dollars(out, plan->income);
    buf_puts(out, " a year, ");
    put_terms(report, out);
    buf_puts(out, ", for all of ");
    put_years(out, plan->years_in_retirement);
    buf_printf(out, " in retirement; on average it lasts %.1f.\n\n",
               result->lasted.value);
    put_sustainable(report, out);
    if (short_of >= 1) {
        buf_puts(out, " The first of these is ");
        put_about(out, short_of);
        buf_puts(out, " a year short of the goal. Income from elsewhere, such "
                      "as a state pension, an annuity or part-time work, is "
                      "not counted and narrows that gap.");
    }
}

static void
put_no_target(const struct retirement_report *report, struct buf *out)
{
    buf_puts(out, "**No target income is set**, so this is what the portfolio "
                  "sustains over ");
    put_years(out, report->plan->years_in_retirement);
    buf_puts(out, " in retirement, ");
    put_terms(report, out);
    buf_puts(out, ". ");
    put_sustainable(report, out);
    buf_puts(out, " With a target set, this page says how likely it is.");
}

static void
put_readiness(const struct retirement_report *report, struct buf *out)
{
    buf_puts(out, "## Retirement readiness\n\n");
    if (report->portfolio->total_cents == 0) {
        buf_puts(out, "**Nothing to project yet:** there are no positions "
                      "with a value and no cash. The numbers below only count "
                      "future savings, without any return.\n\n");
    }
    if (report->plan->years_in_retirement == 0) {
        buf_puts(out, "**No years in retirement** are planned, so only the "
                      "value at retirement is projected.");
    } else if (has_target(report)) {
        put_target(report, out);
    } else {
        put_no_target(report, out);
    }
    if (report->years_assumed) {
        buf_puts(out, " The years to retirement are not set; ");
        buf_printf(out, "%d are assumed.", report->plan->years_to_retirement);
    }
    buf_puts(out, "\n\n");
}

static void
put_value_row(const struct retirement_report *report, const char *label,
              size_t percentile, struct buf *out)
{
    const struct retirement_result *result = report->result;
    const double value = result->at_retirement.percentiles[percentile].value;

    buf_printf(out, "| %s | ", label);
    put_about(out, value);
    if (result->price_level > 1) {
        buf_puts(out, " | ");
        put_about(out, value / result->price_level);
    }
    if (report->plan->years_in_retirement > 0) {
        buf_puts(out, " | ");
        put_about(out, result->at_end.percentiles[percentile].value);
    }
    buf_puts(out, " |\n");
}

static void
put_value_head(const struct retirement_report *report, struct buf *out)
{
    const struct retirement_case *plan = report->plan;
    const bool inflated = report->result->price_level > 1;
    const bool spent = plan->years_in_retirement > 0;

    buf_puts(out, "## Value at retirement, in ");
    put_years(out, plan->years_to_retirement);
    buf_puts(out, "\n\n| Future | At retirement |");
    buf_puts(out, inflated ? " The same in today's money |" : "");
    buf_puts(out, spent ? " At the end, in " : "");
    if (spent) {
        put_years(out, plan->years_to_retirement + plan->years_in_retirement);
        buf_puts(out, " |");
    }
    buf_puts(out, "\n|---|---|");
    buf_puts(out, inflated ? "---|" : "");
    buf_puts(out, spent ? "---|\n" : "\n");
}

static void
put_values(const struct retirement_report *report, struct buf *out)
{
    put_value_head(report, out);
    put_value_row(report, "Poor (1 in 10 is worse)", 1, out);
    put_value_row(report, "Middle", 3, out);
    put_value_row(report, "Good (1 in 10 is better)", 5, out);
    buf_puts(out, "\nAt the mean return every year it would be ");
    put_dollars(out, report->result->expected);
    buf_puts(out, " at retirement.");
    if (report->plan->years_in_retirement > 0) {
        buf_puts(out, " The end is after drawing ");
        put_about(out, report->result->income);
        buf_puts(out, has_target(report)
                          ? " a year."
                          : " a year, what nine in ten futures sustain.");
    }
    buf_puts(out, "\n\n");
}

static size_t
largest_risk(const struct retirement_result *result)
{
    size_t largest = 0;

    for (size_t i = 1; i < RETIREMENT_CLASSES; i++) {
        if (result->risk_share[i] > result->risk_share[largest]) {
            largest = i;
        }
    }
    return largest;
}

static void
put_saving(const struct retirement_report *report, struct buf *out)
{
    buf_puts(out, "- **Saving.** ");
    put_dollars(out, report->result->expected_from_savings);
    buf_puts(out, " of that value comes from saving ");
    put_dollars(out, report->plan->contribution);
    buf_puts(out, report->saving_assumed ? " a year (assumed), " : " a year, ");
    buf_puts(out, "the rest from what is there today.\n");
}

static void
put_drivers(const struct retirement_report *report, struct buf *out)
{
    const struct retirement_case *plan = report->plan;
    const struct retirement_result *result = report->result;
    const size_t class = largest_risk(result);

    buf_printf(out,
               "## What drives it\n\n- **Markets.** The mix is assumed to "
               "return %.1f%% a year on average, with a standard deviation of "
               "%.1f points.",
               result->mean * 100, result->sd * 100);
    if (result->risk_share[class] > 0) {
        buf_printf(out, " %s is %.0f%% of the money and %.0f%% of the risk.",
                   portfolio_slice_label(PORTFOLIO_ASSET_CLASS, class),
                   plan->weights[class] * 100, result->risk_share[class] * 100);
    }
    buf_puts(out, "\n");
    if (plan->years_to_retirement > 0) {
        put_saving(report, out);
    }
    if (result->price_level > 1 && plan->income > 0) {
        buf_puts(out, "- **Inflation.** What costs ");
        put_dollars(out, plan->income);
        buf_puts(out, " today will cost ");
        put_about(out, plan->income * result->price_level);
        buf_puts(out, " when retirement begins.\n");
    }
    buf_puts(out, "- **Order.** Poor years early in retirement hurt most: "
                  "what is sold then can't recover.\n\n");
}

static void
put_change_label(const struct retirement_change *change, struct buf *out)
{
    if (change->save_more > 0) {
        buf_puts(out, "Save ");
        put_dollars(out, change->save_more);
        buf_puts(out, " more a year");
    }
    if (change->work_longer > 0) {
        buf_puts(out, change->save_more > 0 ? ", retire " : "Retire ");
        put_years(out, change->work_longer);
        buf_puts(out, " later");
    }
    if (change->spend_less > 0) {
        buf_puts(out, change->work_longer > 0 ? ", spend " : "Spend ");
        put_dollars(out, change->spend_less);
        buf_puts(out, " less a year");
    }
}

static void
put_outcome(const struct retirement_report *report,
            const struct montecarlo_estimate *success,
            const struct montecarlo_estimate *sustainable, struct buf *out)
{
    buf_puts(out, " | ");
    if (has_target(report)) {
        put_percent(out, success->value);
        buf_puts(out, " | ");
    }
    put_about(out, sustainable->value);
    buf_puts(out, " |\n");
}

static void
put_changes(const struct retirement_report *report, struct buf *out)
{
    const struct retirement_result *result = report->result;

    if (result->change_count == 0) {
        return;
    }
    buf_puts(out, has_target(report)
                      ? "## What would help\n\n| Change | Futures that last | "
                        "Income 9 in 10 sustain |\n|---|---|---|\n"
                      : "## What would help\n\n| Change | "
                        "Income 9 in 10 sustain |\n|---|---|\n");
    buf_puts(out, "| As planned");
    put_outcome(report, &result->success, &result->sustainable, out);
    for (size_t i = 0; i < result->change_count; i++) {
        const struct retirement_change *change = &result->changes[i];

        buf_puts(out, "| ");
        put_change_label(change, out);
        put_outcome(report, &change->success, &change->sustainable, out);
    }
    buf_puts(out, "\nEvery line lives through the same simulated markets. "
                  "Retiring later leaves the end of the plan where it is.\n\n");
}

/* Every twentieth year of long plans, so that the text stays short. */
static void
put_milestones(const struct retirement_report *report, struct buf *out)
{
    const struct retirement_result *result = report->result;
    const int step = result->milestone_count > 16 ? 20 : 5;

    buf_puts(out, "## Milestones\n\nAt the mean return, drawing 4% of the "
                  "value in retirement; in dollars of their year.\n\n"
                  "| Year | Value | Income a year |\n|---|---|---|\n");
    for (size_t i = 0; i < result->milestone_count; i++) {
        const struct retirement_milestone *m = &result->milestones[i];

        if (m->year % step != 0 &&
            m->year != report->plan->years_to_retirement &&
            i + 1 < result->milestone_count) {
            continue;
        }
        buf_printf(out, "| %d", m->year);
        if (report->current_age >= 0) {
            buf_printf(out, " (age %d)", report->current_age + m->year);
        }
        buf_puts(out, " | ");
        put_dollars(out, m->value);
        buf_puts(out, m->retired ? " | " : " | -");
        if (m->retired) {
            put_dollars(out, m->income);
        }
        buf_puts(out, " |\n");
    }
    buf_puts(out, "\n");
}

static void
put_rule_of_four(const struct retirement_report *report, struct buf *out)
{
    const struct retirement_result *result = report->result;
    const double gap = report->plan->income - result->four_percent_income;

    buf_puts(out, "- The 4% rule, on today's value, gives ");
    put_dollars(out, result->four_percent_income);
    buf_puts(out, " a year");
    if (has_target(report)) {
        buf_puts(out, ", ");
        put_dollars(out, fabs(gap));
        buf_puts(out, gap >= 0 ? " less than the goal" : " more than the goal");
    }
    buf_puts(out, ".\n");
}

static void
put_sensitivity(const struct retirement_report *report, struct buf *out)
{
    const struct retirement_result *result = report->result;
    const struct retirement_change *lower = &result->lower_returns;

    if (report->plan->years_in_retirement == 0) {
        return;
    }
    buf_printf(out, "- With returns %.0f point a year lower than assumed, ",
               lower->earn_less * 100);
    if (has_target(report)) {
        put_percent(out, lower->success.value);
        buf_puts(out, " of the futures last instead of ");
        put_percent(out, result->success.value);
        buf_puts(out, ", and ");
    }
    buf_puts(out, "nine in ten sustain ");
    put_about(out, lower->sustainable.value);
    buf_puts(out, " a year.\n");
}

static void
put_data_quality(const struct retirement_report *report, struct buf *out)
{
    const double unclassified =
        (double)report->classes->cents[PORTFOLIO_UNCLASSIFIED] / 100;
    const int class = report->plan->assumptions->unclassified_class;

    if (report->unpriced > 0) {
        buf_printf(out,
                   "- %zu holding%s without a known price, counted as "
                   "$0: the real outlook is better.\n",
                   report->unpriced, report->unpriced == 1 ? " is" : "s are");
    }
    if (unclassified > 0) {
        buf_puts(out, "- Holdings worth ");
        put_dollars(out, unclassified);
        buf_puts(out, " are not classified and assumed to ");
        if (class >= 0) {
            buf_printf(
                out, "behave like %s.\n",
                portfolio_slice_key(PORTFOLIO_ASSET_CLASS, (size_t) class));
        } else {
            buf_puts(out, "earn nothing.\n");
        }
    }
}

static void
put_caveats(const struct retirement_report *report, struct buf *out)
{
    const struct retirement_case *plan = report->plan;
    const struct retirement_assumptions *a = plan->assumptions;

    buf_printf(out,
               "## How far to trust this\n\n- Assumptions `%s`: inflation of "
               "%.1f%% a year before retirement and %.1f%% in it, ",
               a->name, a->inflation_before * 100, a->inflation_after * 100);
    put_years(out, plan->years_in_retirement);
    buf_puts(out, " in retirement, yearly rebalancing. Taxes, fees and "
                  "pensions are left out.\n");
    put_sensitivity(report, out);
    put_rule_of_four(report, out);
    put_data_quality(report, out);
    buf_puts(out, "- ");
    put_count(out, (double)plan->paths);
    buf_printf(out,
               " futures settle the percentages to a point or so; the "
               "assumptions behind them are far less certain.\n"
               "- The same job gives the same numbers again (seed %" PRId64
               "). This is an illustration, not advice and not a forecast.\n",
               report->portfolio->seed);
}

void
retirement_write_prose(const struct retirement_report *report, struct buf *out)
{
    put_readiness(report, out);
    put_values(report, out);
    put_drivers(report, out);
    put_changes(report, out);
    put_milestones(report, out);
    put_caveats(report, out);
}
