#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent.h"
#include "planner/planner.h"
#include "runtime/task.h"

#define FIXTURE SOURCE_DIR "/../portfolio/test_user.json"
#define HELD(symbols)                                                          \
    "[{\"id\":\"1\",\"name\":\"A\",\"cash_balance\":1,\"positions\":[" symbols \
    "]}]"
#define POSITION(symbol, quantity)                                             \
    "{\"symbol\":\"" symbol "\",\"quantity\":\"" quantity "\"}"

static struct json_object *
plan(struct input in, const char *answers)
{
    _cleanup(cleanup_free) char *text = input_text(&in);

    return agent_run(&planner_worker, text, answers);
}

/* Nodes, agents and needs of the plan, as one line. */
static void
assert_plan(struct json_object *output, const char *want)
{
    struct json_object *rows = agent_at(output, "plan");
    _cleanup(buf_free) struct buf line = {0};

    for (size_t i = 0; i < json_object_array_length(rows); i++) {
        struct json_object *row = json_object_array_get_idx(rows, i);

        buf_printf(&line, "%s%s:%s%s%s", i > 0 ? " " : "",
                   json_object_get_string(agent_at(row, "node")),
                   json_object_get_string(agent_at(row, "agent")),
                   json_object_get_boolean(agent_at(row, "required")) ? ""
                                                                      : "?",
                   json_object_to_json_string_ext(agent_at(row, "needs"),
                                                  JSON_C_TO_STRING_PLAIN));
    }
    assert_string_equal(line.data, want);
}

static const char *
text_at(struct json_object *value, const char *path)
{
    return json_object_to_json_string_ext(agent_at(value, path),
                                          JSON_C_TO_STRING_PLAIN);
}

static void
assert_says(struct json_object *output, const char *words)
{
    const char *text = text_at(output, "summary_payload.data_quality");

    if (!strstr(text, words)) {
        fail_msg("%s is not in %s", words, text);
    }
}

static void
test_the_published_user_gets_report_charts_and_projection(void **state)
{
    _cleanup(cleanup_free) char *text = input_file(FIXTURE);
    _cleanup(json_put) struct json_object *out =
        agent_run(&planner_worker, text,
                  "[{\"kind\":\"prices\",\"request\":{\"symbols\":[\"BND\","
                  "\"GLD\",\"QQQ\",\"SPY\",\"VEA\"]},"
                  "\"answer\":{\"source\":\"none\",\"prices\":{}}}]");

    (void)state;
    assert_plan(out, "report:reporter[\"plan\"] chart:charter[\"plan\"] "
                     "retire:retirement[\"plan\"]");
    assert_string_equal(text_at(out, "prices"), "[]");
    assert_string_equal(
        text_at(out, "summary_payload"),
        "{\"total_value\":99437.50,\"accounts\":3,\"positions\":5,"
        "\"plan\":[\"report\",\"chart\",\"retire\"],\"unpriced\":[],"
        "\"data_quality\":[]}");
    assert_string_equal(text_at(out, "detail"),
                        "{\"price_source\":\"none\",\"prices_asked\":5,"
                        "\"prices_changed\":0,\"notes\":[]}");
}

