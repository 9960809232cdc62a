#include "retirement/retirement.h"

#include "base/cleanup.h"
#include "retirement/report.h"

#define PATHS 10000
#define PATHS_MAX 100000
#define CONTRIBUTION_MAX_CENTS INT64_C(1000000000)
#define AGE_MAX 120

extern const char embed_retirement_result[];

const struct worker retirement_worker = {
    .name = "retirement",
    .summary = "projects retirement: seeded Monte Carlo, sustainable income",
    .handle = retirement_handle,
    .result_schema = embed_retirement_result,
    .memory_bytes = 256 << 20, /* 100,000 paths of 200 years are 160 MB. */
};

/* An option of the request as a scaled integer from 'min' to 'max'. */
static int
read_option(const struct portfolio *portfolio, const char *key, int scale,
            int64_t min, int64_t max, int64_t fallback, int64_t *ret,
            struct err *err)
{
    const char *text = portfolio_option(portfolio, key, NULL);
    int64_t value;

    if (!text) {
        *ret = fallback;
        return 0;
    }
    if (portfolio_decimal(text, scale, max, &value, err)) {
        return err_wrap(err, "job.request.options.%s", key);
    }
    if (value < min) {
        return err_set(err, ERR_REJECT, 0,
                       "job.request.options.%s: %.40s is too small", key, text);
    }
    *ret = value;
    return 0;
}

static int
read_options(const struct portfolio *portfolio, struct retirement_case *plan,
             struct retirement_report *report, struct err *err)
{
    const struct retirement_assumptions *a = plan->assumptions;
    int64_t paths, cents, years, age;

    if (read_option(portfolio, "paths", 0, PATHS, PATHS_MAX, PATHS, &paths,
                    err) ||
        read_option(portfolio, "annual_contribution", 2, 0,
                    CONTRIBUTION_MAX_CENTS, -1, &cents, err) ||
        read_option(portfolio, "retirement_years", 0, 0, MONTECARLO_YEARS_MAX,
                    a->years_in_retirement, &years, err) ||
        read_option(portfolio, "current_age", 0, 0, AGE_MAX, a->current_age,
                    &age, err)) {
        return -1;
    }
    plan->paths = (size_t)paths;
    plan->contribution = cents >= 0 ? (double)cents / 100 : a->contribution;
    plan->years_in_retirement = (int)years;
    report->saving_assumed = cents < 0;
    report->current_age = (int)age;
    return 0;
}

/* What the assumptions let earn: each class's part of the portfolio. */
static void
fill_weights(const struct portfolio *portfolio,
             const struct portfolio_exposure *classes,
             struct retirement_case *plan)
{
    const struct retirement_assumptions *a = plan->assumptions;
    const double total = (double)portfolio->total_cents;
    const int cash = portfolio_key_find(PORTFOLIO_ASSET_CLASS, "cash");

    for (int i = 0; i < RETIREMENT_CLASSES; i++) {
        int64_t cents = classes->cents[i];

        if (i == cash && !a->cash_inside_funds_earns) {
            cents = portfolio->cash_cents;
        }
        if (i == a->unclassified_class) {
            cents += classes->cents[PORTFOLIO_UNCLASSIFIED];
        }
        plan->weights[i] = (double)cents / total;
    }
}

static size_t
count_unpriced(const struct portfolio *portfolio)
{
    size_t count = 0;

    for (size_t i = 0; i < portfolio->account_count; i++) {
        const struct portfolio_account *account = &portfolio->accounts[i];

        for (size_t k = 0; k < account->count; k++) {
            count += account->positions[k].instrument->price == 0;
        }
    }
    return count;
}

static void
write_result(const struct retirement_report *report, struct buf *output)
{
    _cleanup(buf_free) struct buf prose = {0};

    retirement_write_prose(report, &prose);
    buf_json_object(output);
    buf_json_key(output, "retirement_payload");
    buf_json_object(output);
    buf_json_key(output, "analysis");
    buf_json_string(output, prose.data);
    buf_json_key(output, "generated_at");
    buf_json_string(output, report->portfolio->generated_at);
    buf_json_key(output, "agent");
    buf_json_string(output, "retirement");
    buf_json_end(output);
    buf_json_key(output, "detail");
    retirement_write_detail(report, output);
    buf_json_end(output);
}

int
retirement_handle(struct task *task, const char *input, size_t size,
                  struct buf *output, struct err *err)
{
    struct portfolio_exposure classes;
    struct retirement_assumptions assumptions;
    struct retirement_case plan = {.assumptions = &assumptions};
    struct retirement_result result = {0};
    struct retirement_report report = {
        .classes = &classes, .plan = &plan, .result = &result};
    const struct portfolio *portfolio;

    if (portfolio_load(input, size, task_arena(task), &portfolio, err) ||
        retirement_assumptions_load(
            portfolio_option(portfolio, "assumptions",
                             RETIREMENT_ASSUMPTIONS_DEFAULT),
            &assumptions, err) ||
        read_options(portfolio, &plan, &report, err)) {
        return -1;
    }
    report.portfolio = portfolio;
    report.years_assumed = portfolio->years < 0;
    report.unpriced = count_unpriced(portfolio);
    portfolio_exposure(portfolio, PORTFOLIO_ASSET_CLASS, &classes);
    plan.value = (double)portfolio->total_cents / 100;
    plan.years_to_retirement = report.years_assumed
                                   ? assumptions.years_to_retirement
                                   : portfolio->years;
    plan.income = portfolio->income_cents < 0
                      ? -1
                      : (double)portfolio->income_cents / 100;
    plan.seed = (uint64_t)portfolio->seed;
    if (portfolio->total_cents > 0) {
        fill_weights(portfolio, &classes, &plan);
    }
    task_progress(task, 20, "simulating futures");
    if (retirement_project(&plan, &result, err)) {
        return -1;
    }
    write_result(&report, output);
    return 0;
}
