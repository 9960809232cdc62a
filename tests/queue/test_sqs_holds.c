#include "test.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "queue/sqs_holds.h"

#define FAR_MS 60000

static int
open_holds(void **state)
{
    *state = sqs_holds_open("consumer", "alex-test");
    return 0;
}

static int
close_holds(void **state)
{
    struct sqs_holds *holds = *state;
    assert_true(sqs_holds_leave(holds));
    sqs_holds_free(&holds);
    return 0;
}

/* A delivery received 'age_ms' ago and held for 'left_ms' more. */
static struct queue_message
deliver(struct sqs_holds *holds, int64_t age_ms, int64_t left_ms)
{
    struct queue_message m = {.handle = "id"};
    int64_t now_ms = clock_boot_ms();
    m.received_boot_ms = now_ms - age_ms;
    sqs_holds_add(holds, &m, "receipt", 0, now_ms + left_ms);
    return m;
}

static struct sqs_hold *
begin(struct sqs_holds *holds, const struct queue_message *m,
      enum sqs_hold_state state, size_t expected_lost)
{
    struct sqs_hold *hold = NULL;
    size_t lost = 9;
    assert_int_equal(sqs_holds_begin(holds, m, 1, state,
                                     clock_boot_ms() + FAR_MS, &hold, &lost),
                     0);
    assert_int_equal(lost, expected_lost);
    return hold;
}

static void
test_delivery_is_ours_until_its_time_is_up(void **state)
{
    struct sqs_holds *holds = *state;
    struct queue_message held = deliver(holds, 0, FAR_MS);
    struct queue_message lapsed = deliver(holds, 0, 0);
    assert_null(begin(holds, &lapsed, SQS_HOLD_ENDING, 1));
    assert_null(begin(holds, &lapsed, SQS_HOLD_EXTENDING, 1));
    struct sqs_hold *hold = begin(holds, &held, SQS_HOLD_ENDING, 0);
    assert_string_equal(hold->receipt, "receipt");
    sqs_holds_drop(holds, hold);
    assert_null(begin(holds, &held, SQS_HOLD_ENDING, 1));
}

static void
test_two_deliveries_of_a_message_are_told_apart(void **state)
{
    struct sqs_holds *holds = *state;
    struct queue_message first = deliver(holds, 0, FAR_MS);
    struct queue_message second = deliver(holds, 0, FAR_MS);
    assert_string_not_equal(first.handle, second.handle);
    sqs_holds_drop(holds, begin(holds, &first, SQS_HOLD_ENDING, 0));
    assert_non_null(begin(holds, &second, SQS_HOLD_ENDING, 0));
}

static void
test_ending_twice_at_once_ends_once(void **state)
{
    struct sqs_holds *holds = *state;
    struct queue_message m = deliver(holds, 0, FAR_MS);
    assert_non_null(begin(holds, &m, SQS_HOLD_ENDING, 0));
    assert_null(begin(holds, &m, SQS_HOLD_ENDING, 1));
}

static void
test_extension_passes_over_what_is_being_ended(void **state)
{
    struct sqs_holds *holds = *state;
    struct queue_message m = deliver(holds, 0, FAR_MS);
    assert_non_null(begin(holds, &m, SQS_HOLD_ENDING, 0));
    assert_null(begin(holds, &m, SQS_HOLD_EXTENDING, 0));
}

static void
test_extension_holds_for_longer_and_never_for_less(void **state)
{
    struct sqs_holds *holds = *state;
    struct queue_message m = deliver(holds, 0, FAR_MS);
    struct sqs_hold *hold = begin(holds, &m, SQS_HOLD_EXTENDING, 0);
    int64_t until_ms = hold->until_boot_ms;
    sqs_holds_keep(holds, hold, until_ms + 500);
    assert_true(hold->until_boot_ms == until_ms + 500);
    assert_ptr_equal(begin(holds, &m, SQS_HOLD_EXTENDING, 0), hold);
    sqs_holds_keep(holds, hold, 0);
    assert_true(hold->until_boot_ms == until_ms + 500);
}

