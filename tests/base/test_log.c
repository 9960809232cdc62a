#include "test.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <sys/socket.h>

#include "base/json.h"
#include "base/log.h"

/* Standard error as a datagram socket: one write(2) is one datagram. */
static int capture[2];
static int real_stderr;

static int
start_capture(void **state)
{
    (void)state;
    real_stderr = dup(STDERR_FILENO);
    return socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, capture);
}

static void
redirect(bool on)
{
    dup2(on ? capture[1] : real_stderr, STDERR_FILENO);
}

/* The next line without its end, or "" if there is none. */
static const char *
next_line(void)
{
    static char line[65536];
    ssize_t size = recv(capture[0], line, sizeof(line) - 1, 0);

    if (size <= 0) {
        return "";
    }
    assert_int_equal(line[size - 1], '\n');
    line[size - 1] = '\0';
    assert_null(strchr(line, '\n'));
    return line;
}

static struct json_object *
next_object(void)
{
    struct json_object *object = NULL;
    struct err err;
    const char *line = next_line();

    if (json_parse(line, strlen(line), "line", &object, &err) != 0) {
        fail_msg("%s: %s", err.text, line);
    }
    return object;
}

static const char *
get(struct json_object *object, const char *key)
{
    struct json_object *value;

    if (!json_object_object_get_ex(object, key, &value)) {
        return "(absent)";
    }
    return json_object_get_string(value);
}

#define LOG(call)                                                              \
    do {                                                                       \
        redirect(true);                                                        \
        call;                                                                  \
        redirect(false);                                                       \
    } while (0)

static void
start(const char *format, const char *level)
{
    setenv("ALEX_LOG", format, 1);
    setenv("ALEX_LOG_LEVEL", level, 1);
    log_start("planner");
}

static void
test_a_line_is_one_write_of_one_json_object(void **state)
{
    (void)state;
    start("json", "info");
    LOG(log_info("task settled", "job=%s took_ms=%" PRId64 " share=%.2f", "j-1",
                 INT64_C(-12), 0.5));
    _cleanup(json_put) struct json_object *line = next_object();

    assert_string_equal(next_line(), "");
    assert_string_equal(get(line, "level"), "info");
    assert_string_equal(get(line, "service"), "planner");
    assert_string_equal(get(line, "message"), "task settled");
    assert_string_equal(get(line, "job"), "j-1");
    assert_string_equal(get(line, "took_ms"), "-12");
    assert_string_equal(get(line, "share"), "0.50");
    assert_int_equal(strlen(get(line, "time")), 24);

    struct json_object *number;
    json_object_object_get_ex(line, "took_ms", &number);
    assert_true(json_object_is_type(number, json_type_int));
}

static void
test_a_value_cannot_add_or_replace_a_field(void **state)
{
    (void)state;
    start("json", "info");
    LOG(log_info("m", "job=%s error=%s", "j",
                 "x level=error job=k\",\"a\":1\n"));
    _cleanup(json_put) struct json_object *line = next_object();

    assert_string_equal(get(line, "level"), "info");
    assert_string_equal(get(line, "job"), "j");
    assert_string_equal(get(line, "error"), "x level=error job=k\",\"a\":1\n");
    assert_int_equal(json_object_object_length(line), 6);
}

static void
test_the_last_value_may_contain_spaces(void **state)
{
    (void)state;
    start("json", "info");
    LOG(log_info("m", "n=%d error=cannot open %s: %s", 3, "a b", "no = yes"));
    _cleanup(json_put) struct json_object *line = next_object();

    assert_string_equal(get(line, "n"), "3");
    assert_string_equal(get(line, "error"), "cannot open a b: no = yes");
}

static void
test_text_that_looks_like_a_number_stays_text(void **state)
{
    (void)state;
    start("json", "info");
    LOG(log_info("m", "job=%s span=%dms rate=%f", "123", 7, NAN));
    _cleanup(json_put) struct json_object *line = next_object();
    struct json_object *value;

    json_object_object_get_ex(line, "job", &value);
    assert_true(json_object_is_type(value, json_type_string));
    assert_string_equal(get(line, "span"), "7ms");
    assert_string_equal(get(line, "rate"), "nan");
}

static void
test_a_line_that_is_too_long_is_cut_but_valid(void **state)
{
    (void)state;
    _cleanup(cleanup_free) char *text = malloc(20001);

    memset(text, 'x', 20000);
    text[20000] = '\0';
    start("json", "info");
    LOG(log_info("m", "a=%s b=%d", text, 5));
    _cleanup(json_put) struct json_object *line = next_object();
    assert_true(strlen(get(line, "a")) > 4000);
    assert_string_equal(get(line, "b"), "(absent)");
}

static void
test_invalid_utf8_does_not_break_the_line(void **state)
{
    (void)state;
    start("json", "info");
    LOG(log_info("m", "a=%s", "\xff\x01"));
    _cleanup(json_put) struct json_object *line = next_object();
    assert_string_equal(get(line, "a"), "\xef\xbf\xbd\x01");
}

static void
test_lines_below_the_level_are_not_written(void **state)
{
    (void)state;
    start("json", "warn");
    LOG(log_info("m", "a=%d", 1));
    assert_string_equal(next_line(), "");
    assert_false(log_enabled(LOG_INFO));
    assert_true(log_enabled(LOG_WARN));
    LOG(log_error("m", "a=%d", 1));
    assert_string_not_equal(next_line(), "");
}

static void
test_unknown_settings_mean_the_default(void **state)
{
    (void)state;
    start("yaml", "loud");
    assert_false(log_enabled(LOG_DEBUG));
    assert_true(log_enabled(LOG_INFO));
    LOG(log_info("m", "a=%d", 1));
    assert_int_equal(next_line()[0], '{');
}

static void
test_text_mode_reads_well_and_cannot_be_faked(void **state)
{
    (void)state;
    start("text", "debug");
    LOG(log_warn("slow call", "took_ms=%d url=%s", 9, "a\n\x1b[31mb"));
    const char *line = next_line();

    assert_string_equal(line + 12, " warn  slow call took_ms=9 url=a??[31mb");
    assert_int_equal(line[2], ':');
}

static void
test_errno_survives_logging(void **state)
{
    (void)state;
    start("json", "info");
    redirect(true);
    close(STDERR_FILENO);
    errno = ENOTTY;
    log_info("m", "a=%d", 1);
    int after = errno;
    redirect(false);
    assert_int_equal(after, ENOTTY);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_line_is_one_write_of_one_json_object),
        cmocka_unit_test(test_a_value_cannot_add_or_replace_a_field),
        cmocka_unit_test(test_the_last_value_may_contain_spaces),
        cmocka_unit_test(test_text_that_looks_like_a_number_stays_text),
        cmocka_unit_test(test_a_line_that_is_too_long_is_cut_but_valid),
        cmocka_unit_test(test_invalid_utf8_does_not_break_the_line),
        cmocka_unit_test(test_lines_below_the_level_are_not_written),
        cmocka_unit_test(test_unknown_settings_mean_the_default),
        cmocka_unit_test(test_text_mode_reads_well_and_cannot_be_faked),
        cmocka_unit_test(test_errno_survives_logging),
    };

    return cmocka_run_group_tests(tests, start_capture, NULL);
}
