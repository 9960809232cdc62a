#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent.h"
#include "tagger/tagger.h"

static struct json_object *
tag(struct input in)
{
    _cleanup(cleanup_free) char *text = input_text(&in);

    return agent_run(&tagger_worker, text, NULL);
}

static struct json_object *
row_at(struct json_object *output, size_t i)
{
    return json_object_array_get_idx(agent_at(output, "instruments"), i);
}

static const char *
text_at(struct json_object *value, const char *path)
{
    return json_object_to_json_string_ext(agent_at(value, path),
                                          JSON_C_TO_STRING_PLAIN |
                                              JSON_C_TO_STRING_NOSLASHESCAPE);
}

static void
test_the_table_knows_what_the_rules_would_guess(void **state)
{
    _cleanup(json_put) struct json_object *out = tag((struct input){
        .params = "{\"symbols\":[\"TSLA\"]}",
        .instruments = "{\"TSLA\":{\"name\":\"TSLA - User Added\","
                       "\"instrument_type\":\"stock\","
                       "\"allocation_asset_class\":{\"equity\":100},"
                       "\"allocation_regions\":{\"north_america\":100},"
                       "\"allocation_sectors\":{\"other\":100}}}",
    });

    (void)state;
    assert_string_equal(
        json_object_to_json_string_ext(row_at(out, 0), JSON_C_TO_STRING_PLAIN),
        "{\"rationale\":\"In the table of widely held instruments; "
        "percentages are approximate.\",\"symbol\":\"TSLA\","
        "\"name\":\"Tesla, Inc.\",\"instrument_type\":\"stock\","
        "\"allocation_asset_class\":{\"equity\":100},"
        "\"allocation_regions\":{\"north_america\":100},"
        "\"allocation_sectors\":{\"consumer_discretionary\":100},"
        "\"source\":\"curated 2026-11\"}");
    assert_string_equal(text_at(out, "detail"),
                        "{\"asked\":1,\"by_source\":{\"curated 2026-11\":1}}");
}

static void
test_each_symbol_is_answered_once_and_no_other(void **state)
{
    _cleanup(json_put) struct json_object *out = tag((struct input){
        .params = "{\"symbols\":[\"zzz\",\"SPY\",\"BRK-B\",\"ZZZ\",\"VTI\"]}",
        .instruments = "{\"UNASKED\":{\"name\":\"Unasked\"},"
                       "\"ZZZ\":{\"name\":\"Acme Muni Fund\"}}",
    });

    (void)state;
    assert_int_equal(json_object_array_length(agent_at(out, "instruments")), 4);
    assert_string_equal(text_at(row_at(out, 0), "symbol"), "\"BRK-B\"");
    assert_string_equal(text_at(row_at(out, 0), "name"),
                        "\"Berkshire Hathaway Inc. Class B\"");
    assert_string_equal(text_at(row_at(out, 1), "symbol"), "\"SPY\"");
    assert_string_equal(text_at(row_at(out, 1), "source"), "\"seed\"");
    assert_string_equal(text_at(row_at(out, 2), "symbol"), "\"VTI\"");
    assert_string_equal(text_at(row_at(out, 3), "symbol"), "\"ZZZ\"");
    assert_string_equal(text_at(row_at(out, 3), "source"), "\"rule\"");
    assert_string_equal(text_at(out, "detail.by_source"),
                        "{\"curated 2026-11\":2,\"seed\":1,\"rule\":1}");
}

static void
test_without_params_all_that_is_unclassified_is_taken(void **state)
{
    _cleanup(json_put) struct json_object *out = tag((struct input){
        .accounts = "[{\"id\":\"1\",\"name\":\"A\",\"positions\":[{\"symbol\":"
                    "\"NEW\",\"quantity\":1}]}]",
        .instruments =
            "{" INPUT_STOCK("DONE", "1") ",\"OPEN\":{\"name\":\"Open\"}}",
    });

    (void)state;
    assert_int_equal(json_object_array_length(agent_at(out, "instruments")), 2);
    assert_string_equal(text_at(row_at(out, 0), "symbol"), "\"NEW\"");
    assert_string_equal(text_at(row_at(out, 1), "symbol"), "\"OPEN\"");
}

