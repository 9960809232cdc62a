#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "portfolio/words.h"

static void
test_display_shows_one_clean_line(void **state)
{
    static const struct {
        const char *text;
        size_t max;
        const char *shown;
    } rows[] = {
        {"My IRA", 20, "My IRA"},
        {"", 20, ""},
        {" \t two\r\n\nlines \x01", 20, "two lines"},
        {"\u202Eevil\u2066 \uFEFFx", 20, "evil x"},
        {"\xc2\x85next", 20, "next"},
        {"exactly ten", 11, "exactly ten"},
        {"exactly ten", 10, "exactly t\u2026"},
        {"h\u00e9h\u00e9h\u00e9", 4, "h\u00e9h\u2026"},
        {"a b", 2, "a\u2026"},
    };
    _cleanup(arena_free) struct arena *mem = arena_new(4096);

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        assert_string_equal(portfolio_display(rows[i].text, rows[i].max, mem),
                            rows[i].shown);
    }
}

static void
test_counts_agree_with_their_noun(void **state)
{
    _cleanup(arena_free) struct arena *mem = arena_new(4096);

    (void)state;
    assert_string_equal(portfolio_count(0, "holding", mem), "0 holdings");
    assert_string_equal(portfolio_count(1, "holding", mem), "1 holding");
    assert_string_equal(portfolio_count(2, "holding", mem), "2 holdings");
}

static void
test_lists_read_like_a_sentence(void **state)
{
    static const char *const names[] = {"A", "B", "C", "D"};
    _cleanup(arena_free) struct arena *mem = arena_new(4096);

    (void)state;
    assert_string_equal(portfolio_list(names, 0, 3, mem), "");
    assert_string_equal(portfolio_list(names, 1, 3, mem), "A");
    assert_string_equal(portfolio_list(names, 2, 3, mem), "A and B");
    assert_string_equal(portfolio_list(names, 3, 3, mem), "A, B and C");
    assert_string_equal(portfolio_list(names, 4, 3, mem), "A, B, C and 1 more");
}

static void
test_words_are_found_whole(void **state)
{
    _cleanup(arena_free) struct arena *mem = arena_new(4096);

    (void)state;
    assert_string_equal(portfolio_words("My 401(k), tax-free", mem),
                        " my 401k tax free ");
    assert_string_equal(portfolio_words("  S&P 500 ", mem), " s p 500 ");
    assert_string_equal(portfolio_words("", mem), " ");
    assert_string_equal(portfolio_words("--", mem), " ");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_display_shows_one_clean_line),
        cmocka_unit_test(test_counts_agree_with_their_noun),
        cmocka_unit_test(test_words_are_found_whole),
        cmocka_unit_test(test_lists_read_like_a_sentence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