static void
test_the_plan_follows_the_rule(void **state)
{
    static const struct {
        const char *accounts;
        const char *user;
        const char *plan;
    } rows[] = {
        /* Nothing at all still gets a report that says so. */
        {"[]", "{}", "report:reporter[\"n\"]"},
        {"[]", "{\"years_until_retirement\":0}",
         "report:reporter[\"n\"] retire:retirement[\"n\"]"},
        {"[]", "{\"target_retirement_income\":\"0.00\"}",
         "report:reporter[\"n\"] retire:retirement[\"n\"]"},
        {HELD(POSITION("X", "1")), "{}", "report:reporter[\"n\"]"},
        {HELD(POSITION("X", "1") "," POSITION("Y", "0")), "{}",
         "report:reporter[\"n\"] chart:charter[\"n\"]"},
        {HELD(POSITION("X", "1") "," POSITION("NEW", "1")),
         "{\"years_until_retirement\":10}",
         "tag:tagger?[\"n\"] report:reporter[\"n\",\"tag\"] "
         "chart:charter[\"n\",\"tag\"] retire:retirement[\"n\",\"tag\"]"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        _cleanup(json_put) struct json_object *out =
            plan((struct input){.accounts = rows[i].accounts,
                                .user = rows[i].user,
                                .instruments = "{" INPUT_STOCK(
                                    "X", "1") "," INPUT_STOCK("Y", "1") "}"},
                 "[{\"kind\":\"prices\",\"answer\":{\"source\":\"none\"}}]");

        assert_plan(out, rows[i].plan);
    }
}

static void
test_each_unclassified_symbol_is_tagged_once(void **state)
{
    _cleanup(json_put) struct json_object *out = plan(
        (struct input){
            .accounts =
                "[{\"id\":\"1\",\"name\":\"A\",\"positions\":[" POSITION(
                    "NEW",
                    "1") "," POSITION("X", "1") "]},{\"id\":\"2\",\"name\":"
                                                "\"B\","
                                                "\"positions\":[" POSITION(
                                                    "NEW",
                                                    "2") "," POSITION("FAKE",
                                                                      "2") "]"
                                                                           "}"
                                                                           "]",
            .instruments = "{" INPUT_STOCK(
                "X", "1") ","
                          "\"FAKE\":{\"name\":\"FAKE - User Added\","
                          "\"allocation_asset_class\":{\"equity\":100},"
                          "\"allocation_regions\":{\"north_america\":100},"
                          "\"allocation_sectors\":{\"other\":100}},"
                          "\"UNHELD\":{\"name\":\"Not held\"}}",
        },
        NULL);
    struct json_object *tag =
        json_object_array_get_idx(agent_at(out, "plan"), 0);

    (void)state;
    assert_string_equal(text_at(tag, "params"),
                        "{\"symbols\":[\"FAKE\",\"NEW\"]}");
    /* So that they are not classified is no longer true when it is read. */
    assert_null(
        strstr(text_at(out, "summary_payload.data_quality"), "classified"));
}

static void
test_changed_prices_are_stored_with_source_and_date(void **state)
{
    _cleanup(json_put) struct json_object *out = plan(
        (struct input){
            .user = "{}",
            .accounts = HELD(POSITION("NEW", "1") "," POSITION(
                "OLD", "1") "," POSITION("SAME", "1") "," POSITION("X", "2")),
            .instruments = "{" INPUT_STOCK(
                "X",
                "10.0000") ","
                           "\"SAME\":{\"name\":\"S\",\"current_price\":\"3\","
                           "\"price_source\":\"file\","
                           "\"price_as_of\":\"2026-11-20T00:00:00Z\"},"
                           "\"OLD\":{\"name\":\"O\",\"current_price\":\"5\","
                           "\"price_source\":\"import\",\"price_as_of\":\"2026-"
                           "11-22\"}}",
        },
        "[{\"kind\":\"prices\",\"answer\":{\"source\":\"file\",\"as_of\":"
        "\"2026-11-20\",\"prices\":{\"X\":{\"price\":\"12.34\",\"as_of\":"
        "\"2026-11-21\"},\"NEW\":{\"price\":\"7.0000\"},\"SAME\":{\"price\":"
        "\"3.0000\"},\"OLD\":{\"price\":\"4\"},\"ALIEN\":{\"price\":\"1\"}}}"
        "}]");

    (void)state;
    /* OLD's stored price is newer, SAME's is the same, ALIEN isn't held. */
    assert_string_equal(
        text_at(out, "prices"),
        "[{\"symbol\":\"NEW\",\"price\":\"7.0000\",\"source\":\"file\","
        "\"as_of\":\"2026-11-20\"},{\"symbol\":\"X\",\"price\":\"12.3400\","
        "\"source\":\"file\",\"as_of\":\"2026-11-21\"}]");
    /* 7.00 + 5.00 + 3.00 + 24.68 + 1.00 of cash. */
    assert_string_equal(text_at(out, "summary_payload.total_value"), "40.68");
    assert_string_equal(text_at(out, "summary_payload.unpriced"), "[]");
}

static void
test_what_has_no_price_is_said_to_have_none(void **state)
{
    _cleanup(json_put) struct json_object *out = plan(
        (struct input){.user = "{}", .accounts = HELD(POSITION("NEW", "3"))},
        "[{\"kind\":\"prices\",\"answer\":{\"source\":\"none\","
        "\"prices\":{}}}]");

    (void)state;
    assert_string_equal(text_at(out, "summary_payload.total_value"), "1.00");
    assert_string_equal(text_at(out, "summary_payload.unpriced"), "[\"NEW\"]");
    assert_says(out, "1 holding has no price and counts as $0.00: NEW.");
}

static void
test_prices_that_are_none_are_not_taken(void **state)
{
    static const char *const bad[] = {
        "\"X\":{\"price\":\"0.0000\"}",
        "\"X\":{\"price\":\"-1\"}",
        "\"X\":{\"price\":12.34}",
        "\"X\":{\"price\":\"1e2\"}",
        "\"X\":{\"price\":\"1.23456\"}",
        "\"X\":{\"price\":null}",
        "\"X\":{}",
        "\"X\":7",
        "\"X\":null",
        "\"X\":{\"price\":\"100000000.01\"}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        _cleanup(cleanup_free) char *answers =
            xasprintf("[{\"kind\":\"prices\",\"answer\":{\"source\":\"file\","
                      "\"prices\":{%s}}}]",
                      bad[i]);
        _cleanup(json_put) struct json_object *out =
            plan((struct input){.accounts = HELD(POSITION("X", "1")),
                                .instruments = "{" INPUT_STOCK("X", "10") "}"},
                 answers);

        assert_string_equal(text_at(out, "prices"), "[]");
        assert_string_equal(text_at(out, "summary_payload.total_value"),
                            "11.00");
        assert_says(out, "no usable price: X.");
    }
}

static void
test_answers_of_another_shape_cost_a_note_only(void **state)
{
    static const char *const bad[] = {"[]", "{}", "7", "null",
                                      "{\"source\":\"file\",\"prices\":[]}"};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        _cleanup(cleanup_free) char *answers =
            xasprintf("[{\"kind\":\"prices\",\"answer\":%s}]", bad[i]);
        _cleanup(json_put) struct json_object *out =
            plan((struct input){.accounts = HELD(POSITION("X", "1")),
                                .instruments = "{" INPUT_STOCK("X", "10") "}"},
                 answers);

        assert_says(out, "Prices were not refreshed");
        assert_string_equal(text_at(out, "summary_payload.total_value"),
                            "11.00");
    }
}

