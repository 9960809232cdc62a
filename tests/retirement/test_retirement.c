/* The agent: inputs in, results that fit the schema out, the same bytes every
 * time. */
#include "test.h"

#include <math.h>

#include "base/json.h"
#include "input.h"
#include "retirement/retirement.h"

#define FIXTURE SOURCE_DIR "/../portfolio/test_user.json"
#define PAYLOAD_MAX_BYTES 8000
/* A position of 1,000 shares of CASHY at 100.00: 80 % equity, 20 % cash. */
#define ONE_HOLDING                                                            \
    "[{\"id\":\"a\",\"name\":\"A\",\"cash_balance\":\"0\",\"positions\":"      \
    "[{\"symbol\":\"CASHY\",\"quantity\":\"1000\"}]}]"
#define CASHY(price, classes)                                                  \
    "{\"CASHY\":{\"name\":\"Cashy\",\"instrument_type\":\"etf\","              \
    "\"current_price\":" price ",\"allocation_asset_class\":" classes          \
    ",\"allocation_regions\":{\"global\":100},"                                \
    "\"allocation_sectors\":{\"other\":100}}}"
#define SAVER                                                                  \
    "{\"years_until_retirement\":10,\"target_retirement_income\":5000}"

static int
handle(const char *input, struct buf *output, struct err *err)
{
    _cleanup(task_offline_free) struct task *task = NULL;

    assert_int_equal(task_offline_new(NULL, 0, &task, err), 0);
    return retirement_handle(task, input, strlen(input), output, err);
}

static struct json_object *
parse(const char *text)
{
    struct json_object *value = NULL;
    struct err err = {0};

    if (json_parse(text, strlen(text), "text", &value, &err)) {
        fail_msg("%s", err.text);
    }
    return value;
}

/* The result of 'input' (freed here), checked against the agent's schema. */
static struct json_object *
answer(char *input)
{
    _cleanup(json_put) struct json_object *schema =
        parse(retirement_worker.result_schema);
    _cleanup(cleanup_free) char *text = input;
    _cleanup(buf_free) struct buf output = {0};
    struct json_object *result;
    struct err err = {0};

    if (handle(text, &output, &err)) {
        fail_msg("%s", err.text);
    }
    result = parse(output.data);
    if (json_validate(schema, result, &err)) {
        fail_msg("%s", err.text);
    }
    return result;
}

static struct json_object *
at(struct json_object *object, const char *key)
{
    struct json_object *value = NULL;

    assert_true(json_object_object_get_ex(object, key, &value));
    return value;
}

static double
number(struct json_object *object, const char *key)
{
    return json_object_get_double(at(object, key));
}

static const char *
prose(struct json_object *result)
{
    return json_object_get_string(
        at(at(result, "retirement_payload"), "analysis"));
}

/* The published user with these options. */
static char *
test_user(const char *options)
{
    _cleanup(cleanup_free) char *text = input_file(FIXTURE);
    _cleanup(json_put) struct json_object *root = NULL;

    assert_non_null(text);
    root = parse(text);
    json_object_object_add(at(at(root, "job"), "request"), "options",
                           parse(options));
    return xstrdup(json_object_to_json_string(root));
}

static double
weight(struct json_object *detail, const char *class)
{
    struct json_object *rows = at(at(detail, "market"), "classes");

    for (size_t i = 0; i < json_object_array_length(rows); i++) {
        struct json_object *row = json_object_array_get_idx(rows, i);

        if (strcmp(json_object_get_string(at(row, "class")), class) == 0) {
            return number(row, "weight_pct");
        }
    }
    fail();
    return 0;
}

static void
test_upstreams_assumptions_give_upstreams_numbers(void **state)
{
    _cleanup(json_put) struct json_object *result =
        answer(test_user("{\"assumptions\":\"upstream-v1\"}"));
    struct json_object *detail = at(result, "detail");
    struct json_object *bands = at(detail, "bands");

    (void)state;
    assert_true(number(detail, "expected_value_at_retirement") == 938944.61);
    assert_true(number(detail, "four_percent_income") == 3977.5);
    assert_true(number(detail, "gap") == 96022.5);
    assert_true(fabs(number(detail, "success_rate_pct") - 4.48) <
                3 * number(detail, "success_se_pct"));
    assert_int_equal(json_object_array_length(at(detail, "milestones")), 12);
    assert_int_equal(json_object_array_length(bands), 56);
    assert_int_equal(number(json_object_array_get_idx(bands, 25), "age"), 65);
    assert_true(weight(detail, "equity") == 71.95);
    assert_non_null(strstr(prose(result), "$938,945"));
    assert_non_null(strstr(prose(result), "**Not on track.**"));
    assert_non_null(strstr(prose(result), "$96,022 less than the goal"));
}

