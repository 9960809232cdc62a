/* What the kafka: driver makes of brokers that fail, and of what only Kafka has
 * (partitions, offsets, topics others write to).  Upper limits are generous:
 * both cores may be busy. */
#include "contract/kafka_mock.h"

#include "base/clock.h"
#include "contract/hole.h"

#define PATIENCE_MS 60000

static struct queue_message
receive(struct world *w, struct queue *queue)
{
    return expect_one(w, queue, PATIENCE_MS);
}

/* The first error of receives within PATIENCE_MS. */
static struct err
receive_fails(struct queue *queue)
{
    int64_t until_ms = clock_boot_ms() + PATIENCE_MS;
    while (clock_boot_ms() < until_ms) {
        struct queue_message message;
        size_t count = 0;
        bool reset;
        struct err err = {0};
        if (queue_receive(queue, 1, 100, &message, &count, &reset, &err)) {
            return err;
        }
        assert_int_equal(count, 0);
    }
    fail_msg("no receive failed");
    return (struct err){0};
}

/* --- one partition, many messages ---------------------------------------- */

static void
test_long_task_does_not_delay_its_neighbours(void **state)
{
    (void)state;
    enum { NEIGHBOURS = 300 };
    struct world w;
    size_t lost = 9;
    struct err err = {0};
    mock_world_open(&w, 1);
    send_text(&w, w.name, "a task of sixty seconds", 0);
    struct queue_message held = receive(&w, w.a);
    for (int i = 0; i < NEIGHBOURS; i++) {
        send_text(&w, w.name, "neighbour", 0);
    }
    int64_t since_ms = clock_boot_ms();
    for (int i = 0; i < NEIGHBOURS; i++) {
        struct queue_message m = receive(&w, w.a);
        assert_string_equal(m.body, "neighbour");
        ack(&w, w.a, &m);
        if (i % 20 == 0) {
            ok(queue_extend(w.a, &held, 1, &lost, &err), &err);
            assert_int_equal(lost, 0);
        }
    }
    /* Sixty seconds stand for any time: what is held stays ours throughout,
     * over more than one lease. */
    while (clock_boot_ms() - since_ms < 2 * w.lease_ms) {
        expect_none(&w, w.a, w.lease_ms / 4);
        ok(queue_extend(w.a, &held, 1, &lost, &err), &err);
        assert_int_equal(lost, 0);
    }
    ack(&w, w.a, &held);
    queue_close(&w.a);
    expect_none(&w, w.b, 3000);
    mock_world_close(&w);
}

/* More than the driver keeps, and longer than it reads for nobody. */
static void
test_busy_process_gets_every_message_once_when_it_has_time(void **state)
{
    (void)state;
    enum { COUNT = 3000, BUSY_S = 12 };
    static int seen[COUNT];
    struct world w;
    mock_world_open(&w, 1);
    send_text(&w, w.name, "0", 0);
    struct queue_message m = receive(&w, w.a);
    seen[0]++;
    ack(&w, w.a, &m);
    for (int i = 1; i < COUNT; i++) {
        char body[16];
        snprintf(body, sizeof(body), "%d", i);
        send_text(&w, w.name, body, 0);
    }
    sleep(BUSY_S);
    for (int i = 1; i < COUNT; i++) {
        m = receive(&w, w.a);
        seen[atoi(m.body)]++;
        ack(&w, w.a, &m);
    }
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(seen[i], 1);
    }
    expect_none(&w, w.a, 500);
    mock_world_close(&w);
}

static void
test_only_what_was_not_done_comes_again_to_another(void **state)
{
    (void)state;
    struct world w;
    mock_world_open(&w, 1);
    for (const char *p = "a\0b\0c\0d\0"; *p; p += 2) {
        send_text(&w, w.name, p, 0);
    }
    struct queue_message a = receive(&w, w.a);
    struct queue_message b = receive(&w, w.a);
    struct queue_message c = receive(&w, w.a);
    ack(&w, w.a, &a);
    queue_close(&w.a);
    struct queue_message again = receive(&w, w.b);
    assert_string_equal(again.body, "b");
    queue_message_free(&b);
    queue_message_free(&c);
    ack(&w, w.b, &again);
    mock_world_close(&w);
}

