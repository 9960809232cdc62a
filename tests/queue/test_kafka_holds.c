#include "test.h"

#include "base/clock.h"
#include "queue/kafka_holds.h"

#define LEASE_MS 60000
#define FOREVER INT64_MAX

static void
add(struct kafka_holds *holds, int32_t partition, int64_t offset,
    const char *body)
{
    const struct kafka_record record = {
        .body = body, .size = strlen(body), .sent_wall_ms = 1, .taken = -1};
    kafka_holds_add(holds, false, partition, offset, &record);
}

static void
add_later(struct kafka_holds *holds, int64_t offset, int64_t due_wall_ms)
{
    const struct kafka_record record = {
        .body = "x", .size = 1, .due_wall_ms = due_wall_ms, .taken = -1};
    kafka_holds_add(holds, true, 0, offset, &record);
}

static struct queue_message
take(struct kafka_holds *holds)
{
    struct queue_message message = {0};
    assert_int_equal(kafka_holds_hand_out(holds, 1, LEASE_MS, &message), 1);
    return message;
}

static int64_t
watermark(const struct kafka_holds *holds, bool later, int32_t id)
{
    const struct kafka_partition *p = kafka_holds_partition(holds, later, id);
    assert_non_null(p);
    return kafka_tracker_watermark(&p->tracker);
}

static void
test_held_message_does_not_hold_up_its_neighbours(void **state)
{
    (void)state;
    _cleanup(kafka_holds_free) struct kafka_holds holds = {0};
    kafka_holds_assign(&holds, false, 3);
    add(&holds, 3, 10, "slow");
    add(&holds, 3, 11, "fast");
    struct queue_message slow = take(&holds);
    struct queue_message fast = take(&holds);
    assert_string_equal(fast.body, "fast");
    kafka_holds_end(&holds, kafka_holds_find(&holds, fast.handle), true);
    assert_null(kafka_holds_find(&holds, fast.handle));
    assert_int_equal(watermark(&holds, false, 3), 10);
    kafka_holds_end(&holds, kafka_holds_find(&holds, slow.handle), true);
    assert_int_equal(watermark(&holds, false, 3), 12);
    queue_message_free(&slow);
    queue_message_free(&fast);
}

static void
test_message_received_anew_is_another_delivery(void **state)
{
    (void)state;
    _cleanup(kafka_holds_free) struct kafka_holds holds = {0};
    kafka_holds_assign(&holds, false, 0);
    add(&holds, 0, 5, "x");
    struct queue_message stale = take(&holds);
    kafka_holds_revoke(&holds, false, 0);
    assert_null(kafka_holds_find(&holds, stale.handle));
    kafka_holds_assign(&holds, false, 0);
    add(&holds, 0, 5, "x");
    struct queue_message held = take(&holds);
    assert_null(kafka_holds_find(&holds, stale.handle));
    assert_non_null(kafka_holds_find(&holds, held.handle));
    queue_message_free(&stale);
    queue_message_free(&held);
}

static void
test_lost_partition_takes_along_what_was_not_handed_out(void **state)
{
    (void)state;
    struct queue_message message;
    _cleanup(kafka_holds_free) struct kafka_holds holds = {0};
    kafka_holds_assign(&holds, false, 0);
    kafka_holds_assign(&holds, false, 1);
    add(&holds, 0, 0, "a");
    add(&holds, 1, 0, "b");
    add(&holds, 0, 1, "c");
    kafka_holds_revoke(&holds, false, 0);
    add(&holds, 0, 2, "of one that is not ours");
    add(&holds, 1, 1, "d");
    for (const char *expected = "bd"; *expected; expected++) {
        message = take(&holds);
        assert_int_equal(message.body[0], *expected);
        queue_message_free(&message);
    }
    assert_int_equal(kafka_holds_hand_out(&holds, 1, LEASE_MS, &message), 0);
}

static void
test_lease_ends_for_those_not_extended(void **state)
{
    (void)state;
    struct kafka_item *ended[4];
    _cleanup(kafka_holds_free) struct kafka_holds holds = {0};
    kafka_holds_assign(&holds, false, 0);
    add(&holds, 0, 0, "a");
    add(&holds, 0, 1, "b");
    add(&holds, 0, 2, "not handed out");
    struct queue_message a = take(&holds);
    struct queue_message b = take(&holds);
    int64_t now_ms = clock_boot_ms();
    assert_int_equal(kafka_holds_take_expired(&holds, now_ms, 4, ended), 0);
    kafka_holds_find(&holds, b.handle)->lease_until_ms += LEASE_MS;
    assert_int_equal(
        kafka_holds_take_expired(&holds, now_ms + LEASE_MS, 4, ended), 1);
    assert_memory_equal(ended[0]->body, "a", 1);
    assert_null(kafka_holds_find(&holds, a.handle));
    kafka_holds_end(&holds, ended[0], true);
    assert_int_equal(watermark(&holds, false, 0), 1);
    assert_int_equal(
        kafka_holds_take_expired(&holds, now_ms + 2 * LEASE_MS, 4, ended), 1);
    kafka_holds_end(&holds, ended[0], false);
    assert_non_null(kafka_holds_find(&holds, b.handle));
    queue_message_free(&a);
    queue_message_free(&b);
}

static void
test_copy_that_failed_leaves_the_message_held(void **state)
{
    (void)state;
    struct kafka_item *ended[1];
    _cleanup(kafka_holds_free) struct kafka_holds holds = {0};
    kafka_holds_assign(&holds, false, 0);
    add(&holds, 0, 0, "a");
    struct queue_message a = take(&holds);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(kafka_holds_take_expired(&holds, FOREVER, 1, ended),
                         1);
        kafka_holds_end(&holds, ended[0], false);
    }
    assert_int_equal(watermark(&holds, false, 0), 0);
    queue_message_free(&a);
}

