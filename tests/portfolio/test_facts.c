#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "input.h"
#include "portfolio/facts.h"

#define FIXTURE SOURCE_DIR "/test_user.json"

#define CURATED                                                                \
    ",\"current_price\":1,\"allocation_source\":\"curated 2026-11\","          \
    "\"allocation_asset_class\":{\"equity\":100},"                             \
    "\"allocation_regions\":{\"asia\":100},"                                   \
    "\"allocation_sectors\":{\"other\":100}"

struct found {
    struct arena *mem;
    const struct portfolio *p;
    struct portfolio_facts facts;
};

static struct found
find_in(const char *text)
{
    struct found it = {.mem = arena_new(8192)};
    struct err err = {0};

    portfolio_load(text, strlen(text), it.mem, &it.p, &err);
    assert_string_equal(err.text, "");
    portfolio_facts(it.p, it.mem, &it.facts);
    return it;
}

static struct found
find(struct input in)
{
    _cleanup(cleanup_free) char *text = input_text(&in);

    return find_in(text);
}

static bool
says(const struct found *it, const char *words)
{
    for (size_t i = 0; i < it->facts.issue_count; i++) {
        if (strstr(it->facts.issues[i].text, words)) {
            return true;
        }
    }
    return false;
}

static void
assert_row(const struct portfolio_drift *drift, size_t i, const char *label,
           int64_t target, int64_t cents, int64_t gap_cents)
{
    assert_true(i < drift->count);
    assert_string_equal(drift->rows[i].label, label);
    assert_int_equal(drift->rows[i].target, target);
    assert_int_equal(drift->rows[i].actual_cents, cents);
    assert_int_equal(drift->rows[i].gap_cents, gap_cents);
}

static void
test_concentration_of_the_published_user(void **state)
{
    _cleanup(cleanup_free) char *text = input_file(FIXTURE);
    struct found it = find_in(text);

    (void)state;
    assert_int_equal(it.facts.holding_count, 5);
    assert_string_equal(it.facts.holdings[0].instrument->symbol, "SPY");
    assert_int_equal(it.facts.holdings[0].value_cents, 4502500);
    assert_string_equal(it.facts.holdings[4].instrument->symbol, "GLD");
    assert_int_equal(it.facts.top5_cents, 9093750);
    /* 10,000 x (.495120^2 + .211959^2 + .159450^2 + .079670^2 + .053801^2) =
     * 2451.4 + 449.3 + 254.2 + 63.5 + 28.9 = 3247.3 */
    assert_int_equal(it.facts.hhi, 3247);
    assert_int_equal(it.facts.unpriced_count, 0);
    assert_int_equal(it.facts.unclassified_count, 0);
    arena_free(&it.mem);
}

static void
test_drift_of_the_published_user(void **state)
{
    _cleanup(cleanup_free) char *text = input_file(FIXTURE);
    struct found it = find_in(text);

    (void)state;
    /* 70 % of 99,437.50 is 69,606.25; 30 % is 29,831.25. */
    assert_int_equal(it.facts.class_drift.count, 4);
    assert_row(&it.facts.class_drift, 0, "Equity", 700000, 7154500, -193875);
    assert_row(&it.facts.class_drift, 1, "Fixed income", 300000, 1450000,
               1533125);
    assert_row(&it.facts.class_drift, 2, "Commodities", -1, 489250, 0);
    assert_row(&it.facts.class_drift, 3, "Cash", -1, 850000, 0);
    /* Equity is 719,497 millionths of the total, as published. */
    assert_int_equal(it.facts.class_drift.rows[0].actual, 719497);
    /* Half of the holdings' 90,937.50 is 45,468.75; abroad is Europe, Asia and
     * Oceania: 4,347.00 + 2,535.75 + 362.25. */
    assert_int_equal(it.facts.region_drift.count, 3);
    assert_row(&it.facts.region_drift, 0, "North America", 500000, 7880000,
               -3333125);
    assert_row(&it.facts.region_drift, 1, "International", 500000, 724500,
               3822375);
    assert_row(&it.facts.region_drift, 2, "Global", -1, 489250, 0);
    arena_free(&it.mem);
}

static void
test_international_leaves_out_regions_with_a_target_of_their_own(void **state)
{
    struct found it = find((struct input){
        .user = "{\"region_targets\":{\"international\":40,\"asia\":60}}",
        .accounts = "[{\"id\":\"1\",\"name\":\"A\",\"positions\":[{\"symbol\":"
                    "\"X\",\"quantity\":\"100\"}]}]",
        .instruments = "{\"X\":{\"name\":\"X\",\"current_price\":\"1\","
                       "\"allocation_asset_class\":{\"equity\":100},"
                       "\"allocation_regions\":{\"asia\":50,\"europe\":20,"
                       "\"international\":20,\"global\":10},"
                       "\"allocation_sectors\":{\"other\":100}}}",
    });

    (void)state;
    assert_row(&it.facts.region_drift, 0, "International", 400000, 4000, 0);
    assert_row(&it.facts.region_drift, 1, "Asia", 600000, 5000, 1000);
    assert_row(&it.facts.region_drift, 2, "Global", -1, 1000, 0);
    arena_free(&it.mem);
}

