#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent.h"
#include "reporter/page.h"
#include "reporter/reporter.h"

#define FIXTURE SOURCE_DIR "/../portfolio/test_user.json"
#define HELD(cash, positions)                                                  \
    "[{\"id\":\"1\",\"name\":\"A\",\"cash_balance\":" cash                     \
    ",\"positions\":[" positions "]}]"
#define POSITION(symbol, quantity)                                             \
    "{\"symbol\":\"" symbol "\",\"quantity\":\"" quantity "\"}"

/* The report's markdown; malloc'd. */
static char *
report_of(const char *input)
{
    _cleanup(json_put) struct json_object *out =
        agent_run(&reporter_worker, input, NULL);
    struct json_object *payload = agent_at(out, "report_payload");

    assert_true(strlen(json_object_to_json_string_ext(
                    payload, JSON_C_TO_STRING_SPACED)) <=
                REPORTER_PAYLOAD_BYTES_MAX + 20);
    return xstrdup(json_object_get_string(agent_at(payload, "content")));
}

static char *
report(struct input in)
{
    _cleanup(cleanup_free) char *text = input_text(&in);

    return report_of(text);
}

static void
assert_says(const char *text, const char *words)
{
    if (!strstr(text, words)) {
        fail_msg("\"%s\" is not in:\n%s", words, text);
    }
}

static void
assert_silent(const char *text, const char *words)
{
    if (strstr(text, words)) {
        fail_msg("\"%s\" is in:\n%s", words, text);
    }
}

static size_t
count_of(const char *text, const char *words)
{
    size_t count = 0;

    for (const char *p = strstr(text, words); p; p = strstr(p + 1, words)) {
        count++;
    }
    return count;
}

static void
test_the_published_user_reads_the_published_numbers(void **state)
{
    static const char *const said[] = {
        "# Portfolio analysis\n\nPrepared for Test User from data as of "
        "2025-09-13.\n",
        "**$99,437.50**: $90,937.50 in 5 holdings and $8,500.00 in cash, in 3 "
        "accounts.",
        "equity makes up 71.9% and fixed income 14.6%; fixed income is 15.4 "
        "points below its target of 30.0%.",
        "| 401(k) | $5,000.00 | $90,937.50 | $95,937.50 | 96.5% |",
        "| Commodities | $4,892.50 | 4.9% |",
        "| SPY | SPDR S&P 500 ETF Trust | $45,025.00 | 45.3% |",
        "| Fixed income | 30.0% | 14.6% | $15,331.25 |",
        "| North America | 50.0% | 86.7% | -$33,331.25 |",
        "| Government-related bonds | $1,015.00 | 1.0% |",
        /* 10,000 / 3,247 */
        "the 5 holdings are spread as widely as 3.1 equal ones",
        /* 71,545 x 0.3 */
        "fell by 30%, it would lose about $21,463.50",
        /* 5,000 x 4.5 % + 1,000 x 4 % + 2,500 x 3.5 % */
        "about $352.50 a year (4.1%)",
        "Retirement is 25 years away.",
        "a yearly withdrawal of 4% of today's value is $3,977.50. That is "
        "$96,022.50 short of the $100,000.00",
        "**Raise fixed income by about $15,331.25.** The share is 14.6% of "
        "the portfolio; your target is 30.0%. *Priority: high.*",
        "**Raise international holdings by about $38,223.75.**",
        "All holdings are priced and classified.",
        "not investment, tax or legal advice",
    };
    _cleanup(cleanup_free) char *input = input_file(FIXTURE);
    _cleanup(cleanup_free) char *text = report_of(input);

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(said); i++) {
        assert_says(text, said[i]);
    }
}

static void
test_sections_stand_in_upstreams_order(void **state)
{
    static const char *const titles[] = {
        "# Portfolio analysis\n",
        "\n## Executive summary\n",
        "\n## Composition\n",
        "\n## Diversification\n",
        "\n## Risk\n",
        "\n## Retirement readiness\n",
        "\n## Recommendations\n",
        "\n## Data quality\n",
        "\n## Conclusion\n",
    };
    _cleanup(cleanup_free) char *input = input_file(FIXTURE);
    _cleanup(cleanup_free) char *text = report_of(input);
    const char *last = text;

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(titles); i++) {
        const char *at = strstr(last, titles[i]);

        assert_non_null(at);
        last = at;
    }
    assert_int_equal(count_of(text, "\n## "), ARRAY_COUNT(titles) - 1);
}

