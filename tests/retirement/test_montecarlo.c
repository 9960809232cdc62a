/* The simulation: against closed forms, against a plain re-computation path by
 * path, and equal to the bit however it is run. */
#include "test.h"

#include <math.h>

#include "retirement/montecarlo.h"
#include "retirement/montecarlo_kernel.h"

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

static struct montecarlo *
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

static void
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

static void
ask_all(const struct montecarlo_market *in, const struct montecarlo_case *plan,
        struct answers *ret)
{
    _cleanup(montecarlo_free) struct montecarlo *run = run_of(in, plan);

    ask_case(run, 0, plan, ret);
}

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
test_threads_do_not_change_a_bit(void **state)
{
    static const size_t paths[] = {100, 127, 128, 129, 10007};
    struct answers one, many;

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(paths); i++) {
        struct montecarlo_market in = {.paths = paths[i], .seed = 3};

        ask_all(&in, &typical, &one);
        for (in.threads = 2; in.threads <= 64; in.threads *= 3) {
            ask_all(&in, &typical, &many);
            assert_memory_equal(&one, &many, sizeof(one));
        }
    }
}

static void
test_instruction_sets_do_not_change_a_bit(void **state)
{
    static const char *const names[] = {"avx2", "avx512"};
    struct montecarlo_market in = {.paths = 10007, .kernel = "base"};
    struct answers base, other;

    (void)state;
    ask_all(&in, &typical, &base);
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        _cleanup(montecarlo_free) struct montecarlo *run = NULL;
        struct err err = {0};

        in.kernel = names[i];
        if (montecarlo_run(&in, &typical, 1, &run, &err)) {
            print_message("SKIP %s: %s\n", names[i], err.text);
            continue;
        }
        ask_all(&in, &typical, &other);
        assert_memory_equal(&base, &other, sizeof(base));
    }
}

/* Different money, horizons and risks, in an order in which the longest is
 * neither first nor last. */
static void
test_cases_run_together_as_if_alone(void **state)
{
    struct montecarlo_case cases[MONTECARLO_CASES_MAX];
    _cleanup(montecarlo_free) struct montecarlo *run = NULL;
    struct answers together, alone;
    struct err err = {0};

    (void)state;
    for (size_t i = 0; i < MONTECARLO_CASES_MAX; i++) {
        cases[i] = typical;
        cases[i].value *= (double)(i + 1);
        cases[i].sd = 0.02 * (double)i;
        cases[i].years_to_retirement = (int)(i * 7 % 23);
        cases[i].years_in_retirement = (int)(i * 11 % 31);
        cases[i].yearly = i % 2;
    }
    assert_int_equal(
        montecarlo_run(&market, cases, MONTECARLO_CASES_MAX, &run, &err), 0);
    for (size_t i = 0; i < MONTECARLO_CASES_MAX; i++) {
        ask_case(run, i, &cases[i], &together);
        ask_all(&market, &cases[i], &alone);
        assert_memory_equal(&together, &alone, sizeof(alone));
    }
}

/* A path is the same whoever simulates it, with however many others. */
static void
test_a_path_depends_on_seed_and_number_only(void **state)
{
    enum { PATHS = 8 * MONTECARLO_TILE, PICKED = 5 * MONTECARLO_TILE };
    static double all[4][PATHS], alone[4][PATHS];
    const struct montecarlo_kernel *kernel = montecarlo_kernel_best();
    double flow[10];
    struct montecarlo_plan plan = {
        .value = 1,
        .mean = 0.05,
        .sd = 0.2,
        .income = 0.15,
        .accumulate = 3,
        .years = 10,
        .flow = flow,
        .out = {all[0], all[1], all[2], all[3]},
    };

    (void)state;
    for (int i = 0; i < 10; i++) {
        flow[i] = i < 3 ? 0.01 : 1;
    }
    for (uint32_t path = 0; path < PATHS; path += MONTECARLO_TILE) {
        kernel->run_tile(5, path, &plan, 1);
    }
    plan.out = (struct montecarlo_out){alone[0], alone[1], alone[2], alone[3]};
    kernel->run_tile(5, PICKED, &plan, 1);
    for (int what = 0; what < 4; what++) {
        const size_t size = MONTECARLO_TILE * sizeof(double);

        assert_memory_equal(all[what] + PICKED, alone[what] + PICKED, size);
        assert_memory_not_equal(all[what], all[what] + PICKED, size);
    }
}

/* Common random numbers: a longer horizon or another income sees the same
 * markets; another seed does not. */
static void
test_cases_of_one_seed_see_the_same_markets(void **state)
{
    const struct montecarlo_market elsewhere = {
        .paths = market.paths, .seed = market.seed ^ 1ULL << 40};
    struct montecarlo_case plan = typical;
    struct answers first, other;

    (void)state;
    ask_all(&market, &plan, &first);
    plan.income *= 2;
    plan.years_in_retirement += 5;
    ask_all(&market, &plan, &other);
    assert_memory_equal(first.of[MONTECARLO_AT_RETIREMENT],
                        other.of[MONTECARLO_AT_RETIREMENT],
                        sizeof(first.of[0]));
    assert_memory_equal(first.yearly, other.yearly, 18 * sizeof(*other.yearly));
    ask_all(&elsewhere, &plan, &first);
    assert_memory_not_equal(first.yearly, other.yearly,
                            18 * sizeof(*other.yearly));
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
        cmocka_unit_test(test_threads_do_not_change_a_bit),
        cmocka_unit_test(test_instruction_sets_do_not_change_a_bit),
        cmocka_unit_test(test_cases_run_together_as_if_alone),
        cmocka_unit_test(test_a_path_depends_on_seed_and_number_only),
        cmocka_unit_test(test_cases_of_one_seed_see_the_same_markets),
        cmocka_unit_test(test_yearly_rows_end_in_the_values_of_both_phases),
        cmocka_unit_test(test_income_quantile_inverts_success),
        cmocka_unit_test(test_horizons_of_0_and_100_years_are_exact),
        cmocka_unit_test(test_nobody_loses_more_than_everything),
        cmocka_unit_test(test_bad_cases_are_refused_by_field),
        cmocka_unit_test(test_bad_counts_are_refused),
    };

    return RUN_TESTS(tests);
}