static void
test_a_symbol_in_two_accounts_is_one_holding(void **state)
{
    struct found it = find((struct input){
        .accounts = "[{\"id\":\"1\",\"name\":\"A\",\"positions\":[{\"symbol\":"
                    "\"X\",\"quantity\":\"1.5\"}]},{\"id\":\"2\",\"name\":"
                    "\"A\",\"positions\":[{\"symbol\":\"X\",\"quantity\":"
                    "\"2\"}]}]",
        .instruments =
            "{" INPUT_STOCK("X", "10") "," INPUT_STOCK("NOT", "1") "}",
    });

    (void)state;
    assert_int_equal(it.facts.holding_count, 1);
    assert_int_equal(it.facts.holdings[0].account_count, 2);
    assert_int_equal(it.facts.holdings[0].quantity, 350000000);
    assert_int_equal(it.facts.holdings[0].value_cents, 3500);
    assert_int_equal(it.facts.hhi, 10000);
    arena_free(&it.mem);
}

static void
test_gaps_in_the_data_are_listed(void **state)
{
    struct found it = find((struct input){
        .user = "{\"asset_class_targets\":{\"gold\":10,\"equity\":70}}",
        .accounts = "[{\"id\":\"1\",\"name\":\"Margin\",\"cash_balance\":-1,"
                    "\"positions\":[{\"symbol\":\"X\",\"quantity\":\"-1\"},"
                    "{\"symbol\":\"NEW\",\"quantity\":\"2\"},"
                    "{\"symbol\":\"OLD\",\"quantity\":\"1\"},"
                    "{\"symbol\":\"RULED\",\"quantity\":\"1\"}]}]",
        .instruments = "{" INPUT_STOCK(
            "X", "10") ","
                       "\"OLD\":{\"name\":\"O\",\"current_price\":\"5\","
                       "\"price_as_of\":\"2026-11-15\"},"
                       "\"RULED\":{\"name\":\"R\",\"current_price\":\"5\","
                       "\"price_as_of\":\"2026-11-16T00:00:00Z\","
                       "\"allocation_source\":\"rule\","
                       "\"allocation_asset_class\":{\"equity\":100},"
                       "\"allocation_regions\":{\"asia\":100},"
                       "\"allocation_sectors\":{\"other\":100}}}",
        .needs = "{\"plan\":{\"detail\":{\"notes\":[\"A  note.\",7]}}}",
    });

    (void)state;
    assert_int_equal(it.facts.unpriced_count, 1);
    assert_string_equal(it.facts.unpriced[0]->symbol, "NEW");
    assert_int_equal(it.facts.unclassified_count, 2);
    assert_int_equal(it.facts.unclassified_cents, 500);
    assert_true(says(&it, "1 holding has no price and counts as $0.00: NEW."));
    assert_true(says(&it, "Negative cash counts as $0.00"));
    assert_true(says(&it, "Margin"));
    assert_true(says(&it, "Negative quantities count as $0.00"));
    assert_true(says(&it, "2 holdings worth $5.00 (50.0% of the total) are not "
                          "classified"));
    assert_true(says(&it, "by rule from name and type, and so only roughly: "
                          "RULED."));
    /* Eight days old is stale, seven is not. */
    assert_true(says(&it, "(oldest: 2026-11-15): OLD."));
    assert_true(says(&it, "A note."));
    assert_true(says(&it, "Not a known asset class, so its target is ignored: "
                          "gold."));
    assert_true(says(&it, "The asset class targets add up to 80.0%, not "
                          "100%."));
    arena_free(&it.mem);
}

static void
test_only_funds_of_the_table_are_approximate(void **state)
{
    struct found it = find((struct input){
        .accounts = "[{\"id\":\"1\",\"name\":\"A\",\"positions\":["
                    "{\"symbol\":\"CO\",\"quantity\":1},"
                    "{\"symbol\":\"FUND\",\"quantity\":1}]}]",
        .instruments =
            "{\"CO\":{\"name\":\"C\",\"instrument_type\":\"stock\"" CURATED
            "},\"FUND\":{\"name\":\"F\","
            "\"instrument_type\":\"etf\"" CURATED "}}",
    });

    (void)state;
    assert_int_equal(it.facts.issue_count, 1);
    assert_int_equal(it.facts.issues[0].about, PORTFOLIO_ISSUE_CLASSIFICATION);
    assert_string_equal(
        it.facts.issues[0].text,
        "Classified from a table of approximate allocations: FUND.");
    arena_free(&it.mem);
}

static void
test_nothing_to_complain_about_is_no_issue(void **state)
{
    _cleanup(cleanup_free) char *text = input_file(FIXTURE);
    struct found it = find_in(text);
    struct found empty = find((struct input){0});

    (void)state;
    assert_int_equal(it.facts.issue_count, 0);
    assert_int_equal(empty.facts.issue_count, 0);
    assert_int_equal(empty.facts.hhi, 0);
    assert_int_equal(empty.facts.class_drift.count, 0);
    arena_free(&it.mem);
    arena_free(&empty.mem);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_concentration_of_the_published_user),
        cmocka_unit_test(test_drift_of_the_published_user),
        cmocka_unit_test(
            test_international_leaves_out_regions_with_a_target_of_their_own),
        cmocka_unit_test(test_a_symbol_in_two_accounts_is_one_holding),
        cmocka_unit_test(test_gaps_in_the_data_are_listed),
        cmocka_unit_test(test_only_funds_of_the_table_are_approximate),
        cmocka_unit_test(test_nothing_to_complain_about_is_no_issue),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
