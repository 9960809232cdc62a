/* The exports in tests/data/portfolios, decoded as a whole. */
#include "import_test.h"

/* --- Fidelity -------------------------------------------------------------*/

/* The amounts of this file are added up by hand from its Current Value column:
 * 83,488.69 + 30,457.62 + 29,743.50, and an option of -635.00. */
static void
test_fidelity_totals_are_the_files_to_the_cent(void **state)
{
    (void)state;
    struct import import = load("fidelity.csv");
    assert_string_equal(import.broker, "fidelity");
    assert_int_equal(import.account_count, 3);
    assert_int_equal(import_account_cents(&import.accounts[0]), 8348869);
    assert_int_equal(import_account_cents(&import.accounts[1]), 3045762);
    assert_int_equal(import_account_cents(&import.accounts[2]), 2974350);
    assert_int_equal(import_total_cents(&import), 14368981);
    assert_int_equal(import_file_cents(&import), 14368981 - 63500);
}

static void
test_accounts_with_the_same_name_stay_two(void **state)
{
    (void)state;
    struct import import = load("fidelity.csv");
    assert_string_equal(import.accounts[0].name, "Individual - TOD");
    assert_string_equal(import.accounts[1].name, "Individual - TOD");
    assert_string_not_equal(import.accounts[0].number,
                            import.accounts[1].number);
}

static void
test_money_market_and_pending_activity_are_cash(void **state)
{
    (void)state;
    struct import import = load("fidelity.csv");
    assert_int_equal(import.accounts[0].cash_cents, 431027 - 105040);
    assert_int_equal(import.accounts[1].cash_cents, 91200);
    assert_int_equal(import.accounts[2].cash_cents, 150000);
    assert_null(find(&import, "SPAXX"));
    assert_true(has_note(&import, false, 2, "counted as cash"));
    assert_true(has_note(&import, false, 11, "not yet settled"));
}

static void
test_duplicate_symbol_is_added_up_and_said(void **state)
{
    (void)state;
    struct import import = load("fidelity.csv");
    const struct import_position *aapl = find(&import, "AAPL");
    assert_int_equal(aapl->quantity, INT64_C(7500000000));
    assert_int_equal(aapl->value_cents, 1628940 + 407235);
    assert_true(has_note(&import, false, 5, "added to line 4"));
}

static void
test_unpriced_holding_is_imported_without_a_price(void **state)
{
    (void)state;
    struct import import = load("fidelity.csv");
    const struct import_position *p = find(&import, "LMNRW");
    assert_int_equal(p->price, IMPORT_UNPRICED);
    assert_int_equal(p->value_cents, 0);
    assert_int_equal(p->quantity, INT64_C(50000000000));
    assert_string_equal(p->name, "LUMEN ROW ACQUISITION CORP, WTS EXP 2029");
    assert_true(has_note(&import, false, 15, "no price"));
}

static void
test_bond_price_is_per_unit_of_quantity(void **state)
{
    (void)state;
    struct import import = load("fidelity.csv");
    const struct import_position *p = find(&import, "91282CZZ9");
    assert_int_equal(p->price, 9852); /* 98.52 per 100. */
    assert_int_equal(p->value_cents, 985200);
    assert_string_equal(p->type, "bond");
}

static void
test_option_is_left_out_and_said(void **state)
{
    (void)state;
    struct import import = load("fidelity.csv");
    assert_true(has_note(&import, true, 10, "options"));
    assert_int_equal(import.accounts[0].count, 6);
}

static void
test_fidelity_date_comes_from_the_footer(void **state)
{
    (void)state;
    assert_string_equal(load("fidelity.csv").as_of, "2026-11-20");
    assert_string_equal(load("large.csv").as_of, "2026-11-20");
}

static void
test_class_b_share_has_the_symbol_of_the_seed(void **state)
{
    (void)state;
    struct import import = load("fidelity.csv");
    assert_non_null(find(&import, "BRK.B"));
    import = load("schwab.csv");
    assert_non_null(find(&import, "BRK.B"));
}

static void
test_five_hundred_positions_are_read(void **state)
{
    (void)state;
    struct import import = load("large.csv");
    assert_int_equal(import.position_count, 500);
    assert_int_equal(import.account_count, 10);
    assert_int_equal(import_total_cents(&import), 29347461);
    assert_int_equal(import_file_cents(&import), 29347461);
}

/* --- Schwab ---------------------------------------------------------------*/

static void
test_schwab_sections_are_accounts(void **state)
{
    (void)state;
    struct import import = load("schwab.csv");
    assert_string_equal(import.broker, "schwab");
    assert_string_equal(import.as_of, "2026-11-20");
    assert_int_equal(import.account_count, 2);
    assert_string_equal(import.accounts[0].name, "Individual ...123");
    assert_string_equal(import.accounts[1].name,
                        "Roth Contributory IRA ...456");
    assert_int_equal(import.accounts[1].count, 2);
    assert_int_equal(import.accounts[1].cash_cents, 0);
}

static void
test_schwab_total_row_is_the_files_total(void **state)
{
    (void)state;
    struct import import = load("schwab.csv");
    assert_int_equal(import.accounts[0].file_cents, 5430182);
    assert_int_equal(import.accounts[1].file_cents, 731352);
    assert_int_equal(import_account_cents(&import.accounts[1]), 731352);
}

