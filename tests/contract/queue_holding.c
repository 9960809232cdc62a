/* What every broker must do while a message is held: leases, release,
 * ownership, dead letters.  See queue_sending.c for how a driver joins. */
#include "contract/queue_world.h"

#include "base/clock.h"

enum end { ACK, RELEASE, EXTEND };

static size_t
end(struct queue *queue, enum end what, const struct queue_message *messages,
    size_t count, int64_t delay_ms)
{
    size_t lost = 999;
    struct err err = {0};
    switch (what) {
    case ACK:
        ok(queue_ack(queue, messages, count, &lost, &err), &err);
        break;
    case RELEASE:
        ok(queue_release(queue, messages, count, delay_ms, &lost, &err), &err);
        break;
    case EXTEND:
        ok(queue_extend(queue, messages, count, &lost, &err), &err);
        break;
    }
    return lost;
}

/* 'a' receives and lets its lease lapse, 'b' (or who may, as expect_of_any())
 * gets the message and is returned. */
static struct queue *
lose_lease(struct world *w, struct queue_message *stale,
           struct queue_message *held)
{
    struct queue *holder = w->b;
    send_text(w, w->name, "x", 0);
    *stale = expect_one(w, w->a, 2000);
    *held = expect_of_any(w, &holder, 3 * w->lease_ms);
    return holder;
}

/* --- the lease ----------------------------------------------------------- */

static void
test_unacked_message_returns_after_its_lease_and_not_before(void **state)
{
    struct world *w = *state;
    struct queue *holder = w->b;
    send_text(w, w->name, "x", 0);
    int64_t from_ms = clock_boot_ms();
    struct queue_message first = expect_one(w, w->a, 2000);
    struct queue_message again = expect_of_any(w, &holder, 3 * w->lease_ms);
    int64_t took_ms = clock_boot_ms() - from_ms;
    assert_in_range(took_ms, w->lease_ms - 1, 2 * w->lease_ms);
    assert_string_equal(again.body, "x");
    assert_int_equal(again.deliveries, 2);
    assert_int_equal(again.sent_wall_ms, first.sent_wall_ms);
    queue_message_free(&first);
    ack(w, holder, &again);
}

static void
test_acked_message_never_returns(void **state)
{
    struct world *w = *state;
    send_text(w, w->name, "x", 0);
    struct queue_message m = expect_one(w, w->a, 2000);
    ack(w, w->a, &m);
    expect_none(w, w->b, 2 * w->lease_ms);
    assert_int_equal(depth(w, w->name).in_flight, 0);
}

static void
test_extended_message_stays_with_its_holder(void **state)
{
    struct world *w = *state;
    send_text(w, w->name, "x", 0);
    struct queue_message m = expect_one(w, w->a, 2000);
    for (int i = 0; i < 6; i++) {
        expect_none(w, w->b, w->lease_ms / 3);
        assert_int_equal(end(w->a, EXTEND, &m, 1, 0), 0);
    }
    ack(w, w->a, &m);
}

static void
test_holder_may_ack_on_another_connection(void **state)
{
    struct world *w = *state;
    struct queue *settler = world_connect(w, w->consumer);
    send_text(w, w->name, "x", 0);
    struct queue_message m = expect_one(w, w->a, 2000);
    assert_int_equal(end(settler, EXTEND, &m, 1, 0), 0);
    assert_int_equal(end(settler, ACK, &m, 1, 0), 0);
    queue_message_free(&m);
    queue_close(&settler);
}

static void
test_message_of_a_consumer_that_closed_is_not_lost(void **state)
{
    struct world *w = *state;
    send_text(w, w->name, "x", 0);
    struct queue_message m = expect_one(w, w->a, 2000);
    queue_close(&w->a);
    struct queue_message again =
        expect_one(w, w->b, 3 * w->lease_ms + w->facts->handover_ms);
    queue_message_free(&m);
    ack(w, w->b, &again);
}

/* --- release ------------------------------------------------------------- */

static void
test_released_message_comes_again_at_once(void **state)
{
    struct world *w = *state;
    struct queue *holder = w->b;
    send_text(w, w->name, "a\tb", 0);
    usleep(20 * 1000); /* Else sent again is sent in the same ms. */
    struct queue_message m = expect_one(w, w->a, 2000);
    assert_int_equal(end(w->a, RELEASE, &m, 1, 0), 0);
    struct queue_message again = expect_of_any(w, &holder, w->lease_ms / 2);
    assert_string_equal(again.body, "a\tb");
    assert_int_equal(again.sent_wall_ms, m.sent_wall_ms);
    assert_int_equal(again.deliveries, 2);
    queue_message_free(&m);
    ack(w, holder, &again);
}

