/* The simulation: against closed forms, and against a plain re-computation path
 * by path. */
#include "answers.h"

#include <math.h>

#include "retirement/montecarlo_kernel.h"

/* A path the plain way: one branch a year, stops at ruin. */
static void
walk(const struct montecarlo_case *plan, const double *draws, double ret[3])
{
    double v = plan->value, level = 1;

    for (int t = 0; t < plan->years_to_retirement; t++) {
        level *= 1 + plan->inflation_before;
        v = v * (1 + plan->mean + plan->sd * draws[t]);
        v += plan->contribution * level;
    }
    ret[0] = v;
    ret[2] = 0;
    for (int k = 0; k < plan->years_in_retirement && v > 0; k++) {
        level *= 1 + plan->inflation_after;
        v *= 1 + plan->mean + plan->sd * draws[plan->years_to_retirement + k];
        v -= plan->income * level;
        v = v > 0 ? v : 0;
        ret[2] += v > 0;
    }
    ret[1] = v;
}

static int
compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Values of 'paths' (a multiple of the tile) plain walks, sorted. */
static void
walk_all(const struct montecarlo_case *plan, size_t paths, double *ret[3])
{
    double tiles[40][4][MONTECARLO_TILE], draws[160], row[3];

    for (size_t first = 0; first < paths; first += MONTECARLO_TILE) {
        for (uint32_t block = 0; block < 40; block++) {
            montecarlo_kernel_best()->draw_tile(market.seed, (uint32_t)first,
                                                block, tiles[block]);
        }
        for (size_t i = 0; i < MONTECARLO_TILE; i++) {
            for (size_t year = 0; year < 160; year++) {
                draws[year] = tiles[year / 4][year % 4][i];
            }
            walk(plan, draws, row);
            for (size_t what = 0; what < 3; what++) {
                ret[what][first + i] = row[what];
            }
        }
    }
    for (size_t what = 0; what < 3; what++) {
        qsort(ret[what], paths, sizeof(double), compare);
    }
}

static void
test_quantiles_are_those_of_paths_walked_one_by_one(void **state)
{
    enum { PATHS = 80 * MONTECARLO_TILE };
    static const enum montecarlo_what whats[] = {
        MONTECARLO_AT_RETIREMENT, MONTECARLO_AT_END, MONTECARLO_LASTED};
    static double values[3][PATHS];
    const struct montecarlo_market in = {.paths = PATHS, .seed = market.seed};
    _cleanup(montecarlo_free) struct montecarlo *run = run_of(&in, &typical);
    double *columns[] = {values[0], values[1], values[2]};

    (void)state;
    walk_all(&typical, PATHS, columns);
    for (size_t i = 0; i < 3; i++) {
        struct montecarlo_estimate e[5];

        montecarlo_quantiles(run, 0, whats[i], tenths, 5, e);
        for (size_t k = 0; k < 5; k++) {
            const size_t rank = (size_t)floor(PATHS * tenths[k]);
            const double d = sqrt(PATHS * tenths[k] * (1 - tenths[k]));
            const size_t low = (size_t)floor(PATHS * tenths[k] - d),
                         high = (size_t)floor(PATHS * tenths[k] + d);

            assert_true(e[k].value == values[i][rank]);
            assert_true(e[k].se == (values[i][high] - values[i][low]) / 2);
        }
    }
}

/* Success is decided by the income a path would have sustained, years lasted
 * by walking it: two computations of one fact. */
static void
test_success_is_the_share_of_paths_that_last_every_year(void **state)
{
    enum { PATHS = 782 * MONTECARLO_TILE };
    static double values[3][PATHS];
    const struct montecarlo_market in = {.paths = PATHS, .seed = market.seed};
    _cleanup(montecarlo_free) struct montecarlo *run = run_of(&in, &typical);
    struct montecarlo_case plan = typical;
    double *columns[] = {values[0], values[1], values[2]};

    (void)state;
    for (plan.income = 5000; plan.income < 60000; plan.income += 5000) {
        double full = 0;

        walk_all(&plan, PATHS, columns);
        for (size_t i = 0; i < PATHS; i++) {
            full += values[2][i] == plan.years_in_retirement;
        }
        assert_true(fabs(montecarlo_success(run, 0, plan.income).value * PATHS -
                         full) < 1.5);
    }
}

/* No risk: an annuity.  Value at retirement V(1+m)^Y plus contributions that
 * grow with prices; the income that is just sustained makes the present value
 * of withdrawals equal to it. */
