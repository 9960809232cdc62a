/* The projection: the published numbers of the first retirement agent, and
 * cases whose answers are known without simulating. */
#include "test.h"

#include <math.h>

#include "portfolio/vocabulary.h"
#include "retirement/project.h"

static struct retirement_assumptions upstream;

static size_t
class_of(const char *key)
{
    return (size_t)portfolio_key_find(PORTFOLIO_ASSET_CLASS, key);
}

static int
load_assumptions(void **state)
{
    struct err err = {0};

    (void)state;
    return retirement_assumptions_load("upstream-v1", &upstream, &err);
}

/* The published test user: 99,437.50, 25 years, 100,000 a year. */
static struct retirement_case
test_user(void)
{
    struct retirement_case plan = {
        .assumptions = &upstream,
        .value = 99437.50,
        .years_to_retirement = 25,
        .years_in_retirement = 30,
        .contribution = 10000,
        .income = 100000,
        .paths = 10000,
        .seed = 20250913,
    };

    plan.weights[class_of("equity")] = 71545 / 99437.5;
    plan.weights[class_of("fixed_income")] = 14500 / 99437.5;
    plan.weights[class_of("commodities")] = 4892.5 / 99437.5;
    plan.weights[class_of("cash")] = 8500 / 99437.5;
    return plan;
}

/* All in equity. */
static struct retirement_case
equity_user(double value, int years, double income)
{
    struct retirement_case plan = test_user();

    memset(plan.weights, 0, sizeof(plan.weights));
    plan.weights[class_of("equity")] = 1;
    plan.value = value;
    plan.years_to_retirement = years;
    plan.income = income;
    return plan;
}

/* Without risk: everything in a class that earns 'mean', inflation twice. */
static struct retirement_assumptions
riskless(double mean, double before, double after)
{
    struct retirement_assumptions a = upstream;

    a.mean[class_of("equity")] = mean;
    a.sd[class_of("equity")] = 0;
    a.inflation_before = before;
    a.inflation_after = after;
    return a;
}

static struct retirement_result *
project(const struct retirement_case *plan)
{
    struct retirement_result *result = calloc(1, sizeof(*result));
    struct err err = {0};

    if (retirement_project(plan, result, &err)) {
        fail_msg("%s", err.text);
    }
    return result;
}

static void
assert_near(double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance)) {
        fail_msg("%.6f, not within %.6f of %.6f", value, tolerance, expected);
    }
}

static void
test_expected_value_at_retirement_is_the_published_one(void **state)
{
    const struct retirement_case plan = test_user();
    _cleanup(cleanup_free) struct retirement_result *result = project(&plan);

    (void)state;
    assert_near(result->mean * 100, 5.790723, 5e-7);
    assert_near(result->expected, 938944.61, 0.005);
    assert_near(result->four_percent_income, 3977.50, 1e-9);
    assert_true(result->price_level == 1);
}

static void
test_milestones_are_the_published_ones(void **state)
{
    static const double rows[][3] = {
        {0, 99437.50, 0},           {5, 187897.24, 0},
        {10, 305112.35, 0},         {15, 460430.26, 0},
        {20, 666236.93, 0},         {25, 938944.61, 0},
        {30, 1033330.87, 37557.78}, {35, 1137205.20, 41333.23},
        {40, 1251521.36, NAN},      {45, 1377329.02, NAN},
        {50, 1515783.35, NAN},      {55, 1668155.62, NAN},
    };
    const struct retirement_case plan = test_user();
    _cleanup(cleanup_free) struct retirement_result *result = project(&plan);

    (void)state;
    assert_int_equal(result->milestone_count, ARRAY_COUNT(rows));
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        const struct retirement_milestone *m = &result->milestones[i];

        assert_int_equal(m->year, (int)rows[i][0]);
        assert_near(m->value, rows[i][1], 0.005);
        assert_true(m->retired == (m->year > 25));
        if (!isnan(rows[i][2])) {
            assert_near(m->income, rows[i][2], 0.005);
        }
    }
}