static void
test_release_delay_is_respected(void **state)
{
    struct world *w = *state;
    struct queue *holder = w->b;
    send_text(w, w->name, "x", 0);
    usleep(20 * 1000); /* Else sent again is sent in the same ms. */
    struct queue_message m = expect_one(w, w->a, 2000);
    int64_t from_ms = clock_boot_ms();
    assert_int_equal(end(w->a, RELEASE, &m, 1, 900), 0);
    struct queue_message again = expect_of_any(w, &holder, 5000);
    int64_t took_ms = clock_boot_ms() - from_ms;
    assert_in_range(took_ms, 895, latest_ms(w, 900));
    assert_int_equal(again.sent_wall_ms, m.sent_wall_ms);
    assert_int_equal(again.deliveries, 2);
    queue_message_free(&m);
    ack(w, holder, &again);
}

static void
test_released_body_keeps_every_byte(void **state)
{
    struct world *w = *state;
    struct queue *holder = w->b;
    static const char body[] = "\0\r\n$5\xff\xfe *\0";
    send_bytes(w, w->name, body, sizeof(body), 0);
    struct queue_message m = expect_one(w, w->a, 2000);
    assert_int_equal(end(w->a, RELEASE, &m, 1, 200), 0);
    queue_message_free(&m);
    m = expect_of_any(w, &holder, 2000);
    assert_int_equal(m.body_size, sizeof(body));
    assert_memory_equal(m.body, body, sizeof(body));
    ack(w, holder, &m);
}

/* --- who holds it -------------------------------------------------------- */

static void
test_stale_holder_cannot_ack(void **state)
{
    struct world *w = *state;
    struct queue_message stale;
    struct queue_message held;
    struct queue *holder = lose_lease(w, &stale, &held);
    assert_int_equal(end(w->a, ACK, &stale, 1, 0), 1);
    assert_int_equal(depth(w, w->name).in_flight, 1);
    assert_int_equal(end(holder, EXTEND, &held, 1, 0), 0);
    queue_message_free(&stale);
    ack(w, holder, &held);
}

static void
test_stale_holder_cannot_release(void **state)
{
    struct world *w = *state;
    struct queue_message stale;
    struct queue_message held;
    struct queue *holder = lose_lease(w, &stale, &held);
    assert_int_equal(end(w->a, RELEASE, &stale, 1, 0), 1);
    assert_int_equal(end(w->a, RELEASE, &stale, 1, 100), 1);
    assert_int_equal(depth(w, w->name).waiting, 0);
    assert_int_equal(depth(w, w->name).delayed, 0);
    queue_message_free(&stale);
    ack(w, holder, &held);
}

static void
test_stale_holder_cannot_extend(void **state)
{
    struct world *w = *state;
    struct queue_message stale;
    struct queue_message held;
    struct queue *holder = lose_lease(w, &stale, &held);
    assert_int_equal(end(w->a, EXTEND, &stale, 1, 0), 1);
    queue_message_free(&stale);
    ack(w, holder, &held);
}

static void
test_stale_holder_cannot_dead_letter(void **state)
{
    struct world *w = *state;
    struct queue_message stale;
    struct queue_message held;
    struct err err = {0};
    struct queue *holder = lose_lease(w, &stale, &held);
    ok(queue_dead_letter(w->a, &stale, "no", &err), &err);
    assert_int_equal(depth(w, w->name).dead, 0);
    queue_message_free(&stale);
    ack(w, holder, &held);
}

static void
test_repeated_ack_is_counted_lost_and_does_no_harm(void **state)
{
    struct world *w = *state;
    send_text(w, w->name, "x", 0);
    send_text(w, w->name, "y", 0);
    struct queue_message m = expect_one(w, w->a, 2000);
    struct queue_message other = expect_one(w, w->a, 2000);
    assert_int_equal(end(w->a, ACK, &m, 1, 0), 0);
    assert_int_equal(end(w->a, ACK, &m, 1, 0), 1);
    assert_int_equal(depth(w, w->name).in_flight, 1);
    queue_message_free(&m);
    ack(w, w->a, &other);
}

static void
test_batch_with_lost_ones_ends_the_others(void **state)
{
    struct world *w = *state;
    struct queue_message all[3] = {0};
    for (size_t i = 0; i < 3; i++) {
        send_text(w, w->name, "x", 0);
        all[i] = expect_one(w, w->a, 2000);
    }
    assert_int_equal(end(w->a, ACK, &all[1], 1, 0), 0);
    assert_int_equal(end(w->a, EXTEND, all, 3, 0), 1);
    assert_int_equal(end(w->a, RELEASE, all, 3, 60000), 1);
    assert_int_equal(depth(w, w->name).delayed, w->facts->hides ? 0 : 2);
    assert_int_equal(depth(w, w->name).in_flight, w->facts->hides ? 2 : 0);
    for (size_t i = 0; i < 3; i++) {
        queue_message_free(&all[i]);
    }
}