static void
test_partition_that_moves_takes_its_messages_along(void **state)
{
    (void)state;
    enum { COUNT = 40 };
    struct world w;
    struct queue_message held[COUNT];
    struct err err = {0};
    size_t lost = 0;
    size_t again = 0;
    mock_world_open(&w, 4);
    for (int i = 0; i < COUNT; i++) {
        send_text(&w, w.name, "x", 0);
    }
    for (size_t i = 0; i < COUNT; i++) {
        held[i] = receive(&w, w.a);
    }
    int64_t until_ms = clock_boot_ms() + PATIENCE_MS;
    while (again == 0 && clock_boot_ms() < until_ms) {
        struct queue_message m;
        bool reset;
        ok(queue_extend(w.a, held, COUNT, NULL, &err), &err);
        ok(queue_receive(w.b, 1, 200, &m, &again, &reset, &err), &err);
        if (again > 0) {
            ack(&w, w.b, &m);
        }
    }
    assert_int_equal(again, 1);
    ok(queue_ack(w.a, held, COUNT, &lost, &err), &err);
    assert_in_range(lost, 1, COUNT - 1);
    for (size_t i = 0; i < COUNT; i++) {
        queue_message_free(&held[i]);
    }
    /* 'b' gets what 'a' lost, less the one it has acked, and nothing else. */
    for (size_t i = 1; i < lost; i++) {
        struct queue_message m = receive(&w, w.b);
        ack(&w, w.b, &m);
    }
    expect_none(&w, w.b, 1000);
    mock_world_close(&w);
}

static void
test_delayed_message_outlives_the_processes(void **state)
{
    (void)state;
    struct world w;
    struct world later;
    mock_world_open(&w, 1);
    int64_t from_ms = clock_boot_ms();
    send_text(&w, w.name, "tomorrow", 3000);
    expect_none(&w, w.a, 500);
    later = w;
    later.b = world_connect(&w, "later");
    mock_world_close(&w);
    struct queue_message m = receive(&later, later.b);
    assert_true(clock_boot_ms() - from_ms >= 2995);
    assert_string_equal(m.body, "tomorrow");
    ack(&later, later.b, &m);
    queue_close(&later.b);
}

/* --- what others put into our topics ------------------------------------- */

static void
test_message_of_a_stranger_has_the_brokers_time(void **state)
{
    (void)state;
    struct world w;
    int64_t wall_ms = clock_wall_ms();
    mock_world_open(&w, 1);
    mock_produce(w.name, "from upstream", 13);
    struct queue_message m = receive(&w, w.a);
    assert_string_equal(m.body, "from upstream");
    assert_in_range(m.sent_wall_ms, wall_ms - 2, clock_wall_ms() + 2);
    assert_int_equal(m.deliveries, 1);
    ack(&w, w.a, &m);
    mock_world_close(&w);
}

static void
test_message_without_a_body_is_received_empty(void **state)
{
    (void)state;
    struct world w;
    mock_world_open(&w, 1);
    mock_produce(w.name, NULL, 0);
    struct queue_message m = receive(&w, w.a);
    assert_int_equal(m.body_size, 0);
    assert_string_equal(m.body, "");
    ack(&w, w.a, &m);
    mock_world_close(&w);
}

static void
test_body_too_large_is_dead_lettered_unread(void **state)
{
    (void)state;
    struct world w;
    struct queue_message found[2] = {0};
    struct err err = {0};
    char next[QUEUE_HANDLE_SIZE];
    static char body[QUEUE_BODY_MAX_BYTES + 1];
    size_t count = 0;
    memset(body, 'x', sizeof(body));
    mock_world_open(&w, 1);
    mock_produce(w.name, body, sizeof(body));
    send_text(&w, w.name, "small", 0);
    struct queue_message m = receive(&w, w.a);
    assert_string_equal(m.body, "small");
    ack(&w, w.a, &m);
    int64_t until_ms = clock_boot_ms() + PATIENCE_MS;
    while (count == 0 && clock_boot_ms() < until_ms) {
        ok(queue_dead_peek(w.sender, w.name, "", 2, found, &count, next, &err),
           &err);
    }
    assert_int_equal(count, 1);
    assert_string_equal(found[0].reason, "body is too large");
    assert_int_equal(found[0].body_size, QUEUE_BODY_MAX_BYTES);
    queue_message_free(&found[0]);
    expect_none(&w, w.a, 500);
    mock_world_close(&w);
}

