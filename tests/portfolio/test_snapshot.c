#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "input.h"
#include "portfolio/snapshot.h"

#define ACCOUNT(id, name, cash, positions)                                     \
    "{\"id\":\"" id "\",\"name\":\"" name "\",\"cash_balance\":" cash          \
    ",\"positions\":[" positions "]}"
#define POSITION(symbol, quantity)                                             \
    "{\"symbol\":\"" symbol "\",\"quantity\":\"" quantity "\"}"

struct loaded {
    struct arena *mem;
    const struct portfolio *p;
    struct err err;
};

static struct loaded
load(struct input in)
{
    _cleanup(cleanup_free) char *text = input_text(&in);
    struct loaded it = {.mem = arena_new(4096)};

    portfolio_load(text, strlen(text), it.mem, &it.p, &it.err);
    return it;
}

static const struct portfolio *
must(const struct loaded *it)
{
    assert_string_equal(it->err.text, "");
    assert_non_null(it->p);
    return it->p;
}

/* Loading fails and the text names what is wrong. */
static void
assert_rejected(struct input in, const char *named)
{
    struct loaded it = load(in);

    assert_null(it.p);
    assert_int_equal(it.err.kind, ERR_REJECT);
    if (!strstr(it.err.text, named)) {
        fail_msg("\"%s\" does not name %s", it.err.text, named);
    }
    arena_free(&it.mem);
}

static void
test_value_is_rounded_half_up_once_a_position(void **state)
{
    /* 0.3 x 1.05 = 0.315; 0.1 x 0.0449 = 0.00449. */
    struct loaded it = load((struct input){
        .accounts = "[" ACCOUNT(
            "1", "A", "\"0.01\"",
            POSITION("X", "0.3") "," POSITION("Y", "0.10000000")) "]",
        .instruments =
            "{" INPUT_STOCK("X", "1.05") "," INPUT_STOCK("Y", "0.0449") "}",
    });
    const struct portfolio *p = must(&it);

    (void)state;
    assert_int_equal(p->accounts[0].positions[0].value_cents, 32);
    assert_int_equal(p->accounts[0].positions[1].value_cents, 0);
    assert_int_equal(p->holdings_cents, 32);
    assert_int_equal(p->cash_cents, 1);
    assert_int_equal(p->total_cents, 33);
    arena_free(&it.mem);
}

static void
test_numbers_and_text_of_money_mean_the_same(void **state)
{
    struct loaded it = load((struct input){
        .user = "{\"target_retirement_income\":100000.10}",
        .accounts = "[" ACCOUNT("1", "A", "5000.25", "") "," ACCOUNT(
            "2", "B", "\"5000.25\"", "") "," ACCOUNT("3", "C", "7", "") "]",
    });
    const struct portfolio *p = must(&it);

    (void)state;
    assert_int_equal(p->income_cents, 10000010);
    assert_int_equal(p->accounts[0].cash_cents, 500025);
    assert_int_equal(p->accounts[1].cash_cents, 500025);
    assert_int_equal(p->accounts[2].cash_cents, 700);
    arena_free(&it.mem);
}

static void
test_nulls_have_their_stated_meaning(void **state)
{
    struct loaded it = load((struct input){
        .user = "{\"years_until_retirement\":null,"
                "\"target_retirement_income\":null,"
                "\"asset_class_targets\":null,\"display_name\":null}",
        .accounts = "[{\"id\":\"1\",\"name\":\"A\",\"purpose\":null,"
                    "\"cash_balance\":null,\"cash_interest\":null,"
                    "\"positions\":null}]",
        .instruments = "{\"X\":{\"name\":null,\"instrument_type\":null,"
                       "\"current_price\":null,"
                       "\"allocation_asset_class\":null,"
                       "\"allocation_regions\":{},"
                       "\"allocation_sectors\":null}}",
        .needs = "{\"plan\":null,\"tag\":null}",
    });
    const struct portfolio *p = must(&it);

    (void)state;
    assert_int_equal(p->years, -1);
    assert_int_equal(p->income_cents, -1);
    assert_int_equal(p->class_targets.count, 0);
    assert_int_equal(p->accounts[0].cash_cents, 0);
    assert_int_equal(p->accounts[0].count, 0);
    assert_int_equal(p->total_cents, 0);
    assert_string_equal(p->instruments[0].name, "X");
    assert_int_equal(p->instruments[0].price, 0);
    assert_false(p->instruments[0].classified);
    arena_free(&it.mem);
}

