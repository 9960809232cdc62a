#include "test.h"

#include "base/json.h"

static int
validate(const char *schema_text, const char *value_text, struct err *err)
{
    _cleanup(json_put) struct json_object *schema = NULL;
    _cleanup(json_put) struct json_object *value = NULL;

    if (json_parse(schema_text, strlen(schema_text), "schema", &schema, err) ||
        json_parse(value_text, strlen(value_text), "value", &value, err)) {
        fail_msg("%s", err->text);
    }
    return json_validate(schema, value, err);
}

static void
assert_fits(const char *schema, const char *value)
{
    struct err err;

    if (validate(schema, value, &err) != 0) {
        fail_msg("%s does not fit %s: %s", value, schema, err.text);
    }
}

static void
assert_rejected(const char *schema, const char *value, const char *text)
{
    struct err err;

    if (validate(schema, value, &err) == 0) {
        fail_msg("%s fits %s", value, schema);
    }
    assert_int_equal(err.kind, ERR_REJECT);
    assert_string_equal(err.text, text);
}

static void
assert_broken(const char *schema, const char *value, const char *text)
{
    struct err err;

    assert_int_equal(validate(schema, value, &err), -1);
    assert_int_equal(err.kind, ERR_FATAL);
    assert_string_equal(err.text, text);
}

static void
test_an_error_names_the_path(void **state)
{
    (void)state;
    assert_rejected("{\"properties\":{\"charts\":{\"items\":{\"properties\":"
                    "{\"data\":{\"items\":{\"required\":[\"value\"]}}}}}}}",
                    "{\"charts\":[{\"data\":[{\"value\":1},{}]}]}",
                    "/charts/0/data/1: 'value' is missing");
    assert_rejected("{\"type\":[\"string\",\"null\"]}", "1",
                    "/: expected [ \"string\", \"null\" ], not int");
}

static void
test_limits_are_inclusive(void **state)
{
    (void)state;
    assert_fits("{\"minimum\":-1,\"maximum\":1}", "1");
    assert_fits("{\"minimum\":-1,\"maximum\":1}", "-1.0");
    assert_rejected("{\"minimum\":-1}", "-1.01",
                    "/: -1.01, must be at least -1");
    assert_rejected("{\"maximum\":1}", "2", "/: 2, must be at most 1");
    assert_fits("{\"minItems\":2,\"maxItems\":2}", "[1,2]");
    assert_rejected("{\"minItems\":2}", "[1]", "/: size 1, must be at least 2");
    assert_rejected("{\"maxProperties\":1}", "{\"a\":1,\"b\":2}",
                    "/: size 2, must be at most 1");
    assert_rejected("{\"minProperties\":1}", "{}",
                    "/: size 0, must be at least 1");
}

static void
test_length_counts_characters(void **state)
{
    (void)state;
    assert_fits("{\"minLength\":2,\"maxLength\":2}",
                "\"\xe2\x82\xac\\ud83d\\udcb0\"");
    assert_rejected("{\"maxLength\":1}", "\"\\u00e9x\"",
                    "/: size 2, must be at most 1");
}

static void
test_a_rule_says_nothing_about_other_types(void **state)
{
    (void)state;
    assert_fits("{\"minimum\":5,\"minLength\":5,\"minItems\":5,"
                "\"minProperties\":5,\"required\":[\"a\"],\"pattern\":\"x\"}",
                "null");
    assert_fits("{\"minLength\":5,\"items\":false}", "1");
}

static void
test_one_and_one_point_zero_are_the_same_number(void **state)
{
    (void)state;
    assert_fits("{\"const\":1}", "1.0");
    assert_fits("{\"enum\":[{\"a\":[2]}]}", "{\"a\":[2.0]}");
    assert_fits("{\"type\":\"integer\"}", "3.0");
    assert_rejected("{\"type\":\"integer\"}", "3.5",
                    "/: expected integer, not double");
    assert_rejected("{\"const\":1}", "true", "/: must be 1");
    assert_rejected("{\"enum\":[\"a\",null]}", "\"b\"",
                    "/: must be one of [ \"a\", null ]");
}