/* 20,000 of a bill worth 19,753.08: 0.987654 each, of which four decimals
 * (0.9877) give 19,754.00. */
static void
test_difference_that_a_price_can_not_express_is_said(void **state)
{
    (void)state;
    struct import import = load("schwab.csv");
    const struct import_position *bill = find(&import, "912797KX4");
    assert_int_equal(bill->price, 9877);
    assert_int_equal(bill->value_cents, 1975400);
    assert_true(has_note(&import, false, 7, "a difference remains: $0.92"));
}

static void
test_schwab_short_position_and_option_are_left_out(void **state)
{
    (void)state;
    struct import import = load("schwab.csv");
    assert_true(has_note(&import, true, 8, "options"));
    assert_true(has_note(&import, true, 9, "short"));
    assert_null(find(&import, "XYZQ"));
}

static void
test_schwab_single_account_is_named_in_the_title(void **state)
{
    (void)state;
    struct import import = load("schwab_one.csv");
    assert_int_equal(import.account_count, 1);
    assert_string_equal(import.accounts[0].name, "Individual ...123");
    assert_string_equal(import.as_of, "2026-11-20");
    assert_int_equal(import_total_cents(&import), 30000);
    assert_int_equal(import_file_cents(&import), 30000);
}

static void
test_margin_debt_is_left_out_and_said(void **state)
{
    (void)state;
    struct import import =
        parse("\"Positions for account A ...1 as of 1:00 PM ET, 2026/11/20\"\n"
              "Symbol,Description,Quantity,Price,Market Value\n"
              "SPY,SPDR,1,$600.00,$600.00\n"
              "Cash & Cash Investments,--,--,--,-$500.00\n"
              "Account Total,--,--,--,$100.00\n");
    assert_int_equal(import.accounts[0].cash_cents, 0);
    assert_int_equal(import_total_cents(&import), 60000);
    assert_int_equal(import_file_cents(&import), 10000);
    assert_true(has_note(&import, true, 0, "-$500.00"));
}

/* --- Vanguard -------------------------------------------------------------*/

static void
test_vanguard_positions_end_where_transactions_begin(void **state)
{
    (void)state;
    struct import import = load("vanguard.csv");
    assert_string_equal(import.broker, "vanguard");
    assert_int_equal(import.account_count, 2);
    assert_int_equal(import.position_count, 4);
    assert_int_equal(import.accounts[0].cash_cents, 342177);
    assert_int_equal(import_total_cents(&import), 6870874);
    assert_int_equal(import_file_cents(&import), 6870874);
    assert_true(has_note(&import, true, 11, "transactions"));
}

/* --- plain ----------------------------------------------------------------*/

static void
test_plain_file_with_header(void **state)
{
    (void)state;
    struct import import = load("plain.csv");
    assert_string_equal(import.broker, "plain");
    assert_string_equal(import.accounts[0].name, "Imported");
    assert_int_equal(import.accounts[0].count, 4);
    assert_int_equal(import.accounts[0].cash_cents, 250050);
    assert_int_equal(find(&import, "VTI")->quantity, 12345678);
    assert_int_equal(find(&import, "BND")->quantity, INT64_C(100000000000));
    assert_false(import_has_values(&import));
}

static void
test_plain_file_without_header(void **state)
{
    (void)state;
    struct import import = load("plain_bare.csv");
    assert_int_equal(import.accounts[0].count, 2);
    assert_int_equal(find(&import, "QQQ")->quantity, 550000000);
    assert_int_equal(find(&import, "QQQ")->price, IMPORT_UNPRICED);
}

static void
test_plain_accounts_column_makes_accounts(void **state)
{
    (void)state;
    struct import import = parse("account,symbol,quantity\n"
                                 "IRA,SPY,1\nTaxable,SPY,2\nIRA,BND,3\n");
    assert_int_equal(import.account_count, 2);
    assert_string_equal(import.accounts[0].name, "IRA");
    assert_int_equal(import.accounts[0].count, 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fidelity_totals_are_the_files_to_the_cent),
        cmocka_unit_test(test_accounts_with_the_same_name_stay_two),
        cmocka_unit_test(test_money_market_and_pending_activity_are_cash),
        cmocka_unit_test(test_duplicate_symbol_is_added_up_and_said),
        cmocka_unit_test(test_unpriced_holding_is_imported_without_a_price),
        cmocka_unit_test(test_bond_price_is_per_unit_of_quantity),
        cmocka_unit_test(test_option_is_left_out_and_said),
        cmocka_unit_test(test_fidelity_date_comes_from_the_footer),
        cmocka_unit_test(test_class_b_share_has_the_symbol_of_the_seed),
        cmocka_unit_test(test_five_hundred_positions_are_read),
        cmocka_unit_test(test_schwab_sections_are_accounts),
        cmocka_unit_test(test_schwab_total_row_is_the_files_total),
        cmocka_unit_test(test_difference_that_a_price_can_not_express_is_said),
        cmocka_unit_test(test_schwab_short_position_and_option_are_left_out),
        cmocka_unit_test(test_schwab_single_account_is_named_in_the_title),
        cmocka_unit_test(test_margin_debt_is_left_out_and_said),
        cmocka_unit_test(test_vanguard_positions_end_where_transactions_begin),
        cmocka_unit_test(test_plain_file_with_header),
        cmocka_unit_test(test_plain_file_without_header),
        cmocka_unit_test(test_plain_accounts_column_makes_accounts),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
