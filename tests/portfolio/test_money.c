#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "portfolio/money.h"

static int64_t
parse(const char *text, int scale)
{
    struct err err = {0};
    int64_t value = -77;

    assert_int_equal(
        portfolio_decimal(text, scale, INT64_C(1000000000000), &value, &err),
        0);
    return value;
}

static void
test_decimals_become_scaled_integers(void **state)
{
    (void)state;
    assert_int_equal(parse("450.2500", 4), 4502500);
    assert_int_equal(parse("5", 2), 500);
    assert_int_equal(parse("0.00000001", 8), 1);
    assert_int_equal(parse("-12.5", 2), -1250);
    assert_int_equal(parse("1.2300000", 2), 123);
    assert_int_equal(parse("000.10", 2), 10);
    assert_int_equal(parse("10000000000.00", 2), INT64_C(1000000000000));
}

static void
test_what_is_no_decimal_is_refused_and_leaves_the_result(void **state)
{
    static const char *const bad[] = {
        "",
        "-",
        ".5",
        "5.",
        "1,000",
        "1e3",
        "0x10",
        " 1",
        "1 ",
        "+1",
        "1.2.3",
        "NaN",
        "--1",
        "1.-5",
        "1.234",
        "$5.00",
        "10000000000.01",
        "99999999999999999999999999",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        struct err err = {0};
        int64_t value = -77;

        assert_int_equal(
            portfolio_decimal(bad[i], 2, INT64_C(1000000000000), &value, &err),
            -1);
        assert_int_equal(err.kind, ERR_REJECT);
        assert_int_equal(value, -77);
    }
}

static void
test_scaling_up_can_not_overflow(void **state)
{
    struct err err = {0};
    int64_t value = 0;

    (void)state;
    assert_int_equal(
        portfolio_decimal("92233720369", 8, INT64_MAX, &value, &err), -1);
    assert_int_equal(
        portfolio_decimal("92233720368.54775807", 8, INT64_MAX, &value, &err),
        0);
    assert_true(value == INT64_MAX);
}

static void
test_decimal_text_keeps_every_decimal(void **state)
{
    char text[32];

    (void)state;
    portfolio_decimal_text(4502500, 4, text);
    assert_string_equal(text, "450.2500");
    portfolio_decimal_text(-5, 2, text);
    assert_string_equal(text, "-0.05");
    portfolio_decimal_text(0, 2, text);
    assert_string_equal(text, "0.00");
    portfolio_decimal_text(INT64_MIN, 0, text);
    assert_string_equal(text, "-9223372036854775808");
}

static void
test_money_is_grouped_by_thousands(void **state)
{
    static const struct {
        int64_t cents;
        const char *text;
    } rows[] = {
        {0, "$0.00"},
        {99, "$0.99"},
        {12345, "$123.45"},
        {100000, "$1,000.00"},
        {9943750, "$99,437.50"},
        {123456789012, "$1,234,567,890.12"},
        {-300, "-$3.00"},
        {-123456, "-$1,234.56"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        char text[40];

        portfolio_money_text(rows[i].cents, text);
        assert_string_equal(text, rows[i].text);
    }
}

static void
test_shares_round_half_away_from_zero(void **state)
{
    char text[32];

    (void)state;
    assert_int_equal(portfolio_permille(1, 2000), 1); /* 0.05 % */
    assert_int_equal(portfolio_permille(-1, 2000), -1);
    assert_int_equal(portfolio_permille(49, 100000), 0);
    assert_int_equal(portfolio_permille(7154500, 9943750), 719);
    assert_int_equal(portfolio_permille(5, 0), 0);
    portfolio_permille_text(719, text);
    assert_string_equal(text, "71.9%");
}

static void
test_apportioned_shares_add_up(void **state)
{
    static const int64_t thirds[] = {1, 1, 1};
    static const int64_t uneven[] = {10, 0, 15, 26}; /* of 51 */
    static const int64_t none[] = {0, 0};
    int64_t ret[4] = {0};

    (void)state;
    /* 33 1/3 each: the one left over goes to the first. */
    portfolio_apportion(100, thirds, 3, ret);
    assert_int_equal(ret[0], 34);
    assert_int_equal(ret[1], 33);
    assert_int_equal(ret[2], 33);
    /* 33 2/3 each: of three equal remainders the first two are served. */
    portfolio_apportion(101, thirds, 3, ret);
    assert_int_equal(ret[0], 34);
    assert_int_equal(ret[1], 34);
    assert_int_equal(ret[2], 33);
    /* 19.61, 0, 29.41, 50.98: two left over, to .98 and then to .61. */
    portfolio_apportion(100, uneven, 4, ret);
    assert_int_equal(ret[0], 20);
    assert_int_equal(ret[1], 0);
    assert_int_equal(ret[2], 29);
    assert_int_equal(ret[3], 51);
    portfolio_apportion(100, none, 2, ret);
    assert_int_equal(ret[0], 0);
    assert_int_equal(ret[1], 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decimals_become_scaled_integers),
        cmocka_unit_test(
            test_what_is_no_decimal_is_refused_and_leaves_the_result),
        cmocka_unit_test(test_scaling_up_can_not_overflow),
        cmocka_unit_test(test_decimal_text_keeps_every_decimal),
        cmocka_unit_test(test_money_is_grouped_by_thousands),
        cmocka_unit_test(test_shares_round_half_away_from_zero),
        cmocka_unit_test(test_apportioned_shares_add_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
