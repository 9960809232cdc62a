/* When credentials are renewed, and who waits for it: a container's, whose
 * answers and whose time are the test's. */
#include "test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "aws/credentials.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "http_stub.h"

#define MINUTE_MS ((int64_t)60 * 1000)
#define HOUR_MS (60 * MINUTE_MS)
#define WAIT_MS 60000
#define THREADS 8

static _Atomic int64_t later_ms;

int64_t __real_clock_boot_ms(void);
int64_t __real_clock_wall_ms(void);
int64_t __wrap_clock_boot_ms(void);
int64_t __wrap_clock_wall_ms(void);

int64_t
__wrap_clock_boot_ms(void)
{
    return __real_clock_boot_ms() + later_ms;
}

int64_t
__wrap_clock_wall_ms(void)
{
    return __real_clock_wall_ms() + later_ms;
}

/* --- a container's endpoint ---------------------------------------------- */

struct endpoint {
    char text[600];
    _Atomic int count;
    atomic_bool fails;
    atomic_bool held;
    _Atomic int delay_ms;
};

/* The first key is K1, the second K2, ..., each for an hour. */
static struct http_stub_reply
answer(const char *request, void *context)
{
    struct endpoint *endpoint = context;
    char until[32];
    char body[300];
    int count = ++endpoint->count;
    (void)request;
    for (int i = 0; endpoint->held && i < WAIT_MS; i++) {
        usleep(1000);
    }
    clock_format_utc(clock_wall_ms() + HOUR_MS, until, sizeof(until));
    snprintf(body, sizeof(body),
             "{\"AccessKeyId\":\"K%d\",\"SecretAccessKey\":\"s\","
             "\"Token\":\"t\",\"Expiration\":\"%s\"}",
             count, until);
    snprintf(endpoint->text, sizeof(endpoint->text),
             "HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n"
             "%s",
             endpoint->fails ? "500 No" : "200 OK", strlen(body), body);
    return (struct http_stub_reply){.bytes = endpoint->text,
                                    .delay_ms = endpoint->delay_ms};
}

static void
get(struct credentials *ret)
{
    struct err err = {0};
    if (credentials_get(clock_boot_ms() + WAIT_MS, ret, &err) != 0) {
        fail_msg("%s", err.text);
    }
}

static void
assert_key(const char *expected)
{
    _cleanup(credentials_free) struct credentials got = {0};
    get(&got);
    assert_string_equal(got.access_key, expected);
}

static struct http_stub *
start(struct endpoint *endpoint)
{
    struct http_stub *stub = http_stub_start(answer, endpoint);
    unsetenv("AWS_ACCESS_KEY_ID");
    unsetenv("AWS_SECRET_ACCESS_KEY");
    unsetenv("AWS_WEB_IDENTITY_TOKEN_FILE");
    unsetenv("AWS_PROFILE");
    unsetenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    setenv("HOME", "/nonexistent", 1);
    setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials", 1);
    setenv("AWS_CONFIG_FILE", "/nonexistent/config", 1);
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", http_stub_url(stub), 1);
    later_ms += 2 * HOUR_MS; /* What an earlier test got has expired. */
    return stub;
}

/* --- others who want some ------------------------------------------------ */

struct asker {
    pthread_t thread;
    struct credentials got;
};

static void *
ask(void *context)
{
    struct asker *asker = context;
    get(&asker->got);
    return NULL;
}

static void
asker_start(struct asker *asker)
{
    assert_int_equal(pthread_create(&asker->thread, NULL, ask, asker), 0);
}

static void
asker_expect(struct asker *asker, const char *expected)
{
    assert_int_equal(pthread_join(asker->thread, NULL), 0);
    assert_string_equal(asker->got.access_key, expected);
    credentials_free(&asker->got);
}

static void
wait_for(struct endpoint *endpoint, int count)
{
    for (int i = 0; endpoint->count < count && i < WAIT_MS; i++) {
        usleep(1000);
    }
    assert_int_equal(endpoint->count, count);
}

/* --- tests --------------------------------------------------------------- */

static void
test_many_threads_cause_one_load(void **state)
{
    struct endpoint endpoint = {.delay_ms = 300};
    struct asker askers[THREADS] = {0};
    _cleanup(http_stub_stop) struct http_stub *stub = start(&endpoint);
    (void)state;
    (void)stub;
    for (size_t i = 0; i < THREADS; i++) {
        asker_start(&askers[i]);
    }
    for (size_t i = 0; i < THREADS; i++) {
        asker_expect(&askers[i], "K1");
    }
    assert_int_equal(endpoint.count, 1);
}