static void
assert_says(struct json_object *result, const char *before, double value,
            int decimals, const char *after)
{
    char text[120];

    snprintf(text, sizeof(text), "%s%.*f%s", before, decimals, value, after);
    if (!strstr(prose(result), text)) {
        fail_msg("the text does not say: %s", text);
    }
}

static void
test_the_text_says_what_the_numbers_say(void **state)
{
    static const char *const changes[] = {
        "Save $5,000 more a year | ", "Retire 2 years later | ",
        "| Spend $10,000 less a year | ",
        "retire 2 years later, spend $10,000 less a year | "};
    _cleanup(json_put) struct json_object *result = answer(test_user("{}"));
    struct json_object *detail = at(result, "detail");
    struct json_object *milestones = at(detail, "milestones");
    const double success = number(detail, "success_rate_pct");

    (void)state;
    assert_says(result, "In ", success, 1, "% of 10,000 simulated futures");
    assert_says(result, "on average it lasts ",
                number(detail, "average_years_lasted"), 1, ".");
    assert_says(result, "| As planned | ", success, 1, "% |");
    assert_says(result, ", ",
                number(at(detail, "lower_returns"), "success_rate_pct"), 1,
                "% of the futures last instead of ");
    assert_says(result, "return ",
                number(at(detail, "market"), "mean_return_pct"), 1, "% a year");
    for (size_t i = 0; i < ARRAY_COUNT(changes); i++) {
        struct json_object *change =
            json_object_array_get_idx(at(detail, "changes"), i);

        assert_says(result, changes[i], number(change, "success_rate_pct"), 1,
                    "% |");
    }
    for (size_t i = 0; i < json_object_array_length(milestones); i++) {
        assert_says(result, "\n| ",
                    number(json_object_array_get_idx(milestones, i), "year"), 0,
                    " | $");
    }
}

static void
test_payload_has_upstreams_shape(void **state)
{
    _cleanup(json_put) struct json_object *result = answer(test_user("{}"));
    struct json_object *payload = at(result, "retirement_payload");

    (void)state;
    assert_int_equal(json_object_object_length(payload), 3);
    assert_string_equal(json_object_get_string(at(payload, "generated_at")),
                        "2025-09-13T18:54:12.123456");
    assert_string_equal(json_object_get_string(at(payload, "agent")),
                        "retirement");
    assert_string_equal(
        json_object_get_string(at(at(result, "detail"), "assumptions")),
        "alex-2026");
}

static void
test_the_same_input_gives_the_same_bytes(void **state)
{
    _cleanup(cleanup_free) char *input = test_user("{}");
    _cleanup(buf_free) struct buf first = {0}, second = {0};
    struct err err = {0};

    (void)state;
    assert_int_equal(handle(input, &first, &err), 0);
    assert_int_equal(handle(input, &second, &err), 0);
    assert_string_equal(first.data, second.data);
}

/* Every sort of plan and portfolio: the result fits its schema, its payload is
 * small, and no number in it is missing. */