static void
test_extensions_end_after_11_hours(void **state)
{
    struct sqs_holds *holds = *state;
    struct queue_message young =
        deliver(holds, SQS_HOLD_MAX_MS - FAR_MS, FAR_MS);
    struct queue_message old = deliver(holds, SQS_HOLD_MAX_MS, FAR_MS);
    assert_non_null(begin(holds, &young, SQS_HOLD_EXTENDING, 0));
    assert_null(begin(holds, &old, SQS_HOLD_EXTENDING, 1));
    assert_non_null(begin(holds, &old, SQS_HOLD_ENDING, 0));
}

struct extension {
    struct sqs_holds *holds;
    struct sqs_hold *hold;
    atomic_bool over;
};

static void *
extend_for_a_while(void *arg)
{
    struct extension *extension = arg;
    usleep(300 * 1000);
    atomic_store(&extension->over, true);
    sqs_holds_keep(extension->holds, extension->hold, 0);
    return NULL;
}

static void
test_ending_waits_for_the_extension_under_way(void **state)
{
    struct sqs_holds *holds = *state;
    struct queue_message m = deliver(holds, 0, FAR_MS);
    struct extension extension = {
        .holds = holds, .hold = begin(holds, &m, SQS_HOLD_EXTENDING, 0)};
    pthread_t thread;
    pthread_create(&thread, NULL, extend_for_a_while, &extension);
    assert_non_null(begin(holds, &m, SQS_HOLD_ENDING, 0));
    assert_true(atomic_load(&extension.over));
    pthread_join(thread, NULL);
}

static void
test_ending_that_waited_in_vain_changed_nothing(void **state)
{
    struct sqs_holds *holds = *state;
    struct queue_message both[2] = {deliver(holds, 0, FAR_MS),
                                    deliver(holds, 0, FAR_MS)};
    struct sqs_hold *extended = begin(holds, &both[1], SQS_HOLD_EXTENDING, 0);
    struct sqs_hold *ret[2];
    size_t lost;
    int64_t from_ms = clock_boot_ms();
    assert_int_equal(sqs_holds_begin(holds, both, 2, SQS_HOLD_ENDING,
                                     from_ms + 100, ret, &lost),
                     -1);
    assert_true(clock_boot_ms() - from_ms >= 100);
    sqs_holds_keep(holds, extended, 0);
    assert_non_null(begin(holds, &both[0], SQS_HOLD_ENDING, 0));
    assert_non_null(begin(holds, &both[1], SQS_HOLD_ENDING, 0));
}

static void
test_connections_of_a_consumer_share_what_it_holds(void **state)
{
    struct sqs_holds *holds = *state;
    struct sqs_holds *same = sqs_holds_open("consumer", "alex-test");
    struct sqs_holds *other = sqs_holds_open("consumer", "alex-other");
    assert_ptr_equal(same, holds);
    assert_ptr_not_equal(other, holds);
    assert_false(sqs_holds_leave(same));
    assert_true(sqs_holds_leave(other));
    sqs_holds_free(&other);
}

static void
test_what_is_left_is_still_held_and_nothing_else(void **state)
{
    struct sqs_holds *holds = *state;
    struct sqs_hold *left[4];
    deliver(holds, 0, FAR_MS);
    deliver(holds, 0, 0);
    deliver(holds, 0, FAR_MS);
    struct queue_message ended = deliver(holds, 0, FAR_MS);
    assert_non_null(begin(holds, &ended, SQS_HOLD_ENDING, 0));
    assert_int_equal(sqs_holds_begin_all(holds, 4, left), 2);
    assert_int_equal(sqs_holds_begin_all(holds, 4, left), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_holds, close_holds)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_delivery_is_ours_until_its_time_is_up),
        TEST(test_two_deliveries_of_a_message_are_told_apart),
        TEST(test_ending_twice_at_once_ends_once),
        TEST(test_extension_passes_over_what_is_being_ended),
        TEST(test_extension_holds_for_longer_and_never_for_less),
        TEST(test_extensions_end_after_11_hours),
        TEST(test_ending_waits_for_the_extension_under_way),
        TEST(test_ending_that_waited_in_vain_changed_nothing),
        TEST(test_connections_of_a_consumer_share_what_it_holds),
        TEST(test_what_is_left_is_still_held_and_nothing_else),
    };
    return RUN_TESTS(tests);
}
