#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "reporter/reporter.h"

static const char facts[] =
    "- The portfolio is worth **$99,437.50** in 3 accounts as of 2025-09-13.\n"
    "- Equity is 71.9% of it; SPDR S&P 500 ETF Trust in the 401(k).\n"
    "- Selling gives -$1,938.75. Three to six months of it. Caf\u00e9.\n"
    "- Retirement is 25 years away, at $2,500,000.00.\n";

static void
test_numbers_of_the_facts_may_be_reworded(void **state)
{
    static const char *const fine[] = {
        "",
        "No numbers at all, and one sentence.",
        "Worth $99,437.50, spread over 3 accounts.",
        "Worth $99437.50.",
        "Worth $99,437.5.",
        "Worth about $99,438.",
        "Worth about $99.4K, or $99.4 thousand.",
        "Roughly $0.1 million.",
        "Equity is 72%, 71.9 percent or 71.9 per cent.",
        "Held as S&P 500 in the 401(k).",
        "In three to six months, in 25 years.",
        "A goal of $2.5M, or 2,500,000 dollars.",
        "Sell for -$1,938.75.",
        "1. First, wait 25 years.\n2. Then rest.\n10) Done.",
        "It\u2019s \u201cfine\u201d \u2013 Caf\u00e9\u2026",
        "As of 2025-09-13.",
        "Worth \\$99,437.50.",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(fine); i++) {
        struct err err = {0};

        reporter_check_prose(facts, fine[i], &err);
        assert_string_equal(err.text, "");
    }
}

static void
test_other_numbers_are_refused_by_name(void **state)
{
    static const struct {
        const char *prose;
        const char *named;
    } rows[] = {
        {"Worth $99,437.51.", "99,437.51"},
        {"Worth $99,000.", "99,000"},
        {"Worth $99.3K.", "99.3K"},
        {"Equity is 71%.", "71%"},
        {"Equity is 71.95%.", "71.95%"},
        /* The right number in another unit. */
        {"Equity is $71.90.", "71.90"},
        {"Worth 99,437.50 percent.", "99,437.50"},
        {"Worth 99,437.50.", "99,437.50"},
        {"Sell for $1,938.75.", "1,938.75"},
        {"It may return 7% a year.", "7%"},
        {"In 2031 you will be rich.", "2031"},
        {"3. you hold 4 accounts", "4"},
        {"You hold 4. Really.", "4"},
        {"Over 3M people.", "3M"},
        {"Over 123456789012345678901234567890.", "1234"},
        {"Over 3.00001.", "3.00001"},
        {"About half of it.", "half"},
        {"It will double.", "double"},
        {"Hold seven accounts.", "seven"},
        {"Seventy percent equity.", "Seventy"},
        {"Twenty-five years.", "Twenty"},
        {"\u0663 accounts", "not among"},
        {"\uff13 accounts", "not among"},
        {"x\u00b2", "not among"},
        {"\u00bd of it", "not among"},
        {"\xff", "UTF-8"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct err err = {0};

        if (reporter_check_prose(facts, rows[i].prose, &err) == 0) {
            fail_msg("taken: %s", rows[i].prose);
        }
        assert_int_equal(err.kind, ERR_REJECT);
        if (!strstr(err.text, rows[i].named)) {
            fail_msg("\"%s\" does not name %s", err.text, rows[i].named);
        }
    }
}

static void
test_a_text_passes_against_itself(void **state)
{
    struct err err = {0};

    (void)state;
    assert_int_equal(reporter_check_prose(facts, facts, &err), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_of_the_facts_may_be_reworded),
        cmocka_unit_test(test_other_numbers_are_refused_by_name),
        cmocka_unit_test(test_a_text_passes_against_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