static void
test_targets_are_rounded_to_what_a_weight_can_hold(void **state)
{
    struct loaded it = load((struct input){
        .user = "{\"asset_class_targets\":{\"equity\":66.66666666666667,"
                "\"fixed_income\":33.33333333333333,\"cash\":null}}",
    });
    const struct portfolio *p = must(&it);

    (void)state;
    assert_int_equal(p->class_targets.count, 3);
    assert_int_equal(p->class_targets.items[0].weight, 666667);
    assert_int_equal(p->class_targets.items[1].weight, 333333);
    assert_int_equal(p->class_targets.items[2].weight, 0);
    arena_free(&it.mem);
}

static void
test_years_and_income_of_zero_are_goals(void **state)
{
    struct loaded it = load((struct input){
        .user = "{\"years_until_retirement\":0,"
                "\"target_retirement_income\":\"0.00\"}",
    });

    (void)state;
    assert_int_equal(must(&it)->years, 0);
    assert_int_equal(must(&it)->income_cents, 0);
    arena_free(&it.mem);
}

static void
test_accounts_with_one_name_stay_two(void **state)
{
    struct loaded it = load((struct input){
        .accounts = "[" ACCOUNT("1", "IRA", "1", "") "," ACCOUNT(
            "2", "IRA (2)", "2", "") "," ACCOUNT("3", "IRA", "3",
                                                 "") "," ACCOUNT("4", "", "4",
                                                                 "") "]",
    });
    const struct portfolio *p = must(&it);

    (void)state;
    assert_int_equal(p->account_count, 4);
    assert_string_equal(p->accounts[0].label, "IRA");
    assert_string_equal(p->accounts[1].label, "IRA (2)");
    assert_string_equal(p->accounts[2].label, "IRA (3)");
    assert_string_equal(p->accounts[3].label, "Unnamed account");
    assert_string_equal(p->accounts[2].name, "IRA");
    assert_int_equal(p->total_cents, 1000);
    arena_free(&it.mem);
}

static void
test_labels_are_short_lines_that_still_differ(void **state)
{
    static const char name[] = "A name of more than thirty-two characters";
    _cleanup(cleanup_free) char *accounts =
        xasprintf("[{\"id\":\"1\",\"name\":\"%s 1\"},"
                  "{\"id\":\"2\",\"name\":\"%s\\n2\"}]",
                  name, name);
    struct loaded it = load((struct input){.accounts = accounts});
    const struct portfolio *p = must(&it);

    (void)state;
    assert_string_equal(p->accounts[0].label,
                        "A name of more than thirty-two \u2026");
    assert_string_equal(p->accounts[1].label,
                        "A name of more than thirty-two \u2026 (2)");
    assert_non_null(strchr(p->accounts[1].name, '\n'));
    arena_free(&it.mem);
}

static void
test_symbols_match_in_any_case(void **state)
{
    struct loaded it = load((struct input){
        .accounts = "[" ACCOUNT("1", "A", "0", POSITION("brk.b", "2")) "]",
        .instruments = "{" INPUT_STOCK("brk.b", "1.00") "," INPUT_STOCK(
            "BRK.B", "3.00") "}",
    });
    const struct portfolio *p = must(&it);

    (void)state;
    assert_int_equal(p->instrument_count, 1);
    assert_string_equal(p->instruments[0].symbol, "BRK.B");
    assert_int_equal(p->total_cents, 600);
    assert_ptr_equal(portfolio_instrument_find(p, "BRK.B"), &p->instruments[0]);
    assert_null(portfolio_instrument_find(p, "BRK"));
    arena_free(&it.mem);
}

static void
test_a_symbol_without_instrument_is_unpriced_and_unclassified(void **state)
{
    struct loaded it = load((struct input){
        .accounts = "[" ACCOUNT("1", "A", "\"1.50\"", POSITION("NEW", "2")) "]",
    });
    const struct portfolio *p = must(&it);

    (void)state;
    assert_int_equal(p->total_cents, 150);
    assert_string_equal(p->accounts[0].positions[0].instrument->name, "NEW");
    assert_int_equal(p->accounts[0].positions[0].instrument->price, 0);
    assert_false(p->accounts[0].positions[0].instrument->classified);
    arena_free(&it.mem);
}

static void
test_zero_and_negative_prices_are_unpriced(void **state)
{
    struct loaded it = load((struct input){
        .accounts = "[" ACCOUNT("1", "A", "0",
                                POSITION("X", "2") "," POSITION("Y", "2")) "]",
        .instruments =
            "{" INPUT_STOCK("X", "0.0000") "," INPUT_STOCK("Y", "-5") "}",
    });

    (void)state;
    assert_int_equal(must(&it)->total_cents, 0);
    assert_int_equal(must(&it)->instruments[0].price, 0);
    assert_int_equal(must(&it)->instruments[1].price, 0);
    arena_free(&it.mem);
}