static void
test_foreign_params_are_rejected_by_name(void **state)
{
    static const struct {
        const char *params;
        const char *named;
    } rows[] = {
        {"{\"symbols\":\"SPY\"}", "symbols"},
        {"{\"symbols\":[7]}", "params.symbols[0]"},
        {"{\"symbols\":[\"SPY\",\"\"]}", "params.symbols[1]"},
        {"{\"symbols\":[\"01234567890123456789012345678901234567890123456789"
         "0123456789012345678901234567890\"]}",
         "params.symbols[0]"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        _cleanup(cleanup_free) char *text =
            input_text(&(struct input){.params = rows[i].params});

        agent_assert_rejects(&tagger_worker, text, rows[i].named);
    }
    agent_assert_rejects(&tagger_worker, "{\"job\":{}}", "snapshot");
}

static void
test_two_runs_give_the_same_bytes(void **state)
{
    _cleanup(cleanup_free) char *text = input_text(
        &(struct input){.params = "{\"symbols\":[\"VTI\",\"NEW\"]}"});
    struct err err = {0};
    _cleanup(cleanup_free) char *one =
        agent_output(&tagger_worker, text, NULL, &err);
    _cleanup(cleanup_free) char *two =
        agent_output(&tagger_worker, text, NULL, &err);

    (void)state;
    assert_non_null(one);
    assert_string_equal(one, two);
}

static void
test_what_the_tagger_says_is_a_classification(void **state)
{
    _cleanup(json_put) struct json_object *out = tag((struct input){
        .params = "{\"symbols\":[\"NEW\"]}",
    });
    _cleanup(cleanup_free) char *needs =
        xasprintf("{\"tag\":%s}", json_object_to_json_string(out));
    _cleanup(cleanup_free) char *text = input_text(&(struct input){
        .accounts = "[{\"id\":\"1\",\"name\":\"A\",\"positions\":[{\"symbol\":"
                    "\"NEW\",\"quantity\":1}]}]",
        .needs = needs,
    });
    _cleanup(arena_free) struct arena *mem = arena_new(4096);
    const struct portfolio *p = NULL;
    struct err err = {0};

    (void)state;
    assert_int_equal(portfolio_load(text, strlen(text), mem, &p, &err), 0);
    assert_true(p->instruments[0].classified);
    assert_string_equal(p->instruments[0].classified_by, "rule");
}

/* Every row of both tables: words of the vocabularies, sums of 100. */
static void
test_the_tables_hold_what_they_must(void **state)
{
    _cleanup(tagger_known_close) struct tagger_known *known = NULL;
    _cleanup(arena_free) struct arena *mem = arena_new(65536);
    struct tagger_class row = {0};
    struct tagger_class found = {0};
    struct err err = {0};
    size_t count = 0;

    (void)state;
    assert_int_equal(tagger_known_open(&known, &err), 0);
    while (tagger_known_row(known, count, mem, &row, &err)) {
        assert_true(portfolio_type_known(row.type));
        assert_true(row.name[0] != '\0');
        assert_true(tagger_known_find(known, row.symbol, mem, &found));
        /* The first of its symbol is this one: none is listed twice. */
        assert_string_equal(found.name, row.name);
        assert_string_equal(found.source, row.source);
        count++;
    }
    assert_string_equal(err.text, "");
    assert_true(count >= 22 + 150);
    assert_false(tagger_known_find(known, "NOSUCH", mem, &found));
    assert_false(tagger_known_find(known, "SP", mem, &found));
    assert_false(tagger_known_find(known, "SPYX", mem, &found));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_table_knows_what_the_rules_would_guess),
        cmocka_unit_test(test_each_symbol_is_answered_once_and_no_other),
        cmocka_unit_test(test_without_params_all_that_is_unclassified_is_taken),
        cmocka_unit_test(test_foreign_params_are_rejected_by_name),
        cmocka_unit_test(test_two_runs_give_the_same_bytes),
        cmocka_unit_test(test_what_the_tagger_says_is_a_classification),
        cmocka_unit_test(test_the_tables_hold_what_they_must),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
