#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent.h"
#include "charter/charter.h"

#define FIXTURE SOURCE_DIR "/../portfolio/test_user.json"
#define PAYLOAD_BYTES_MAX 8000

static struct json_object *
draw(struct input in)
{
    _cleanup(cleanup_free) char *text = input_text(&in);

    return agent_run(&charter_worker, text, NULL);
}

/* Values have two decimals and the digits come as text, so this is exact. */
static int64_t
cents_of(struct json_object *value)
{
    struct err err = {0};
    int64_t cents = 0;

    assert_int_equal(portfolio_decimal(json_object_get_string(value), 2,
                                       INT64_MAX, &cents, &err),
                     0);
    return cents;
}

static int64_t
chart_sum(struct json_object *chart)
{
    struct json_object *data = agent_at(chart, "data");
    int64_t last = INT64_MAX;
    int64_t sum = 0;

    for (size_t i = 0; i < json_object_array_length(data); i++) {
        struct json_object *point = json_object_array_get_idx(data, i);
        int64_t cents = cents_of(agent_at(point, "value"));

        assert_true(cents > 0 && cents <= last);
        last = cents;
        sum += cents;
    }
    return sum;
}

static void
assert_all_add_up(struct json_object *output, int64_t total_cents)
{
    struct json_object *charts = agent_at(output, "charts_payload");

    json_object_object_foreach (charts, key, chart) {
        if (chart_sum(chart) != total_cents) {
            fail_msg("%s does not add up", key);
        }
    }
    assert_true(strlen(json_object_to_json_string_ext(
                    charts, JSON_C_TO_STRING_SPACED)) <= PAYLOAD_BYTES_MAX);
}

/* Chart 'key' has this point. */
static void
assert_point(struct json_object *output, const char *key, const char *name,
             int64_t cents, const char *color)
{
    struct json_object *data = agent_at(
        json_object_object_get(agent_at(output, "charts_payload"), key),
        "data");

    assert_non_null(data);
    for (size_t i = 0; i < json_object_array_length(data); i++) {
        struct json_object *point = json_object_array_get_idx(data, i);

        if (strcmp(json_object_get_string(agent_at(point, "name")), name) ==
            0) {
            assert_int_equal(cents_of(agent_at(point, "value")), cents);
            if (color) {
                assert_string_equal(
                    json_object_get_string(agent_at(point, "color")), color);
            }
            return;
        }
    }
    fail_msg("%s has no %s", key, name);
}

static bool
has_chart(struct json_object *output, const char *key)
{
    return json_object_object_get(agent_at(output, "charts_payload"), key) !=
           NULL;
}

static void
test_the_published_user_gets_the_published_charts(void **state)
{
    _cleanup(cleanup_free) char *text = input_file(FIXTURE);
    _cleanup(json_put) struct json_object *out =
        agent_run(&charter_worker, text, NULL);

    (void)state;
    assert_int_equal(json_object_object_length(agent_at(out, "charts_payload")),
                     6);
    assert_all_add_up(out, 9943750);
    assert_point(out, "asset_allocation", "Equity", 7154500, "#3B82F6");
    assert_point(out, "asset_allocation", "Fixed income", 1450000, "#10B981");
    assert_point(out, "asset_allocation", "Cash", 850000, "#6B7280");
    assert_point(out, "asset_allocation", "Commodities", 489250, "#F59E0B");
    assert_point(out, "geographic_exposure", "North America", 7880000,
                 "#6366F1");
    assert_point(out, "geographic_exposure", "Oceania", 36225, "#8B5CF6");
    assert_point(out, "geographic_exposure", "Cash", 850000, "#6B7280");
    assert_point(out, "sector_breakdown", "Technology", 2296900, "#8B5CF6");
    assert_point(out, "sector_breakdown", "Treasury bonds", 609000, NULL);
    assert_point(out, "top_holdings", "SPY", 4502500, NULL);
    assert_point(out, "top_holdings", "Cash", 850000, "#6B7280");
    assert_point(out, "account_split", "401(k)", 9593750, NULL);
    assert_point(out, "account_split", "Taxable Brokerage", 250000, NULL);
    assert_point(out, "tax_advantaged", "Tax-advantaged", 9693750, NULL);
    assert_point(out, "tax_advantaged", "Taxable", 250000, NULL);
}