static void
test_the_payload_is_upstreams(void **state)
{
    _cleanup(cleanup_free) char *input = input_file(FIXTURE);
    _cleanup(json_put) struct json_object *out =
        agent_run(&reporter_worker, input, NULL);

    (void)state;
    assert_int_equal(json_object_object_length(agent_at(out, "report_payload")),
                     3);
    assert_string_equal(
        json_object_get_string(agent_at(out, "report_payload.generated_at")),
        "2025-09-13T18:54:12.123456");
    assert_string_equal(
        json_object_get_string(agent_at(out, "report_payload.agent")),
        "reporter");
}

static void
test_two_runs_give_the_same_bytes(void **state)
{
    _cleanup(cleanup_free) char *input = input_file(FIXTURE);
    struct err err = {0};
    _cleanup(cleanup_free) char *one =
        agent_output(&reporter_worker, input, NULL, &err);
    _cleanup(cleanup_free) char *two =
        agent_output(&reporter_worker, input, NULL, &err);

    (void)state;
    assert_non_null(one);
    assert_string_equal(one, two);
}

static void
test_an_empty_portfolio_gets_a_report_that_says_so(void **state)
{
    _cleanup(cleanup_free) char *text = report((struct input){.user = "{}"});

    (void)state;
    assert_says(text, "There is nothing to value yet");
    assert_says(text, "No retirement goals are set");
    assert_says(text, "Enter your accounts and what they hold.");
    assert_says(text, "There are no holdings to price or classify.");
    assert_silent(text, "## Composition");
    assert_silent(text, "## Diversification");
    assert_silent(text, "## Risk");
}

static void
test_cash_alone_is_said_to_be_cash(void **state)
{
    _cleanup(cleanup_free) char *text =
        report((struct input){.accounts = HELD("\"1234.50\"", "")});

    (void)state;
    assert_says(text, "**$1,234.50**, all of it cash, in 1 account.");
    assert_says(text, "By asset class, cash makes up 100.0%.");
    assert_says(text, "Decide what the cash is for.");
    assert_says(text, "no interest is recorded for it");
    assert_silent(text, "## Diversification");
    assert_silent(text, "The largest holding");
}

