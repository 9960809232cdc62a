/* What a supervisor holds, and when that is no longer safely its own. */
#include "test.h"

#include <errno.h>
#include <pthread.h>

#include "base/arena.h"
#include "base/clock.h"
#include "runtime/backoff.h"
#include "runtime/flight.h"

static struct run *
add(struct flight *flight)
{
    struct queue_message message = {.body = xstrdup("{}"), .body_size = 2};

    return flight_add(flight, &message, false);
}

static struct run *
add_leased(struct flight *flight, int64_t sent_ms, int64_t lease_ms)
{
    struct run *run = add(flight);

    flight_leased(flight, run, sent_ms, lease_ms);
    return run;
}

/* What a beat would see now, of one run. */
static struct flight_held
look(struct flight *flight, struct run *run, size_t *ret_leased)
{
    struct flight_held *held;
    struct flight_held found = {0};
    size_t count;

    flight_beat_begin(flight, &held, &count, ret_leased);
    for (size_t i = 0; i < count; i++) {
        if (held[i].run == run) {
            found = held[i];
        }
    }
    flight_beat_end(flight, held, count);
    return found;
}

static void
test_lease_is_ours_up_to_three_quarters_from_sending(void **state)
{
    _cleanup(flight_free) struct flight *flight = flight_new(10);
    int64_t now_ms = clock_boot_ms();

    (void)state;
    assert_false(run_fenced(add_leased(flight, now_ms - 74000, 100000)));
    assert_true(run_fenced(add_leased(flight, now_ms - 75000, 100000)));
}

static void
test_beat_renews_from_when_it_was_sent(void **state)
{
    _cleanup(flight_free) struct flight *flight = flight_new(10);
    int64_t now_ms = clock_boot_ms();
    struct run *run = add_leased(flight, now_ms - 90000, 100000);

    (void)state;
    run_set_lease(run, now_ms - 80000, 100000);
    assert_true(run_fenced(run));
    run_set_lease(run, now_ms - 10000, 100000);
    assert_false(run_fenced(run));
}

static void
test_message_is_extended_from_receipt_until_lost_or_fenced(void **state)
{
    _cleanup(flight_free) struct flight *flight = flight_new(10);
    int64_t now_ms = clock_boot_ms();
    struct run *run = add(flight);
    size_t leased;

    (void)state;
    assert_true(look(flight, run, &leased).extend);
    assert_true(look(flight, run, &leased).claiming);
    flight_leased(flight, run, now_ms, 60000);
    assert_true(look(flight, run, &leased).extend);
    assert_false(look(flight, run, &leased).claiming);
    run_set_lease(run, now_ms - 60000, 60000);
    assert_false(look(flight, run, &leased).extend);
    run_set_lease(run, now_ms, 60000);
    assert_true(flight_lose(flight, run));
    assert_false(look(flight, run, &leased).extend);
}

static void
test_message_acked_early_is_not_extended_but_its_lease_is_beaten(void **state)
{
    _cleanup(flight_free) struct flight *flight = flight_new(10);
    struct run *run = add(flight);
    size_t leased;

    (void)state;
    flight_leased(flight, run, clock_boot_ms(), 60000);
    flight_acked(flight, run);
    assert_false(look(flight, run, &leased).extend);
    assert_int_equal(leased, 1);
}

static void
test_settled_message_is_extended_but_not_beaten(void **state)
{
    _cleanup(flight_free) struct flight *flight = flight_new(10);
    struct run *run = add_leased(flight, clock_boot_ms() - 60000, 60000);
    size_t leased;

    (void)state;
    flight_settled(flight, run);
    assert_true(look(flight, run, &leased).extend);
    assert_int_equal(leased, 0);
    assert_false(flight_lose(flight, run));
}