static void
test_without_risk_the_closed_forms_hold(void **state)
{
    struct montecarlo_case plan = typical;
    struct answers answers;
    const double g = 1.055, i = 1.02, j = 1.03;
    double at_retirement, present = 0;

    (void)state;
    plan.sd = 0;
    ask_all(&market, &plan, &answers);
    at_retirement =
        100000 * pow(g, 18) + 8000 * i * (pow(g, 18) - pow(i, 18)) / (g - i);
    for (int k = 1; k <= 27; k++) {
        present += pow(i, 18) * pow(j / g, k);
    }
    assert_true(
        fabs(answers.of[MONTECARLO_AT_RETIREMENT][2][0] / at_retirement - 1) <
        1e-12);
    assert_true(answers.of[MONTECARLO_AT_RETIREMENT][2][1] == 0);
    assert_true(
        fabs(answers.of[MONTECARLO_INCOME][0][0] / (at_retirement / present) -
             1) < 1e-12);
}

/* Mean of v(t) = v(t-1)(1+r) + c: compounds at the mean return.  Second moment
 * without contributions: V^2 ((1+m)^2 + s^2)^Y. */
static void
test_mean_and_variance_at_retirement_are_the_analytic_ones(void **state)
{
    const struct montecarlo_market many = {.paths = 400000, .seed = 4711};
    struct montecarlo_case plan = typical;
    _cleanup(montecarlo_free) struct montecarlo *run = NULL;
    struct montecarlo_estimate mean;
    double expected, variance;

    (void)state;
    plan.yearly = false;
    plan.contribution = 0;
    run = run_of(&many, &plan);
    mean = montecarlo_mean(run, 0, MONTECARLO_AT_RETIREMENT);
    expected = 100000 * pow(1.055, 18);
    variance = 1e10 * pow(1.055 * 1.055 + 0.0121, 18) - expected * expected;
    assert_true(fabs(mean.value - expected) < 4 * mean.se);
    assert_true(fabs(mean.se * mean.se * 400000 / variance - 1) < 0.03);
}

/* The spread of an estimate over seeds is what its standard error says. */
static void
test_standard_errors_are_the_spread_over_seeds(void **state)
{
    enum { SEEDS = 300, COLUMNS = 5 };
    double sum[COLUMNS] = {0}, squares[COLUMNS] = {0}, se[COLUMNS] = {0};
    struct montecarlo_market in = {.paths = 2000};
    struct montecarlo_case plan = typical;

    (void)state;
    plan.yearly = false;
    for (in.seed = 1; in.seed <= SEEDS; in.seed++) {
        struct answers a;

        ask_all(&in, &plan, &a);
        const double *of[COLUMNS] = {
            a.of[MONTECARLO_AT_RETIREMENT][0],
            a.of[MONTECARLO_AT_RETIREMENT][2], a.of[MONTECARLO_INCOME][4],
            a.mean[MONTECARLO_AT_RETIREMENT], a.success};

        for (int i = 0; i < COLUMNS; i++) {
            sum[i] += of[i][0];
            squares[i] += of[i][0] * of[i][0];
            se[i] += of[i][1] / SEEDS;
        }
    }
    for (int i = 0; i < COLUMNS; i++) {
        const double mean = sum[i] / SEEDS;
        const double spread = sqrt(squares[i] / SEEDS - mean * mean);

        assert_true(fabs(spread / se[i] - 1) < 0.15);
    }
}

static void
test_yearly_rows_end_in_the_values_of_both_phases(void **state)
{
    struct answers a;

    (void)state;
    ask_all(&market, &typical, &a);
    for (size_t k = 0; k < 3; k++) {
        assert_true(a.yearly[17][k] == a.of[MONTECARLO_AT_RETIREMENT][k][0]);
        assert_true(a.yearly[44][k] == a.of[MONTECARLO_AT_END][k][0]);
    }
}

/* The income that 90 % sustain is sustained by 90 %. */
static void
test_income_quantile_inverts_success(void **state)
{
    _cleanup(montecarlo_free) struct montecarlo *run =
        run_of(&market, &typical);
    struct montecarlo_estimate income[5];

    (void)state;
    montecarlo_quantiles(run, 0, MONTECARLO_INCOME, tenths, 5, income);
    for (size_t k = 0; k < 5; k++) {
        const double rank = floor(10000 * tenths[k]);

        assert_true(montecarlo_success(run, 0, income[k].value).value ==
                    (10000 - rank - 1) / 10000);
    }
}

