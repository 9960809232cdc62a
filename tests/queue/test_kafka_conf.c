#include "test.h"

#include "queue/kafka_conf.h"
#include "queue/queue.h"

struct good {
    const char *url;
    bool tls;
    const char *brokers;
    const char *user;     /* NULL: none. */
    const char *password; /* NULL: none. */
    const char *mechanism;
    const char *ca; /* NULL: none. */
};

static void
equal_or_both_null(const char *found, const char *expected)
{
    if (!expected) {
        assert_null(found);
    } else {
        assert_non_null(found);
        assert_string_equal(found, expected);
    }
}

static void
test_every_form_of_a_url_is_understood(void **state)
{
    (void)state;
    static const char safest[] = "SCRAM-SHA-512";
    static const struct good good[] = {
        {"kafka://h", false, "h", NULL, NULL, safest, NULL},
        {"kafka://h/", false, "h", NULL, NULL, safest, NULL},
        {"kafka://h:9092,i:9093", false, "h:9092,i:9093", NULL, NULL, safest,
         NULL},
        {"kafkas://b-1.x.example", true, "b-1.x.example", NULL, NULL, safest,
         NULL},
        {"kafka://[::1]:9092,[fe80::1]", false, "[::1]:9092,[fe80::1]", NULL,
         NULL, safest, NULL},
        {"kafkas://me:p%40%2f@h:1", true, "h:1", "me", "p@/", safest, NULL},
        {"kafkas://me:@h?sasl=PLAIN", true, "h", "me", "", "PLAIN", NULL},
        {"kafka://me:a@b@h/?sasl=SCRAM-SHA-256", false, "h", "me", "a@b",
         "SCRAM-SHA-256", NULL},
        {"kafkas://h/?ca=/a/b%20c.pem&sasl=PLAIN", true, "h", NULL, NULL,
         "PLAIN", "/a/b c.pem"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(good); i++) {
        _cleanup(kafka_address_free) struct kafka_address address = {0};
        struct err err = {0};
        if (kafka_address_parse(good[i].url, &address, &err)) {
            fail_msg("%s: %s", good[i].url, err.text);
        }
        assert_int_equal(address.tls, good[i].tls);
        assert_string_equal(address.brokers, good[i].brokers);
        assert_string_equal(address.mechanism, good[i].mechanism);
        equal_or_both_null(address.user, good[i].user);
        equal_or_both_null(address.password, good[i].password);
        equal_or_both_null(address.ca, good[i].ca);
    }
}

static void
test_malformed_url_is_refused_and_its_password_is_not_repeated(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "kafka://",
        "kafka://,",
        "kafka://h,",
        "kafka://h:",
        "kafka://h:65536",
        "kafka://h:9092x",
        "kafka://h i",
        "kafka://[::1",
        "kafka://secret@h",
        "kafka://:secret@h",
        "kafka://me:secret%4@h",
        "kafka://me:secret%00@h",
        "kafka://me:secret@",
        "kafka://me:secret@h/topic",
        "kafka://me:secret@h?sasl=GSSAPI",
        "kafka://me:secret@h?sasl=PLAINX",
        "kafka://me:secret@h?ca=",
        "kafka://me:secret@h?ca=a&ca=b",
        "kafka://me:secret@h?debug=all",
    };
    const struct queue_options options = {.consumer = "c"};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        struct queue *queue = NULL;
        struct err err = {0};
        if (queue_open(bad[i], &options, &queue, &err) == 0) {
            fail_msg("%s: accepted", bad[i]);
        }
        assert_int_equal(err.kind, ERR_FATAL);
        assert_int_equal(err.code, 78);
        assert_null(strstr(err.text, "secret"));
        assert_null(queue);
    }
}

static void
test_missing_file_of_certificates_is_fatal(void **state)
{
    (void)state;
    const struct queue_options options = {.consumer = "c"};
    struct queue_letter letter = {
        .queue = "alex-x", .body = "x", .body_size = 1};
    _cleanup(queue_close) struct queue *queue = NULL;
    struct err err = {0};
    assert_int_equal(queue_open("kafkas://127.0.0.1:9?ca=/no/such/file",
                                &options, &queue, &err),
                     0);
    assert_int_equal(queue_send(queue, &letter, 1, &err), -1);
    assert_int_equal(err.kind, ERR_FATAL);
    assert_int_equal(err.code, 78);
}

static void
test_close_returns_at_once_if_nothing_was_done(void **state)
{
    (void)state;
    const struct queue_options options = {
        .name = "alex-x", .consumer = "c", .lease_ms = 60000};
    struct queue *queue = NULL;
    struct err err = {0};
    assert_int_equal(
        queue_open("kafka://no.such.host.invalid:9092", &options, &queue, &err),
        0);
    assert_true(queue_acks_early(queue));
    queue_close(&queue);
    assert_null(queue);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_form_of_a_url_is_understood),
        cmocka_unit_test(
            test_malformed_url_is_refused_and_its_password_is_not_repeated),
        cmocka_unit_test(test_missing_file_of_certificates_is_fatal),
        cmocka_unit_test(test_close_returns_at_once_if_nothing_was_done),
    };
    return RUN_TESTS(tests);
}
