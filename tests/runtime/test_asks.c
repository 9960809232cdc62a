/* Asks and the providers that need no network. */
#include "asking.h"

#include <utime.h>

#include "base/clock.h"

/* With one setting, or NULL. */
#define ASKS(name, setting)                                                    \
    _cleanup(asks_close) struct asks *name =                                   \
        asking_open((const char *const[]){(setting), NULL})
#define ANSWER(name) _cleanup(answer_free) struct answer name = {0}

static int
start(struct asks *asks, const char *kind, const char *request,
      struct answer *answer, struct err *err)
{
    const struct asks_request ask = {.kind = kind,
                                     .request = request,
                                     .request_size = strlen(request),
                                     .timeout_ms = 1000,
                                     .context = answer};

    return asks_start(asks, &ask, err);
}

static void
assert_start_refused(struct asks *asks, const char *kind, const char *request,
                     const char *text)
{
    struct err err = {0};
    ANSWER(answer);

    assert_int_equal(start(asks, kind, request, &answer, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    if (strstr(err.text, text) == NULL) {
        print_error("%s: %s\n", request, err.text);
        fail();
    }
    assert_int_equal(answer.count, 0);
}

static void
test_unknown_kind_is_rejected(void **state)
{
    (void)state;
    ASKS(asks, NULL);

    assert_start_refused(asks, "weather", "{}", "kind weather");
    assert_start_refused(asks, "delay", "{\"delay_ms\":1}", "kind delay");
}

static void
test_request_that_is_not_json_is_rejected(void **state)
{
    (void)state;
    ASKS(asks, NULL);

    assert_start_refused(asks, "prices", "{\"symbols\":[\"SPY\"", "prices");
}

static void
test_delayed_answer_comes_when_due_and_is_paid(void **state)
{
    (void)state;
    ASKS(asks, "ALEX_ASK_DELAY=on");
    ANSWER(late);
    ANSWER(soon);
    const int64_t start_ms = clock_boot_ms();

    asking_start(asks, "delay", "{\"delay_ms\":150,\"answer\":{\"a\":[1]}}",
                 5000, &late);
    asking_start(asks, "delay", "{\"delay_ms\":50}", 5000, &soon);
    asking_serve(asks, &soon, 2000);
    assert_int_equal(soon.count, 1);
    assert_string_equal(soon.text.data, "null");
    assert_int_equal(late.count, 0);
    assert_true(clock_boot_ms() - start_ms >= 50);
    asking_serve(asks, &late, 2000);
    assert_int_equal(late.count, 1);
    assert_true(clock_boot_ms() - start_ms >= 150);
    assert_string_equal(late.text.data, "{\"a\":[1]}");
    assert_true(late.paid);
    assert_int_equal(late.err.kind, ERR_NONE);
}

static void
test_ask_ends_at_its_time_out(void **state)
{
    (void)state;
    ASKS(asks, "ALEX_ASK_DELAY=on");
    ANSWER(answer);

    asking_start(asks, "delay", "{\"delay_ms\":60000}", 50, &answer);
    asking_serve(asks, &answer, 2000);
    assert_int_equal(answer.count, 1);
    assert_int_equal(answer.err.kind, ERR_RETRY);
    asking_serve(asks, &answer, 100);
    assert_int_equal(answer.count, 1);
}

static void
test_forgotten_ask_is_never_heard_of_again(void **state)
{
    (void)state;
    ASKS(asks, "ALEX_ASK_DELAY=on");
    ANSWER(dropped);
    ANSWER(kept);

    asking_start(asks, "delay", "{\"delay_ms\":20}", 5000, &dropped);
    asking_start(asks, "delay", "{\"delay_ms\":60}", 5000, &kept);
    asking_start(asks, "delay", "{\"delay_ms\":20}", 5000, &dropped);
    asks_forget(asks, &dropped);
    asking_serve(asks, &kept, 2000);
    assert_int_equal(kept.count, 1);
    assert_int_equal(dropped.count, 0);
}

static void
test_a_thousand_asks_are_answered_each_once(void **state)
{
    enum { COUNT = 1000 };
    static struct answer answers[COUNT];
    char request[64];

    (void)state;
    ASKS(asks, "ALEX_ASK_DELAY=on");
    for (int i = 0; i < COUNT; i++) {
        snprintf(request, sizeof(request), "{\"delay_ms\":%d,\"answer\":%d}",
                 i % 200, i);
        asking_start(asks, "delay", request, 5000, &answers[i]);
    }
    ANSWER(nobody);
    asking_serve(asks, &nobody, 400);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(answers[i].count, 1);
        assert_int_equal(atoi(answers[i].text.data), i);
        answer_free(&answers[i]);
    }
}

static void
test_answer_over_1_mib_is_refused_whatever_the_provider(void **state)
{
    _cleanup(buf_free) struct buf request = {0};

    (void)state;
    ASKS(asks, "ALEX_ASK_DELAY=on");
    ANSWER(answer);
    buf_puts(&request, "{\"delay_ms\":0,\"answer\":\"");
    memset(buf_reserve(&request, 1048575), 'x', 1048575);
    request.size += 1048575;
    buf_puts(&request, "\"}");
    asking_get(asks, "delay", request.data, &answer);
    assert_int_equal(answer.err.kind, ERR_REJECT);
    assert_non_null(strstr(answer.err.text, "1048577 bytes"));
}

static void
test_no_prices_is_a_free_answer_at_once(void **state)
{
    (void)state;
    ASKS(asks, NULL);
    ANSWER(answer);

    asking_start(asks, "prices", "{\"symbols\":[\"SPY\"]}", 5000, &answer);
    assert_int_equal(answer.count, 1);
    assert_false(answer.paid);
    assert_string_equal(answer.text.data,
                        "{\"source\":\"none\",\"as_of\":null,\"prices\":{}}");
}

static void
test_malformed_price_requests_are_rejected(void **state)
{
    static const struct {
        const char *request;
        const char *text;
    } rows[] = {
        {"{}", "symbols"},
        {"[]", "symbols"},
        {"7", "symbols"},
        {"{\"symbols\":[]}", "symbols: 0"},
        {"{\"symbols\":\"SPY\"}", "symbols"},
        {"{\"symbols\":[7]}", "symbols"},
        {"{\"symbols\":[\"\"]}", "1 to 20"},
        {"{\"symbols\":[\"ABCDEFGHIJKLMNOPQRSTU\"]}", "1 to 20"},
    };
    _cleanup(buf_free) struct buf many = {0};

    (void)state;
    ASKS(asks, NULL);
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        assert_start_refused(asks, "prices", rows[i].request, rows[i].text);
    }
    buf_puts(&many, "{\"symbols\":[");
    for (int i = 0; i < 1001; i++) {
        buf_printf(&many, "%s\"S%d\"", i > 0 ? "," : "", i);
    }
    buf_puts(&many, "]}");
    assert_start_refused(asks, "prices", many.data, "1001");
}

