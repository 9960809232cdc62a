/* What happens to a queue when its Redis is restarted, wiped, full, a replica,
 * or holds what others put there.  The broker is the test's own. */
#include "contract/broker.h"
#include "contract/queue_world.h"

#include "base/arena.h"
#include "base/clock.h"

/* Receives as a worker does: errors that may be retried are.  Says if a message
 * came, and adds to '*resets' what was reported. */
static bool
receive_until(struct world *w, struct queue *queue, int64_t wait_ms,
              struct queue_message *ret, int *resets)
{
    (void)w;
    int64_t until_ms = clock_boot_ms() + wait_ms;
    size_t count = 0;
    while (count == 0 && clock_boot_ms() < until_ms) {
        bool reset = false;
        struct err err = {0};
        if (queue_receive(queue, 1, until_ms - clock_boot_ms(), ret, &count,
                          &reset, &err)) {
            assert_int_equal(err.kind, ERR_RETRY);
            usleep(50 * 1000);
        }
        *resets += reset;
    }
    return count == 1;
}

/* --- broker gone and back ------------------------------------------------ */

static void
test_messages_survive_a_restart(void **state)
{
    struct world *w = *state;
    struct queue_message m;
    int resets = 0;
    send_text(w, w->name, "waiting", 0);
    send_text(w, w->name, "delayed", 1500);
    broker_restart(false);
    assert_true(receive_until(w, w->a, 5000, &m, &resets));
    assert_string_equal(m.body, "waiting");
    ack(w, w->a, &m);
    assert_true(receive_until(w, w->a, 5000, &m, &resets));
    assert_string_equal(m.body, "delayed");
    ack(w, w->a, &m);
}

static void
test_held_message_may_be_acked_after_a_restart(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    size_t lost = 9;
    send_text(w, w->name, "x", 0);
    struct queue_message m = expect_one(w, w->a, 2000);
    broker_restart(false);
    while (queue_ack(w->a, &m, 1, &lost, &err)) {
        assert_int_equal(err.kind, ERR_RETRY);
    }
    assert_int_equal(lost, 0);
    queue_message_free(&m);
}

static void
test_reset_is_reported_after_a_crash(void **state)
{
    struct world *w = *state;
    struct queue_message m;
    int resets = 0;
    expect_none(w, w->a, 300);
    broker_restart(true);
    assert_false(receive_until(w, w->a, 1500, &m, &resets));
    assert_int_equal(resets, 1);
}

static void
test_reset_is_reported_after_a_wipe_and_the_queue_works_on(void **state)
{
    struct world *w = *state;
    struct queue_message m;
    int resets = 0;
    expect_none(w, w->a, 300);
    send_text(w, w->name, "gone", 0);
    broker_command("FLUSHALL");
    send_text(w, w->name, "after", 0);
    assert_true(receive_until(w, w->a, 3000, &m, &resets));
    assert_string_equal(m.body, "after");
    assert_int_equal(resets, 1);
    ack(w, w->a, &m);
}

static void
test_nothing_is_reported_while_all_is_well(void **state)
{
    struct world *w = *state;
    struct queue_message m;
    int resets = 0;
    expect_none(w, w->a, 300);
    assert_false(receive_until(w, w->a, 800, &m, &resets));
    assert_int_equal(resets, 0);
}

static void
test_stale_handles_are_lost_after_a_wipe(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    size_t lost = 9;
    send_text(w, w->name, "x", 0);
    struct queue_message m = expect_one(w, w->a, 2000);
    broker_command("FLUSHALL");
    ok(queue_extend(w->a, &m, 1, &lost, &err), &err);
    assert_int_equal(lost, 1);
    ok(queue_ack(w->a, &m, 1, &lost, &err), &err);
    assert_int_equal(lost, 1);
    queue_message_free(&m);
}

static void
test_flushed_scripts_are_sent_again_unnoticed(void **state)
{
    struct world *w = *state;
    send_text(w, w->name, "x", 0);
    broker_command("SCRIPT FLUSH");
    send_text(w, w->name, "y", 0);
    broker_command("SCRIPT FLUSH");
    struct queue_message m = expect_one(w, w->a, 2000);
    broker_command("SCRIPT FLUSH");
    ack(w, w->a, &m);
}

