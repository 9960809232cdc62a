#include "test.h"

#include "alexctl/import.h"

static void
assert_number(const char *text, int scale, int64_t wanted)
{
    int64_t value = 0;
    assert_int_equal(import_number(text, scale, &value), IMPORT_NUMBER_OK);
    assert_int_equal(value, wanted);
}

static void
assert_result(const char *text, enum import_number wanted)
{
    int64_t value = 77;
    assert_int_equal(import_number(text, 4, &value), wanted);
    assert_int_equal(value, 77);
}

static void
test_ornaments_do_not_change_the_number(void **state)
{
    (void)state;
    assert_number("1234.5", 2, 123450);
    assert_number("$1,234.50", 2, 123450);
    assert_number("+$0.61", 2, 61);
    assert_number("1,234,567", 0, 1234567);
    assert_number(".5", 4, 5000);
    assert_number("7.", 2, 700);
}

static void
test_minus_and_parentheses_make_it_negative(void **state)
{
    (void)state;
    assert_number("-$500.00", 2, -50000);
    assert_number("$-500.00", 2, -50000);
    assert_number("($1,410.25)", 2, -141025);
    assert_number("(1)", 8, -100000000);
}

static void
test_digits_beyond_the_scale_are_rounded_half_away(void **state)
{
    (void)state;
    assert_number("1.23455", 4, 12346);
    assert_number("1.23454999", 4, 12345);
    assert_number("-1.00005", 4, -10001);
    assert_number("0.123456785", 8, 12345679);
}

static void
test_brokers_words_for_nothing_are_no_number(void **state)
{
    (void)state;
    assert_result("", IMPORT_NUMBER_NONE);
    assert_result("--", IMPORT_NUMBER_NONE);
    assert_result("n/a", IMPORT_NUMBER_NONE);
    assert_result("N/A", IMPORT_NUMBER_NONE);
}

static void
test_decimal_comma_is_not_read_as_thousands(void **state)
{
    (void)state;
    assert_result("1,23", IMPORT_NUMBER_BAD);
    assert_result("1,2345", IMPORT_NUMBER_BAD);
    assert_result("1.234,56", IMPORT_NUMBER_BAD);
    assert_result(",123", IMPORT_NUMBER_BAD);
}

static void
test_other_text_is_bad(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "ten",   "12x", "1.2.3", "$",  "--5", "1e5",           "0x1",
        "12 34", "5%",  ".",     "(5", "5)",  "\xe2\x82\xac 5"};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        int64_t value = 0;
        bool taken = import_number(bad[i], 2, &value) == IMPORT_NUMBER_OK;
        if (taken) {
            print_error("'%s' was read as a number\n", bad[i]);
        }
        assert_false(taken);
    }
}

static void
test_what_does_not_fit_is_the_largest_number(void **state)
{
    (void)state;
    assert_number("99999999999999999999", 2, INT64_MAX);
    assert_number("9223372036854775807", 1, INT64_MAX);
    assert_number("-99999999999999999999", 2, -INT64_MAX);
}

static void
assert_date(const char *text, const char *wanted)
{
    char date[11] = "";
    assert_int_equal(import_find_date(text, date), wanted[0] != '\0');
    assert_string_equal(date, wanted);
}

static void
test_dates_of_all_brokers_are_found(void **state)
{
    (void)state;
    assert_date("Date downloaded Nov-20-2026 4:41 p.m ET", "2026-11-20");
    assert_date("Date downloaded 07/30/2021 2:26 PM ET", "2021-07-30");
    assert_date("as of 09:30 AM ET, 2026/11/20", "2026-11-20");
    assert_date("Portfolio_Positions_Jun-30-2021.csv", "2021-06-30");
    assert_date("positions-2026-01-05.csv", "2026-01-05");
}

static void
test_what_is_no_date_is_not_found(void **state)
{
    (void)state;
    assert_date("", "");
    assert_date("account 12345678", "");
    assert_date("13/45/2026", "");
    assert_date("Foo-20-2026", "");
    assert_date("2026/02/29 00:00", "");
    assert_date("2028/02/29 00:00", "2028-02-29");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ornaments_do_not_change_the_number),
        cmocka_unit_test(test_minus_and_parentheses_make_it_negative),
        cmocka_unit_test(test_digits_beyond_the_scale_are_rounded_half_away),
        cmocka_unit_test(test_brokers_words_for_nothing_are_no_number),
        cmocka_unit_test(test_decimal_comma_is_not_read_as_thousands),
        cmocka_unit_test(test_other_text_is_bad),
        cmocka_unit_test(test_what_does_not_fit_is_the_largest_number),
        cmocka_unit_test(test_dates_of_all_brokers_are_found),
        cmocka_unit_test(test_what_is_no_date_is_not_found),
    };
    return RUN_TESTS(tests);
}