static void
test_partition_lost_while_a_copy_is_on_its_way_is_left_alone(void **state)
{
    (void)state;
    struct kafka_item *ended[1];
    _cleanup(kafka_holds_free) struct kafka_holds holds = {0};
    kafka_holds_assign(&holds, false, 0);
    add(&holds, 0, 0, "a");
    struct queue_message a = take(&holds);
    assert_int_equal(kafka_holds_take_expired(&holds, FOREVER, 1, ended), 1);
    kafka_holds_revoke(&holds, false, 0);
    kafka_holds_assign(&holds, false, 0);
    add(&holds, 0, 0, "a");
    kafka_holds_end(&holds, ended[0], true);
    assert_int_equal(watermark(&holds, false, 0), 0);
    queue_message_free(&a);
}

static void
test_delayed_come_when_due_and_soonest_first(void **state)
{
    (void)state;
    struct kafka_item *due[8];
    _cleanup(kafka_holds_free) struct kafka_holds holds = {0};
    static const int64_t due_ms[] = {500, 300, 900, 100, 700, 300};
    kafka_holds_assign(&holds, true, 0);
    for (size_t i = 0; i < ARRAY_COUNT(due_ms); i++) {
        add_later(&holds, (int64_t)i, due_ms[i]);
    }
    assert_int_equal(kafka_holds_take_due(&holds, 99, 8, due), 0);
    assert_int_equal(kafka_holds_take_due(&holds, 500, 8, due), 4);
    for (size_t i = 0; i < 4; i++) {
        static const int64_t expected[] = {100, 300, 300, 500};
        assert_int_equal(due[i]->record.due_wall_ms, expected[i]);
        kafka_holds_end(&holds, due[i], i != 1); /* One fails. */
    }
    assert_int_equal(kafka_holds_take_due(&holds, 500, 8, due), 1);
    kafka_holds_end(&holds, due[0], true);
    assert_int_equal(watermark(&holds, true, 0), 2);
}

static void
test_body_that_is_too_large_is_to_be_buried_and_not_handed_out(void **state)
{
    (void)state;
    struct kafka_item *ended[2];
    struct queue_message message;
    _cleanup(kafka_holds_free) struct kafka_holds holds = {0};
    _cleanup(cleanup_free) char *body = malloc(QUEUE_BODY_MAX_BYTES + 2);
    memset(body, 'x', QUEUE_BODY_MAX_BYTES + 1);
    body[QUEUE_BODY_MAX_BYTES + 1] = '\0';
    kafka_holds_assign(&holds, false, 0);
    add(&holds, 0, 0, body);
    assert_int_equal(kafka_holds_hand_out(&holds, 1, LEASE_MS, &message), 0);
    assert_int_equal(
        kafka_holds_take_expired(&holds, clock_boot_ms(), 2, ended), 1);
    assert_non_null(ended[0]->record.reason);
    assert_int_equal(ended[0]->record.size, QUEUE_BODY_MAX_BYTES + 1);
    kafka_holds_end(&holds, ended[0], true);
    assert_int_equal(watermark(&holds, false, 0), 1);
}

static void
test_message_in_disguise_of_a_mark_stays_a_message(void **state)
{
    (void)state;
    _cleanup(kafka_holds_free) struct kafka_holds holds = {0};
    const struct kafka_record forged = {
        .body = "x", .size = 1, .taken = 0, .reason = "r"};
    kafka_holds_assign(&holds, false, 0);
    kafka_holds_add(&holds, false, 0, 0, &forged);
    struct queue_message m = take(&holds);
    const struct kafka_item *item = kafka_holds_find(&holds, m.handle);
    assert_int_equal(item->record.taken, -1);
    assert_null(item->record.reason);
    queue_message_free(&m);
}

static void
test_handle_of_nonsense_is_nobodys(void **state)
{
    (void)state;
    _cleanup(kafka_holds_free) struct kafka_holds holds = {0};
    kafka_holds_assign(&holds, false, 0);
    add(&holds, 0, 0, "x");
    assert_null(kafka_holds_find(&holds, ""));
    assert_null(kafka_holds_find(&holds, "0:0"));
    assert_null(kafka_holds_find(&holds, "0:0:1")); /* Not handed out. */
    struct queue_message m = take(&holds);
    assert_non_null(kafka_holds_find(&holds, "0:0:1"));
    assert_null(kafka_holds_find(&holds, "0:0:2"));
    assert_null(kafka_holds_find(&holds, "1:0:1"));
    queue_message_free(&m);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_held_message_does_not_hold_up_its_neighbours),
        cmocka_unit_test(test_message_received_anew_is_another_delivery),
        cmocka_unit_test(
            test_lost_partition_takes_along_what_was_not_handed_out),
        cmocka_unit_test(test_lease_ends_for_those_not_extended),
        cmocka_unit_test(test_copy_that_failed_leaves_the_message_held),
        cmocka_unit_test(
            test_partition_lost_while_a_copy_is_on_its_way_is_left_alone),
        cmocka_unit_test(test_delayed_come_when_due_and_soonest_first),
        cmocka_unit_test(
            test_body_that_is_too_large_is_to_be_buried_and_not_handed_out),
        cmocka_unit_test(test_message_in_disguise_of_a_mark_stays_a_message),
        cmocka_unit_test(test_handle_of_nonsense_is_nobodys),
    };
    return RUN_TESTS(tests);
}
