#include "test.h"

#include "queue/kafka_tracker.h"

static int one; /* Any item: the tracker only keeps pointers. */

static void
test_watermark_waits_for_the_first_that_is_not_done(void **state)
{
    (void)state;
    _cleanup(kafka_tracker_free) struct kafka_tracker t = {0};
    for (int64_t offset = 5; offset < 10; offset++) {
        assert_true(kafka_tracker_add(&t, offset, &one));
    }
    kafka_tracker_done(&t, 7);
    kafka_tracker_done(&t, 9);
    assert_int_equal(kafka_tracker_watermark(&t), 5);
    kafka_tracker_done(&t, 5);
    assert_int_equal(kafka_tracker_watermark(&t), 6);
    kafka_tracker_done(&t, 6);
    assert_int_equal(kafka_tracker_watermark(&t), 8);
    kafka_tracker_done(&t, 8);
    assert_int_equal(kafka_tracker_watermark(&t), 10);
}

static void
test_nothing_received_has_no_watermark(void **state)
{
    (void)state;
    struct kafka_tracker t = {0};
    kafka_tracker_done(&t, 3);
    assert_int_equal(kafka_tracker_watermark(&t), 0);
    assert_null(kafka_tracker_find(&t, 0));
}

static void
test_offset_received_again_is_not_added(void **state)
{
    (void)state;
    _cleanup(kafka_tracker_free) struct kafka_tracker t = {0};
    assert_true(kafka_tracker_add(&t, 5, &one));
    assert_true(kafka_tracker_add(&t, 6, &one));
    assert_false(kafka_tracker_add(&t, 5, &one));
    kafka_tracker_done(&t, 5);
    kafka_tracker_done(&t, 6);
    assert_false(kafka_tracker_add(&t, 6, &one));
    assert_null(kafka_tracker_find(&t, 6));
    assert_int_equal(kafka_tracker_watermark(&t), 7);
}

static void
test_offsets_that_do_not_exist_are_passed_over(void **state)
{
    (void)state;
    _cleanup(kafka_tracker_free) struct kafka_tracker t = {0};
    kafka_tracker_add(&t, 5, &one);
    kafka_tracker_add(&t, 100, &one);
    assert_null(kafka_tracker_find(&t, 50));
    kafka_tracker_done(&t, 50);
    kafka_tracker_done(&t, 5);
    assert_int_equal(kafka_tracker_watermark(&t), 100);
    assert_ptr_equal(kafka_tracker_find(&t, 100), &one);
}

/* Against a plain list of what is done, in an order of chance. */
static void
test_any_order_gives_what_a_plain_list_gives(void **state)
{
    (void)state;
    enum { COUNT = 5000 };
    static bool done[COUNT];
    _cleanup(kafka_tracker_free) struct kafka_tracker t = {0};
    int64_t added = 0;
    int64_t expected = 0;
    unsigned int seed = 7;
    while (expected < COUNT) {
        if (added < COUNT && rand_r(&seed) % 2) {
            assert_true(kafka_tracker_add(&t, added++, &one));
        }
        int64_t reach = added - expected < 400 ? added - expected : 400;
        int64_t pick = reach > 0 ? expected + rand_r(&seed) % reach : 0;
        if (reach > 0) {
            assert_int_equal(kafka_tracker_find(&t, pick) == NULL, done[pick]);
            kafka_tracker_done(&t, pick);
            done[pick] = true;
        }
        while (expected < added && done[expected]) {
            expected++;
        }
        assert_int_equal(kafka_tracker_watermark(&t), expected);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_watermark_waits_for_the_first_that_is_not_done),
        cmocka_unit_test(test_nothing_received_has_no_watermark),
        cmocka_unit_test(test_offset_received_again_is_not_added),
        cmocka_unit_test(test_offsets_that_do_not_exist_are_passed_over),
        cmocka_unit_test(test_any_order_gives_what_a_plain_list_gives),
    };
    return RUN_TESTS(tests);
}
