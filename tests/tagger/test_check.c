#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "tagger/tagger.h"

#define ANSWER(symbol, price, class)                                           \
    "{\"rationale\":\"Makes cars.\",\"symbol\":\"" symbol                      \
    "\",\"name\":\"Tesla, Inc.\",\"instrument_type\":\"stock\","               \
    "\"current_price\":" price                                                 \
    ",\"allocation_asset_class\":" class ",\"allocation_regions\":{\"north_"   \
                                         "america\":100.0},"                   \
                                         "\"allocation_sectors\":{\"consumer_" \
                                         "discretionary\":100.0}}"

static int
check(const char *answer, struct arena *mem, struct tagger_class *ret,
      struct err *err)
{
    return tagger_check_classification(answer, strlen(answer), "TSLA", mem, ret,
                                       err);
}

static void
test_the_good_answer_is_taken(void **state)
{
    _cleanup(arena_free) struct arena *mem = arena_new(4096);
    struct tagger_class class = {0};
    struct err err = {0};

    (void)state;
    assert_int_equal(
        check(ANSWER("TSLA", "250.0", "{\"equity\":100.0,\"cash\":0.0}"), mem,
              &class, &err),
        0);
    assert_string_equal(class.symbol, "TSLA");
    assert_string_equal(class.name, "Tesla, Inc.");
    assert_string_equal(class.type, "stock");
    assert_string_equal(class.source, "model");
    assert_string_equal(class.rationale, "Makes cars.");
    assert_int_equal(class.weights[PORTFOLIO_ASSET_CLASS][0], PORTFOLIO_WHOLE);
    assert_int_equal(class.weights[PORTFOLIO_REGION][0], PORTFOLIO_WHOLE);
    assert_int_equal(class.weights[PORTFOLIO_SECTOR][3], PORTFOLIO_WHOLE);
}

static void
test_sums_are_scaled_to_exactly_100_or_refused(void **state)
{
    static const struct {
        const char *class;
        int result;
        int64_t equity; /* After scaling. */
    } rows[] = {
        {"{\"equity\":59.95,\"cash\":40}", 0, 599800}, /* 59.95 / .9995 */
        {"{\"equity\":60.05,\"cash\":40}", 0, 600200}, /* 60.05 / 1.0005 */
        {"{\"equity\":59.94,\"cash\":40}", 0, 599760}, /* 59.94 / .9994 */
        {"{\"equity\":90,\"cash\":40}", 0, 692308},    /* 9/13 */
        {"{\"equity\":50,\"cash\":100}", 0, 333333},
        {"{\"equity\":50}", 0, 1000000},
        {"{\"equity\":49.99}", -1, 0},
        {"{\"equity\":50.01,\"cash\":100}", -1, 0},
        {"{\"equity\":0}", -1, 0},
        {"{}", -1, 0},
    };
    _cleanup(arena_free) struct arena *mem = arena_new(4096);

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        char answer[1024];
        struct tagger_class class = {0};
        struct err err = {0};
        int64_t sum = 0;

        snprintf(answer, sizeof(answer), ANSWER("TSLA", "250.0", "%s"),
                 rows[i].class);
        assert_int_equal(check(answer, mem, &class, &err), rows[i].result);
        for (size_t k = 0; k < PORTFOLIO_KEYS_MAX; k++) {
            sum += class.weights[PORTFOLIO_ASSET_CLASS][k];
        }
        assert_int_equal(class.weights[PORTFOLIO_ASSET_CLASS][0],
                         rows[i].equity);
        assert_int_equal(sum, rows[i].result == 0 ? PORTFOLIO_WHOLE : 0);
    }
}

static void
test_bad_answers_are_refused_by_name_and_leave_the_result(void **state)
{
    static const struct {
        const char *answer;
        const char *named;
    } rows[] = {
        {"", "answer"},
        {"[]", "object"},
        {"Sure! {\"symbol\":\"TSLA\"}", "answer"},
        {"{\"symbol\":\"TSLA\"", "answer"},
        {ANSWER("TSLQ", "250.0", "{\"equity\":100}"), "symbol"},
        {ANSWER("tsla", "250.0", "{\"equity\":100}"), "symbol"},
        {ANSWER("TSLA", "0", "{\"equity\":100}"), "current_price"},
        {ANSWER("TSLA", "-5", "{\"equity\":100}"), "current_price"},
        {ANSWER("TSLA", "\"much\"", "{\"equity\":100}"), "current_price"},
        {ANSWER("TSLA", "250.0", "{\"equity\":110,\"cash\":-10}"), "equity"},
        {ANSWER("TSLA", "250.0", "{\"equity\":90,\"cash\":-10}"), "cash"},
        {ANSWER("TSLA", "250.0", "{\"equity\":100,\"stocks\":0}"), "stocks"},
        {ANSWER("TSLA", "250.0", "{\"equity\":130}"), "equity"},
        {ANSWER("TSLA", "250.0", "{\"equity\":null}"), "equity"},
        {ANSWER("TSLA", "250.0", "[100]"), "allocation_asset_class"},
        {ANSWER("TSLA", "250.0", "null"), "allocation_asset_class"},
        {"{\"symbol\":\"TSLA\",\"name\":\"T\",\"instrument_type\":\"ETF\"}",
         "instrument_type"},
        {"{\"symbol\":\"TSLA\",\"instrument_type\":\"stock\"}", "name"},
        {"{\"symbol\":\"TSLA\",\"name\":\"T\",\"instrument_type\":\"stock\"}",
         "rationale"},
        {"{\"symbol\":\"TSLA\",\"confidence\":1}", "confidence"},
    };
    _cleanup(arena_free) struct arena *mem = arena_new(4096);

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct tagger_class class = {.symbol = "untouched"};
        struct err err = {0};

        assert_int_equal(check(rows[i].answer, mem, &class, &err), -1);
        assert_int_equal(err.kind, ERR_REJECT);
        assert_string_equal(class.symbol, "untouched");
        if (!strstr(err.text, rows[i].named)) {
            fail_msg("\"%s\" does not name %s", err.text, rows[i].named);
        }
    }
}

static void
test_an_answer_of_any_size_is_not_read(void **state)
{
    _cleanup(arena_free) struct arena *mem = arena_new(4096);
    static char answer[20001];
    struct tagger_class class = {0};
    struct err err = {0};

    (void)state;
    memset(answer, ' ', 20000);
    memcpy(answer, ANSWER("TSLA", "250.0", "{\"equity\":100}"),
           strlen(ANSWER("TSLA", "250.0", "{\"equity\":100}")));
    assert_int_equal(check(answer, mem, &class, &err), -1);
    assert_non_null(strstr(err.text, "at most 16384"));
    answer[16000] = '\0';
    assert_int_equal(check(answer, mem, &class, &err), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_good_answer_is_taken),
        cmocka_unit_test(test_sums_are_scaled_to_exactly_100_or_refused),
        cmocka_unit_test(
            test_bad_answers_are_refused_by_name_and_leave_the_result),
        cmocka_unit_test(test_an_answer_of_any_size_is_not_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
