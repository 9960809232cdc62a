#include "test.h"

#include "base/clock.h"
#include "store/store.h"

static void
test_unknown_scheme_is_refused(void **state)
{
    (void)state;
    static const char *const urls[] = {
        "",     "postgres",           "mysql://s3cret@h/d",
        "://h", "postgresqlx://h/db", "host=h password=s3cret",
    };
    for (size_t i = 0; i < ARRAY_COUNT(urls); i++) {
        struct store *store = NULL;
        struct err err = {0};
        assert_int_equal(store_open(urls[i], "test", &store, &err), -1);
        assert_null(store);
        assert_int_equal(err.kind, ERR_FATAL);
        assert_int_equal(err.code, 78);
        assert_null(strstr(err.text, "s3cret"));
    }
}

static void
test_malformed_url_is_refused_without_telling_the_password(void **state)
{
    (void)state;
    static const char *const urls[] = {
        "postgres://me:s3cret%zz@h/d",
        "postgres://me:s3cret@h/d?no_such_option=1",
        "postgresql://me:s3cret@[::1/d",
        "postgres://me:s3cret@h/d?password=s3cret%",
    };
    for (size_t i = 0; i < ARRAY_COUNT(urls); i++) {
        struct store *store = NULL;
        struct err err = {0};
        assert_int_equal(store_open(urls[i], "test", &store, &err), -1);
        assert_null(store);
        assert_int_equal(err.kind, ERR_FATAL);
        assert_int_equal(err.code, 78);
        assert_null(strstr(err.text, "s3cret"));
    }
}

static struct store *
open_nowhere(void)
{
    struct store *store = NULL;
    struct err err = {0};
    /* Port 1 of the loopback: nobody listens. */
    assert_int_equal(store_open("postgresql://me:s3cret@127.0.0.1:1/alex",
                                "test", &store, &err),
                     0);
    return store;
}

static void
test_open_does_not_connect_and_a_refused_call_may_be_retried(void **state)
{
    (void)state;
    _cleanup(store_close) struct store *store = open_nowhere();
    _cleanup(store_reply_free) struct store_reply reply = {0};
    struct err err = {0};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(
            store_call(store, "claim", "{}", 2, 1000, &reply, &err), -1);
        assert_int_equal(err.kind, ERR_RETRY);
        assert_null(strstr(err.text, "s3cret"));
        assert_null(strchr(err.text, '\n'));
    }
}

static void
test_function_name_that_is_no_name_is_refused(void **state)
{
    (void)state;
    _cleanup(store_close) struct store *store = open_nowhere();
    static const char *const names[] = {
        "",
        "Claim",
        "claim()",
        "claim;drop",
        "pg.claim",
        "cl aim",
        "a1",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    };
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        struct store_reply reply;
        struct err err = {0};
        assert_int_equal(
            store_call(store, names[i], "{}", 2, 1000, &reply, &err), -1);
        assert_int_equal(err.kind, ERR_FATAL);
    }
}

static void
test_request_over_the_limit_is_rejected_unsent(void **state)
{
    (void)state;
    _cleanup(store_close) struct store *store = open_nowhere();
    struct store_reply reply;
    struct err err = {0};
    assert_int_equal(store_call(store, "claim", "{}",
                                STORE_REQUEST_MAX_BYTES + 1, 1000, &reply,
                                &err),
                     -1);
    assert_int_equal(err.kind, ERR_REJECT);
    char limit[24];
    snprintf(limit, sizeof(limit), "%u", STORE_REQUEST_MAX_BYTES);
    assert_non_null(strstr(err.text, limit));
}

static void
test_empty_reply_may_be_freed_twice(void **state)
{
    (void)state;
    struct store_reply reply = {0};
    store_reply_free(&reply);
    store_reply_free(&reply);
    assert_int_equal(reply.count, 0);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unknown_scheme_is_refused),
        cmocka_unit_test(
            test_malformed_url_is_refused_without_telling_the_password),
        cmocka_unit_test(
            test_open_does_not_connect_and_a_refused_call_may_be_retried),
        cmocka_unit_test(test_function_name_that_is_no_name_is_refused),
        cmocka_unit_test(test_request_over_the_limit_is_rejected_unsent),
        cmocka_unit_test(test_empty_reply_may_be_freed_twice),
    };
    return RUN_TESTS(tests);
}
