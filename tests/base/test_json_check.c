#include "test.h"

#include "base/json.h"

static const char *
check(const char *bytes, size_t size)
{
    static struct err err;

    /* A copy of exactly that size, so that reading past it is seen. */
    _cleanup(cleanup_free) char *copy = malloc(size > 0 ? size : 1);
    memcpy(copy, bytes, size);
    if (json_check(copy, size, &err) == 0) {
        return NULL;
    }
    assert_int_equal(err.kind, ERR_REJECT);
    return err.text;
}

static void
assert_accepted(const char *text)
{
    const char *error = check(text, strlen(text));

    if (error != NULL) {
        fail_msg("%s: %s", text, error);
    }
}

static void
assert_rejected_n(const char *bytes, size_t size, size_t at, const char *rule)
{
    char want[200];
    const char *error = check(bytes, size);

    snprintf(want, sizeof(want), "invalid JSON at byte %zu: %s", at, rule);
    if (error == NULL) {
        fail_msg("accepted: %s", bytes);
    } else {
        assert_string_equal(error, want);
    }
}

static void
assert_rejected(const char *text, size_t at, const char *rule)
{
    assert_rejected_n(text, strlen(text), at, rule);
}

/* 'prefix' 'count' times 'unit' 'suffix', malloc'd. */
static char *
repeat(const char *prefix, const char *unit, size_t count, const char *suffix)
{
    struct buf b = {0};

    buf_puts(&b, prefix);
    for (size_t i = 0; i < count; i++) {
        buf_puts(&b, unit);
    }
    buf_puts(&b, suffix);
    return buf_steal(&b);
}

static void
test_every_kind_of_value_is_accepted(void **state)
{
    (void)state;
    static const char *const good[] = {
        "null",
        "true",
        "false",
        "0",
        "-0",
        "12",
        "-1.5e+10",
        "0.0E-9",
        "\"\"",
        "[]",
        "{}",
        "[1,[2,{\"a\":[]}],\"x\"]",
        " \t\r\n{ \"a\" : 1 , \"b\" :2 } ",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD83D\\uDCB0\"",
        "\"\xc3\xa9\xf0\x9f\x92\xb0\x7f\"",
        "{\"a\":1,\"a\":2}",
        "{\"\":0}",
    };

    for (size_t i = 0; i < ARRAY_COUNT(good); i++) {
        assert_accepted(good[i]);
    }
}

static void
test_what_is_not_json_is_rejected_where_it_breaks(void **state)
{
    (void)state;
    assert_rejected("", 0, "ends where a value should be");
    assert_rejected("  ", 2, "ends where a value should be");
    assert_rejected("1 2", 2, "more after the value");
    assert_rejected("{}}", 2, "more after the value");
    assert_rejected("nul", 0, "not a JSON value");
    assert_rejected("nullx", 4, "more after the value");
    assert_rejected("True", 0, "not a JSON value");
    assert_rejected("NaN", 0, "not a JSON value");
    assert_rejected("-Infinity", 1, "not a JSON value");
    assert_rejected("'a'", 0, "not a JSON value");
    assert_rejected("[1,]", 3, "not a JSON value");
    assert_rejected("[1 2]", 3, "expected ',' or ']'");
    assert_rejected("[1", 2, "expected ',' or ']'");
    assert_rejected("{\"a\":1,}", 7, "expected a string");
    assert_rejected("{a:1}", 1, "expected a string");
    assert_rejected("{\"a\" 1}", 5, "expected ':'");
    assert_rejected("{\"a\":1", 6, "expected ',' or '}'");
    assert_rejected("/**/1", 0, "not a JSON value");
    assert_rejected("\xef\xbb\xbf{}", 0, "not a JSON value");
}

static void
test_number_grammar_is_the_rfcs(void **state)
{
    (void)state;
    assert_rejected("01", 2, "number with a leading zero");
    assert_rejected("-01", 3, "number with a leading zero");
    assert_rejected("+1", 0, "not a JSON value");
    assert_rejected(".5", 0, "not a JSON value");
    assert_rejected("1.", 2, "no digit after the decimal point");
    assert_rejected("1.e5", 2, "no digit after the decimal point");
    assert_rejected("1e", 2, "exponent without digits");
    assert_rejected("1e+", 3, "exponent without digits");
    assert_rejected("0x10", 1, "more after the value");
    assert_rejected("-", 1, "not a JSON value");
}

static void
test_numbers_the_database_cannot_hold_are_rejected(void **state)
{
    (void)state;
    static const char range[] = "number out of range (exponent over 1000)";

    assert_accepted("1e1000");
    assert_accepted("1E-1000");
    assert_rejected("1e1001", 2, range);
    assert_rejected("[1e-1001]", 4, range);
    assert_rejected("1e400000", 2, range);
    assert_rejected("1e00001", 2, range);
    assert_rejected("1e99999999999999999999", 2, range);

    _cleanup(cleanup_free) char *most = repeat("-1.", "9", 999, "e1000");
    _cleanup(cleanup_free) char *more = repeat("-1.", "9", 1000, "");
    assert_accepted(most);
    assert_rejected(more, 0, "number with more than 1000 digits");
}