static void
test_goals_that_are_not_set_are_said_not_to_be(void **state)
{
    static const struct {
        const char *user;
        const char *said;
    } rows[] = {
        {"{\"years_until_retirement\":10}",
         "No income to reach is set, so there is nothing to hold that "
         "against."},
        {"{\"years_until_retirement\":1}", "Retirement is 1 year away."},
        {"{\"years_until_retirement\":0,\"target_retirement_income\":\"1\"}",
         "Retirement is now."},
        {"{\"target_retirement_income\":\"5000\"}",
         "The years until retirement are not set."},
        {"{\"target_retirement_income\":\"0.40\"}",
         "That covers the $0.40 a year that is wanted."},
        {"{\"target_retirement_income\":null}",
         "Neither the years until retirement nor an income to reach are set"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        _cleanup(cleanup_free) char *text = report(
            (struct input){.user = rows[i].user, .accounts = HELD("10", "")});

        assert_says(text, rows[i].said);
    }
}

static void
test_gaps_in_the_data_are_said_where_they_matter(void **state)
{
    _cleanup(cleanup_free) char *text = report((struct input){
        .accounts = HELD("0", POSITION("NEW", "3") "," POSITION("OPEN", "1")),
        .instruments = "{\"OPEN\":{\"name\":\"O\",\"current_price\":\"8\"}}",
    });

    (void)state;
    assert_says(text, "**$8.00**: $8.00 in 2 holdings and $0.00 in cash, in 1 "
                      "account, without 1 holding that has no price.");
    assert_says(text, "| NEW | NEW | no price | 0.0% |");
    assert_says(text, "| Unclassified | $8.00 | 100.0% |");
    assert_says(text, "- 1 holding has no price and counts as $0.00: NEW.");
    assert_says(text, "Get prices for NEW.");
    assert_says(text, "Look up what NEW and OPEN are.");
}

static void
test_a_large_company_is_warned_of(void **state)
{
    _cleanup(cleanup_free) char *text = report((struct input){
        .accounts = HELD("79", POSITION("X", "21")),
        .instruments = "{" INPUT_STOCK("X", "1") "}",
    });
    _cleanup(cleanup_free) char *calm = report((struct input){
        .accounts = HELD("90", POSITION("X", "10")),
        .instruments = "{" INPUT_STOCK("X", "1") "}",
    });

    (void)state;
    assert_says(text, "**Bring X below a tenth of the portfolio.** It is one "
                      "company and 21.0% of the total; what happens to it "
                      "happens to you. *Priority: high.*");
    assert_says(text, "Shares of 1 company held directly are 21.0%");
    assert_silent(calm, "below a tenth");
}

static void
test_recommendations_are_five_to_seven_most_urgent_first(void **state)
{
    static const struct input rows[] = {
        {0},
        {.user = "{}"},
        {.user = "{}",
         .accounts = HELD("0", POSITION("X", "9") "," POSITION("NEW", "1")),
         .instruments = "{" INPUT_STOCK("X", "1") ",\"NEW\":{\"name\":\"N\","
                                                  "\"current_price\":\"1\"}}"},
        {.user = "{\"years_until_retirement\":1,\"target_retirement_income\":"
                 "\"9\",\"asset_class_targets\":{\"cash\":100},"
                 "\"region_targets\":{\"asia\":100}}",
         .accounts = HELD("0", POSITION("X", "9") "," POSITION("NEW", "1")),
         .instruments = "{" INPUT_STOCK("X", "1") "}"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        _cleanup(cleanup_free) char *input = input_text(&rows[i]);
        _cleanup(json_put) struct json_object *out =
            agent_run(&reporter_worker, input, NULL);
        struct json_object *list = agent_at(out, "detail.recommendations");
        size_t count = json_object_array_length(list);
        char last = 'h';

        assert_true(count >= 5 && count <= 7);
        for (size_t k = 0; k < count; k++) {
            const char *priority = json_object_get_string(
                agent_at(json_object_array_get_idx(list, k), "priority"));

            /* high, medium, low: never back. */
            assert_true(priority[0] == last ||
                        (last == 'h' && priority[0] == 'm') ||
                        (last != 'l' && priority[0] == 'l'));
            last = priority[0];
        }
    }
}

static void
test_the_report_passes_its_own_check(void **state)
{
    _cleanup(cleanup_free) char *input = input_file(FIXTURE);
    _cleanup(cleanup_free) char *text = report_of(input);
    struct err err = {0};

    (void)state;
    reporter_check_prose(text, text, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(
        reporter_check_prose(
            text, "You have about $99 thousand, 72% in equity.", &err),
        0);
    assert_int_equal(
        reporter_check_prose(text, "You have about $98 thousand.", &err), -1);
}

static void
test_huge_numbers_are_written_out(void **state)
{
    _cleanup(cleanup_free) char *text = report((struct input){
        .accounts = HELD("\"0.01\"", POSITION("X", "90000000000")),
        .instruments = "{" INPUT_STOCK("X", "111.1111") "}",
    });
    _cleanup(cleanup_free) char *goal = report((struct input){
        .user = "{\"target_retirement_income\":\"9999999999.99\"}",
        .accounts = HELD("1", ""),
    });

    (void)state;
    assert_says(text, "**$9,999,999,000,000.01**");
    /* 25 x 9,999,999,999.99 */
    assert_says(goal, "asks for $249,999,999,999.75;");
}

static void
test_foreign_input_is_rejected_by_name(void **state)
{
    (void)state;
    agent_assert_rejects(&reporter_worker, "\"x\"", "input");
    agent_assert_rejects(&reporter_worker, "{\"job\":{}}", "snapshot");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_published_user_reads_the_published_numbers),
        cmocka_unit_test(test_sections_stand_in_upstreams_order),
        cmocka_unit_test(test_the_payload_is_upstreams),
        cmocka_unit_test(test_two_runs_give_the_same_bytes),
        cmocka_unit_test(test_an_empty_portfolio_gets_a_report_that_says_so),
        cmocka_unit_test(test_cash_alone_is_said_to_be_cash),
        cmocka_unit_test(test_goals_that_are_not_set_are_said_not_to_be),
        cmocka_unit_test(test_gaps_in_the_data_are_said_where_they_matter),
        cmocka_unit_test(test_a_large_company_is_warned_of),
        cmocka_unit_test(
            test_recommendations_are_five_to_seven_most_urgent_first),
        cmocka_unit_test(test_the_report_passes_its_own_check),
        cmocka_unit_test(test_huge_numbers_are_written_out),
        cmocka_unit_test(test_foreign_input_is_rejected_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
