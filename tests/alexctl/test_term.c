#include "test.h"

#include "alexctl/term.h"

static void
assert_escaped(const char *text, size_t size, bool lines, const char *wanted)
{
    _cleanup(buf_free) struct buf out = {0};
    buf_puts(&out, "");
    term_escape(&out, text, size, lines);
    assert_string_equal(out.data, wanted);
}

static void
assert_text(const char *text, const char *wanted)
{
    assert_escaped(text, strlen(text), false, wanted);
}

static void
test_plain_text_in_any_language_stays(void **state)
{
    (void)state;
    assert_text("Roth IRA (2)", "Roth IRA (2)");
    assert_text("\xc3\xa9t\xc3\xa9 \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x98\x80",
                "\xc3\xa9t\xc3\xa9 \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x98\x80");
}

static void
test_bytes_that_steer_a_terminal_are_escaped(void **state)
{
    (void)state;
    assert_text("\x1b[2J\x07", "\\x1b[2J\\x07");
    assert_text("a\rb\x7f", "a\\x0db\\x7f");
    assert_text("\xc2\x9b"
                "31m",
                "\\u{9b}31m"); /* C1: CSI in one character. */
    assert_escaped("a\0b", 3, false, "a\\x00b");
}

static void
test_text_that_reorders_or_hides_is_escaped(void **state)
{
    (void)state;
    assert_text("\xe2\x80\xae"
                "txt",
                "\\u{202e}txt");
    assert_text("\xe2\x81\xa6x", "\\u{2066}x");
    assert_text("a\xe2\x80\x8b"
                "b",
                "a\\u{200b}b");
    assert_text("\xf3\xa0\x80\x81", "\\u{e0001}");
}

static void
test_broken_utf8_is_shown_byte_by_byte(void **state)
{
    (void)state;
    assert_text("\xc3", "\\xc3");
    assert_text("\xff"
                "a\xed\xa0\x80",
                "\\xff"
                "a\\xed\\xa0\\x80");
    assert_text("\xc0\xaf", "\\xc0\\xaf");
}

static void
test_newlines_and_tabs_stay_only_in_lines(void **state)
{
    (void)state;
    assert_escaped("a\nb\tc", 5, true, "a\nb\tc");
    assert_escaped("a\nb\tc", 5, false, "a\\x0ab\\x09c");
    assert_escaped("a\x1b", 2, true, "a\\x1b");
}

static void
assert_padded(const char *text, size_t columns, const char *wanted)
{
    _cleanup(buf_free) struct buf out = {0};
    term_pad(&out, text, columns);
    assert_string_equal(out.data, wanted);
}

static void
test_padding_counts_characters_and_cuts_with_an_ellipsis(void **state)
{
    (void)state;
    assert_padded("ab", 4, "ab  ");
    assert_padded("\xc3\xa9\xc3\xa9", 3, "\xc3\xa9\xc3\xa9 ");
    assert_padded("abcd", 4, "abcd");
    assert_padded("abcde", 4, "abc\xe2\x80\xa6");
    assert_padded("\xc3\xa9\xc3\xa9\xc3\xa9", 2, "\xc3\xa9\xe2\x80\xa6");
    assert_padded("", 2, "  ");
}

static void
assert_bar(double part, size_t columns, const char *wanted)
{
    _cleanup(buf_free) struct buf out = {0};
    buf_puts(&out, "");
    term_bar(&out, part, columns);
    assert_string_equal(out.data, wanted);
}

static void
test_bars_are_as_long_as_their_part(void **state)
{
    (void)state;
    assert_bar(0, 4, "");
    assert_bar(1, 2, "\xe2\x96\x88\xe2\x96\x88");
    assert_bar(0.5, 4, "\xe2\x96\x88\xe2\x96\x88");
    assert_bar(0.125, 1, "\xe2\x96\x8f");
    assert_bar(9, 1, "\xe2\x96\x88");
    assert_bar(-1, 1, "");
}

static void
test_width_is_bounded(void **state)
{
    (void)state;
    setenv("COLUMNS", "100", 1);
    assert_int_equal(term_width(), 100);
    setenv("COLUMNS", "1", 1);
    assert_int_equal(term_width(), 40);
    setenv("COLUMNS", "99999", 1);
    assert_int_equal(term_width(), 200);
    setenv("COLUMNS", "wide", 1);
    assert_int_equal(term_width(), 80);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_text_in_any_language_stays),
        cmocka_unit_test(test_bytes_that_steer_a_terminal_are_escaped),
        cmocka_unit_test(test_text_that_reorders_or_hides_is_escaped),
        cmocka_unit_test(test_broken_utf8_is_shown_byte_by_byte),
        cmocka_unit_test(test_newlines_and_tabs_stay_only_in_lines),
        cmocka_unit_test(
            test_padding_counts_characters_and_cuts_with_an_ellipsis),
        cmocka_unit_test(test_bars_are_as_long_as_their_part),
        cmocka_unit_test(test_width_is_bounded),
    };
    return RUN_TESTS(tests);
}