/* Upstream skips the years between the last multiple of five and retirement:
 * 846,412.31 at year 25.  Right is 23 years of saving, then two at 4 %. */
static void
test_a_horizon_of_23_years_saves_for_23_years(void **state)
{
    const struct retirement_case plan = equity_user(100000, 23, 40000);
    _cleanup(cleanup_free) struct retirement_result *result = project(&plan);
    const double at_23 =
        100000 * pow(1.07, 23) + 10000 * (pow(1.07, 23) - 1) / 0.07;
    const double at_25 = at_23 * (1.07 * 1.07 - 0.04 * 1.07 - 0.04);
    const struct retirement_milestone *m = result->milestones;

    (void)state;
    assert_int_equal(m[4].year, 20);
    assert_near(m[4].value, 796923.37, 0.005);
    assert_int_equal(m[5].year, 23);
    assert_near(m[5].value, at_23, 0.005);
    assert_false(m[5].retired);
    assert_int_equal(m[6].year, 25);
    assert_near(m[6].value, at_25, 0.005);
    assert_near(m[6].income, 0.04 * at_23, 0.005);
    assert_int_equal(m[11].year, 50);
    assert_int_equal(m[12].year, 53);
    assert_int_equal(result->milestone_count, 13);
    assert_near(result->expected, at_23, 0.005);
}

/* The reference is a simulation of 200,000 paths as well, so the difference of
 * two such estimates is compared with three of its standard errors. */
static void
test_simulated_numbers_are_the_published_ones(void **state)
{
    struct retirement_case plan = test_user();
    struct retirement_result *result;

    (void)state;
    plan.paths = 200000;
    result = project(&plan);
    const struct montecarlo_estimate *p = result->at_retirement.percentiles;
    const struct {
        struct montecarlo_estimate got;
        double published;
    } rows[] = {
        {result->success, 0.0448},
        {p[1], 455493},
        {p[3], 830705},
        {p[5], 1554548},
        {result->at_retirement.mean, 940132},
        {result->lasted, 10.58},
    };

    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        assert_near(rows[i].got.value, rows[i].published,
                    3 * sqrt(2) * rows[i].got.se);
        assert_true(rows[i].got.se > 0);
        assert_true(rows[i].got.se < 0.02 * rows[i].published);
    }
    assert_near(result->at_retirement.mean.value, 938944.61,
                3 * result->at_retirement.mean.se);
    for (size_t i = 1; i <= 5; i += 2) {
        assert_true(result->at_end.percentiles[i].value == 0);
    }
    free(result);
}

/* Two correlated classes by hand: 0.6 and 0.4 of them, deviations 0.2 and 0.1,
 * correlation 0.5: variance 0.0144 + 0.0016 + 2 * 0.5 * 0.12 * 0.04. */
static void
test_risk_follows_weights_deviations_and_correlations(void **state)
{
    struct retirement_assumptions a = upstream;
    struct retirement_case plan = test_user();
    struct retirement_result *result;

    (void)state;
    memset(plan.weights, 0, sizeof(plan.weights));
    plan.assumptions = &a;
    plan.weights[0] = 0.6;
    plan.weights[1] = 0.4;
    a.mean[0] = 0.08;
    a.mean[1] = 0.03;
    a.sd[0] = 0.2;
    a.sd[1] = 0.1;
    a.correlation[0][1] = a.correlation[1][0] = 0.5;
    result = project(&plan);
    assert_near(result->mean, 0.06, 1e-15);
    assert_near(result->sd, sqrt(0.0208), 1e-15);
    assert_near(result->risk_share[0], 0.0168 / 0.0208, 1e-12);
    assert_near(result->risk_share[1], 0.0040 / 0.0208, 1e-12);
    free(result);
}

/* Money that grows as fast as prices: 300,000 over 30 years is 10,000 a year
 * of today's money, whenever retirement begins. */
