/* Rate, concurrency and breaker, on a clock of the test's own. */
#include "test.h"

#include "runtime/gate.h"

static struct gate
gate_of(int at_once, int64_t per_minute, int burst)
{
    return (struct gate){.name = "g",
                         .at_once = at_once,
                         .per_minute = per_minute,
                         .burst = burst};
}

/* Enters and leaves. */
static int
pass(struct gate *gate, int64_t now_ms, bool ok, struct err *err)
{
    const int refused = gate_enter(gate, now_ms, err);

    if (!refused) {
        gate_leave(gate, now_ms, ok);
    }
    return refused;
}

static void
test_a_burst_passes_and_then_one_each_interval(void **state)
{
    struct gate gate = gate_of(9, 5, 5);
    struct err err = {0};
    const int64_t start_ms = 1000000;

    (void)state;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(pass(&gate, start_ms, true, &err), 0);
    }
    assert_int_equal(pass(&gate, start_ms, true, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY);
    assert_int_equal(err.code, 429);
    assert_int_equal(err.after_ms, 12000);
    assert_int_equal(pass(&gate, start_ms + 11999, true, &err), -1);
    assert_int_equal(pass(&gate, start_ms + 12000, true, &err), 0);
    assert_int_equal(pass(&gate, start_ms + 12000, true, &err), -1);
}

static void
test_never_more_in_a_minute_than_rate_and_burst(void **state)
{
    struct gate gate = gate_of(9, 5, 5);
    struct err err = {0};
    int passed = 0;

    (void)state;
    for (int64_t now_ms = 1; now_ms <= 600000; now_ms += 100) {
        passed += pass(&gate, now_ms, true, &err) == 0;
    }
    assert_in_range(passed, 50, 55); /* Ten minutes at 5, and one burst. */
}

static void
test_calls_under_way_are_bounded(void **state)
{
    struct gate gate = gate_of(2, 60000, 100);
    struct err err = {0};

    (void)state;
    assert_int_equal(gate_enter(&gate, 1, &err), 0);
    assert_int_equal(gate_enter(&gate, 1, &err), 0);
    assert_int_equal(gate_enter(&gate, 1, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY);
    assert_true(err.after_ms > 0);
    gate_leave(&gate, 1, true);
    assert_int_equal(gate_enter(&gate, 1, &err), 0);
}

static void
test_five_failures_in_a_row_shut_it_for_30_s(void **state)
{
    struct gate gate = gate_of(9, 60000, 100);
    struct err err = {0};

    (void)state;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(pass(&gate, 1000, false, &err), 0);
    }
    assert_int_equal(pass(&gate, 1000, true, &err), -1);
    assert_int_equal(err.after_ms, 30000);
    assert_int_equal(pass(&gate, 30999, true, &err), -1);
    assert_int_equal(pass(&gate, 31000, true, &err), 0);
}

static void
test_success_in_between_starts_the_count_anew(void **state)
{
    struct gate gate = gate_of(9, 60000, 100);
    struct err err = {0};

    (void)state;
    for (int i = 0; i < 40; i++) {
        assert_int_equal(pass(&gate, 1000 + i, i % 5 == 4, &err), 0);
    }
}

static void
test_after_the_wait_one_call_tries_and_its_failure_shuts_again(void **state)
{
    struct gate gate = gate_of(9, 60000, 100);
    struct err err = {0};

    (void)state;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(pass(&gate, 1000, false, &err), 0);
    }
    assert_int_equal(gate_enter(&gate, 40000, &err), 0);
    assert_int_equal(gate_enter(&gate, 40000, &err), -1);
    gate_leave(&gate, 41000, false);
    assert_int_equal(gate_enter(&gate, 41000, &err), -1);
    assert_int_equal(err.after_ms, 30000);
    assert_int_equal(pass(&gate, 71000, true, &err), 0);
    assert_int_equal(gate_enter(&gate, 71000, &err), 0);
    assert_int_equal(gate_enter(&gate, 71000, &err), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_burst_passes_and_then_one_each_interval),
        cmocka_unit_test(test_never_more_in_a_minute_than_rate_and_burst),
        cmocka_unit_test(test_calls_under_way_are_bounded),
        cmocka_unit_test(test_five_failures_in_a_row_shut_it_for_30_s),
        cmocka_unit_test(test_success_in_between_starts_the_count_anew),
        cmocka_unit_test(
            test_after_the_wait_one_call_tries_and_its_failure_shuts_again),
    };

    return RUN_TESTS(tests);
}
