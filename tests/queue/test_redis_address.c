#include "test.h"

#include "queue/queue.h"
#include "queue/redis_address.h"

struct good {
    const char *url;
    bool tls;
    const char *host;
    const char *port;
    const char *user;     /* NULL: none. */
    const char *password; /* NULL: none. */
    const char *database;
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
    static const struct good good[] = {
        {"redis://h", false, "h", "6379", NULL, NULL, "0"},
        {"redis://h/", false, "h", "6379", NULL, NULL, "0"},
        {"redis://h:7000/15", false, "h", "7000", NULL, NULL, "15"},
        {"rediss://h.example.com", true, "h.example.com", "6379", NULL, NULL,
         "0"},
        {"redis://:pw@h", false, "h", "6379", NULL, "pw", "0"},
        {"redis://me:pw@h:1/2", false, "h", "1", "me", "pw", "2"},
        {"redis://me:@h", false, "h", "6379", "me", "", "0"},
        {"redis://me:p%40%2f%3A%25@h", false, "h", "6379", "me", "p@/:%", "0"},
        {"redis://me:a@b@h", false, "h", "6379", "me", "a@b", "0"},
        {"redis://[::1]:6380/0", false, "::1", "6380", NULL, NULL, "0"},
        {"redis://me:pw@[fe80::1]", false, "fe80::1", "6379", "me", "pw", "0"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(good); i++) {
        _cleanup(redis_address_free) struct redis_address address = {0};
        struct err err = {0};
        if (redis_address_parse(good[i].url, &address, &err)) {
            fail_msg("%s: %s", good[i].url, err.text);
        }
        assert_int_equal(address.tls, good[i].tls);
        assert_string_equal(address.host, good[i].host);
        assert_string_equal(address.port, good[i].port);
        assert_string_equal(address.database, good[i].database);
        equal_or_both_null(address.user, good[i].user);
        equal_or_both_null(address.password, good[i].password);
    }
}

static void
test_malformed_url_is_refused_without_telling_the_password(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "redis://",
        "redis://:s3cret@",
        "redis://:s3cret@/0",
        "redis://:s3cret@h:",
        "redis://:s3cret@h:123456",
        "redis://:s3cret@h:65536",
        "redis://:s3cret@h:x",
        "redis://:s3cret@h:1x",
        "redis://:s3cret@h/x",
        "redis://:s3cret@h/1/2",
        "redis://:s3cret@h/12345",
        "redis://:s3cret@h/0?timeout=1",
        "redis://s3cret@h",
        "redis://:s3cret%@h",
        "redis://:s3cret%4@h",
        "redis://:s3cret%zz@h",
        "redis://:s3cret%00x@h",
        "redis://:s3cret@[::1",
        "redis://:s3cret@[]:1",
        "redis://:s3cret@[::1]x",
    };
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        struct redis_address address = {0};
        struct err err = {0};
        if (redis_address_parse(bad[i], &address, &err) == 0) {
            fail_msg("accepted: %s", bad[i]);
        }
        assert_int_equal(err.kind, ERR_FATAL);
        assert_int_equal(err.code, 78);
        assert_null(strstr(err.text, "s3cret"));
        assert_null(address.host);
    }
}

static void
test_open_refuses_other_schemes_and_bad_names(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        const char *name;
        const char *names;
    } bad[] = {
        {"amqp://h", "alex-x", "scheme"}, {"redis", "alex-x", "scheme"},
        {"", "alex-x", "scheme"},         {"redisx://h", "alex-x", "scheme"},
        {"redis://h", "", "name"},        {"redis://h", "Alex", "name"},
        {"redis://h", "a}b", "name"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        struct queue *queue = NULL;
        struct err err = {0};
        const struct queue_options options = {
            .name = bad[i].name, .consumer = "c", .lease_ms = 1000};
        assert_int_equal(queue_open(bad[i].url, &options, &queue, &err), -1);
        assert_null(queue);
        assert_int_equal(err.kind, ERR_FATAL);
        assert_int_equal(err.code, 78);
        assert_non_null(strstr(err.text, bad[i].names));
    }
}

static void
test_open_does_not_connect(void **state)
{
    (void)state;
    _cleanup(queue_close) struct queue *queue = NULL;
    struct err err = {0};
    const struct queue_options options = {
        .name = "alex-x", .consumer = "c", .lease_ms = 1000};
    assert_int_equal(
        queue_open("redis://no-such-host.invalid:1", &options, &queue, &err),
        0);
    assert_non_null(queue);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_form_of_a_url_is_understood),
        cmocka_unit_test(
            test_malformed_url_is_refused_without_telling_the_password),
        cmocka_unit_test(test_open_refuses_other_schemes_and_bad_names),
        cmocka_unit_test(test_open_does_not_connect),
    };
    return RUN_TESTS(tests);
}
