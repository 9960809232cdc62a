#include "test.h"

#include <math.h>

#include "base/json.h"

static struct json_object *
parse(const char *text)
{
    struct json_object *object = NULL;
    struct err err;

    if (json_parse(text, strlen(text), "test", &object, &err) != 0) {
        fail_msg("%s", err.text);
    }
    return object;
}

static void
test_parse_reads_scalars_at_the_top(void **state)
{
    (void)state;
    _cleanup(json_put) struct json_object *number = parse("-12");
    _cleanup(json_put) struct json_object *text = parse(" \"a\" ");
    _cleanup(json_put) struct json_object *flag = parse("true");

    assert_int_equal(json_object_get_int64(number), -12);
    assert_string_equal(json_object_get_string(text), "a");
    assert_true(json_object_get_boolean(flag));
    assert_null(parse("null"));
}

static void
test_parse_needs_no_terminator(void **state)
{
    (void)state;
    struct json_object *object = NULL;
    struct err err;
    char *bytes = malloc(2);

    memcpy(bytes, "17", 2);
    assert_int_equal(json_parse(bytes, 2, "n", &object, &err), 0);
    free(bytes);
    assert_int_equal(json_object_get_int64(object), 17);
    json_put(&object);
}

static void
test_parse_error_says_what_was_parsed_and_leaves_ret(void **state)
{
    (void)state;
    struct json_object *object = (struct json_object *)&object;
    struct err err;

    assert_int_equal(json_parse("{]", 2, "doorbell", &object, &err), -1);
    assert_string_equal(err.text,
                        "doorbell: invalid JSON at byte 1: expected a string");
    assert_int_equal(err.kind, ERR_REJECT);
    assert_ptr_equal(object, &object);
}

static void
test_parse_takes_the_depth_that_check_takes(void **state)
{
    (void)state;
    char text[2 * JSON_DEPTH_MAX + 1] = {0};

    memset(text, '[', JSON_DEPTH_MAX);
    memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
    _cleanup(json_put) struct json_object *object = parse(text);
    assert_true(json_object_is_type(object, json_type_array));
}

static void
test_parse_refuses_integers_it_would_clamp(void **state)
{
    (void)state;
    struct json_object *object = NULL;
    struct err err;
    static const char *const bad[] = {
        "[1,18446744073709551616]",
        "[1,-9223372036854775809]",
        "[1,123456789012345678901234567890]",
    };

    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        assert_int_equal(
            json_parse(bad[i], strlen(bad[i]), "price", &object, &err), -1);
        assert_string_equal(err.text,
                            "price: integer beyond 64 bits at byte 3");
        assert_int_equal(json_check(bad[i], strlen(bad[i]), &err), 0);
    }
    _cleanup(json_put) struct json_object *edges =
        parse("[18446744073709551615,-9223372036854775808,1e30,"
              "123456789012345678901234567890.0]");
    assert_int_equal(json_object_array_length(edges), 4);
}

static void
test_strings_are_bounded_and_typed(void **state)
{
    (void)state;
    _cleanup(json_put) struct json_object *o =
        parse("{\"a\":\"12345\",\"n\":1,\"z\":null}");
    const char *ret = "untouched";
    struct err err;

    assert_int_equal(json_string_required(o, "a", 4, &ret, &err), -1);
    assert_string_equal(err.text, "a: 5 bytes, limit 4");
    assert_int_equal(json_string_required(o, "n", 9, &ret, &err), -1);
    assert_string_equal(err.text, "n: expected a string, not int");
    assert_int_equal(json_string_required(o, "z", 9, &ret, &err), -1);
    assert_string_equal(err.text, "z: missing, expected a string");
    assert_int_equal(json_string(o, "n", 9, "f", &ret, &err), -1);
    assert_string_equal(ret, "untouched");

    assert_int_equal(json_string_required(o, "a", 5, &ret, &err), 0);
    assert_string_equal(ret, "12345");
    assert_int_equal(json_string(o, "z", 9, "f", &ret, &err), 0);
    assert_string_equal(ret, "f");
    assert_int_equal(json_string(o, "absent", 9, NULL, &ret, &err), 0);
    assert_null(ret);
}

static void
test_integers_are_bounded_and_exact(void **state)
{
    (void)state;
    _cleanup(json_put) struct json_object *o = parse(
        "{\"a\":7,\"d\":7.0,\"h\":7.5,\"s\":\"7\",\"u\":9223372036854775808,"
        "\"m\":9223372036854775807,\"e\":1e18}");
    int64_t ret = -99;
    struct err err;

    assert_int_equal(json_int_required(o, "a", 8, 9, &ret, &err), -1);
    assert_string_equal(err.text, "a: expected an integer from 8 to 9, not 7");
    assert_int_equal(json_int_required(o, "h", 0, 9, &ret, &err), -1);
    assert_int_equal(json_int_required(o, "s", 0, 9, &ret, &err), -1);
    assert_int_equal(json_int_required(o, "x", 0, 9, &ret, &err), -1);
    assert_int_equal(json_int_required(o, "u", 0, INT64_MAX, &ret, &err), -1);
    assert_int_equal(json_int_required(o, "e", 0, INT64_MAX, &ret, &err), -1);
    assert_int_equal(ret, -99);

    assert_int_equal(json_int_required(o, "a", 7, 7, &ret, &err), 0);
    assert_int_equal(ret, 7);
    assert_int_equal(json_int_required(o, "m", 0, INT64_MAX, &ret, &err), 0);
    assert_true(ret == INT64_MAX);
    assert_int_equal(json_int(o, "d", 0, 9, 1, &ret, &err), 0);
    assert_int_equal(ret, 7);
    assert_int_equal(json_int(o, "x", 0, 9, -1, &ret, &err), 0);
    assert_int_equal(ret, -1);
}