/* --- brokers that fail --------------------------------------------------- */

static void
test_broker_that_goes_is_an_error_and_that_returns_is_none(void **state)
{
    (void)state;
    struct world w;
    struct err err = {0};
    struct queue_letter letter = {.body = "b", .body_size = 1};
    mock_world_open(&w, 1);
    send_text(&w, w.name, "a", 0);
    struct queue_message m = receive(&w, w.a);
    rd_kafka_mock_broker_set_down(mock_cluster(), 1);
    err = receive_fails(w.a);
    assert_int_equal(err.kind, ERR_RETRY);
    assert_non_null(strstr(err.text, "kafka"));
    letter.queue = w.name;
    int64_t from_ms = clock_boot_ms();
    assert_int_equal(queue_send(w.a, &letter, 1, &err), -1);
    assert_in_range(clock_boot_ms() - from_ms, 0, w.lease_ms);
    assert_int_equal(err.kind, ERR_RETRY);
    assert_false(letter.sent);
    assert_int_equal(queue_release(w.a, &m, 1, 0, NULL, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY);
    queue_message_free(&m);
    rd_kafka_mock_broker_set_up(mock_cluster(), 1);
    int64_t until_ms = clock_boot_ms() + PATIENCE_MS;
    while (!letter.sent && clock_boot_ms() < until_ms) {
        queue_send(w.a, &letter, 1, &err);
    }
    assert_true(letter.sent);
    size_t got_a = 0;
    size_t got_b = 0;
    while ((got_a == 0 || got_b == 0) && clock_boot_ms() < until_ms) {
        size_t count = 0;
        bool reset;
        if (queue_receive(w.a, 1, 200, &m, &count, &reset, &err) == 0 &&
            count > 0) {
            got_a += m.body[0] == 'a';
            got_b += m.body[0] == 'b';
            ack(&w, w.a, &m);
        }
    }
    assert_true(got_a > 0 && got_b > 0);
    mock_world_close(&w);
}

static void
check_unreachable(const char *url)
{
    struct world w = {.url = url, .lease_ms = 3000};
    struct queue_letter letter = {
        .queue = "alex-x", .body = "x", .body_size = 1};
    struct queue_depth depth;
    struct err err = {0};
    snprintf(w.name, sizeof(w.name), "alex-x");
    w.a = world_connect(&w, "a");
    err = receive_fails(w.a);
    assert_int_equal(err.kind, ERR_RETRY);
    assert_null(strstr(err.text, "secret"));
    int64_t from_ms = clock_boot_ms();
    assert_int_equal(queue_send(w.a, &letter, 1, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY);
    assert_int_equal(queue_depth(w.a, "alex-x", &depth, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY);
    queue_close(&w.a);
    assert_in_range(clock_boot_ms() - from_ms, 0, 10000);
}

static void
test_unreachable_brokers_block_nothing_for_long(void **state)
{
    (void)state;
    char url[64];
    struct hole silent = hole_open();
    snprintf(url, sizeof(url), "kafka://127.0.0.1:%d", silent.port);
    check_unreachable(url);
    close(silent.fd);
    check_unreachable("kafka://127.0.0.1:1");
    check_unreachable("kafka://no.such.host.invalid:9092");
    check_unreachable("kafka://me:secret@127.0.0.1:1");
}

static void
test_passing_errors_of_the_broker_are_not_seen(void **state)
{
    (void)state;
    struct world w;
    mock_world_open(&w, 1);
    send_text(&w, w.name, "a", 0);
    struct queue_message m = receive(&w, w.a);
    ack(&w, w.a, &m);
    rd_kafka_mock_push_request_errors(
        mock_cluster(), KAFKA_PRODUCE, 2,
        RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS);
    send_text(&w, w.name, "b", 0);
    m = receive(&w, w.a);
    assert_string_equal(m.body, "b");
    ack(&w, w.a, &m);
    mock_world_close(&w);
}

static void
test_forbidden_topic_is_fatal(void **state)
{
    (void)state;
    struct world w;
    struct err err = {0};
    struct queue_letter letter = {.body = "x", .body_size = 1};
    mock_world_open(&w, 1);
    letter.queue = w.name;
    rd_kafka_mock_push_request_errors(
        mock_cluster(), KAFKA_PRODUCE, 1,
        RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    assert_int_equal(queue_send(w.sender, &letter, 1, &err), -1);
    assert_int_equal(err.kind, ERR_FATAL);
    assert_non_null(strstr(err.text, "uthoriz"));
    assert_false(letter.sent);
    mock_world_close(&w);
}

static void
test_commit_that_failed_is_made_up_for(void **state)
{
    (void)state;
    struct world w;
    mock_world_open(&w, 1);
    send_text(&w, w.name, "a", 0);
    struct queue_message m = receive(&w, w.a);
    rd_kafka_mock_push_request_errors(
        mock_cluster(), KAFKA_OFFSET_COMMIT, 2,
        RD_KAFKA_RESP_ERR_INVALID_COMMIT_OFFSET_SIZE,
        RD_KAFKA_RESP_ERR_INVALID_COMMIT_OFFSET_SIZE);
    ack(&w, w.a, &m);
    expect_none(&w, w.a, 1000);
    queue_close(&w.a);
    expect_none(&w, w.b, 3000);
    mock_world_close(&w);
}

static void
test_member_put_out_of_the_group_has_lost_what_it_held(void **state)
{
    (void)state;
    struct world w;
    struct err err = {0};
    size_t lost = 9;
    mock_world_open(&w, 1);
    send_text(&w, w.name, "a", 0);
    struct queue_message stale = receive(&w, w.a);
    rd_kafka_mock_push_request_errors(mock_cluster(), KAFKA_HEARTBEAT, 1,
                                      RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID);
    struct queue_message again = {0};
    int64_t until_ms = clock_boot_ms() + PATIENCE_MS;
    while (!again.body && clock_boot_ms() < until_ms) {
        size_t count;
        bool reset;
        ok(queue_extend(w.a, &stale, 1, NULL, &err), &err);
        ok(queue_receive(w.a, 1, 200, &again, &count, &reset, &err), &err);
    }
    assert_non_null(again.body);
    ok(queue_ack(w.a, &stale, 1, &lost, &err), &err);
    assert_int_equal(lost, 1);
    queue_message_free(&stale);
    ack(&w, w.a, &again);
    mock_world_close(&w);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_long_task_does_not_delay_its_neighbours),
    cmocka_unit_test(
        test_busy_process_gets_every_message_once_when_it_has_time),
    cmocka_unit_test(test_only_what_was_not_done_comes_again_to_another),
    cmocka_unit_test(test_partition_that_moves_takes_its_messages_along),
    cmocka_unit_test(test_delayed_message_outlives_the_processes),
    cmocka_unit_test(test_message_of_a_stranger_has_the_brokers_time),
    cmocka_unit_test(test_message_without_a_body_is_received_empty),
    cmocka_unit_test(test_body_too_large_is_dead_lettered_unread),
    cmocka_unit_test(
        test_broker_that_goes_is_an_error_and_that_returns_is_none),
    cmocka_unit_test(test_unreachable_brokers_block_nothing_for_long),
    cmocka_unit_test(test_passing_errors_of_the_broker_are_not_seen),
    cmocka_unit_test(test_forbidden_topic_is_fatal),
    cmocka_unit_test(test_commit_that_failed_is_made_up_for),
    cmocka_unit_test(test_member_put_out_of_the_group_has_lost_what_it_held),
};

int
main(void)
{
    mock_start();
    int failed =
        world_run("kafka faults", mock_url(), tests, ARRAY_COUNT(tests));
    mock_stop();
    return failed;
}
