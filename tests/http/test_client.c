/* The HTTP client against a server that says exactly what it should not. */
#include "test.h"

#include <poll.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "http/client.h"
#include "http_stub.h"

struct outcome {
    int calls;
    int status;
    struct buf body;
    int64_t retry_after_ms;
    char first[8]; /* Of the header X-Name, and the one below. */
    char absent[8];
    struct err err;
};

static void
outcome_free(struct outcome *outcome)
{
    buf_free(&outcome->body);
}

static void
on_done(void *context, const struct http_reply *reply, const struct err *err)
{
    struct outcome *outcome = context;

    outcome->calls++;
    if (err != NULL) {
        assert_null(reply);
        outcome->err = *err;
        return;
    }
    outcome->status = reply->status;
    outcome->retry_after_ms = reply->retry_after_ms;
    http_reply_header(reply, "x-name", outcome->first, sizeof(outcome->first));
    http_reply_header(reply, "x-nam", outcome->absent, sizeof(outcome->absent));
    buf_append(&outcome->body, reply->body, reply->size);
}

static void
serve(struct http_client *client, const int *calls, int64_t ms)
{
    const int64_t end_ms = clock_boot_ms() + ms;
    const int before = *calls;
    struct err err = {0};

    while (*calls == before && clock_boot_ms() < end_ms) {
        assert_int_equal(http_client_run(client, &err), 0);
        struct pollfd fd = {.fd = http_client_poll_fd(client),
                            .events = POLLIN};
        const int64_t left_ms = end_ms - clock_boot_ms();
        if (*calls == before && left_ms > 0) {
            poll(&fd, 1, (int)left_ms);
        }
    }
}

/* One GET of 'url', to its end. */
static void
get_by(bool direct, const char *url, int64_t timeout_ms, size_t max_bytes,
       struct outcome *outcome)
{
    _cleanup(http_client_close) struct http_client *client = NULL;
    const struct http_request request = {.method = "GET",
                                         .url = url,
                                         .timeout_ms = timeout_ms,
                                         .max_bytes = max_bytes,
                                         .direct = direct};
    struct err err = {0};

    assert_int_equal(http_client_open(&client, &err), 0);
    assert_int_equal(
        http_client_start(client, &request, on_done, outcome, &err), 0);
    serve(client, &outcome->calls, 5000);
    assert_int_equal(outcome->calls, 1);
}

static void
get(const char *url, int64_t timeout_ms, size_t max_bytes,
    struct outcome *outcome)
{
    get_by(false, url, timeout_ms, max_bytes, outcome);
}

static struct http_stub_reply
say(const char *request, void *context)
{
    (void)request;
    return *(struct http_stub_reply *)context;
}

