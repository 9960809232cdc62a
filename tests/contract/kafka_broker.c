/* What the kafka: driver makes of a real broker that is restarted or wiped, and
 * of topics that are deleted or changed under it. */
#include "contract/queue_world.h"
#include "contract/servers.h"

#include <librdkafka/rdkafka.h>

#include "base/clock.h"

#define PATIENCE_MS 60000

static struct servers servers;

static rd_kafka_t *
connect_plainly(void)
{
    const char *brokers = strstr(servers.url, "://") + 3;
    char why[200];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", brokers, why, sizeof(why));
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
    assert_non_null(rk);
    return rk;
}

static void
delete_topic(const char *name)
{
    rd_kafka_t *rk = connect_plainly();
    rd_kafka_queue_t *results = rd_kafka_queue_new(rk);
    rd_kafka_DeleteTopic_t *topic = rd_kafka_DeleteTopic_new(name);
    rd_kafka_DeleteTopics(rk, &topic, 1, NULL, results);
    rd_kafka_event_t *event = rd_kafka_queue_poll(results, PATIENCE_MS);
    assert_non_null(event);
    assert_int_equal(rd_kafka_event_error(event), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_event_destroy(event);
    rd_kafka_DeleteTopic_destroy(topic);
    rd_kafka_queue_destroy(results);
    rd_kafka_destroy(rk);
}

/* One receive on 'a', come what may; true if it brought a message, which is
 * acked. */
static bool
receive(struct world *w, char body[16], bool *reset)
{
    struct queue_message m;
    size_t count = 0;
    bool now = false;
    struct err err = {0};
    if (queue_receive(w->a, 1, 200, &m, &count, &now, &err)) {
        assert_int_equal(err.kind, ERR_RETRY);
        usleep(100 * 1000);
        return false;
    }
    *reset |= now;
    if (count > 0) {
        snprintf(body, 16, "%s", m.body);
        ack(w, w->a, &m);
    }
    return count > 0;
}

/* Until one of 'bodies' after the other came, in any order. */
static void
expect_all(struct world *w, const char *const *bodies, size_t count)
{
    int64_t until_ms = clock_boot_ms() + PATIENCE_MS;
    size_t seen = 0;
    bool came[8] = {false};
    while (seen < count) {
        char body[16];
        bool reset = false;
        assert_true(clock_boot_ms() < until_ms);
        bool found = receive(w, body, &reset);
        for (size_t i = 0; found && i < count; i++) {
            bool first = !came[i] && strcmp(body, bodies[i]) == 0;
            came[i] |= first;
            seen += first;
        }
    }
}

static void
expect_body(struct world *w, const char *body)
{
    expect_all(w, &body, 1);
}

static void
expect_reset(struct world *w)
{
    int64_t until_ms = clock_boot_ms() + PATIENCE_MS;
    bool reset = false;
    while (!reset) {
        char ignored[16];
        assert_true(clock_boot_ms() < until_ms);
        receive(w, ignored, &reset);
    }
}

static void
send_until(struct world *w, const char *body)
{
    struct queue_letter letter = {
        .queue = w->name, .body = body, .body_size = strlen(body)};
    int64_t until_ms = clock_boot_ms() + PATIENCE_MS;
    struct err err = {0};
    while (queue_send(w->sender, &letter, 1, &err)) {
        assert_int_equal(err.kind, ERR_RETRY);
        assert_true(clock_boot_ms() < until_ms);
        usleep(100 * 1000);
    }
}

static void
test_topic_deleted_under_its_consumer_is_made_again_and_reported(void **state)
{
    struct world *w = *state;
    delete_topic(w->name);
    expect_reset(w);
    send_until(w, "after");
    expect_body(w, "after");
}

static void
test_topic_deleted_under_its_sender_is_made_again(void **state)
{
    struct world *w = *state;
    char other[sizeof(w->name)];
    snprintf(other, sizeof(other), "%.90s-b", w->name);
    world_create(w, other);
    send_text(w, other, "before", 0);
    delete_topic(other);
    snprintf(w->name, sizeof(w->name), "%s", other);
    send_until(w, "after");
    int64_t until_ms = clock_boot_ms() + PATIENCE_MS;
    while (depth(w, other).waiting != 1 && clock_boot_ms() < until_ms) {
        usleep(100 * 1000);
    }
    assert_int_equal(depth(w, other).waiting, 1);
}

static void
test_missing_topics_are_made_by_who_receives(void **state)
{
    struct world *w = *state;
    char id[UUID_SIZE];
    queue_close(&w->a);
    uuid_v4(id);
    snprintf(w->name, sizeof(w->name), "alex-made-%s", id);
    w->a = world_connect(w, "maker");
    expect_reset(w);
    send_text(w, w->name, "first", 0);
    expect_body(w, "first");
}

static void
test_restarted_broker_has_lost_nothing(void **state)
{
    struct world *w = *state;
    static const char *const all[] = {"before", "later", "after"};
    send_text(w, w->name, "a", 0);
    struct queue_message held = expect_one(w, w->a, PATIENCE_MS);
    send_text(w, w->name, "before", 0);
    send_text(w, w->name, "later", 5000);
    servers_run(&servers, "restart kafka");
    send_until(w, "after");
    expect_all(w, all, ARRAY_COUNT(all));
    queue_message_free(&held);
}

static void
test_wiped_broker_is_reported_and_the_queue_works_on(void **state)
{
    struct world *w = *state;
    servers_run(&servers, "wipe kafka");
    expect_reset(w);
    send_until(w, "after");
    expect_body(w, "after");
}

static void
test_create_adds_partitions_and_takes_none_away(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    struct queue_attributes attributes = {.partitions = 3};
    ok(queue_create(w->sender, w->name, &attributes, &err), &err);
    attributes.partitions = 2;
    ok(queue_create(w->sender, w->name, &attributes, &err), &err);
    enum { COUNT = 60 };
    for (int i = 0; i < COUNT; i++) {
        send_until(w, "x");
    }
    for (int i = 0; i < COUNT; i++) {
        expect_body(w, "x");
    }
}

static void
test_dead_letters_that_are_gone_are_deleted(void **state)
{
    struct world *w = *state;
    char topic[128];
    int64_t low = 0;
    int64_t high = 0;
    for (int i = 0; i < 2; i++) {
        struct err err = {0};
        send_text(w, w->name, "x", 0);
        struct queue_message m = expect_one(w, w->a, PATIENCE_MS);
        ok(queue_dead_letter(w->a, &m, "r", &err), &err);
        queue_message_free(&m);
    }
    for (const char *handle = "1\0"
                              "0\0";
         *handle; handle += 2) {
        struct err err = {0};
        ok(queue_dead_take(w->sender, w->name, handle, false, &err), &err);
    }
    rd_kafka_t *rk = connect_plainly();
    snprintf(topic, sizeof(topic), "%s-dlq", w->name);
    int64_t until_ms = clock_boot_ms() + PATIENCE_MS;
    while (low < 2 && clock_boot_ms() < until_ms) {
        rd_kafka_query_watermark_offsets(rk, topic, 0, &low, &high, 1000);
    }
    rd_kafka_destroy(rk);
    assert_true(low >= 2);
}

/* Some versions of the library abort in a consumer's first moments. */
static void
test_consumer_may_be_closed_at_any_moment(void **state)
{
    struct world *w = *state;
    for (int64_t wait_ms = 0; wait_ms < 800; wait_ms += 80) {
        char id[UUID_SIZE];
        uuid_v4(id);
        _cleanup(queue_close) struct queue *queue = world_connect(w, id);
        expect_none(w, queue, wait_ms);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, world_open, world_close)

static const struct CMUnitTest tests[] = {
    TEST(test_topic_deleted_under_its_consumer_is_made_again_and_reported),
    TEST(test_topic_deleted_under_its_sender_is_made_again),
    TEST(test_missing_topics_are_made_by_who_receives),
    TEST(test_dead_letters_that_are_gone_are_deleted),
    TEST(test_consumer_may_be_closed_at_any_moment),
    TEST(test_create_adds_partitions_and_takes_none_away),
    TEST(test_restarted_broker_has_lost_nothing),
    TEST(test_wiped_broker_is_reported_and_the_queue_works_on),
};

int
main(void)
{
    if (!servers_start(&servers, "kafka")) {
        return 77;
    }
    int failed =
        world_run("kafka broker", servers.url, tests, ARRAY_COUNT(tests));
    servers_stop(&servers);
    return failed;
}
