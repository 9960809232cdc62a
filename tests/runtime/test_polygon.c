/* Prices of polygon.io, from a server that plays it. */
#include "asking.h"

#include "http_stub.h"

/* What the stub says to each request, by the beginning of its path. */
struct script {
    const char *close;
    const char *market;
    const char *snapshot;
    int delay_ms;
};

#define OK(body) "HTTP/1.1 200 OK\r\n\r\n" body
/* 20:00 UTC on 2025-11-20. */
#define CLOSE                                                                  \
    OK("{\"ticker\":\"SPY\",\"resultsCount\":1,\"results\":[{\"T\":\"SPY\","   \
       "\"c\":1.5,\"t\":1763668800000}],\"status\":\"OK\"}")
#define MARKET                                                                 \
    OK("{\"results\":[{\"T\":\"BND\",\"c\":72.5,\"t\":1763668800000},"         \
       "{\"T\":\"ZERO\",\"c\":0,\"t\":1763668800000},{\"T\":\"NOCLOSE\"},"     \
       "{\"T\":\"A{}\\\"\",\"c\":1},"                                          \
       "{\"T\":\"SPY\",\"v\":1.2e+07,\"c\":671.93456,\"t\":1763668800000}]}")

static struct http_stub_reply
play(const char *request, void *context)
{
    const struct script *script = context;
    static const char not_found[] = "HTTP/1.1 404 Not Found\r\n\r\n";
    const char *bytes = not_found;

    if (strstr(request, "\r\nAuthorization: Bearer k3y\r\n") == NULL) {
        bytes = "HTTP/1.1 401 Unauthorized\r\n\r\n";
    } else if (strncmp(request, "GET /v2/aggs/ticker/SPY/prev?", 29) == 0) {
        bytes = script->close;
    } else if (strstr(request, "/v2/aggs/grouped/locale/us/market/stocks/"
                               "2025-11-20?adjusted=true ") != NULL) {
        bytes = script->market;
    } else if (strncmp(request,
                       "GET /v2/snapshot/locale/us/markets/stocks/"
                       "tickers?tickers=",
                       58) == 0) {
        bytes = script->snapshot;
    }
    return (struct http_stub_reply){.bytes = bytes != NULL ? bytes : not_found,
                                    .delay_ms = script->delay_ms};
}

static struct asks *
open_polygon(const struct http_stub *stub, const char *plan)
{
    char url[100];
    const char *const settings[] = {url, plan, "ALEX_PRICES=polygon",
                                    "ALEX_POLYGON_KEY=k3y", NULL};

    snprintf(url, sizeof(url), "ALEX_POLYGON_URL=%s/", http_stub_url(stub));
    return asking_open(settings);
}

