/* Prices, rows that are left out, and files that are none. */
#include "import_test.h"

/* --- prices ---------------------------------------------------------------*/

static void
test_quote_is_kept_when_it_gives_the_value(void **state)
{
    (void)state;
    struct import import = parse("symbol,quantity,price,value\n"
                                 "ABC,3,33.3333,100.00\n");
    assert_int_equal(find(&import, "ABC")->price, 333333);
    assert_int_equal(import.note_count, 0);
}

/* 7 x 14.29 is 100.03; 100.00 / 7 is 14.2857. */
static void
test_price_is_value_over_quantity_when_the_quote_is_rounded(void **state)
{
    (void)state;
    struct import import = parse("symbol,quantity,price,value\n"
                                 "ABC,7,14.29,100.00\n");
    assert_int_equal(find(&import, "ABC")->price, 142857);
    assert_int_equal(find(&import, "ABC")->value_cents, 10000);
    assert_true(has_note(&import, false, 2, "$14.2857 from value / quantity"));
}

/* One instrument has one price: 150.00 / 12 over both accounts. */
static void
test_symbol_in_two_accounts_has_one_price(void **state)
{
    (void)state;
    struct import import = parse("account,symbol,quantity,price,value\n"
                                 "A,ABC,10,12.4,125.00\nB,ABC,2,12.4,25.00\n");
    assert_int_equal(import.accounts[0].positions[0].price, 125000);
    assert_int_equal(import.accounts[1].positions[0].price, 125000);
    assert_int_equal(import_total_cents(&import), 15000);
}

static void
test_value_without_a_price_gives_the_price(void **state)
{
    (void)state;
    struct import import = parse("symbol,quantity,price,value\n"
                                 "ABC,4,--,$10.00\nDEF,5,--,$0.00\n");
    assert_int_equal(find(&import, "ABC")->price, 25000);
    assert_int_equal(find(&import, "DEF")->price, IMPORT_UNPRICED);
}

static void
test_values_round_half_up_to_the_cent(void **state)
{
    (void)state;
    struct import import = parse("symbol,quantity,price\n"
                                 "ABC,0.5,0.01\nDEF,0.49999999,0.01\n");
    assert_int_equal(find(&import, "ABC")->value_cents, 1);
    assert_int_equal(find(&import, "DEF")->value_cents, 0);
}

/* --- rows that are left out -----------------------------------------------*/

static void
test_every_row_left_out_has_its_line_and_reason(void **state)
{
    (void)state;
    struct import import = parse("symbol,quantity,price\n"
                                 "ABC,1,1\n"
                                 ",5,1\n"
                                 "DEF,,1\n"
                                 "GHI,0,1\n"
                                 "JKL,-2,1\n"
                                 "ABC 12/18/2026 500.00 C,1,1\n"
                                 "A B 2,1,1\n"
                                 "MNO\n");
    static const char *const reasons[] = {
        "no symbol", "no quantity",  "zero",          "short",
        "options",   "not a symbol", "1 columns of 2"};
    assert_int_equal(import.position_count, 1);
    for (size_t i = 0; i < ARRAY_COUNT(reasons); i++) {
        if (!has_note(&import, true, (int)i + 3, reasons[i])) {
            fail_msg("line %zu: no note '%s'", i + 3, reasons[i]);
        }
    }
}

/* CASH and USD are words for cash, and a bank's and a fund's tickers. */
static void
test_cash_words_are_cash_unless_they_have_another_price(void **state)
{
    (void)state;
    struct import import = parse("symbol,quantity,price\n"
                                 "CASH,100.50,\nUSD,10,1.00\nFDRXX,5,1\n");
    assert_int_equal(import.accounts[0].count, 0);
    assert_int_equal(import.accounts[0].cash_cents, 11550);
    import = parse("symbol,quantity,price\nCASH,10,80.25\nUSD,1,120\n");
    assert_int_equal(import.accounts[0].count, 2);
    assert_int_equal(import.accounts[0].cash_cents, 0);
}

static void
test_names_are_one_line_within_the_column(void **state)
{
    (void)state;
    _cleanup(buf_free) struct buf text = {0};
    buf_puts(&text,
             "symbol,quantity,name\nABC,1,\"two\nlines\x1b[2J\"\nDEF,1,");
    for (int i = 0; i < 300; i++) {
        buf_puts(&text, "\xc3\xa9");
    }
    struct import import = parse(text.data);
    assert_string_equal(find(&import, "ABC")->name, "two lines [2J");
    assert_int_equal(strlen(find(&import, "DEF")->name), 2 * 255);
}

/* --- other files ----------------------------------------------------------*/

static void
test_broken_files_are_refused_with_the_reason(void **state)
{
    (void)state;
    assert_broken("broken/bad_number.csv", "line 2: the quantity 'ten'");
    assert_broken("broken/decimal_comma.csv", "line 2: the price '662,63'");
    assert_broken("broken/huge_quantity.csv", "over the limit");
    assert_broken("broken/unclosed_quote.csv", "line 2 is never closed");
    assert_broken("broken/nul.csv", "NUL");
    assert_broken("broken/utf16.csv", "UTF-16");
    assert_broken("broken/empty.csv", "found: nothing");
    assert_broken("broken/page.html.csv", "found: <!DOCTYPE html>");
}

static void
test_history_is_not_taken_for_positions(void **state)
{
    (void)state;
    assert_broken("broken/transactions.csv",
                  "found: Run Date,Account,Action,Symbol");
}

static void
test_wrong_broker_names_the_header_it_wants(void **state)
{
    (void)state;
    assert_rejected("vanguard", "symbol,quantity\nSPY,1\n",
                    "Account Number,Investment Name,Symbol,Shares");
    assert_rejected("etrade", "symbol,quantity\nSPY,1\n",
                    "--broker is auto, fidelity, schwab, vanguard, plain");
}

static void
test_too_many_positions_are_refused(void **state)
{
    (void)state;
    _cleanup(buf_free) struct buf text = {0};
    buf_puts(&text, "symbol,quantity\n");
    for (int i = 0; i <= IMPORT_POSITIONS_MAX; i++) {
        buf_printf(&text, "S%d,1\n", i);
    }
    assert_rejected("auto", text.data, "more than 5000 positions");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quote_is_kept_when_it_gives_the_value),
        cmocka_unit_test(
            test_price_is_value_over_quantity_when_the_quote_is_rounded),
        cmocka_unit_test(test_symbol_in_two_accounts_has_one_price),
        cmocka_unit_test(test_value_without_a_price_gives_the_price),
        cmocka_unit_test(test_values_round_half_up_to_the_cent),
        cmocka_unit_test(test_every_row_left_out_has_its_line_and_reason),
        cmocka_unit_test(
            test_cash_words_are_cash_unless_they_have_another_price),
        cmocka_unit_test(test_names_are_one_line_within_the_column),
        cmocka_unit_test(test_broken_files_are_refused_with_the_reason),
        cmocka_unit_test(test_history_is_not_taken_for_positions),
        cmocka_unit_test(test_wrong_broker_names_the_header_it_wants),
        cmocka_unit_test(test_too_many_positions_are_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