/* A task that refuses every ask with an error of some kind. */
struct refusing {
    struct task task;
    enum err_kind kind;
};

static int
refuse(struct task *task, const struct channel_ask *ask, const char **answer,
       size_t *answer_size, struct err *err)
{
    (void)ask;
    (void)answer;
    (void)answer_size;
    return err_set(err, ((struct refusing *)task)->kind, 0, "provider down");
}

static void
test_only_a_provider_that_fails_is_survived(void **state)
{
    static const struct {
        enum err_kind kind;
        int result;
    } rows[] = {
        {ERR_RETRY, 0}, {ERR_REJECT, 0}, {ERR_SUSPEND, -1},
        {ERR_LOST, -1}, {ERR_FATAL, -1},
    };
    static const struct task_ops ops = {.ask = refuse};
    _cleanup(cleanup_free) char *text = input_text(
        &(struct input){.accounts = HELD(POSITION("X", "1")),
                        .instruments = "{" INPUT_STOCK("X", "10") "}"});

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        _cleanup(arena_free) struct arena *mem = arena_new(4096);
        _cleanup(buf_free) struct buf output = {0};
        struct refusing refusing = {{.ops = &ops, .arena = mem}, rows[i].kind};
        struct err err = {0};

        assert_int_equal(
            planner_handle(&refusing.task, text, strlen(text), &output, &err),
            rows[i].result);
        if (rows[i].result == 0) {
            assert_non_null(strstr(output.data, "Prices were not refreshed, so "
                                                "stored ones are used "
                                                "(provider down)."));
        } else {
            assert_int_equal(err.kind, rows[i].kind);
        }
    }
}

/* Counts asks and the symbols in each. */
struct counting {
    struct task task;
    size_t asks;
    size_t symbols[8];
    char first[8][24];
};

static int
count_ask(struct task *task, const struct channel_ask *ask, const char **answer,
          size_t *answer_size, struct err *err)
{
    static const char nothing[] = "{\"source\":\"none\",\"prices\":{}}";
    struct counting *counting = (struct counting *)task;
    _cleanup(json_put) struct json_object *request = NULL;
    struct json_object *symbols = NULL;

    if (json_parse(ask->request, ask->request_size, "request", &request, err)) {
        return -1;
    }
    symbols = agent_at(request, "symbols");
    counting->symbols[counting->asks] = json_object_array_length(symbols);
    snprintf(counting->first[counting->asks++], 24, "%s",
             json_object_get_string(json_object_array_get_idx(symbols, 0)));
    *answer = nothing;
    *answer_size = strlen(nothing);
    return 0;
}