static void
test_foreign_handle_is_lost_and_no_error(void **state)
{
    struct world *w = *state;
    struct queue_message m = {.handle = "not one of ours"};
    expect_none(w, w->a, 0);
    assert_int_equal(end(w->a, ACK, &m, 1, 0), 1);
    assert_int_equal(end(w->a, EXTEND, &m, 1, 0), 1);
    assert_int_equal(end(w->a, RELEASE, &m, 1, 0), 1);
}

/* --- dead letters -------------------------------------------------------- */

static size_t
peek(struct world *w, const char *after, size_t max,
     struct queue_message *messages, char next[QUEUE_HANDLE_SIZE])
{
    size_t count = 0;
    struct err err = {0};
    ok(queue_dead_peek(w->sender, w->name, after, max, messages, &count, next,
                       &err),
       &err);
    return count;
}

static void
test_dead_letter_keeps_bytes_and_reason(void **state)
{
    struct world *w = *state;
    static const char body[] = "{\"a\":\"\xc3\xa9\0\xff\"}";
    struct queue_message found;
    struct err err = {0};
    char next[QUEUE_HANDLE_SIZE];
    send_bytes(w, w->name, body, sizeof(body), 0);
    struct queue_message m = expect_one(w, w->a, 2000);
    ok(queue_dead_letter(w->a, &m, "data: missing", &err), &err);
    assert_int_equal(peek(w, "", 10, &found, next), 1);
    assert_int_equal(found.body_size, sizeof(body));
    assert_memory_equal(found.body, body, sizeof(body));
    assert_string_equal(found.reason, "data: missing");
    assert_int_equal(found.sent_wall_ms, m.sent_wall_ms);
    assert_int_equal(found.deliveries, 1);
    assert_string_equal(next, "");
    expect_none(w, w->b, 2 * w->lease_ms);
    queue_message_free(&m);
    queue_message_free(&found);
}

static void
bury_numbers(struct world *w, int count)
{
    for (int i = 0; i < count; i++) {
        char body[16];
        struct err err = {0};
        snprintf(body, sizeof(body), "%d", i);
        send_text(w, w->name, body, 0);
        struct queue_message m = expect_one(w, w->a, 2000);
        ok(queue_dead_letter(w->a, &m, "r", &err), &err);
        queue_message_free(&m);
    }
}

static void
test_dead_letters_are_paged_oldest_first(void **state)
{
    struct world *w = *state;
    char next[QUEUE_HANDLE_SIZE] = "";
    int seen = 0;
    bury_numbers(w, 5);
    do {
        struct queue_message page[2];
        char after[QUEUE_HANDLE_SIZE];
        memcpy(after, next, sizeof(after));
        size_t count = peek(w, after, 2, page, next);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(atoi(page[i].body), seen++);
            queue_message_free(&page[i]);
        }
    } while (next[0]);
    assert_int_equal(seen, 5);
}

static void
test_taken_dead_letter_is_sent_again_only_if_asked(void **state)
{
    struct world *w = *state;
    struct queue_message found[2];
    struct err err = {0};
    char next[QUEUE_HANDLE_SIZE];
    bury_numbers(w, 2);
    assert_int_equal(peek(w, "", 2, found, next), 2);
    ok(queue_dead_take(w->sender, w->name, found[0].handle, false, &err), &err);
    ok(queue_dead_take(w->sender, w->name, found[1].handle, true, &err), &err);
    assert_int_equal(depth(w, w->name).dead, 0);
    struct queue_message m = expect_one(w, w->a, 2000);
    assert_string_equal(m.body, "1");
    expect_none(w, w->a, 300);
    ack(w, w->a, &m);
    assert_int_equal(
        queue_dead_take(w->sender, w->name, found[0].handle, true, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    assert_int_equal(err.code, 404);
    queue_message_free(&found[0]);
    queue_message_free(&found[1]);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, world_open, world_close)

static const struct CMUnitTest holding_tests[] = {
    TEST(test_unacked_message_returns_after_its_lease_and_not_before),
    TEST(test_acked_message_never_returns),
    TEST(test_extended_message_stays_with_its_holder),
    TEST(test_holder_may_ack_on_another_connection),
    TEST(test_message_of_a_consumer_that_closed_is_not_lost),
    TEST(test_released_message_comes_again_at_once),
    TEST(test_release_delay_is_respected),
    TEST(test_released_body_keeps_every_byte),
    TEST(test_stale_holder_cannot_ack),
    TEST(test_stale_holder_cannot_release),
    TEST(test_stale_holder_cannot_extend),
    TEST(test_stale_holder_cannot_dead_letter),
    TEST(test_repeated_ack_is_counted_lost_and_does_no_harm),
    TEST(test_batch_with_lost_ones_ends_the_others),
    TEST(test_foreign_handle_is_lost_and_no_error),
    TEST(test_dead_letter_keeps_bytes_and_reason),
    TEST(test_dead_letters_are_paged_oldest_first),
    TEST(test_taken_dead_letter_is_sent_again_only_if_asked),
};

int
main(void)
{
    return world_main("holding", holding_tests, ARRAY_COUNT(holding_tests));
}