static void
test_beat_sees_leases_first(void **state)
{
    _cleanup(flight_free) struct flight *flight = flight_new(10);
    struct flight_held *held;
    size_t count;
    size_t leased;

    (void)state;
    for (int i = 0; i < 3; i++) {
        add(flight);
        add_leased(flight, clock_boot_ms(), 60000);
    }
    flight_beat_begin(flight, &held, &count, &leased);
    assert_int_equal(count, 6);
    assert_int_equal(leased, 3);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(held[i].claiming, i >= leased);
    }
    flight_beat_end(flight, held, count);
}

static void
test_no_more_is_wanted_than_the_loop_can_use_or_the_limit_holds(void **state)
{
    _cleanup(flight_free) struct flight *flight = flight_new(20);

    (void)state;
    flight_want(flight, 16);
    assert_int_equal(flight_wait_room(flight), 16);
    flight_queued(flight, 8);
    assert_int_equal(flight_wait_room(flight), 8);
    for (int i = 0; i < 15; i++) {
        add(flight);
    }
    assert_int_equal(flight_wait_room(flight), 5);
    flight_stop(flight);
    assert_int_equal(flight_wait_room(flight), 0);
}

static void *
wait_room(void *flight)
{
    return (void *)(uintptr_t)flight_wait_room(flight);
}

static void
test_receiver_sleeps_while_more_than_half_is_there(void **state)
{
    _cleanup(flight_free) struct flight *flight = flight_new(100);
    pthread_t thread;
    void *room;

    (void)state;
    flight_want(flight, 16);
    flight_queued(flight, 9);
    pthread_create(&thread, NULL, wait_room, flight);
    usleep(20000);
    assert_int_equal(pthread_tryjoin_np(thread, &room), EBUSY);
    flight_queued(flight, -1);
    pthread_join(thread, &room);
    assert_int_equal((uintptr_t)room, 8);
}

struct claim_wait {
    struct flight *flight;
    _Atomic bool claimed;
};

static void *
wait_beat(void *arg)
{
    struct claim_wait *wait = arg;

    flight_wait_beat(wait->flight);
    atomic_store(&wait->claimed, true);
    return NULL;
}

static void
test_claim_does_not_start_inside_a_beat_that_cannot_name_it(void **state)
{
    _cleanup(flight_free) struct flight *flight = flight_new(10);
    struct claim_wait wait = {.flight = flight};
    struct flight_held *held;
    size_t count;
    size_t leased;
    pthread_t thread;

    (void)state;
    flight_beat_begin(flight, &held, &count, &leased);
    pthread_create(&thread, NULL, wait_beat, &wait);
    usleep(20000);
    assert_false(atomic_load(&wait.claimed));
    flight_beat_end(flight, held, count);
    pthread_join(thread, NULL);
    assert_true(atomic_load(&wait.claimed));
}

static void
test_dropped_answers_leave_only_what_cannot_be_had_again(void **state)
{
    _cleanup(flight_free) struct flight *flight = flight_new(10);
    struct run *run = add(flight);
    struct err failed;
    char sha256[DIGEST_SHA256_SIZE];

    (void)state;
    err_set(&failed, ERR_REJECT, 0, "never");
    digest_sha256_hex("x", 1, sha256);
    for (uint32_t i = 0; i < 5; i++) {
        run_add_answer(run, i, sha256, xstrdup("1"), 1, i % 2 == 0, NULL);
    }
    run_add_answer(run, 5, sha256, NULL, 0, false, &failed);
    run_drop_answers(run);
    assert_int_equal(run->answer_count, 1);
    assert_string_equal(run_find_answer(run, 5, sha256)->err->text, "never");
    assert_null(run_find_answer(run, 0, sha256));
    run_add_answer(run, 6, sha256, xstrdup("2"), 1, true, NULL);
    assert_string_equal(run_find_answer(run, 6, sha256)->bytes, "2");
}

static void
test_backoff_doubles_to_five_seconds_and_never_below_half(void **state)
{
    static const int64_t expected_ms[] = {200,  400,  800, 1600,
                                          3200, 5000, 5000};
    struct backoff backoff = {0};
    struct err err = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(expected_ms); i++) {
        int64_t ms = backoff_next_ms(&backoff, "test", &err);
        assert_in_range(ms, expected_ms[i] / 2, expected_ms[i]);
    }
}

