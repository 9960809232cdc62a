/* What every broker must do, through the interface alone.
 *
 * A driver adds no test here, only its URL to ALEX_TEST_QUEUES; each URL runs
 * the whole suite. */
#include "contract/queue_world.h"

#include <pthread.h>

#include "base/clock.h"

/* --- sending and receiving ----------------------------------------------- */

static void
test_sent_message_is_received_once(void **state)
{
    struct world *w = *state;
    send_text(w, w->name, "hello", 0);
    struct queue_message m = expect_one(w, w->a, 2000);
    assert_string_equal(m.body, "hello");
    assert_int_equal(m.body_size, 5);
    expect_none(w, w->a, 200);
    expect_none(w, w->b, 200);
    ack(w, w->a, &m);
}

static void
test_body_keeps_every_byte(void **state)
{
    struct world *w = *state;
    char body[256];
    for (size_t i = 0; i < sizeof(body); i++) {
        body[i] = (char)i;
    }
    send_bytes(w, w->name, body, sizeof(body), 0);
    struct queue_message m = expect_one(w, w->a, 2000);
    assert_int_equal(m.body_size, sizeof(body));
    assert_memory_equal(m.body, body, sizeof(body));
    assert_int_equal(m.body[m.body_size], '\0');
    ack(w, w->a, &m);
}

static void
test_largest_body_arrives_whole(void **state)
{
    struct world *w = *state;
    _cleanup(cleanup_free) char *body = malloc(QUEUE_BODY_MAX_BYTES);
    memset(body, 'x', QUEUE_BODY_MAX_BYTES);
    send_bytes(w, w->name, body, QUEUE_BODY_MAX_BYTES, 0);
    struct queue_message m = expect_one(w, w->a, 2000);
    assert_int_equal(m.body_size, QUEUE_BODY_MAX_BYTES);
    assert_memory_equal(m.body, body, QUEUE_BODY_MAX_BYTES);
    ack(w, w->a, &m);
}