static char path[64];

static void
write_prices(const char *text, time_t changed)
{
    const struct utimbuf times = {changed, changed};
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(utime(path, &times), 0);
}

static void
test_file_prices_name_source_and_date_and_nothing_unknown(void **state)
{
    char setting[100];

    (void)state;
    write_prices("SPY,450.25,2026-11-20\nBND,72.5\nVTI,1\n", 1763640000);
    snprintf(setting, sizeof(setting), "ALEX_PRICES=file:%s", path);
    ASKS(asks, setting);
    ANSWER(answer);
    asking_get(asks, "prices",
               "{\"symbols\":[\"SPY\",\"NOPE\",\"BND\",\"SPY\"]}", &answer);
    assert_false(answer.paid);
    assert_string_equal(
        answer.text.data,
        "{\"source\":\"file\",\"as_of\":\"2025-11-20T12:00:00.000Z\","
        "\"prices\":{\"BND\":{\"price\":\"72.5000\"},"
        "\"SPY\":{\"price\":\"450.2500\",\"as_of\":\"2026-11-20\"}}}");
}

static void
test_file_is_read_again_when_it_changed_and_kept_when_it_broke(void **state)
{
    static const char request[] = "{\"symbols\":[\"SPY\"]}";
    char setting[100];

    (void)state;
    write_prices("SPY,1\n", 1763640000);
    snprintf(setting, sizeof(setting), "ALEX_PRICES=file:%s", path);
    ASKS(asks, setting);
    ANSWER(first);
    ANSWER(second);
    ANSWER(third);
    asking_get(asks, "prices", request, &first);
    assert_non_null(strstr(first.text.data, "\"1.0000\""));
    write_prices("SPY,2\n", 1763640001);
    asking_get(asks, "prices", request, &second);
    assert_non_null(strstr(second.text.data, "\"2.0000\""));
    write_prices("SPY,two\n", 1763640002);
    asking_get(asks, "prices", request, &third);
    assert_string_equal(third.text.data, second.text.data);
}

static void
test_bad_settings_are_configuration_errors(void **state)
{
    static const char *const rows[][4] = {
        {"ALEX_PRICES=magic", NULL, "ALEX_PRICES"},
        {"ALEX_PRICES=file:", NULL, "ALEX_PRICES"},
        {"ALEX_PRICES=nonesuch", NULL, "ALEX_PRICES"},
        {"ALEX_PRICES=file:/nonexistent", NULL, "/nonexistent"},
        {"ALEX_PRICES=polygon", NULL, "ALEX_POLYGON_KEY"},
        {"ALEX_POLYGON_PLAN=gold", NULL, "ALEX_POLYGON_PLAN"},
        {"ALEX_ASK_DELAY=maybe", NULL, "ALEX_ASK_DELAY"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        const struct err err = asking_refused(rows[i]);
        assert_int_equal(err.kind, ERR_FATAL);
        assert_int_equal(err.code, 78);
        if (strstr(err.text, rows[i][2]) == NULL) {
            print_error("%s: %s\n", rows[i][0], err.text);
            fail();
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unknown_kind_is_rejected),
        cmocka_unit_test(test_request_that_is_not_json_is_rejected),
        cmocka_unit_test(test_delayed_answer_comes_when_due_and_is_paid),
        cmocka_unit_test(test_ask_ends_at_its_time_out),
        cmocka_unit_test(test_forgotten_ask_is_never_heard_of_again),
        cmocka_unit_test(test_a_thousand_asks_are_answered_each_once),
        cmocka_unit_test(
            test_answer_over_1_mib_is_refused_whatever_the_provider),
        cmocka_unit_test(test_no_prices_is_a_free_answer_at_once),
        cmocka_unit_test(test_malformed_price_requests_are_rejected),
        cmocka_unit_test(
            test_file_prices_name_source_and_date_and_nothing_unknown),
        cmocka_unit_test(
            test_file_is_read_again_when_it_changed_and_kept_when_it_broke),
        cmocka_unit_test(test_bad_settings_are_configuration_errors),
    };

    snprintf(path, sizeof(path), "/tmp/alex-test-asks-%d", (int)getpid());
    const int failed = RUN_TESTS(tests);
    unlink(path);
    return failed;
}