static void
test_two_runs_give_the_same_bytes(void **state)
{
    _cleanup(cleanup_free) char *text = input_file(FIXTURE);
    struct err err = {0};
    _cleanup(cleanup_free) char *one =
        agent_output(&charter_worker, text, NULL, &err);
    _cleanup(cleanup_free) char *two =
        agent_output(&charter_worker, text, NULL, &err);

    (void)state;
    assert_string_equal(one, two);
    assert_non_null(strstr(one, "\"value\":71545.00,"));
}

static void
test_cash_alone_is_one_chart(void **state)
{
    _cleanup(json_put) struct json_object *out = draw((struct input){
        .accounts = "[{\"id\":\"1\",\"name\":\"A\",\"cash_balance\":\"5\"}]"});

    (void)state;
    assert_int_equal(json_object_object_length(agent_at(out, "charts_payload")),
                     1);
    assert_point(out, "asset_allocation", "Cash", 500, "#6B7280");
}

static void
test_no_value_is_no_chart(void **state)
{
    _cleanup(json_put) struct json_object *none = draw((struct input){0});
    _cleanup(json_put) struct json_object *unpriced = draw((struct input){
        .accounts = "[{\"id\":\"1\",\"name\":\"A\",\"positions\":["
                    "{\"symbol\":\"X\",\"quantity\":\"3\"},"
                    "{\"symbol\":\"Y\",\"quantity\":\"0\"}]}]",
        .instruments = "{" INPUT_STOCK("Y", "5") "}",
    });

    (void)state;
    assert_int_equal(
        json_object_object_length(agent_at(none, "charts_payload")), 0);
    assert_int_equal(
        json_object_object_length(agent_at(unpriced, "charts_payload")), 0);
}

static void
test_one_account_with_two_holdings_has_four_charts(void **state)
{
    _cleanup(json_put) struct json_object *out = draw((struct input){
        .accounts = "[{\"id\":\"1\",\"name\":\"Mirage\",\"positions\":["
                    "{\"symbol\":\"X\",\"quantity\":\"3\"},"
                    "{\"symbol\":\"Y\",\"quantity\":\"1\"}]}]",
        .instruments =
            "{" INPUT_STOCK("X", "5") "," INPUT_STOCK("Y", "0.01") "}",
    });

    (void)state;
    assert_int_equal(json_object_object_length(agent_at(out, "charts_payload")),
                     4);
    assert_false(has_chart(out, "account_split"));
    assert_false(has_chart(out, "tax_advantaged"));
    assert_all_add_up(out, 1501);
}

static void
test_accounts_with_one_name_are_two_slices(void **state)
{
    _cleanup(json_put) struct json_object *out = draw((struct input){
        .accounts = "[{\"id\":\"1\",\"name\":\"IRA\",\"cash_balance\":1},"
                    "{\"id\":\"2\",\"name\":\"IRA\",\"cash_balance\":2},"
                    "{\"id\":\"3\",\"name\":\"empty\",\"cash_balance\":0}]",
    });

    (void)state;
    assert_point(out, "account_split", "IRA", 100, NULL);
    assert_point(out, "account_split", "IRA (2)", 200, NULL);
    assert_all_add_up(out, 300);
}

static void
test_hostile_and_long_names_stay_one_bounded_line_each(void **state)
{
    _cleanup(buf_free) struct buf accounts = {0};

    (void)state;
    for (int i = 0; i < 100; i++) {
        buf_printf(&accounts,
                   "%s{\"id\":\"%d\",\"name\":\"%s\",\"cash_balance\":%d}",
                   i > 0 ? "," : "[", i,
                   "<script>\\u0001\\u202e\\n`|#\\\"\\\\\\\"\\\"\\\"\\\"\\\""
                   "\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\"
                   "\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"",
                   i + 1);
    }
    buf_puts(&accounts, "]");
    _cleanup(json_put) struct json_object *out =
        draw((struct input){.accounts = accounts.data});

    assert_all_add_up(out, 505000);
    assert_point(out, "account_split", "Other accounts", 409500, NULL);
    assert_null(strchr(json_object_to_json_string(out), '\x01'));
}