static void
test_horizons_of_0_and_100_years_are_exact(void **state)
{
    struct montecarlo_case plan = typical;
    struct answers a;

    (void)state;
    plan.years_to_retirement = 0;
    ask_all(&market, &plan, &a);
    assert_true(a.of[MONTECARLO_AT_RETIREMENT][2][0] == 100000);
    plan.years_in_retirement = 0;
    ask_all(&market, &plan, &a);
    assert_true(a.of[MONTECARLO_AT_END][2][0] == 100000);
    assert_true(a.success[0] == 1);
    plan.years_to_retirement = plan.years_in_retirement = 100;
    plan.sd = 0;
    plan.contribution = plan.income = 0;
    ask_all(&market, &plan, &a);
    assert_true(
        fabs(a.of[MONTECARLO_AT_END][2][0] / (100000 * pow(1.055, 200)) - 1) <
        1e-12);
    assert_true(a.mean[MONTECARLO_LASTED][0] == 100);
}

/* With a deviation of 100 % a sixth of the years would fall below -100 %. */
static void
test_nobody_loses_more_than_everything(void **state)
{
    struct montecarlo_case plan = typical;
    struct answers a;

    (void)state;
    plan.sd = 1;
    ask_all(&market, &plan, &a);
    for (int year = 0; year < 18; year++) {
        assert_true(a.yearly[year][0] >= 8000);
    }
    for (int year = 18; year < 45; year++) {
        assert_true(a.yearly[year][0] >= 0);
    }
}

static void
test_bad_cases_are_refused_by_field(void **state)
{
    static const struct {
        const char *field;
        size_t offset;
        double value;
    } rows[] = {
        {"value", offsetof(struct montecarlo_case, value), -1},
        {"value", offsetof(struct montecarlo_case, value), NAN},
        {"value", offsetof(struct montecarlo_case, value), INFINITY},
        {"mean", offsetof(struct montecarlo_case, mean), 1.5},
        {"sd", offsetof(struct montecarlo_case, sd), -0.1},
        {"contribution", offsetof(struct montecarlo_case, contribution), -1},
        {"income", offsetof(struct montecarlo_case, income), 1e16},
        {"inflation_before", offsetof(struct montecarlo_case, inflation_before),
         0.6},
        {"inflation_after", offsetof(struct montecarlo_case, inflation_after),
         -0.2},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct montecarlo_case plan = typical;
        struct montecarlo *run = NULL;
        struct err err = {0};

        memcpy((char *)&plan + rows[i].offset, &rows[i].value, sizeof(double));
        assert_int_equal(montecarlo_run(&market, &plan, 1, &run, &err), -1);
        assert_null(run);
        assert_int_equal(err.kind, ERR_REJECT);
        assert_memory_equal(err.text, rows[i].field, strlen(rows[i].field));
    }
}

static void
test_bad_counts_are_refused(void **state)
{
    const struct {
        struct montecarlo_market market;
        int years_to, years_in;
        size_t count;
    } rows[] = {
        {{.paths = 1000}, 101, 30, 1},
        {{.paths = 1000}, 30, -1, 1},
        {{.paths = 99}, 30, 30, 1},
        {{.paths = MONTECARLO_PATHS_MAX + 1}, 30, 30, 1},
        {{.paths = 1000, .threads = 65}, 30, 30, 1},
        {{.paths = 1000, .kernel = "mmx"}, 30, 30, 1},
        {{.paths = 1000}, 30, 30, 0},
        {{.paths = 1000}, 30, 30, MONTECARLO_CASES_MAX + 1},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct montecarlo_case plan = typical;
        struct montecarlo *run = NULL;
        struct err err = {0};

        plan.years_to_retirement = rows[i].years_to;
        plan.years_in_retirement = rows[i].years_in;
        assert_int_equal(
            montecarlo_run(&rows[i].market, &plan, rows[i].count, &run, &err),
            -1);
        assert_null(run);
        assert_int_equal(err.kind, ERR_REJECT);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quantiles_are_those_of_paths_walked_one_by_one),
        cmocka_unit_test(
            test_success_is_the_share_of_paths_that_last_every_year),
        cmocka_unit_test(test_without_risk_the_closed_forms_hold),
        cmocka_unit_test(
            test_mean_and_variance_at_retirement_are_the_analytic_ones),
        cmocka_unit_test(test_standard_errors_are_the_spread_over_seeds),
        cmocka_unit_test(test_yearly_rows_end_in_the_values_of_both_phases),
        cmocka_unit_test(test_income_quantile_inverts_success),
        cmocka_unit_test(test_horizons_of_0_and_100_years_are_exact),
        cmocka_unit_test(test_nobody_loses_more_than_everything),
        cmocka_unit_test(test_bad_cases_are_refused_by_field),
        cmocka_unit_test(test_bad_counts_are_refused),
    };

    return RUN_TESTS(tests);
}