/* --- all threads at once, for the thread sanitizer ----------------------- */

#define HANDED_MAX 2000

struct traffic {
    struct flight *flight;
    struct run *_Atomic handed[HANDED_MAX];
    _Atomic bool done;
};

static void *
receive_all(void *arg)
{
    struct traffic *traffic = arg;

    for (int i = 0; i < HANDED_MAX; i++) {
        if (flight_wait_room(traffic->flight) == 0) {
            break;
        }
        struct run *run = add(traffic->flight);
        flight_wait_beat(traffic->flight);
        run->fence = i + 1;
        flight_leased(traffic->flight, run, clock_boot_ms(), 60000);
        flight_queued(traffic->flight, 1);
        atomic_store(&traffic->handed[i], run_ref(run));
    }
    return NULL;
}

static void *
beat_all(void *arg)
{
    struct traffic *traffic = arg;
    struct flight_held *held;
    size_t count;
    size_t leased;

    while (!atomic_load(&traffic->done)) {
        flight_beat_begin(traffic->flight, &held, &count, &leased);
        for (size_t i = 0; i < leased; i++) {
            if (held[i].run->fence % 7 == 0) {
                flight_lose(traffic->flight, held[i].run);
            } else {
                run_set_lease(held[i].run, clock_boot_ms(), 60000);
            }
        }
        flight_beat_end(traffic->flight, held, count);
        usleep(100);
    }
    return NULL;
}

static void
settle_all(struct traffic *traffic)
{
    for (int i = 0; i < HANDED_MAX; i++) {
        struct run *run;
        while ((run = atomic_load(&traffic->handed[i])) == NULL) {
            usleep(10);
        }
        flight_queued(traffic->flight, -1);
        flight_progress(traffic->flight, run, xstrdup("{\"percent\":1}"));
        run_fenced(run);
        flight_settled(traffic->flight, run);
        flight_remove(traffic->flight, run);
        run_unref(run);
    }
}

static void
test_threads_share_runs_without_losing_one(void **state)
{
    _cleanup(cleanup_free) struct traffic *traffic =
        xcalloc(1, sizeof(*traffic));
    pthread_t receiver;
    pthread_t heartbeat;

    (void)state;
    traffic->flight = flight_new(50);
    flight_want(traffic->flight, 20);
    pthread_create(&receiver, NULL, receive_all, traffic);
    pthread_create(&heartbeat, NULL, beat_all, traffic);
    settle_all(traffic);
    atomic_store(&traffic->done, true);
    pthread_join(receiver, NULL);
    pthread_join(heartbeat, NULL);
    assert_int_equal(flight_count(traffic->flight), 0);
    flight_free(&traffic->flight);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lease_is_ours_up_to_three_quarters_from_sending),
        cmocka_unit_test(test_beat_renews_from_when_it_was_sent),
        cmocka_unit_test(
            test_message_is_extended_from_receipt_until_lost_or_fenced),
        cmocka_unit_test(
            test_message_acked_early_is_not_extended_but_its_lease_is_beaten),
        cmocka_unit_test(test_settled_message_is_extended_but_not_beaten),
        cmocka_unit_test(test_beat_sees_leases_first),
        cmocka_unit_test(
            test_no_more_is_wanted_than_the_loop_can_use_or_the_limit_holds),
        cmocka_unit_test(test_receiver_sleeps_while_more_than_half_is_there),
        cmocka_unit_test(
            test_claim_does_not_start_inside_a_beat_that_cannot_name_it),
        cmocka_unit_test(
            test_dropped_answers_leave_only_what_cannot_be_had_again),
        cmocka_unit_test(
            test_backoff_doubles_to_five_seconds_and_never_below_half),
        cmocka_unit_test(test_threads_share_runs_without_losing_one),
    };

    return RUN_TESTS(tests);
}