/* Every chart full, every name of the most bytes there can be. */
static void
test_the_largest_charts_fit(void **state)
{
    _cleanup(buf_free) struct buf accounts = {0};
    _cleanup(buf_free) struct buf instruments = {0};
    _cleanup(buf_free) struct buf name = {0};
    _cleanup(buf_free) struct buf maps = {0};

    (void)state;
    for (int i = 0; i < 40; i++) {
        buf_puts(&name, "\U0001F4B0");
    }
    for (enum portfolio_dimension d = 0; d < PORTFOLIO_DIMENSIONS; d++) {
        size_t words = portfolio_key_count(d);

        buf_printf(&maps, ",\"%s\":{", portfolio_dimension_field(d));
        for (size_t i = 0; i < words; i++) {
            buf_printf(&maps, "%s\"%s\":%zu", i > 0 ? "," : "",
                       portfolio_slice_key(d, i), i > 0 ? 5 : 105 - 5 * words);
        }
        buf_puts(&maps, "}");
    }
    for (int i = 0; i < 14; i++) {
        buf_printf(&accounts,
                   "%s{\"id\":\"%d\",\"name\":\"%s%s\",\"cash_balance\":"
                   "1000000000.01,\"positions\":[{\"symbol\":\"%.72s%02d\","
                   "\"quantity\":10000}]}",
                   i > 0 ? "," : "[", i,
                   i == 0   ? "ira "
                   : i == 1 ? "taxable "
                            : "",
                   name.data, name.data, i);
        buf_printf(&instruments,
                   "%s\"%.72s%02d\":{\"name\":\"N\","
                   "\"current_price\":\"99999.99\"%s}",
                   i > 0 ? "," : "{", name.data, i, i > 0 ? maps.data : "");
    }
    buf_puts(&accounts, "]");
    buf_puts(&instruments, "}");
    _cleanup(json_put) struct json_object *out = draw((struct input){
        .accounts = accounts.data, .instruments = instruments.data});

    /* 14 x (1,000,000,000.01 + 999,999,900.00) dollars. */
    assert_all_add_up(out, INT64_C(2799999860014));
    assert_int_equal(json_object_object_length(agent_at(out, "charts_payload")),
                     6);
    assert_int_equal(json_object_array_length(
                         agent_at(out, "charts_payload.sector_breakdown.data")),
                     20);
}

static void
test_five_hundred_positions_fit(void **state)
{
    _cleanup(buf_free) struct buf positions = {0};
    _cleanup(buf_free) struct buf instruments = {0};

    (void)state;
    for (int i = 0; i < 500; i++) {
        buf_printf(&positions,
                   "%s{\"symbol\":\"SYMBOL-NUMBER-%05d\",\"quantity\":\"1\"}",
                   i > 0 ? "," : "", i);
        buf_printf(&instruments,
                   "%s\"SYMBOL-NUMBER-%05d\":{\"name\":\"N\","
                   "\"current_price\":\"%d.01\"}",
                   i > 0 ? "," : "", i, i + 1);
    }
    _cleanup(cleanup_free) char *accounts = xasprintf(
        "[{\"id\":\"1\",\"name\":\"A\",\"positions\":[%s]}]", positions.data);
    _cleanup(cleanup_free) char *all = xasprintf("{%s}", instruments.data);
    _cleanup(json_put) struct json_object *out =
        draw((struct input){.accounts = accounts, .instruments = all});

    /* 1 + ... + 500 = 125,250 dollars and 500 cents. */
    assert_all_add_up(out, 12525500);
    /* The ten largest: 491 + ... + 500 = 4,955 dollars and 10 cents. */
    assert_point(out, "top_holdings", "Other holdings", 12525500 - 495510,
                 NULL);
    assert_point(out, "sector_breakdown", "Unclassified", 12525500, NULL);
}

static void
test_huge_values_keep_their_cents(void **state)
{
    _cleanup(json_put) struct json_object *out = draw((struct input){
        .accounts = "[{\"id\":\"1\",\"name\":\"A\",\"cash_balance\":\"0.01\","
                    "\"positions\":[{\"symbol\":\"X\",\"quantity\":"
                    "\"90000000000\"}]}]",
        .instruments = "{" INPUT_STOCK("X", "111.1111") "}",
    });

    (void)state;
    assert_all_add_up(out, INT64_C(999999900000001));
    /* And as a reader's double: 2^53 is above a thousandth of a cent of it. */
    double total = json_object_get_double(agent_at(out, "detail.total_value"));

    assert_true(total > 9999999000000.005 && total < 9999999000000.015);
}