static void
test_unlisted_members_are_refused_or_checked(void **state)
{
    (void)state;
    static const char schema[] =
        "{\"properties\":{\"a\":true},\"additionalProperties\":false}";

    assert_fits(schema, "{\"a\":1}");
    assert_rejected(schema, "{\"a\":1,\"b\":2}", "/b: is not allowed here");
    assert_rejected("{\"additionalProperties\":{\"type\":\"number\"}}",
                    "{\"x\":\"y\"}", "/x: expected number, not string");
    assert_rejected("{\"propertyNames\":{\"enum\":[\"equity\"]}}",
                    "{\"gold\":1}", "/gold: must be one of [ \"equity\" ]");
}

static void
test_any_of_takes_the_first_that_fits(void **state)
{
    (void)state;
    static const char schema[] =
        "{\"anyOf\":[{\"type\":\"null\"},{\"maxLength\":1}]}";

    assert_fits(schema, "null");
    assert_fits(schema, "\"a\"");
    assert_rejected(schema, "\"ab\"",
                    "none of 2 alternatives fits; the last: /: size 2, must be "
                    "at most 1");
}

static void
test_references_reach_definitions(void **state)
{
    (void)state;
    static const char schema[] =
        "{\"$defs\":{\"tree\":{\"type\":\"object\",\"properties\":{\"kids\":"
        "{\"items\":{\"$ref\":\"#/$defs/tree\"}}}}},\"$ref\":\"#/$defs/tree\"}";

    assert_fits(schema, "{\"kids\":[{},{\"kids\":[{}]}]}");
    assert_rejected(schema, "{\"kids\":[{\"kids\":[7]}]}",
                    "/kids/0/kids/0: expected object, not int");
}

static void
test_pattern_is_a_search_and_posix_only(void **state)
{
    (void)state;
    assert_fits("{\"pattern\":\"b+\"}", "\"abbc\"");
    assert_rejected("{\"pattern\":\"^[A-Z.]{1,5}$\"}", "\"vti\"",
                    "/: must match ^[A-Z.]{1,5}$");
    assert_fits("{\"pattern\":\"^a\\\\.b$\"}", "\"a.b\"");
    assert_broken("{\"pattern\":\"\\\\d\"}", "\"d\"",
                  "schema: '\\d' is not POSIX extended");
    assert_broken("{\"pattern\":\"(\"}", "\"d\"", "schema: bad pattern '('");
}

static void
test_a_rule_we_do_not_know_is_fatal_not_ignored(void **state)
{
    (void)state;
    assert_broken("{\"multipleOf\":2}", "3",
                  "schema: keyword 'multipleOf' is not supported");
    assert_broken("{\"anyOf\":[{\"not\":{}},{}]}", "3",
                  "schema: keyword 'not' is not supported");
    assert_broken("{\"type\":\"text\"}", "3", "schema: unknown type 'text'");
    assert_broken("{\"required\":\"a\"}", "{}",
                  "schema: keyword 'required' has the wrong type");
    assert_broken("{\"properties\":[]}", "{}",
                  "schema: keyword 'properties' has the wrong type");
    assert_broken("{\"items\":1}", "[1]",
                  "schema: keyword 'items' has the wrong type");
    assert_broken("[]", "3", "schema: a schema must be an object or a boolean");
    assert_broken("{\"$ref\":\"other.json\"}", "3",
                  "schema: cannot resolve $ref 'other.json'");
    assert_fits("{\"title\":\"t\",\"description\":\"d\",\"examples\":[1],"
                "\"default\":1,\"$comment\":\"c\",\"$id\":\"x\"}",
                "3");
}

static void
test_a_loop_of_references_ends(void **state)
{
    (void)state;
    assert_broken("{\"$defs\":{\"a\":{\"$ref\":\"#/$defs/a\"}},"
                  "\"$ref\":\"#/$defs/a\"}",
                  "1", "schema: deeper than 128 levels");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_error_names_the_path),
        cmocka_unit_test(test_limits_are_inclusive),
        cmocka_unit_test(test_length_counts_characters),
        cmocka_unit_test(test_a_rule_says_nothing_about_other_types),
        cmocka_unit_test(test_one_and_one_point_zero_are_the_same_number),
        cmocka_unit_test(test_unlisted_members_are_refused_or_checked),
        cmocka_unit_test(test_any_of_takes_the_first_that_fits),
        cmocka_unit_test(test_references_reach_definitions),
        cmocka_unit_test(test_pattern_is_a_search_and_posix_only),
        cmocka_unit_test(test_a_rule_we_do_not_know_is_fatal_not_ignored),
        cmocka_unit_test(test_a_loop_of_references_ends),
    };

    return RUN_TESTS(tests);
}