#define STUB(name, ...)                                                        \
    struct script name##_script = __VA_ARGS__;                                 \
    _cleanup(http_stub_stop) struct http_stub *name =                          \
        http_stub_start(play, &name##_script)
#define FREE(name, stub)                                                       \
    _cleanup(asks_close) struct asks *name =                                   \
        open_polygon((stub), "ALEX_POLYGON_PLAN=free")
#define PAID(name, stub)                                                       \
    _cleanup(asks_close) struct asks *name =                                   \
        open_polygon((stub), "ALEX_POLYGON_PLAN=paid")
#define ANSWER(name) _cleanup(answer_free) struct answer name = {0}

static const char wanted[] =
    "{\"symbols\":[\"SPY\",\"BND\",\"ZERO\",\"NOCLOSE\",\"NOPE\"]}";

static void
test_free_plan_answers_with_the_markets_last_close(void **state)
{
    (void)state;
    STUB(stub, {.close = CLOSE, .market = MARKET});
    FREE(asks, stub);
    ANSWER(answer);

    asking_get(asks, "prices", wanted, &answer);
    assert_string_equal(answer.err.text, "");
    assert_string_equal(
        answer.text.data,
        "{\"source\":\"polygon\",\"as_of\":\"2025-11-20\",\"prices\":{"
        "\"BND\":{\"price\":\"72.5000\",\"as_of\":\"2025-11-20\"},"
        "\"SPY\":{\"price\":\"671.9346\",\"as_of\":\"2025-11-20\"}}}");
}

static void
test_free_plan_gets_the_market_once_a_day_for_everybody(void **state)
{
    (void)state;
    STUB(stub, {.close = CLOSE, .market = MARKET, .delay_ms = 50});
    FREE(asks, stub);
    ANSWER(first);
    ANSWER(second);
    ANSWER(third);

    asking_start(asks, "prices", wanted, 5000, &first);
    asking_start(asks, "prices", wanted, 5000, &second);
    asking_serve(asks, &first, 2000);
    assert_int_equal(first.count + second.count, 2);
    asking_get(asks, "prices", wanted, &third);
    assert_string_equal(first.text.data, third.text.data);
    assert_string_equal(second.text.data, third.text.data);
    assert_int_equal(http_stub_count(stub), 2);
}

static void
test_one_of_those_waiting_may_go(void **state)
{
    (void)state;
    STUB(stub, {.close = CLOSE, .market = MARKET, .delay_ms = 50});
    FREE(asks, stub);
    ANSWER(gone);
    ANSWER(stays);

    asking_start(asks, "prices", wanted, 5000, &stays);
    asking_start(asks, "prices", wanted, 5000, &gone);
    asks_forget(asks, &gone);
    asking_serve(asks, &stays, 2000);
    assert_int_equal(stays.count, 1);
    assert_int_equal(gone.count, 0);
}

static void
test_paid_plan_takes_the_minute_else_the_previous_close(void **state)
{
    (void)state;
    STUB(stub,
         {.snapshot = OK(
              "{\"tickers\":[{\"ticker\":\"SPY\",\"min\":{\"c\":672.5,"
              "\"t\":1763668800000},\"prevDay\":{\"c\":670}},"
              "{\"ticker\":\"BND\",\"min\":{\"c\":0},\"prevDay\":{\"c\":72.1}},"
              "{\"ticker\":\"ZERO\",\"min\":{\"c\":0},\"prevDay\":{\"c\":0}},"
              "{\"ticker\":\"NOCLOSE\"},{}]}")});
    PAID(asks, stub);
    ANSWER(answer);

    asking_get(asks, "prices", wanted, &answer);
    assert_true(answer.paid);
    assert_string_equal(answer.text.data,
                        "{\"source\":\"polygon\",\"as_of\":null,\"prices\":{"
                        "\"BND\":{\"price\":\"72.1000\"},"
                        "\"SPY\":{\"price\":\"672.5000\","
                        "\"as_of\":\"2025-11-20T20:00:00.000Z\"}}}");
    assert_non_null(strstr(http_stub_last(stub),
                           "?tickers=BND,NOCLOSE,NOPE,SPY,ZERO HTTP"));
}

static void
test_paid_plan_asks_for_many_symbols_in_parts(void **state)
{
    _cleanup(buf_free) struct buf request = {0};

    (void)state;
    STUB(stub, {.snapshot = OK("{\"tickers\":[]}")});
    PAID(asks, stub);
    ANSWER(answer);
    buf_puts(&request, "{\"symbols\":[");
    for (int i = 0; i < 600; i++) {
        buf_printf(&request, "%s\"S%d\"", i > 0 ? "," : "", i);
    }
    buf_puts(&request, "]}");
    asking_get(asks, "prices", request.data, &answer);
    assert_int_equal(answer.err.kind, ERR_NONE);
    assert_int_equal(http_stub_count(stub), 3);
}

static void
test_symbols_that_are_no_tickers_never_reach_the_url(void **state)
{
    (void)state;
    STUB(stub, {.snapshot = OK("{\"tickers\":[]}")});
    PAID(asks, stub);
    ANSWER(some);
    ANSWER(none);

    asking_get(asks, "prices", "{\"symbols\":[\"A&x=1\",\"BRK.B\",\"a b\"]}",
               &some);
    assert_non_null(strstr(http_stub_last(stub), "?tickers=BRK.B HTTP"));
    asking_get(asks, "prices", "{\"symbols\":[\"/../\"]}", &none);
    assert_int_equal(none.err.kind, ERR_NONE);
    assert_int_equal(http_stub_count(stub), 1);
}

static void
assert_failure(const char *close, enum err_kind kind, int code,
               const char *text)
{
    STUB(stub, {.close = close, .market = MARKET});
    FREE(asks, stub);
    ANSWER(answer);

    asking_get(asks, "prices", wanted, &answer);
    assert_int_equal(answer.err.kind, kind);
    assert_int_equal(answer.err.code, code);
    if (strstr(answer.err.text, text) == NULL) {
        print_error("%s\n", answer.err.text);
        fail();
    }
}

static void
test_each_failure_says_what_to_do(void **state)
{
    (void)state;
    assert_failure("HTTP/1.1 500 Oh\r\n\r\n", ERR_RETRY, 500, "HTTP 500");
    assert_failure("HTTP/1.1 403 No\r\n\r\n", ERR_REJECT, 403,
                   "ALEX_POLYGON_KEY");
    assert_failure("HTTP/1.1 404 No\r\n\r\n", ERR_REJECT, 404, "HTTP 404");
    assert_failure(OK("{\"status\":\"OK\"}"), ERR_RETRY, 0, "no results");
    assert_failure(OK("{\"results\":[]}"), ERR_RETRY, 0, "no price");
    assert_failure(OK("{\"results\":[{\"T\":\"SPY\",\"c\":1}]}"), ERR_RETRY, 0,
                   "no date");
    assert_failure(OK("{\"results\":[{\"T\":\"SPY\""), ERR_RETRY, 0,
                   "malformed");
    assert_failure(OK("{\"results\":[{\"T\":}]}"), ERR_RETRY, 0, "malformed");
    assert_failure(OK("{\"results\":[1,2]}"), ERR_RETRY, 0, "malformed");
}

static void
test_throttling_hands_on_when_to_come_back(void **state)
{
    (void)state;
    STUB(stub, {.close = "HTTP/1.1 429 Slow\r\nRetry-After: 42\r\n\r\n"});
    FREE(asks, stub);
    ANSWER(answer);

    asking_get(asks, "prices", wanted, &answer);
    assert_int_equal(answer.err.kind, ERR_RETRY);
    assert_int_equal(answer.err.code, 429);
    assert_int_equal(answer.err.after_ms, 42000);
}

static void
test_server_that_fails_on_is_left_alone(void **state)
{
    struct err err = {0};

    (void)state;
    STUB(stub, {.snapshot = "HTTP/1.1 503 Down\r\n\r\n"});
    PAID(asks, stub);
    for (int i = 0; i < 5; i++) {
        ANSWER(answer);
        asking_get(asks, "prices", wanted, &answer);
        assert_int_equal(answer.err.kind, ERR_RETRY);
    }
    ANSWER(sixth);
    const struct asks_request ask = {.kind = "prices",
                                     .request = wanted,
                                     .request_size = strlen(wanted),
                                     .timeout_ms = 1000,
                                     .context = &sixth};
    assert_int_equal(asks_start(asks, &ask, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY);
    assert_int_equal(err.code, 429);
    assert_in_range(err.after_ms, 29000, 30000);
    assert_int_equal(http_stub_count(stub), 5);
}

static void
test_key_is_in_no_error_and_not_left_in_the_environment(void **state)
{
    (void)state;
    STUB(stub, {.close = "HTTP/1.1 500 Oh\r\n\r\n"});
    FREE(asks, stub);
    ANSWER(answer);

    assert_null(getenv("ALEX_POLYGON_KEY"));
    asking_get(asks, "prices", wanted, &answer);
    assert_null(strstr(answer.err.text, "k3y"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_free_plan_answers_with_the_markets_last_close),
        cmocka_unit_test(
            test_free_plan_gets_the_market_once_a_day_for_everybody),
        cmocka_unit_test(test_one_of_those_waiting_may_go),
        cmocka_unit_test(
            test_paid_plan_takes_the_minute_else_the_previous_close),
        cmocka_unit_test(test_paid_plan_asks_for_many_symbols_in_parts),
        cmocka_unit_test(test_symbols_that_are_no_tickers_never_reach_the_url),
        cmocka_unit_test(test_each_failure_says_what_to_do),
        cmocka_unit_test(test_throttling_hands_on_when_to_come_back),
        cmocka_unit_test(test_server_that_fails_on_is_left_alone),
        cmocka_unit_test(
            test_key_is_in_no_error_and_not_left_in_the_environment),
    };

    return RUN_TESTS(tests);
}