static void
test_more_than_a_thousand_symbols_are_asked_in_parts(void **state)
{
    static const struct task_ops ops = {.ask = count_ask};
    _cleanup(arena_free) struct arena *mem = arena_new(65536);
    _cleanup(buf_free) struct buf accounts = {0};
    _cleanup(buf_free) struct buf output = {0};
    struct counting counting = {.task = {.ops = &ops, .arena = mem}};
    struct err err = {0};

    (void)state;
    buf_puts(&accounts, "[{\"id\":\"1\",\"name\":\"A\",\"positions\":[");
    for (int i = 2500; i > 0; i--) {
        buf_printf(&accounts, "{\"symbol\":\"S%04d\",\"quantity\":\"1\"}%s", i,
                   i > 1 ? "," : "]}]");
    }
    _cleanup(cleanup_free) char *text =
        input_text(&(struct input){.accounts = accounts.data});

    assert_int_equal(
        planner_handle(&counting.task, text, strlen(text), &output, &err), 0);
    assert_int_equal(counting.asks, 3);
    assert_int_equal(counting.symbols[0], 1000);
    assert_int_equal(counting.symbols[1], 1000);
    assert_int_equal(counting.symbols[2], 500);
    assert_string_equal(counting.first[0], "S0001");
    assert_string_equal(counting.first[2], "S2001");
}

static void
test_nothing_held_asks_nothing(void **state)
{
    _cleanup(json_put) struct json_object *out =
        plan((struct input){.user = "{}"}, NULL);

    (void)state;
    assert_string_equal(text_at(out, "detail.prices_asked"), "0");
    assert_string_equal(text_at(out, "detail.notes"), "[]");
}

/* Names of the most bytes there can be, and something wrong with each. */
static void
test_the_summary_stays_small_whatever_is_held(void **state)
{
    _cleanup(buf_free) struct buf accounts = {0};
    _cleanup(buf_free) struct buf targets = {0};
    _cleanup(buf_free) struct buf name = {0};

    (void)state;
    for (int i = 0; i < 32; i++) {
        buf_puts(&name, "\U0001F4B0");
    }
    for (int i = 0; i < 50; i++) {
        buf_printf(&accounts,
                   "%s{\"id\":\"%d\",\"name\":\"%s\",\"cash_balance\":-1,"
                   "\"positions\":[{\"symbol\":\"%.64s%d\",\"quantity\":-1}"
                   "]}",
                   i > 0 ? "," : "[", i, name.data, name.data, i);
    }
    buf_puts(&accounts, "]");
    for (int i = 0; i < 6; i++) {
        buf_printf(&targets, "%s\"%s%d\":5", i > 0 ? "," : "{", name.data, i);
    }
    buf_puts(&targets, "}");
    _cleanup(cleanup_free) char *user =
        xasprintf("{\"asset_class_targets\":%s,\"region_targets\":%s}",
                  targets.data, targets.data);
    _cleanup(json_put) struct json_object *out =
        plan((struct input){.user = user, .accounts = accounts.data}, NULL);

    assert_true(
        strlen(json_object_to_json_string_ext(agent_at(out, "summary_payload"),
                                              JSON_C_TO_STRING_SPACED)) < 6000);
    assert_int_equal(
        json_object_array_length(agent_at(out, "summary_payload.unpriced")),
        25);
    assert_true(json_object_array_length(
                    agent_at(out, "summary_payload.data_quality")) >= 3);
    assert_true(strlen(text_at(out, "summary_payload.data_quality")) < 3500);
}

static void
test_two_runs_give_the_same_bytes(void **state)
{
    _cleanup(cleanup_free) char *text = input_file(FIXTURE);
    struct err err = {0};
    _cleanup(cleanup_free) char *one =
        agent_output(&planner_worker, text, NULL, &err);
    _cleanup(cleanup_free) char *two =
        agent_output(&planner_worker, text, NULL, &err);

    (void)state;
    assert_non_null(one);
    assert_string_equal(one, two);
}

static void
test_foreign_input_is_rejected_by_name(void **state)
{
    (void)state;
    agent_assert_rejects(&planner_worker, "7", "input");
    agent_assert_rejects(&planner_worker, "{\"job\":{},\"snapshot\":{}}",
                         "seed");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_the_published_user_gets_report_charts_and_projection),
        cmocka_unit_test(test_the_plan_follows_the_rule),
        cmocka_unit_test(test_each_unclassified_symbol_is_tagged_once),
        cmocka_unit_test(test_changed_prices_are_stored_with_source_and_date),
        cmocka_unit_test(test_what_has_no_price_is_said_to_have_none),
        cmocka_unit_test(test_prices_that_are_none_are_not_taken),
        cmocka_unit_test(test_answers_of_another_shape_cost_a_note_only),
        cmocka_unit_test(test_only_a_provider_that_fails_is_survived),
        cmocka_unit_test(test_more_than_a_thousand_symbols_are_asked_in_parts),
        cmocka_unit_test(test_nothing_held_asks_nothing),
        cmocka_unit_test(test_the_summary_stays_small_whatever_is_held),
        cmocka_unit_test(test_two_runs_give_the_same_bytes),
        cmocka_unit_test(test_foreign_input_is_rejected_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