static void
test_every_plan_has_a_valid_and_small_result(void **state)
{
    static const struct input rows[] = {
        {.user = "{}"},
        {.user = "{}",
         .accounts = ONE_HOLDING,
         .instruments = CASHY("\"100\"", "{\"equity\":80,\"cash\":20}")},
        {.user = SAVER,
         .accounts = ONE_HOLDING,
         .instruments = CASHY("null", "{\"equity\":100}")},
        {.user = SAVER,
         .accounts = ONE_HOLDING,
         .instruments = CASHY("\"99999999.9999\"", "{\"alternatives\":100}")},
        {.user = SAVER,
         .accounts = ONE_HOLDING,
         .instruments = CASHY("\"0.01\"", "{}")},
        {.user = SAVER,
         .accounts = ONE_HOLDING,
         .instruments = CASHY("\"100\"", "{\"commodities\":100}"),
         .options = "{\"retirement_years\":0}"},
        {.user = "{\"years_until_retirement\":0,"
                 "\"target_retirement_income\":\"0.00\"}",
         .accounts = ONE_HOLDING,
         .instruments = CASHY("\"100\"", "{\"fixed_income\":100}")},
        {.user = "{\"years_until_retirement\":100,"
                 "\"target_retirement_income\":\"9999999999.99\"}",
         .accounts = ONE_HOLDING,
         .instruments = CASHY("\"100\"", "{\"real_estate\":100}"),
         .options = "{\"retirement_years\":100,\"current_age\":120,"
                    "\"annual_contribution\":\"10000000\"}"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        _cleanup(json_put) struct json_object *result =
            answer(input_text(&rows[i]));
        const char *payload = json_object_to_json_string_ext(
            at(result, "retirement_payload"), JSON_C_TO_STRING_PLAIN);

        assert_true(strlen(payload) < PAYLOAD_MAX_BYTES);
        assert_null(strstr(payload, "nan"));
        assert_null(strstr(payload, "inf "));
        assert_null(strstr(payload, "$-"));
        assert_null(strstr(payload, "| |"));
    }
}

static void
test_an_empty_portfolio_is_said_to_be_empty(void **state)
{
    const struct input in = {.user = SAVER};
    _cleanup(json_put) struct json_object *result = answer(input_text(&in));

    (void)state;
    assert_non_null(strstr(prose(result), "no positions with a value and no "
                                          "cash"));
    assert_true(number(at(at(result, "detail"), "plan"), "value") == 0);
}

static void
test_missing_goals_are_named_and_not_invented(void **state)
{
    const struct input in = {
        .user = "{}",
        .accounts = ONE_HOLDING,
        .instruments = CASHY("\"100\"", "{\"equity\":80,\"cash\":20}")};
    _cleanup(json_put) struct json_object *result = answer(input_text(&in));
    struct json_object *detail = at(result, "detail");

    (void)state;
    assert_non_null(strstr(prose(result), "No target income is set"));
    assert_non_null(strstr(prose(result), "30 are assumed"));
    assert_null(at(detail, "success_rate_pct"));
    assert_null(at(detail, "gap"));
    assert_null(at(at(detail, "plan"), "target_income"));
    assert_true(number(detail, "simulated_income") ==
                number(detail, "sustainable_income_90"));
    assert_true(number(detail, "sustainable_income_90") > 0);
}

static void
test_cash_inside_funds_earns_only_where_assumed(void **state)
{
    struct input in = {.user = SAVER,
                       .accounts = ONE_HOLDING,
                       .instruments =
                           CASHY("\"100\"", "{\"equity\":80,\"cash\":20}")};
    _cleanup(json_put) struct json_object *alex = answer(input_text(&in));
    _cleanup(json_put) struct json_object *upstream = NULL;

    (void)state;
    in.options = "{\"assumptions\":\"upstream-v1\"}";
    upstream = answer(input_text(&in));
    assert_true(weight(at(alex, "detail"), "cash") == 20);
    assert_true(weight(at(upstream, "detail"), "cash") == 0);
    assert_true(weight(at(upstream, "detail"), "equity") == 80);
}

static void
test_unclassified_holdings_count_as_assumed_and_are_reported(void **state)
{
    struct input in = {.user = SAVER,
                       .accounts = ONE_HOLDING,
                       .instruments = CASHY("\"100\"", "{}")};
    _cleanup(json_put) struct json_object *alex = answer(input_text(&in));
    _cleanup(json_put) struct json_object *upstream = NULL;

    (void)state;
    in.options = "{\"assumptions\":\"upstream-v1\"}";
    upstream = answer(input_text(&in));
    assert_true(weight(at(alex, "detail"), "equity") == 100);
    assert_true(weight(at(upstream, "detail"), "equity") == 0);
    assert_non_null(strstr(prose(alex), "$100,000 are not classified and "
                                        "assumed to behave like equity"));
    assert_non_null(strstr(prose(upstream), "assumed to earn nothing"));
}

static void
test_unpriced_holdings_are_reported(void **state)
{
    const struct input in = {.user = SAVER,
                             .accounts = ONE_HOLDING,
                             .instruments = CASHY("null", "{\"equity\":100}")};
    _cleanup(json_put) struct json_object *result = answer(input_text(&in));

    (void)state;
    assert_non_null(
        strstr(prose(result), "1 holding is without a known price"));
    assert_int_equal(
        number(at(at(result, "detail"), "plan"), "unpriced_holdings"), 1);
}

static void
test_options_change_the_plan(void **state)
{
    _cleanup(json_put) struct json_object *result =
        answer(test_user("{\"annual_contribution\":12345.67,"
                         "\"retirement_years\":\"20\",\"current_age\":50,"
                         "\"paths\":20000}"));
    struct json_object *detail = at(result, "detail");
    struct json_object *plan = at(detail, "plan");

    (void)state;
    assert_true(number(plan, "annual_contribution") == 12345.67);
    assert_int_equal(number(plan, "years_in_retirement"), 20);
    assert_int_equal(number(detail, "paths"), 20000);
    assert_int_equal(json_object_array_length(at(detail, "bands")), 46);
    assert_non_null(strstr(prose(result), "25 (age 75)"));
    assert_null(strstr(prose(result), "(assumed)"));
}

static void
test_bad_options_are_refused_by_name(void **state)
{
    static const char *const rows[][2] = {
        {"{\"paths\":9999}", "options.paths"},
        {"{\"paths\":100001}", "options.paths"},
        {"{\"paths\":\"many\"}", "options.paths"},
        {"{\"annual_contribution\":-1}", "options.annual_contribution"},
        {"{\"annual_contribution\":10000001}", "options.annual_contribution"},
        {"{\"retirement_years\":101}", "options.retirement_years"},
        {"{\"retirement_years\":1.5}", "options.retirement_years"},
        {"{\"current_age\":121}", "options.current_age"},
        {"{\"assumptions\":\"rosy\"}", "assumptions rosy"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        _cleanup(cleanup_free) char *input = test_user(rows[i][0]);
        _cleanup(buf_free) struct buf output = {0};
        struct err err = {0};

        assert_int_equal(handle(input, &output, &err), -1);
        assert_int_equal(err.kind, ERR_REJECT);
        if (!strstr(err.text, rows[i][1])) {
            fail_msg("%s: %s", rows[i][0], err.text);
        }
    }
}

static void
test_foreign_input_is_refused(void **state)
{
    static const char *const rows[] = {"", "[]", "{\"job\":7}", "{\"a\":"};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        _cleanup(buf_free) struct buf output = {0};
        struct err err = {0};

        assert_int_equal(handle(rows[i], &output, &err), -1);
        assert_int_equal(err.kind, ERR_REJECT);
    }
}

static void
test_the_schemas_examples_fit_it(void **state)
{
    _cleanup(json_put) struct json_object *schema =
        parse(retirement_worker.result_schema);
    struct json_object *examples = at(schema, "examples");
    struct err err = {0};

    (void)state;
    assert_true(json_object_array_length(examples) > 0);
    for (size_t i = 0; i < json_object_array_length(examples); i++) {
        struct json_object *example = json_object_array_get_idx(examples, i);

        if (json_validate(schema, example, &err)) {
            fail_msg("%s", err.text);
        }
        json_object_object_add(example, "report_payload", NULL);
        assert_int_equal(json_validate(schema, example, &err), -1);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_upstreams_assumptions_give_upstreams_numbers),
        cmocka_unit_test(test_the_text_says_what_the_numbers_say),
        cmocka_unit_test(test_payload_has_upstreams_shape),
        cmocka_unit_test(test_the_same_input_gives_the_same_bytes),
        cmocka_unit_test(test_every_plan_has_a_valid_and_small_result),
        cmocka_unit_test(test_an_empty_portfolio_is_said_to_be_empty),
        cmocka_unit_test(test_missing_goals_are_named_and_not_invented),
        cmocka_unit_test(test_cash_inside_funds_earns_only_where_assumed),
        cmocka_unit_test(
            test_unclassified_holdings_count_as_assumed_and_are_reported),
        cmocka_unit_test(test_unpriced_holdings_are_reported),
        cmocka_unit_test(test_options_change_the_plan),
        cmocka_unit_test(test_bad_options_are_refused_by_name),
        cmocka_unit_test(test_foreign_input_is_refused),
        cmocka_unit_test(test_the_schemas_examples_fit_it),
    };

    return RUN_TESTS(tests);
}