static void
test_debts_and_short_sales_count_as_nothing_and_are_marked(void **state)
{
    struct loaded it = load((struct input){
        .accounts = "[" ACCOUNT("1", "A", "\"-3.12\"",
                                POSITION("X", "-5") "," POSITION("Y", "1")) "]",
        .instruments =
            "{" INPUT_STOCK("X", "10") "," INPUT_STOCK("Y", "10") "}",
    });
    const struct portfolio *p = must(&it);

    (void)state;
    assert_int_equal(p->total_cents, 1000);
    assert_true(p->accounts[0].cash_was_negative);
    assert_true(p->accounts[0].positions[0].was_negative);
    assert_false(p->accounts[0].positions[1].was_negative);
    arena_free(&it.mem);
}

static void
test_needs_overlay_prices_classifications_and_notes(void **state)
{
    struct loaded it = load((struct input){
        .accounts = "[" ACCOUNT(
            "1", "A", "0", POSITION("X", "2") "," POSITION("NEW", "1")) "]",
        .instruments = "{" INPUT_STOCK("X", "10") "}",
        .needs = "{\"plan\":{\"prices\":[{\"symbol\":\"X\",\"price\":"
                 "\"12.3400\",\"source\":\"file\",\"as_of\":\"2026-11-20\"},"
                 "{\"symbol\":\"new\",\"price\":\"7.0000\",\"source\":\"file\","
                 "\"as_of\":null},{\"symbol\":\"GONE\",\"price\":\"1\","
                 "\"source\":\"s\",\"as_of\":null}],\"detail\":{\"notes\":"
                 "[\"Mind the gap.\"]}},"
                 "\"tag\":{\"instruments\":[{\"symbol\":\"NEW\",\"name\":\"New "
                 "Fund\",\"instrument_type\":\"etf\",\"source\":\"rule\","
                 "\"allocation_asset_class\":{\"fixed_income\":100},"
                 "\"allocation_regions\":{\"europe\":100},"
                 "\"allocation_sectors\":{\"treasury\":100}}]}}",
    });
    const struct portfolio *p = must(&it);
    const struct portfolio_instrument *item =
        portfolio_instrument_find(p, "NEW");

    (void)state;
    assert_int_equal(p->total_cents, 2468 + 700);
    assert_int_equal(p->instrument_count, 2);
    assert_string_equal(item->name, "New Fund");
    assert_string_equal(item->classified_by, "rule");
    assert_true(item->classified);
    assert_int_equal(item->weights[PORTFOLIO_REGION][1], PORTFOLIO_WHOLE);
    assert_string_equal(portfolio_instrument_find(p, "X")->price_as_of,
                        "2026-11-20");
    assert_int_equal(p->note_count, 1);
    assert_string_equal(p->notes[0], "Mind the gap.");
    arena_free(&it.mem);
}

static void
test_a_result_is_seen_as_a_need_would_be(void **state)
{
    static const char result[] =
        "{\"prices\":[{\"symbol\":\"X\",\"price\":\"12.3400\","
        "\"source\":\"file\",\"as_of\":null}]}";
    struct input in = {
        .accounts = "[" ACCOUNT("1", "A", "0", POSITION("X", "2")) "]",
        .instruments = "{" INPUT_STOCK("X", "10") "}",
    };
    _cleanup(cleanup_free) char *text = input_text(&in);
    _cleanup(arena_free) struct arena *mem = arena_new(4096);
    const struct portfolio *p = NULL;
    struct err err = {0};

    (void)state;
    assert_int_equal(portfolio_load_with(text, strlen(text), result,
                                         strlen(result), mem, &p, &err),
                     0);
    assert_int_equal(p->total_cents, 2468);
}