static void
test_numbers_may_come_as_decimal_text(void **state)
{
    (void)state;
    _cleanup(json_put) struct json_object *o =
        parse("{\"a\":\"450.2500\",\"b\":3,\"c\":-1.5e-3}");
    double ret = 0;
    struct err err;

    assert_int_equal(json_number_required(o, "a", 0, 1e6, &ret, &err), 0);
    assert_true(ret == 450.25);
    assert_int_equal(json_number_required(o, "b", 0, 1e6, &ret, &err), 0);
    assert_true(ret == 3);
    assert_int_equal(json_number(o, "c", -1, 0, 5, &ret, &err), 0);
    assert_true(ret == -0.0015);
    assert_int_equal(json_number(o, "x", -1, 0, 5, &ret, &err), 0);
    assert_true(ret == 5);
}

static void
test_what_only_looks_like_a_number_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\"\"",    "\"0x10\"", "\"inf\"",   "\"nan\"",  "\" 1\"",  "\"1 \"",
        "\"1,5\"", "\"$5\"",   "\"1e999\"", "1e999",    "\"--1\"", "true",
        "[]",      "\"1e\"",   "101",       "\"-0.1\"",
    };

    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        char text[64];
        snprintf(text, sizeof(text), "{\"a\":%s}", bad[i]);
        _cleanup(json_put) struct json_object *o = parse(text);
        double ret = 42;
        struct err err;
        if (json_number_required(o, "a", 0, 100, &ret, &err) == 0) {
            fail_msg("accepted %s", bad[i]);
        }
        assert_true(ret == 42);
        assert_int_equal(err.kind, ERR_REJECT);
    }
}

static void
test_members_are_typed_and_optional(void **state)
{
    (void)state;
    _cleanup(json_put) struct json_object *o =
        parse("{\"a\":[1],\"z\":null,\"t\":true,\"s\":\"true\"}");
    struct json_object *ret = o;
    struct err err;

    assert_int_equal(json_member(o, "a", json_type_object, &ret, &err), -1);
    assert_string_equal(err.text, "a: expected object, not array");
    assert_ptr_equal(ret, o);
    assert_int_equal(json_member(o, "a", json_type_array, &ret, &err), 0);
    assert_int_equal(json_object_array_length(ret), 1);
    assert_int_equal(json_member(o, "z", json_type_array, &ret, &err), 0);
    assert_null(ret);
    assert_true(json_flag(o, "t", false));
    assert_false(json_flag(o, "s", false));
    assert_true(json_flag(o, "z", true));
}

static void
test_fields_of_what_is_no_object_are_missing(void **state)
{
    (void)state;
    _cleanup(json_put) struct json_object *array = parse("[1]");
    const char *text;
    struct err err;

    assert_int_equal(json_string_required(array, "a", 9, &text, &err), -1);
    assert_int_equal(json_string_required(NULL, "a", 9, &text, &err), -1);
    assert_string_equal(err.text, "a: missing, expected a string");
}

static void
assert_canonical(const char *text, const char *want)
{
    _cleanup(json_put) struct json_object *object = parse(text);
    _cleanup(buf_free) struct buf out = {0};

    json_canonical(object, &out);
    assert_string_equal(out.data, want);
}

static void
test_equal_values_have_equal_canonical_text(void **state)
{
    (void)state;
    assert_canonical("{ \"b\":1, \"a\":[1.0, 1e0, 10e-1] }",
                     "{\"a\":[1,1,1],\"b\":1}");
    assert_canonical("{\"\\u00e9\":\"\\u0041\\/\",\"Z\":{}}",
                     "{\"Z\":{},\"\xc3\xa9\":\"A/\"}");
    assert_canonical("[-0, -0.0, 0.1, 0.10, 1e-7]", "[0,0,0.1,0.1,1e-07]");
    assert_canonical("{\"a\":1,\"a\":2}", "{\"a\":2}");
    assert_canonical("[true,false,null,\"\"]", "[true,false,null,\"\"]");
    assert_canonical("9007199254740993", "9007199254740993");
    assert_canonical("-9223372036854775808", "-9223372036854775808");
}

static void
test_canonical_text_of_huge_numbers_is_a_number(void **state)
{
    (void)state;
    assert_canonical("[1e999,-1e999]", "[1e999,-1e999]");
    assert_canonical("9223372036854775808", "9223372036854775808");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_reads_scalars_at_the_top),
        cmocka_unit_test(test_parse_needs_no_terminator),
        cmocka_unit_test(test_parse_error_says_what_was_parsed_and_leaves_ret),
        cmocka_unit_test(test_parse_takes_the_depth_that_check_takes),
        cmocka_unit_test(test_parse_refuses_integers_it_would_clamp),
        cmocka_unit_test(test_strings_are_bounded_and_typed),
        cmocka_unit_test(test_integers_are_bounded_and_exact),
        cmocka_unit_test(test_numbers_may_come_as_decimal_text),
        cmocka_unit_test(test_what_only_looks_like_a_number_is_refused),
        cmocka_unit_test(test_members_are_typed_and_optional),
        cmocka_unit_test(test_fields_of_what_is_no_object_are_missing),
        cmocka_unit_test(test_equal_values_have_equal_canonical_text),
        cmocka_unit_test(test_canonical_text_of_huge_numbers_is_a_number),
    };

    return RUN_TESTS(tests);
}