static void
test_cut_connection_costs_a_retry(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    struct queue_depth found;
    ok(queue_depth(w->sender, w->name, &found, &err), &err);
    broker_command("CLIENT KILL TYPE normal SKIPME yes");
    assert_int_equal(queue_depth(w->sender, w->name, &found, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY);
    ok(queue_depth(w->sender, w->name, &found, &err), &err);
}

/* --- broker that won't --------------------------------------------------- */

static void
test_full_broker_takes_nothing_and_may_be_retried(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    struct queue_letter letters[] = {
        {.queue = w->name, .body = "x", .body_size = 1},
        {.queue = "alex-contract-other", .body = "y", .body_size = 1},
    };
    broker_command("CONFIG SET maxmemory 1");
    int result = queue_send(w->sender, letters, 2, &err);
    broker_command("CONFIG SET maxmemory 0");
    assert_int_equal(result, -1);
    assert_int_equal(err.kind, ERR_RETRY);
    assert_false(letters[0].sent);
    assert_false(letters[1].sent);
    ok(queue_send(w->sender, letters, 2, &err), &err);
    assert_true(letters[0].sent && letters[1].sent);
}

static void
test_replica_may_be_retried(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    struct queue_letter letter = {
        .queue = w->name, .body = "x", .body_size = 1};
    broker_command("REPLICAOF 127.0.0.1 1");
    int result = queue_send(w->sender, &letter, 1, &err);
    broker_command("REPLICAOF NO ONE");
    assert_int_equal(result, -1);
    assert_int_equal(err.kind, ERR_RETRY);
    assert_non_null(strstr(err.text, "replica"));
    ok(queue_send(w->sender, &letter, 1, &err), &err);
}

static void
test_broker_that_evicts_is_refused(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    struct queue_depth found;
    broker_command("CONFIG SET maxmemory-policy allkeys-lru");
    int result = queue_depth(w->sender, w->name, &found, &err);
    broker_command("CONFIG SET maxmemory-policy noeviction");
    assert_int_equal(result, -1);
    assert_int_equal(err.kind, ERR_FATAL);
    assert_non_null(strstr(err.text, "noeviction"));
    ok(queue_depth(w->sender, w->name, &found, &err), &err);
}

/* --- what others left there ---------------------------------------------- */

static void
test_foreign_entries_are_dead_lettered_and_nothing_stops(void **state)
{
    struct world *w = *state;
    expect_none(w, w->a, 0);
    _cleanup(cleanup_free) char *foreign =
        xasprintf("XADD {%s}:stream * color blue n many", w->name);
    broker_command(foreign);
    send_text(w, w->name, "mine", 0);
    struct queue_message m = expect_one(w, w->a, 2000);
    assert_string_equal(m.body, "mine");
    assert_int_equal(depth(w, w->name).dead, 1);
    ack(w, w->a, &m);
}

static void
add_large(struct world *w, size_t size)
{
    _cleanup(cleanup_free) char *command = xmalloc(size + 200);
    int used = snprintf(command, 200, "XADD {%s}:stream * b ", w->name);
    memset(command + used, 'x', size);
    command[(size_t)used + size] = '\0';
    broker_command(command);
}

static void
test_oversize_body_is_dead_lettered_unread(void **state)
{
    struct world *w = *state;
    expect_none(w, w->a, 0);
    add_large(w, QUEUE_BODY_MAX_BYTES + 1);
    expect_none(w, w->a, 300);
    struct queue_depth found = depth(w, w->name);
    assert_int_equal(found.dead, 1);
    assert_int_equal(found.waiting + found.in_flight, 0);
}

/* A consumer took it and died, before or after looking at it. */
static void
test_oversize_body_of_a_dead_consumer_is_dead_lettered_unread(void **state)
{
    struct world *w = *state;
    expect_none(w, w->a, 0);
    add_large(w, 3 * QUEUE_BODY_MAX_BYTES);
    _cleanup(cleanup_free) char *take = xasprintf(
        "XREADGROUP GROUP fleet ghost COUNT 1 STREAMS {%s}:stream >", w->name);
    broker_command(take);
    expect_none(w, w->a, 2 * w->lease_ms);
    struct queue_depth found = depth(w, w->name);
    assert_int_equal(found.dead, 1);
    assert_int_equal(found.in_flight, 0);
}

/* Fetching it fails, and would for ever. */
static void
test_body_too_large_to_fetch_ends_as_dead_letter(void **state)
{
    struct world *w = *state;
    struct queue_message m;
    int resets = 0;
    expect_none(w, w->a, 0);
    add_large(w, 40u * 1024 * 1024);
    send_text(w, w->name, "after", 0);
    assert_true(receive_until(w, w->a, 4 * w->lease_ms, &m, &resets));
    assert_string_equal(m.body, "after");
    ack(w, w->a, &m);
    assert_false(receive_until(w, w->a, 2 * w->lease_ms, &m, &resets));
    struct queue_depth found = depth(w, w->name);
    assert_int_equal(found.dead, 1);
    assert_int_equal(found.in_flight, 0);
}

static void
test_entry_deleted_while_held_does_no_harm(void **state)
{
    struct world *w = *state;
    send_text(w, w->name, "deleted", 0);
    struct queue_message m = expect_one(w, w->a, 2000);
    _cleanup(cleanup_free) char *delete =
        xasprintf("XDEL {%s}:stream %s", w->name, m.handle);
    broker_command(delete);
    send_text(w, w->name, "kept", 0);
    struct queue_message kept = expect_one(w, w->b, 2000);
    ack(w, w->b, &kept);
    expect_none(w, w->b, 2 * w->lease_ms);
    assert_int_equal(depth(w, w->name).in_flight, 0);
    queue_message_free(&m);
}

static void
test_key_of_another_type_is_fatal(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    struct queue_message m;
    size_t count;
    bool reset;
    _cleanup(cleanup_free) char *set =
        xasprintf("SET {%s}:stream taken", w->name);
    broker_command(set);
    assert_int_equal(queue_receive(w->a, 1, 100, &m, &count, &reset, &err), -1);
    assert_int_equal(err.kind, ERR_FATAL);
    assert_non_null(strstr(err.text, "WRONGTYPE"));
}

/* --- consumers ----------------------------------------------------------- */

static int64_t
consumers(struct world *w)
{
    _cleanup(cleanup_free) char *info =
        xasprintf("XINFO CONSUMERS {%s}:stream fleet", w->name);
    return broker_command(info);
}

static void
test_closing_forgets_the_consumer_unless_it_holds_messages(void **state)
{
    struct world *w = *state;
    send_text(w, w->name, "x", 0);
    struct queue_message m = expect_one(w, w->a, 2000);
    ack(w, w->a, &m);
    send_text(w, w->name, "y", 0);
    m = expect_one(w, w->b, 2000);
    assert_int_equal(consumers(w), 2);
    queue_close(&w->a);
    queue_close(&w->b);
    assert_int_equal(consumers(w), 1);
    queue_message_free(&m);
}

static void
test_sockets_are_not_inherited_by_children(void **state)
{
    struct world *w = *state;
    expect_none(w, w->a, 0);
    _cleanup(cleanup_free) char *list = xasprintf(
        "for f in /proc/self/fd/*; do readlink $f; done | grep -c socket:");
    FILE *child = popen(list, "r");
    int sockets = -1;
    assert_int_equal(fscanf(child, "%d", &sockets), 1);
    pclose(child);
    assert_int_equal(sockets, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, world_open, world_close)

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_messages_survive_a_restart),
        TEST(test_held_message_may_be_acked_after_a_restart),
        TEST(test_reset_is_reported_after_a_crash),
        TEST(test_reset_is_reported_after_a_wipe_and_the_queue_works_on),
        TEST(test_nothing_is_reported_while_all_is_well),
        TEST(test_stale_handles_are_lost_after_a_wipe),
        TEST(test_flushed_scripts_are_sent_again_unnoticed),
        TEST(test_cut_connection_costs_a_retry),
        TEST(test_full_broker_takes_nothing_and_may_be_retried),
        TEST(test_replica_may_be_retried),
        TEST(test_broker_that_evicts_is_refused),
        TEST(test_foreign_entries_are_dead_lettered_and_nothing_stops),
        TEST(test_oversize_body_is_dead_lettered_unread),
        TEST(test_oversize_body_of_a_dead_consumer_is_dead_lettered_unread),
        TEST(test_body_too_large_to_fetch_ends_as_dead_letter),
        TEST(test_entry_deleted_while_held_does_no_harm),
        TEST(test_key_of_another_type_is_fatal),
        TEST(test_closing_forgets_the_consumer_unless_it_holds_messages),
        TEST(test_sockets_are_not_inherited_by_children),
    };
    if (!broker_start()) {
        return 77;
    }
    int failed =
        world_run("redis faults", broker_url(), tests, ARRAY_COUNT(tests));
    broker_stop();
    return failed > 0;
}