/* Each map of this shape makes the instrument unclassified. */
static void
test_incomplete_maps_are_not_a_classification(void **state)
{
    static const struct {
        const char *map;
        bool classified;
    } rows[] = {
        {"{\"equity\":100}", true},
        {"{\"equity\":60,\"fixed_income\":40}", true},
        {"{\"equity\":60,\"fixed_income\":39.95}", true},
        {"{\"equity\":60,\"fixed_income\":40.05}", true},
        {"{\"equity\":60,\"fixed_income\":39.94}", false},
        {"{\"equity\":60,\"fixed_income\":40.06}", false},
        {"{}", false},
        {"null", false},
        {"[]", false},
        {"{\"equity\":100,\"gold\":0}", false},
        {"{\"equity\":110,\"cash\":-10}", false},
        {"{\"equity\":\"all\"}", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        _cleanup(cleanup_free) char *instruments =
            xasprintf("{\"X\":{\"name\":\"X\",\"current_price\":\"1\","
                      "\"allocation_asset_class\":%s,"
                      "\"allocation_regions\":{\"asia\":100},"
                      "\"allocation_sectors\":{\"other\":100}}}",
                      rows[i].map);
        struct loaded it = load((struct input){.instruments = instruments});

        assert_int_equal(must(&it)->instruments[0].classified,
                         rows[i].classified);
        arena_free(&it.mem);
    }
}

static void
test_placeholders_of_the_api_are_not_a_classification(void **state)
{
    static const struct {
        const char *name;
        const char *class;
        const char *region;
        bool classified;
    } rows[] = {
        {"ABC - User Added", "equity", "north_america", false},
        {"ABCDEF - User Added", "fixed_income", "north_america", false},
        {"ABC - User Added", "real_estate", "north_america", true},
        {"ABC - User Added", "equity", "asia", true},
        {"ABC Corp.", "equity", "north_america", true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        _cleanup(cleanup_free) char *instruments =
            xasprintf("{\"ABC\":{\"name\":\"%s\","
                      "\"allocation_asset_class\":{\"%s\":100},"
                      "\"allocation_regions\":{\"%s\":100},"
                      "\"allocation_sectors\":{\"other\":100}}}",
                      rows[i].name, rows[i].class, rows[i].region);
        struct loaded it = load((struct input){.instruments = instruments});

        assert_int_equal(must(&it)->instruments[0].classified,
                         rows[i].classified);
        arena_free(&it.mem);
    }
}

static void
test_generated_at_is_upstreams_form(void **state)
{
    static const struct {
        const char *as_of;
        const char *generated_at;
    } rows[] = {
        {"\"2025-09-13T18:54:50.101010Z\"", "2025-09-13T18:54:50.101010"},
        {"\"2025-09-13 18:54:50.1+00\"", "2025-09-13T18:54:50.100000"},
        {"\"2025-09-13T18:54:50\"", "2025-09-13T18:54:50.000000"},
        {"\"2025-09-13T18:54:50.123456789+00:00\"",
         "2025-09-13T18:54:50.123456"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct loaded it = load((struct input){.as_of = rows[i].as_of});

        assert_string_equal(must(&it)->generated_at, rows[i].generated_at);
        arena_free(&it.mem);
    }
    assert_rejected((struct input){.as_of = "\"2025-09-13\""}, "as_of");
    assert_rejected((struct input){.as_of = "\"2025-09-13T18:54:50+02:00\""},
                    "as_of");
    assert_rejected((struct input){.as_of = "\"yesterday\""}, "as_of");
    assert_rejected((struct input){.as_of = "null"}, "as_of");
}

static void
test_options_of_the_request_are_text(void **state)
{
    struct loaded it = load((struct input){
        .options = "{\"assumptions\":\"upstream-v1\",\"paths\":20000,"
                   "\"nested\":{},\"none\":null}",
        .params = "{\"symbols\":[\"A\"]}",
    });
    const struct portfolio *p = must(&it);

    (void)state;
    assert_string_equal(portfolio_option(p, "assumptions", "x"), "upstream-v1");
    assert_string_equal(portfolio_option(p, "paths", "x"), "20000");
    assert_string_equal(portfolio_option(p, "none", "x"), "x");
    assert_string_equal(portfolio_option(p, "nested", "x"), "x");
    assert_string_equal(p->params, "{\"symbols\":[\"A\"]}");
    arena_free(&it.mem);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_value_is_rounded_half_up_once_a_position),
        cmocka_unit_test(test_numbers_and_text_of_money_mean_the_same),
        cmocka_unit_test(test_nulls_have_their_stated_meaning),
        cmocka_unit_test(test_targets_are_rounded_to_what_a_weight_can_hold),
        cmocka_unit_test(test_years_and_income_of_zero_are_goals),
        cmocka_unit_test(test_accounts_with_one_name_stay_two),
        cmocka_unit_test(test_labels_are_short_lines_that_still_differ),
        cmocka_unit_test(test_symbols_match_in_any_case),
        cmocka_unit_test(
            test_a_symbol_without_instrument_is_unpriced_and_unclassified),
        cmocka_unit_test(test_zero_and_negative_prices_are_unpriced),
        cmocka_unit_test(
            test_debts_and_short_sales_count_as_nothing_and_are_marked),
        cmocka_unit_test(test_needs_overlay_prices_classifications_and_notes),
        cmocka_unit_test(test_a_result_is_seen_as_a_need_would_be),
        cmocka_unit_test(test_incomplete_maps_are_not_a_classification),
        cmocka_unit_test(test_placeholders_of_the_api_are_not_a_classification),
        cmocka_unit_test(test_generated_at_is_upstreams_form),
        cmocka_unit_test(test_options_of_the_request_are_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
