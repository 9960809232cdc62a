/* The simulation gives the same bits however it is run. */
#include "answers.h"

#include "retirement/montecarlo_kernel.h"

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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads_do_not_change_a_bit),
        cmocka_unit_test(test_instruction_sets_do_not_change_a_bit),
        cmocka_unit_test(test_cases_run_together_as_if_alone),
        cmocka_unit_test(test_a_path_depends_on_seed_and_number_only),
        cmocka_unit_test(test_cases_of_one_seed_see_the_same_markets),
    };

    return RUN_TESTS(tests);
}