#define STUB(name, ...)                                                        \
    struct http_stub_reply name##_reply = __VA_ARGS__;                         \
    _cleanup(http_stub_stop) struct http_stub *name =                          \
        http_stub_start(say, &name##_reply)
#define OUTCOME(name) _cleanup(outcome_free) struct outcome name = {0}

static void
test_body_and_status_arrive(void **state)
{
    (void)state;
    STUB(stub, {.bytes = "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\n"
                         "hello"});
    OUTCOME(outcome);

    get(http_stub_url(stub), 5000, 5, &outcome);
    assert_int_equal(outcome.status, 404);
    assert_string_equal(outcome.body.data, "hello");
}

static void
test_empty_body_is_empty_text(void **state)
{
    (void)state;
    STUB(stub, {.bytes = "HTTP/1.1 204 No Content\r\n\r\n"});
    OUTCOME(outcome);

    get(http_stub_url(stub), 5000, 5, &outcome);
    assert_int_equal(outcome.status, 204);
    assert_int_equal(outcome.body.size, 0);
}

static void
test_request_carries_method_headers_and_body_and_no_expect(void **state)
{
    static const char *const headers[] = {"Content-Type: application/json",
                                          "Authorization: Bearer k"};
    _cleanup(cleanup_free) char *body = malloc(200001);
    _cleanup(http_client_close) struct http_client *client = NULL;
    struct err err = {0};

    (void)state;
    memset(body, 'x', 200000);
    body[200000] = '\0';
    STUB(stub, {.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"});
    OUTCOME(outcome);
    const struct http_request request = {.method = "PUT",
                                         .url = http_stub_url(stub),
                                         .headers = headers,
                                         .header_count = 2,
                                         .body = body,
                                         .body_size = 200000,
                                         .timeout_ms = 5000,
                                         .max_bytes = 10};
    assert_int_equal(http_client_open(&client, &err), 0);
    assert_int_equal(
        http_client_start(client, &request, on_done, &outcome, &err), 0);
    serve(client, &outcome.calls, 5000);
    assert_int_equal(outcome.status, 200);

    const char *sent = http_stub_last(stub);
    assert_memory_equal(sent, "PUT / HTTP/1.1\r\n", 16);
    assert_non_null(strstr(sent, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(sent, "\r\nAuthorization: Bearer k\r\n"));
    assert_null(strstr(sent, "Expect"));
    assert_string_equal(strstr(sent, "\r\n\r\n") + 4, body);
}

static void
test_reply_over_the_limit_is_rejected(void **state)
{
    (void)state;
    STUB(announced, {.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n"
                              "hello!"});
    STUB(chunked, {.bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
                            "\r\n6\r\nhello!\r\n0\r\n\r\n"});
    OUTCOME(first);
    OUTCOME(second);

    get(http_stub_url(announced), 5000, 5, &first);
    assert_int_equal(first.err.kind, ERR_REJECT);
    get(http_stub_url(chunked), 5000, 5, &second);
    assert_int_equal(second.err.kind, ERR_REJECT);
    assert_non_null(strstr(second.err.text, "over 5 bytes"));
}

static void
test_compressed_reply_is_bounded_unpacked(void **state)
{
    /* printf '%2000s' | gzip -9n: 2,000 spaces. */
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
                               "Content-Length: 35\r\n\r\n";
    static const unsigned char packed[] = {
        0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0x53, 0x50,
        0x18, 0x05, 0xa3, 0x60, 0x14, 0x8c, 0x82, 0x51, 0x30, 0x0a, 0x46, 0xc1,
        0x50, 0x07, 0x00, 0x2a, 0xca, 0x16, 0x55, 0xd0, 0x07, 0x00, 0x00};
    char bytes[sizeof(head) + sizeof(packed)];
    const size_t size = sizeof(head) - 1 + sizeof(packed);

    (void)state;
    memcpy(bytes, head, sizeof(head) - 1);
    memcpy(bytes + sizeof(head) - 1, packed, sizeof(packed));
    STUB(stub, {.bytes = bytes, .size = size});
    OUTCOME(fits);
    OUTCOME(over);

    get(http_stub_url(stub), 5000, 2000, &fits);
    assert_int_equal(fits.body.size, 2000);
    get(http_stub_url(stub), 5000, 1999, &over);
    assert_int_equal(over.err.kind, ERR_REJECT);
}

static void
test_endless_headers_are_refused(void **state)
{
    _cleanup(buf_free) struct buf text = {0};

    (void)state;
    buf_puts(&text, "HTTP/1.1 200 OK\r\n");
    while (text.size < 300000) {
        buf_puts(&text, "X-Padding: ........................................"
                        "...................................................");
        buf_puts(&text, "\r\n");
    }
    buf_puts(&text, "\r\n");
    STUB(stub, {.bytes = text.data});
    OUTCOME(outcome);

    get(http_stub_url(stub), 5000, 5, &outcome);
    assert_int_equal(outcome.err.kind, ERR_REJECT);
}

static void
test_redirect_is_not_followed(void **state)
{
    (void)state;
    STUB(stub, {.bytes = "HTTP/1.1 302 Found\r\nLocation: /other\r\n"
                         "Content-Length: 0\r\n\r\n"});
    OUTCOME(outcome);

    get(http_stub_url(stub), 5000, 5, &outcome);
    assert_int_equal(outcome.status, 302);
    assert_int_equal(http_stub_count(stub), 1);
}

static void
test_slow_reply_ends_at_the_time_out(void **state)
{
    (void)state;
    STUB(stub, {.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
                .delay_ms = 1500});
    OUTCOME(outcome);
    const int64_t start_ms = clock_boot_ms();

    get(http_stub_url(stub), 200, 5, &outcome);
    assert_in_range(clock_boot_ms() - start_ms, 150, 1200);
    assert_int_equal(outcome.err.kind, ERR_RETRY);
}

static void
test_cut_reply_and_no_server_are_worth_a_retry(void **state)
{
    char url[64];

    (void)state;
    OUTCOME(cut);
    OUTCOME(refused);
    {
        STUB(stub, {.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nx"});
        get(http_stub_url(stub), 5000, 200, &cut);
        snprintf(url, sizeof(url), "%s", http_stub_url(stub));
    }
    assert_int_equal(cut.err.kind, ERR_RETRY);
    get(url, 5000, 5, &refused);
    assert_int_equal(refused.err.kind, ERR_RETRY);
}

static void
test_retry_after_is_read(void **state)
{
    (void)state;
    STUB(stub, {.bytes = "HTTP/1.1 429 Slow\r\nRetry-After: 7\r\n"
                         "Content-Length: 0\r\n\r\n"});
    OUTCOME(outcome);

    get(http_stub_url(stub), 5000, 5, &outcome);
    assert_int_equal(outcome.status, 429);
    assert_int_equal(outcome.retry_after_ms, 7000);
}

static void
test_header_is_found_whatever_its_case_and_cut_at_the_room(void **state)
{
    (void)state;
    STUB(stub, {.bytes = "HTTP/1.1 200 x-name: no\r\nX-Name-2: b\r\n"
                         "X-NAME: \t12345678\r\nX-Name: c\r\n"
                         "Content-Length: 0\r\n\r\n"});
    OUTCOME(outcome);

    get(http_stub_url(stub), 5000, 5, &outcome);
    assert_string_equal(outcome.first, "1234567");
    assert_string_equal(outcome.absent, "");
}

static void
test_direct_request_passes_the_proxy_by(void **state)
{
    (void)state;
    STUB(stub, {.bytes = "HTTP/1.1 204 No\r\n\r\n"});
    OUTCOME(direct);
    OUTCOME(other);

    setenv("http_proxy", "http://127.0.0.1:1", 1);
    setenv("no_proxy", "", 1);
    get_by(true, http_stub_url(stub), 5000, 5, &direct);
    get_by(false, http_stub_url(stub), 5000, 5, &other);
    unsetenv("http_proxy");
    unsetenv("no_proxy");
    assert_int_equal(direct.status, 204);
    assert_int_equal(other.err.kind, ERR_RETRY);
}

static void
test_other_protocols_are_refused(void **state)
{
    (void)state;
    OUTCOME(outcome);

    get("file:///etc/passwd", 5000, 100000, &outcome);
    assert_int_equal(outcome.err.kind, ERR_REJECT);
}

static void
test_error_text_never_shows_what_a_url_hides(void **state)
{
    (void)state;
    OUTCOME(outcome);

    get("http://user:hunter2@127.0.0.1:1/p?key=s3cret", 5000, 10, &outcome);
    assert_non_null(strstr(outcome.err.text, "127.0.0.1:1"));
    assert_null(strstr(outcome.err.text, "hunter2"));
    assert_null(strstr(outcome.err.text, "s3cret"));
}

static void
test_forgotten_request_is_never_heard_of_again(void **state)
{
    _cleanup(http_client_close) struct http_client *client = NULL;
    struct err err = {0};
    int none = 0;

    (void)state;
    STUB(stub, {.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"});
    OUTCOME(outcome);
    const struct http_request request = {.method = "GET",
                                         .url = http_stub_url(stub),
                                         .timeout_ms = 1000,
                                         .max_bytes = 10};
    assert_int_equal(http_client_open(&client, &err), 0);
    assert_int_equal(
        http_client_start(client, &request, on_done, &outcome, &err), 0);
    http_client_forget(client, &outcome);
    serve(client, &none, 200);
    assert_int_equal(outcome.calls, 0);
}

static void
test_many_requests_are_under_way_at_once(void **state)
{
    enum { COUNT = 50 };
    static struct outcome outcomes[COUNT];
    _cleanup(http_client_close) struct http_client *client = NULL;
    struct err err = {0};
    int done = 0;

    (void)state;
    STUB(stub, {.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
                         "Connection: close\r\n\r\nok"});
    assert_int_equal(http_client_open(&client, &err), 0);
    for (int i = 0; i < COUNT; i++) {
        const struct http_request request = {.method = "GET",
                                             .url = http_stub_url(stub),
                                             .timeout_ms = 5000,
                                             .max_bytes = 10};
        assert_int_equal(
            http_client_start(client, &request, on_done, &outcomes[i], &err),
            0);
    }
    for (int round = 0; round < 1000 && done < COUNT; round++) {
        const int none = 0;
        serve(client, &none, 5);
        done = 0;
        for (int i = 0; i < COUNT; i++) {
            done += outcomes[i].calls;
        }
    }
    assert_int_equal(done, COUNT);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(outcomes[i].status, 200);
        outcome_free(&outcomes[i]);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_body_and_status_arrive),
        cmocka_unit_test(test_empty_body_is_empty_text),
        cmocka_unit_test(
            test_request_carries_method_headers_and_body_and_no_expect),
        cmocka_unit_test(test_reply_over_the_limit_is_rejected),
        cmocka_unit_test(test_compressed_reply_is_bounded_unpacked),
        cmocka_unit_test(test_endless_headers_are_refused),
        cmocka_unit_test(test_redirect_is_not_followed),
        cmocka_unit_test(test_slow_reply_ends_at_the_time_out),
        cmocka_unit_test(test_cut_reply_and_no_server_are_worth_a_retry),
        cmocka_unit_test(test_retry_after_is_read),
        cmocka_unit_test(
            test_header_is_found_whatever_its_case_and_cut_at_the_room),
        cmocka_unit_test(test_direct_request_passes_the_proxy_by),
        cmocka_unit_test(test_other_protocols_are_refused),
        cmocka_unit_test(test_error_text_never_shows_what_a_url_hides),
        cmocka_unit_test(test_forgotten_request_is_never_heard_of_again),
        cmocka_unit_test(test_many_requests_are_under_way_at_once),
    };

    return RUN_TESTS(tests);
}