static void
test_income_is_in_todays_money(void **state)
{
    const struct retirement_assumptions a = riskless(0.025, 0.025, 0.025);
    struct retirement_case plan = equity_user(300000, 12, 9999);
    struct retirement_result *result;

    (void)state;
    plan.assumptions = &a;
    plan.contribution = 0;
    result = project(&plan);
    assert_near(result->sustainable.value, 10000, 1e-6);
    assert_near(result->price_level, pow(1.025, 12), 1e-12);
    assert_true(result->success.value == 1);
    free(result);
    plan.income = 10001;
    result = project(&plan);
    assert_true(result->success.value == 0);
    assert_near(result->lasted.value, 29, 1e-9);
    free(result);
}

/* Contributions too: 12 of 5,000 in today's money are 60,000. */
static void
test_contributions_keep_up_with_prices(void **state)
{
    const struct retirement_assumptions a = riskless(0.025, 0.025, 0.025);
    struct retirement_case plan = equity_user(240000, 12, 9999);
    struct retirement_result *result;

    (void)state;
    plan.assumptions = &a;
    plan.contribution = 5000;
    result = project(&plan);
    assert_near(result->sustainable.value, 10000, 1e-6);
    assert_near(result->expected / result->price_level, 300000, 1e-6);
    assert_near(result->expected_from_savings / result->price_level, 60000,
                1e-6);
    free(result);
}

/* What a change is said to do is what a plan changed that way gets. */
static void
test_changes_are_the_changed_plans(void **state)
{
    const struct retirement_case plan = equity_user(400000, 15, 50000);
    _cleanup(cleanup_free) struct retirement_result *result = project(&plan);
    double success = result->success.value;

    (void)state;
    assert_int_equal(result->change_count, 4);
    for (size_t i = 0; i < 4; i++) {
        const struct retirement_change *change = &result->changes[i];
        struct retirement_case changed = plan;
        struct retirement_result *other;

        changed.contribution += change->save_more;
        changed.years_to_retirement += change->work_longer;
        changed.years_in_retirement -= change->work_longer;
        changed.income -= change->spend_less;
        other = project(&changed);
        assert_true(change->success.value == other->success.value);
        assert_true(change->sustainable.value == other->sustainable.value);
        assert_true(change->success.value > success);
        free(other);
    }
    assert_true(result->changes[0].save_more == 5000);
    assert_int_equal(result->changes[1].work_longer, 2);
    assert_near(result->changes[2].spend_less, 5000, 1e-9);
    assert_true(result->changes[3].save_more > 0 &&
                result->changes[3].work_longer > 0 &&
                result->changes[3].spend_less > 0);
}

static void
test_lower_returns_are_a_point_lower(void **state)
{
    struct retirement_assumptions lower = upstream;
    struct retirement_case plan = equity_user(400000, 15, 50000);
    _cleanup(cleanup_free) struct retirement_result *result = project(&plan);
    struct retirement_result *other;

    (void)state;
    lower.mean[class_of("equity")] -= 0.01;
    plan.assumptions = &lower;
    other = project(&plan);
    assert_true(result->lower_returns.success.value == other->success.value);
    assert_near(result->lower_returns.sustainable.value,
                other->sustainable.value, 1e-6);
    assert_true(other->success.value < result->success.value);
    free(other);
}

static void
test_without_a_target_the_sustainable_income_is_drawn(void **state)
{
    const struct retirement_case plan = equity_user(400000, 15, -1);
    const struct retirement_case wanted = equity_user(400000, 15, 20000);
    _cleanup(cleanup_free) struct retirement_result *result = project(&plan);
    _cleanup(cleanup_free) struct retirement_result *other = project(&wanted);

    (void)state;
    assert_true(result->income == result->sustainable.value);
    assert_true(result->sustainable.value == other->sustainable.value);
    assert_near(result->success.value, 0.9, 1e-3);
    assert_true(result->at_end.percentiles[3].value > 0);
    assert_int_equal(result->change_count, 3);
    for (size_t i = 0; i < result->change_count; i++) {
        assert_true(result->changes[i].spend_less == 0);
        assert_true(result->changes[i].sustainable.value >
                    result->sustainable.value);
    }
}