static void
test_larger_body_is_refused_before_anything_is_sent(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    _cleanup(cleanup_free) char *body = calloc(QUEUE_BODY_MAX_BYTES + 1, 1);
    struct queue_letter letters[] = {
        {.queue = w->name, .body = "ok", .body_size = 2},
        {.queue = w->name, .body = body, .body_size = QUEUE_BODY_MAX_BYTES + 1},
    };
    assert_int_equal(queue_send(w->sender, letters, 2, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    assert_non_null(strstr(err.text, "65536"));
    assert_false(letters[0].sent);
    expect_none(w, w->a, 300);
}

static void
test_name_that_no_broker_allows_is_refused(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    struct queue_depth depth;
    struct queue_letter letter = {
        .queue = "alex}:x", .body = "b", .body_size = 1};
    assert_int_equal(queue_send(w->sender, &letter, 1, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    assert_int_equal(queue_depth(w->sender, "", &depth, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
}

static void
test_empty_queue_is_waited_for_and_gives_none(void **state)
{
    struct world *w = *state;
    int64_t from_ms = clock_boot_ms();
    expect_none(w, w->a, 700);
    int64_t took_ms = clock_boot_ms() - from_ms;
    assert_in_range(took_ms, 690, 1500);
}

static void *
send_later(void *arg)
{
    struct world *w = arg;
    usleep(300 * 1000);
    send_text(w, w->name, "late", 0);
    return NULL;
}

static void
test_waiting_receiver_gets_a_new_message_at_once(void **state)
{
    struct world *w = *state;
    pthread_t thread;
    expect_none(w, w->a, 0);
    pthread_create(&thread, NULL, send_later, w);
    int64_t from_ms = clock_boot_ms();
    struct queue_message m = expect_one(w, w->a, 5000);
    int64_t took_ms = clock_boot_ms() - from_ms;
    pthread_join(thread, NULL);
    assert_in_range(took_ms, 250, 500);
    ack(w, w->a, &m);
}

static void
test_letters_go_to_their_queues_each_marked_sent(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    char other[128];
    enum { COUNT = 2 * QUEUE_BATCH_MAX + 50 };
    _cleanup(cleanup_free) struct queue_letter *letters =
        calloc(COUNT, sizeof(*letters));
    snprintf(other, sizeof(other), "%s-b", w->name);
    world_create(w, other);
    for (size_t i = 0; i < COUNT; i++) {
        letters[i] = (struct queue_letter){
            .queue = i % 5 ? w->name : other, .body = "x", .body_size = 1};
    }
    ok(queue_send(w->sender, letters, COUNT, &err), &err);
    for (size_t i = 0; i < COUNT; i++) {
        assert_true(letters[i].sent);
    }
    assert_int_equal(depth(w, w->name).waiting, COUNT * 4 / 5);
    assert_int_equal(depth(w, other).waiting, COUNT / 5);
}

static void
test_letter_marked_sent_is_not_sent_again(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    struct queue_letter letters[] = {
        {.queue = w->name, .body = "1", .body_size = 1, .sent = true},
        {.queue = w->name, .body = "2", .body_size = 1},
    };
    ok(queue_send(w->sender, letters, 2, &err), &err);
    struct queue_message m = expect_one(w, w->a, 2000);
    assert_string_equal(m.body, "2");
    expect_none(w, w->a, 200);
    ack(w, w->a, &m);
}

static void
test_messages_know_when_sent_and_received(void **state)
{
    struct world *w = *state;
    int64_t wall_ms = clock_wall_ms();
    int64_t boot_ms = clock_boot_ms();
    send_text(w, w->name, "x", 0);
    struct queue_message m = expect_one(w, w->a, 2000);
    assert_in_range(m.sent_wall_ms, wall_ms - 2, clock_wall_ms() + 2);
    assert_in_range(m.received_boot_ms, boot_ms, clock_boot_ms());
    assert_int_equal(m.deliveries, 1);
    ack(w, w->a, &m);
}

/* --- delay --------------------------------------------------------------- */

static void
test_delayed_message_is_not_early_and_hardly_late(void **state)
{
    struct world *w = *state;
    int64_t from_ms = clock_boot_ms();
    send_text(w, w->name, "later", 1200);
    assert_int_equal(depth(w, w->name).delayed, 1);
    struct queue_message m = expect_one(w, w->a, 5000);
    int64_t took_ms = clock_boot_ms() - from_ms;
    assert_in_range(took_ms, 1195, latest_ms(w, 1200));
    assert_string_equal(m.body, "later");
    assert_int_equal(depth(w, w->name).delayed, 0);
    ack(w, w->a, &m);
}

static void
test_equal_delayed_messages_all_arrive(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 3; i++) {
        send_text(w, w->name, "same", 300);
    }
    for (int i = 0; i < 3; i++) {
        struct queue_message m = expect_one(w, w->a, 3000);
        assert_string_equal(m.body, "same");
        ack(w, w->a, &m);
    }
    expect_none(w, w->a, 300);
}

/* --- wake ---------------------------------------------------------------- */

static void *
wake_later(void *arg)
{
    usleep(400 * 1000);
    queue_wake(arg);
    return NULL;
}

static void
test_wake_ends_a_wait_within_100_ms(void **state)
{
    struct world *w = *state;
    pthread_t thread;
    expect_none(w, w->a, 0);
    int64_t from_ms = clock_boot_ms();
    pthread_create(&thread, NULL, wake_later, w->a);
    expect_none(w, w->a, 10000);
    int64_t took_ms = clock_boot_ms() - from_ms;
    pthread_join(thread, NULL);
    assert_in_range(took_ms, 400, 500);
}

static void
test_wake_before_the_wait_is_not_lost(void **state)
{
    struct world *w = *state;
    expect_none(w, w->a, 0);
    queue_wake(w->a);
    int64_t from_ms = clock_boot_ms();
    expect_none(w, w->a, 10000);
    assert_in_range(clock_boot_ms() - from_ms, 0, 100);
}

static void
test_message_sent_after_a_wake_is_received(void **state)
{
    struct world *w = *state;
    expect_none(w, w->a, 0);
    for (int i = 0; i < 20; i++) {
        queue_wake(w->a);
        expect_none(w, w->a, 10000);
        send_text(w, w->name, "x", 0);
        struct queue_message m = expect_one(w, w->a, 2000);
        ack(w, w->a, &m);
    }
    assert_int_equal(depth(w, w->name).in_flight, 0);
}

static void
test_connection_does_other_things_after_a_wake(void **state)
{
    struct world *w = *state;
    expect_none(w, w->a, 0);
    queue_wake(w->a);
    expect_none(w, w->a, 10000);
    send_text(w, w->name, "x", 0);
    struct err err = {0};
    struct queue_depth found;
    ok(queue_depth(w->a, w->name, &found, &err), &err);
    assert_int_equal(found.waiting + found.in_flight, 1);
    struct queue_message m = expect_one(w, w->a, 2000);
    ack(w, w->a, &m);
}

static void
test_message_that_met_a_closing_receiver_goes_to_another_at_once(void **state)
{
    struct world *w = *state;
    expect_none(w, w->a, 0);
    queue_wake(w->a);
    expect_none(w, w->a, 10000);
    send_text(w, w->name, "x", 0);
    queue_close(&w->a);
    struct queue_message m = expect_one(w, w->b, w->facts->handover_ms);
    ack(w, w->b, &m);
}

/* --- looking ------------------------------------------------------------- */

static void
test_depth_tells_the_four_apart(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 4; i++) {
        send_text(w, w->name, "x", 0);
    }
    send_text(w, w->name, "x", 60000);
    struct queue_message held = expect_one(w, w->a, 2000);
    struct queue_message dead = expect_one(w, w->a, 2000);
    struct err err = {0};
    ok(queue_dead_letter(w->a, &dead, "why", &err), &err);
    struct queue_depth found = depth(w, w->name);
    assert_int_equal(found.waiting, 2);
    assert_int_equal(found.in_flight, 1);
    assert_int_equal(found.delayed, 1);
    assert_int_equal(found.dead, 1);
    queue_message_free(&dead);
    queue_message_free(&held);
}

static void
test_depth_of_a_queue_never_used_is_zero(void **state)
{
    struct world *w = *state;
    char never_used[128];
    snprintf(never_used, sizeof(never_used), "%s-b", w->name);
    world_create(w, never_used);
    struct queue_depth found = depth(w, never_used);
    assert_int_equal(found.waiting, 0);
    assert_int_equal(found.in_flight, 0);
    assert_int_equal(found.delayed, 0);
    assert_int_equal(found.dead, 0);
}

/* --- many ---------------------------------------------------------------- */

struct consumer {
    struct world *world;
    struct queue *queue;
    _Atomic int *seen;
    _Atomic int *left;
};

static void *
consume_many(void *arg)
{
    struct consumer *c = arg;
    struct queue_message messages[QUEUE_BATCH_MAX];
    int64_t until_ms = clock_boot_ms() + 60000;
    while (*c->left > 0 && clock_boot_ms() < until_ms) {
        size_t count = 0;
        bool reset;
        struct err err = {0};
        ok(queue_receive(c->queue, 50, 200, messages, &count, &reset, &err),
           &err);
        ok(queue_ack(c->queue, messages, count, NULL, &err), &err);
        for (size_t i = 0; i < count; i++) {
            *c->left -= c->seen[atoi(messages[i].body)]++ == 0;
            queue_message_free(&messages[i]);
        }
    }
    return NULL;
}

static void
send_numbers(struct world *w, int count)
{
    char bodies[QUEUE_BATCH_MAX][16];
    struct queue_letter letters[QUEUE_BATCH_MAX];
    struct err err = {0};
    for (int i = 0; i < count; i += QUEUE_BATCH_MAX) {
        for (int j = 0; j < QUEUE_BATCH_MAX; j++) {
            int size = snprintf(bodies[j], sizeof(bodies[j]), "%d", i + j);
            letters[j] = (struct queue_letter){
                .queue = w->name, .body = bodies[j], .body_size = (size_t)size};
        }
        ok(queue_send(w->sender, letters, QUEUE_BATCH_MAX, &err), &err);
    }
}

static void
test_two_consumers_share_many_messages_none_lost_none_twice(void **state)
{
    struct world *w = *state;
    int many = w->facts->many;
    _cleanup(cleanup_free) _Atomic int *seen =
        calloc((size_t)many, sizeof(*seen));
    _Atomic int left = many;
    struct consumer consumers[] = {{w, w->a, seen, &left},
                                   {w, w->b, seen, &left}};
    pthread_t threads[2];
    for (size_t i = 0; i < 2; i++) {
        pthread_create(&threads[i], NULL, consume_many, &consumers[i]);
    }
    send_numbers(w, many);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    for (int i = 0; i < many; i++) {
        assert_in_range(seen[i], 1, w->facts->repeats ? many : 1);
    }
    struct queue_depth found = depth(w, w->name);
    assert_int_equal(found.waiting + found.in_flight, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, world_open, world_close)

static const struct CMUnitTest sending_tests[] = {
    TEST(test_sent_message_is_received_once),
    TEST(test_body_keeps_every_byte),
    TEST(test_largest_body_arrives_whole),
    TEST(test_larger_body_is_refused_before_anything_is_sent),
    TEST(test_name_that_no_broker_allows_is_refused),
    TEST(test_empty_queue_is_waited_for_and_gives_none),
    TEST(test_waiting_receiver_gets_a_new_message_at_once),
    TEST(test_letters_go_to_their_queues_each_marked_sent),
    TEST(test_letter_marked_sent_is_not_sent_again),
    TEST(test_messages_know_when_sent_and_received),
    TEST(test_delayed_message_is_not_early_and_hardly_late),
    TEST(test_equal_delayed_messages_all_arrive),
    TEST(test_wake_ends_a_wait_within_100_ms),
    TEST(test_wake_before_the_wait_is_not_lost),
    TEST(test_message_sent_after_a_wake_is_received),
    TEST(test_connection_does_other_things_after_a_wake),
    TEST(test_message_that_met_a_closing_receiver_goes_to_another_at_once),
    TEST(test_depth_tells_the_four_apart),
    TEST(test_depth_of_a_queue_never_used_is_zero),
    cmocka_unit_test_setup_teardown(
        test_two_consumers_share_many_messages_none_lost_none_twice,
        world_open_shared, world_close),
};

int
main(void)
{
    return world_main("sending", sending_tests, ARRAY_COUNT(sending_tests));
}