static void
test_nul_is_rejected_raw_and_escaped(void **state)
{
    (void)state;
    static const char rule[] = "U+0000, which the database cannot hold";

    assert_rejected("\"\\u0000\"", 7, rule);
    assert_rejected("{\"a\\u0000\":1}", 9, rule);
    assert_rejected_n("\"a\0b\"", 5, 2, "raw control character in a string");
    assert_rejected_n("1\0", 2, 1, "more after the value");
    assert_rejected_n("\0", 1, 0, "not a JSON value");
}

static void
test_raw_control_characters_are_rejected(void **state)
{
    (void)state;
    for (unsigned c = 0; c < 0x20; c++) {
        char text[4] = {'"', (char)c, '"', 0};
        assert_rejected_n(text, 3, 1, "raw control character in a string");
    }
}

static void
test_unknown_escapes_are_rejected(void **state)
{
    (void)state;
    assert_rejected("\"\\x41\"", 2, "unknown escape");
    assert_rejected("\"\\\"", 3, "string without end");
    assert_rejected("\"\\", 2, "unknown escape");
    assert_rejected_n("\"\\\0\"", 4, 2, "unknown escape");
    assert_rejected("\"\\u12", 3, "\\u without four hex digits");
    assert_rejected("\"\\u12g4\"", 5, "\\u without four hex digits");
    assert_rejected("\"\\U1234\"", 2, "unknown escape");
}

static void
test_lone_surrogates_are_rejected(void **state)
{
    (void)state;
    static const char rule[] = "lone surrogate";

    assert_accepted("\"\\ud800\\udc00\\uDBFF\\uDFFF\"");
    assert_rejected("\"\\ud800\"", 7, rule);
    assert_rejected("\"\\udc00\"", 7, rule);
    assert_rejected("\"\\ud800\\ud800\"", 13, rule);
    assert_rejected("\"\\ud800\\u0041\"", 13, rule);
    assert_rejected("\"\\ud800\\n\"", 8, rule);
    assert_rejected("\"\\ud800\\ue000\"", 13, rule);
    assert_rejected("\"\\udbff x\"", 7, rule);
}

static void
test_invalid_utf8_is_rejected(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\"\xff\"",             /* Never a byte of UTF-8. */
        "\"\x80\"",             /* A tail without a head. */
        "\"\xc3\"",             /* A head without its tail. */
        "\"\xc0\xaf\"",         /* Overlong. */
        "\"\xe0\x80\xaf\"",     /* Overlong. */
        "\"\xf0\x80\x80\xaf\"", /* Overlong. */
        "\"\xed\xa0\x80\"",     /* A surrogate. */
        "\"\xf4\x90\x80\x80\"", /* Above U+10FFFF. */
        "\"\xe2\x82",           /* Cut short. */
    };

    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        assert_rejected(bad[i], 1, "invalid UTF-8");
    }
}

static void
test_depth_48_is_accepted_and_49_is_not(void **state)
{
    (void)state;
    static const char rule[] = "nested deeper than 48 levels";
    _cleanup(cleanup_free) char *arrays = repeat("", "[", 48, "");
    _cleanup(cleanup_free) char *whole = repeat(arrays, "]", 48, "");
    _cleanup(cleanup_free) char *deeper = repeat("", "[", 49, "]");
    _cleanup(cleanup_free) char *objects = repeat("", "{\"a\":", 49, "1");
    _cleanup(cleanup_free) char *wide = repeat("[", "[],", 1000, "1]");
    _cleanup(cleanup_free) char *endless = repeat("", "[", 1000000, "");

    assert_accepted(whole);
    assert_accepted(wide);
    assert_rejected(deeper, 48, rule);
    assert_rejected(objects, 48 * 5, rule);
    assert_rejected(endless, 48, rule);
}

static void
test_four_mebibytes_are_checked_to_the_end(void **state)
{
    (void)state;
    _cleanup(cleanup_free) char *good = repeat("\"", "abcdefgh", 1 << 19, "\"");
    _cleanup(cleanup_free) char *bad =
        repeat("\"", "abcdefgh", 1 << 19, "\x01");

    assert_accepted(good);
    assert_rejected(bad, (4 << 20) + 1, "raw control character in a string");
}

/* Cutting a document anywhere leaves no document. */
static void
test_no_proper_prefix_of_an_object_is_accepted(void **state)
{
    (void)state;
    static const char text[] =
        "{\"a\\n\\u00e9\":[1.5e3,-0,true,null,\"\\ud83d\\udcb0\"],\"b\":{}}";

    assert_accepted(text);
    for (size_t size = 0; size < strlen(text); size++) {
        assert_non_null(check(text, size));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_of_value_is_accepted),
        cmocka_unit_test(test_what_is_not_json_is_rejected_where_it_breaks),
        cmocka_unit_test(test_number_grammar_is_the_rfcs),
        cmocka_unit_test(test_numbers_the_database_cannot_hold_are_rejected),
        cmocka_unit_test(test_nul_is_rejected_raw_and_escaped),
        cmocka_unit_test(test_raw_control_characters_are_rejected),
        cmocka_unit_test(test_unknown_escapes_are_rejected),
        cmocka_unit_test(test_lone_surrogates_are_rejected),
        cmocka_unit_test(test_invalid_utf8_is_rejected),
        cmocka_unit_test(test_depth_48_is_accepted_and_49_is_not),
        cmocka_unit_test(test_four_mebibytes_are_checked_to_the_end),
        cmocka_unit_test(test_no_proper_prefix_of_an_object_is_accepted),
    };

    return RUN_TESTS(tests);
}