static void
test_colours_differ_within_a_chart_and_stay_with_the_name(void **state)
{
    struct charter_chart one = {.count = 0};
    struct charter_chart two = {.count = 0};

    (void)state;
    for (int i = 0; i < 12; i++) {
        static const char *const names[] = {"A", "B", "C", "D", "E", "F",
                                            "G", "H", "I", "J", "K", "L"};

        charter_add(&one, names[i], 100 - i);
    }
    charter_add(&two, "A", 1);
    charter_color(&one);
    charter_color(&two);
    for (size_t i = 0; i < one.count; i++) {
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(one.points[i].color, one.points[k].color);
        }
    }
    assert_string_equal(one.points[0].color, two.points[0].color);
}

static void
test_every_word_has_a_colour_of_its_own_in_its_chart(void **state)
{
    (void)state;
    for (enum portfolio_dimension d = 0; d < PORTFOLIO_DIMENSIONS; d++) {
        struct charter_chart chart = {.count = 0};

        for (size_t i = 0; i < portfolio_key_count(d); i++) {
            charter_add(&chart, portfolio_slice_label(d, i), 1);
        }
        charter_add(&chart, "Unclassified", 1);
        charter_color(&chart);
        for (size_t i = 0; i < chart.count; i++) {
            for (size_t k = 0; k < i; k++) {
                if (strcmp(chart.points[i].color, chart.points[k].color) == 0) {
                    fail_msg("%s and %s", chart.points[i].name,
                             chart.points[k].name);
                }
            }
        }
    }
}

static void
test_taxes_are_read_off_whole_words(void **state)
{
    static const struct {
        const char *name;
        const char *purpose;
        enum charter_tax tax;
    } rows[] = {
        {"401(k)", "", CHARTER_TAX_ADVANTAGED},
        {"My 401k Rollover", "", CHARTER_TAX_ADVANTAGED},
        {"roth ira", "", CHARTER_TAX_ADVANTAGED},
        {"Individual 401(k)", "", CHARTER_TAX_ADVANTAGED},
        {"Brokerage", "Tax-free savings", CHARTER_TAX_TAXABLE},
        {"Taxable Brokerage", "", CHARTER_TAX_TAXABLE},
        {"Non-taxable", "", CHARTER_TAX_ADVANTAGED},
        {"Mirage", "", CHARTER_TAX_UNKNOWN},
        {"Vanguard", "tax-deferred growth", CHARTER_TAX_ADVANTAGED},
        {"Vanguard", "General investment account", CHARTER_TAX_TAXABLE},
        {"", "", CHARTER_TAX_UNKNOWN},
    };
    _cleanup(arena_free) struct arena *mem = arena_new(4096);

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        assert_int_equal(charter_tax_of(rows[i].name, rows[i].purpose, mem),
                         rows[i].tax);
    }
}

static void
test_foreign_input_is_rejected_by_name(void **state)
{
    (void)state;
    agent_assert_rejects(&charter_worker, "[]", "input");
    agent_assert_rejects(&charter_worker, "{\"job\":{}}", "snapshot");
    agent_assert_rejects(&charter_worker, "{\"job\":", "input");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_published_user_gets_the_published_charts),
        cmocka_unit_test(test_two_runs_give_the_same_bytes),
        cmocka_unit_test(test_cash_alone_is_one_chart),
        cmocka_unit_test(test_no_value_is_no_chart),
        cmocka_unit_test(test_one_account_with_two_holdings_has_four_charts),
        cmocka_unit_test(test_accounts_with_one_name_are_two_slices),
        cmocka_unit_test(
            test_hostile_and_long_names_stay_one_bounded_line_each),
        cmocka_unit_test(test_the_largest_charts_fit),
        cmocka_unit_test(test_five_hundred_positions_fit),
        cmocka_unit_test(test_huge_values_keep_their_cents),
        cmocka_unit_test(
            test_colours_differ_within_a_chart_and_stay_with_the_name),
        cmocka_unit_test(test_every_word_has_a_colour_of_its_own_in_its_chart),
        cmocka_unit_test(test_taxes_are_read_off_whole_words),
        cmocka_unit_test(test_foreign_input_is_rejected_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