static void
test_bands_start_today_and_end_with_the_plan(void **state)
{
    const struct retirement_case plan = equity_user(400000, 15, 20000);
    _cleanup(cleanup_free) struct retirement_result *result = project(&plan);

    (void)state;
    assert_int_equal(result->band_count, 46);
    for (size_t i = 0; i < RETIREMENT_BANDS; i++) {
        assert_true(result->bands[0][i] == 400000);
        assert_true(result->bands[15][i] ==
                    result->at_retirement.percentiles[i + 1].value);
        assert_true(result->bands[45][i] ==
                    result->at_end.percentiles[i + 1].value);
    }
    for (size_t year = 0; year < 46; year++) {
        for (size_t i = 1; i < RETIREMENT_BANDS; i++) {
            assert_true(result->bands[year][i - 1] <= result->bands[year][i]);
        }
    }
}

static void
test_plans_of_0_and_of_100_years_are_exact(void **state)
{
    static const int rows[][2] = {{0, 30}, {25, 0}, {0, 0},  {100, 100},
                                  {99, 1}, {1, 2},  {100, 3}};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct retirement_case plan = equity_user(50000, rows[i][0], 30000);
        struct retirement_result *result;
        const struct retirement_milestone *last;

        plan.years_in_retirement = rows[i][1];
        result = project(&plan);
        last = &result->milestones[result->milestone_count - 1];
        assert_int_equal(result->band_count, rows[i][0] + rows[i][1] + 1);
        assert_int_equal(last->year, rows[i][0] + rows[i][1]);
        assert_true(result->milestone_count <= RETIREMENT_MILESTONES_MAX);
        assert_true(rows[i][1] > 0 || result->change_count == 0);
        assert_true(rows[i][1] > 0 || result->success.value == 1);
        for (size_t k = 0; k < result->change_count; k++) {
            assert_true(result->changes[k].work_longer < rows[i][1]);
            assert_true(rows[i][0] + result->changes[k].work_longer <= 100);
            assert_true(rows[i][0] > 0 || result->changes[k].save_more <= 0 ||
                        result->changes[k].work_longer > 0);
        }
        free(result);
    }
}

static void
test_a_case_the_simulation_refuses_is_refused(void **state)
{
    struct retirement_case plan = equity_user(2e15, 10, 30000);
    struct retirement_result result = {.mean = 42};
    struct err err = {0};

    (void)state;
    assert_int_equal(retirement_project(&plan, &result, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    assert_true(result.mean == 42);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_expected_value_at_retirement_is_the_published_one),
        cmocka_unit_test(test_milestones_are_the_published_ones),
        cmocka_unit_test(test_a_horizon_of_23_years_saves_for_23_years),
        cmocka_unit_test(test_simulated_numbers_are_the_published_ones),
        cmocka_unit_test(test_risk_follows_weights_deviations_and_correlations),
        cmocka_unit_test(test_income_is_in_todays_money),
        cmocka_unit_test(test_contributions_keep_up_with_prices),
        cmocka_unit_test(test_changes_are_the_changed_plans),
        cmocka_unit_test(test_lower_returns_are_a_point_lower),
        cmocka_unit_test(test_without_a_target_the_sustainable_income_is_drawn),
        cmocka_unit_test(test_bands_start_today_and_end_with_the_plan),
        cmocka_unit_test(test_plans_of_0_and_of_100_years_are_exact),
        cmocka_unit_test(test_a_case_the_simulation_refuses_is_refused),
    };

    return cmocka_run_group_tests(tests, load_assumptions, NULL);
}
