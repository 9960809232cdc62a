#include "test.h"

#include "alexctl/markdown.h"
#include "alexctl/projection.h"

static void
assert_rendered(const char *text, size_t width, bool colour, const char *wanted)
{
    _cleanup(buf_free) struct buf out = {0};
    buf_puts(&out, "");
    markdown_render(text, strlen(text), width, colour, &out);
    assert_string_equal(out.data, wanted);
}

static void
test_paragraphs_are_wrapped_at_the_width(void **state)
{
    (void)state;
    assert_rendered("one two three four\n", 9, false, "one two\nthree\nfour\n");
    assert_rendered("longerthanwide x\n", 5, false, "longerthanwide\nx\n");
    assert_rendered("\xc3\xa9\xc3\xa9 \xc3\xa9\xc3\xa9\n", 5, false,
                    "\xc3\xa9\xc3\xa9 \xc3\xa9\xc3\xa9\n");
}

static void
test_blank_lines_stay(void **state)
{
    (void)state;
    assert_rendered("a\n\n\nb", 40, false, "a\n\n\nb\n");
    assert_rendered("", 40, false, "");
}

static void
test_headings_and_emphasis_are_bold_where_there_are_colours(void **state)
{
    (void)state;
    assert_rendered("## Risk\n", 40, true, "\x1b[1mRisk\n\x1b[0m");
    assert_rendered("## Risk\n", 40, false, "Risk\n");
    assert_rendered("a **b c** d\n", 40, true, "a \x1b[1mb c\x1b[0m d\n");
    assert_rendered("a **b c** d\n", 40, false, "a b c d\n");
    assert_rendered("a *b c.* 2*3 * 4\n", 40, true, "a b c. 2*3 * 4\n");
}

static void
test_lists_are_indented_under_their_bullet(void **state)
{
    (void)state;
    assert_rendered("- one two three\n", 9, false, "- one two\n  three\n");
    assert_rendered("12. one two\n", 8, false, "12. one\n    two\n");
    assert_rendered("  - a b\n", 5, false, "  - a\n    b\n");
    assert_rendered("-5 is a number\n", 40, false, "-5 is a number\n");
}

static void
test_tables_are_aligned_by_their_rule(void **state)
{
    (void)state;
    assert_rendered("| Name | Value |\n|---|---:|\n| a | 1 |\n| bcdefg | 20 "
                    "|\n",
                    40, false,
                    "Name    Value\n"
                    "a           1\n"
                    "bcdefg     20\n");
}

static void
test_wide_tables_are_cut_to_the_width(void **state)
{
    (void)state;
    assert_rendered("| aaaaaaaaaaaa | b |\n| c | d |\n", 10, false,
                    "aaaaaa\xe2\x80\xa6  b\nc        d\n");
}

static void
test_escaped_bar_does_not_end_a_cell(void **state)
{
    (void)state;
    assert_rendered("| a\\|b | c |\n", 40, false, "a|b  c\n");
}

static void
test_backslash_escapes_are_resolved(void **state)
{
    (void)state;
    assert_rendered("a \\* b \\# c\\\n", 40, false, "a * b # c\\\n");
}

static void
test_control_characters_never_get_through(void **state)
{
    (void)state;
    assert_rendered("a \x1b[2J b\n", 40, false, "a \\x1b[2J b\n");
    assert_rendered("# \x1b]0;x\x07\n", 40, false, "\\x1b]0;x\\x07\n");
    assert_rendered("| \x1b[1m |\n", 40, false, "\\x1b[1m\n");
    assert_rendered("- \\\x1b x\n", 40, false, "- \\\\x1b x\n");
}

/* --- the projection -------------------------------------------------------*/

static int
project(const char *text, struct buf *out, struct err *err)
{
    _cleanup(json_put) struct json_object *output = json_tokener_parse(text);
    assert_non_null(output);
    buf_puts(out, "");
    return projection_render(output, 80, out, err);
}

static void
test_projection_shows_every_fifth_year_and_retirement(void **state)
{
    (void)state;
    _cleanup(buf_free) struct buf text = {0};
    _cleanup(buf_free) struct buf out = {0};
    struct err err = {0};
    buf_puts(&text, "{\"detail\":{\"paths\":10000,\"success_rate_pct\":50,"
                    "\"success_se_pct\":0.5,\"plan\":{\"years_to_retirement\":"
                    "7},\"bands\":[");
    for (int year = 0; year <= 12; year++) {
        buf_printf(&text,
                   "%s{\"year\":%d,\"p10\":1,\"p25\":2,\"p50\":3,\"p75\":4,"
                   "\"p90\":1234567.4}",
                   year ? "," : "", year);
    }
    buf_puts(&text, "]}}");
    assert_int_equal(project(text.data, &out, &err), 0);
    static const char *const there[] = {"\n    0 ", "\n    5 ", "\n    7*",
                                        "\n   10 ", "\n   12 ", "$1,234,567",
                                        "50.0%"};
    static const char *const absent[] = {"\n    1 ", "\n    6 ", "\n   11 "};
    for (size_t i = 0; i < ARRAY_COUNT(there); i++) {
        assert_non_null(strstr(out.data, there[i]));
    }
    for (size_t i = 0; i < ARRAY_COUNT(absent); i++) {
        assert_null(strstr(out.data, absent[i]));
    }
}

static void
test_result_without_bands_shows_nothing(void **state)
{
    (void)state;
    _cleanup(buf_free) struct buf out = {0};
    struct err err = {0};
    assert_int_equal(project("{\"detail\":{}}", &out, &err), 0);
    assert_int_equal(project("{}", &out, &err), 0);
    assert_string_equal(out.data, "");
}

static void
test_bands_of_another_shape_are_refused(void **state)
{
    (void)state;
    _cleanup(buf_free) struct buf out = {0};
    struct err err = {0};
    assert_int_equal(project("{\"detail\":{\"plan\":{},\"bands\":[{\"year\":1}"
                             "]}}",
                             &out, &err),
                     -1);
    assert_int_equal(err.kind, ERR_REJECT);
    assert_non_null(strstr(err.text, "p10"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paragraphs_are_wrapped_at_the_width),
        cmocka_unit_test(test_blank_lines_stay),
        cmocka_unit_test(
            test_headings_and_emphasis_are_bold_where_there_are_colours),
        cmocka_unit_test(test_lists_are_indented_under_their_bullet),
        cmocka_unit_test(test_tables_are_aligned_by_their_rule),
        cmocka_unit_test(test_wide_tables_are_cut_to_the_width),
        cmocka_unit_test(test_escaped_bar_does_not_end_a_cell),
        cmocka_unit_test(test_backslash_escapes_are_resolved),
        cmocka_unit_test(test_control_characters_never_get_through),
        cmocka_unit_test(test_projection_shows_every_fifth_year_and_retirement),
        cmocka_unit_test(test_result_without_bands_shows_nothing),
        cmocka_unit_test(test_bands_of_another_shape_are_refused),
    };
    return RUN_TESTS(tests);
}