static void
test_renewed_from_15_minutes_before_the_end_and_not_earlier(void **state)
{
    struct endpoint endpoint = {0};
    _cleanup(http_stub_stop) struct http_stub *stub = start(&endpoint);
    (void)state;
    (void)stub;
    assert_key("K1");
    later_ms += 44 * MINUTE_MS;
    assert_key("K1");
    later_ms += 2 * MINUTE_MS;
    assert_key("K2");
    assert_int_equal(endpoint.count, 2);
}

static void
test_until_10_minutes_before_nobody_else_waits(void **state)
{
    struct endpoint endpoint = {0};
    struct asker first = {0};
    _cleanup(http_stub_stop) struct http_stub *stub = start(&endpoint);
    (void)state;
    (void)stub;
    assert_key("K1");
    later_ms += 46 * MINUTE_MS;
    endpoint.held = true;
    asker_start(&first);
    wait_for(&endpoint, 2);
    assert_key("K1");
    endpoint.held = false;
    assert_int_equal(pthread_join(first.thread, NULL), 0);
    credentials_free(&first.got);
}

static void
test_from_10_minutes_before_all_wait(void **state)
{
    struct endpoint endpoint = {0};
    struct asker first = {0};
    _cleanup(http_stub_stop) struct http_stub *stub = start(&endpoint);
    (void)state;
    (void)stub;
    assert_key("K1");
    later_ms += 51 * MINUTE_MS;
    endpoint.delay_ms = 500;
    asker_start(&first);
    wait_for(&endpoint, 2);
    assert_key("K2");
    asker_expect(&first, "K2");
    assert_int_equal(endpoint.count, 2);
}

static void
test_a_failing_source_is_gone_without_until_the_end(void **state)
{
    struct endpoint endpoint = {0};
    struct err err = {0};
    struct credentials none = {0};
    _cleanup(http_stub_stop) struct http_stub *stub = start(&endpoint);
    (void)state;
    (void)stub;
    assert_key("K1");
    endpoint.fails = true;
    later_ms += 51 * MINUTE_MS;
    assert_key("K1");
    assert_int_equal(endpoint.count, 4); /* Three tries. */
    assert_key("K1");
    assert_int_equal(endpoint.count, 4); /* Not at each call. */
    later_ms += 2 * MINUTE_MS;
    assert_key("K1");
    assert_int_equal(endpoint.count, 7);
    later_ms += 10 * MINUTE_MS;
    assert_int_equal(credentials_get(clock_boot_ms() + WAIT_MS, &none, &err),
                     -1);
    assert_int_equal(err.kind, ERR_RETRY);
    assert_null(none.access_key);
    endpoint.fails = false;
    assert_key("K11");
}

static void
test_of_those_refused_only_the_current_are_renewed(void **state)
{
    struct endpoint endpoint = {0};
    struct err err;
    _cleanup(credentials_free) struct credentials old = {0};
    _cleanup(http_stub_stop) struct http_stub *stub = start(&endpoint);
    (void)state;
    (void)stub;
    get(&old);
    for (int i = 0; i < 2; i++) { /* Two threads were refused with K1. */
        assert_int_equal(
            credentials_renew(&old, clock_boot_ms() + WAIT_MS, &err), 0);
    }
    assert_key("K2");
    assert_int_equal(endpoint.count, 2);
}

static void
test_a_wait_ends_at_the_deadline(void **state)
{
    struct endpoint endpoint = {.delay_ms = 1500};
    struct credentials none = {0};
    struct err err = {0};
    _cleanup(http_stub_stop) struct http_stub *stub = start(&endpoint);
    (void)state;
    (void)stub;
    assert_int_equal(credentials_get(clock_boot_ms() + 100, &none, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY);
    endpoint.delay_ms = 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_threads_cause_one_load),
        cmocka_unit_test(
            test_renewed_from_15_minutes_before_the_end_and_not_earlier),
        cmocka_unit_test(test_until_10_minutes_before_nobody_else_waits),
        cmocka_unit_test(test_from_10_minutes_before_all_wait),
        cmocka_unit_test(test_a_failing_source_is_gone_without_until_the_end),
        cmocka_unit_test(test_of_those_refused_only_the_current_are_renewed),
        cmocka_unit_test(test_a_wait_ends_at_the_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
