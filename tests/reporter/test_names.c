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

/* Names that try to be markup, as they stand in JSON. */
static const char *const hostile[] = {
    "a|b|c",
    "x\\n\\n# Heading\\n\\n- item",
    "<script>alert(1)</script>",
    "`code` **bold** _it_ ~~gone~~",
    "![i](http://e/x.png) [l](javascript:alert(1))",
    "http://evil.example www.evil.example a@evil.example",
    "# Heading",
    "- item",
    "1. item",
    "===",
    "&lt;b&gt; &#60;",
    "\\\\| \\\\",
    "\\u202egnp.exe",
};

/* Unescaped 'c' in 'text'. */
static size_t
count_bare(const char *text, char c)
{
    size_t count = 0;

    for (size_t i = 0; text[i] != '\0'; i++) {
        size_t slashes = 0;

        while (slashes < i && text[i - 1 - slashes] == '\\') {
            slashes++;
        }
        count += text[i] == c && slashes % 2 == 0;
    }
    return count;
}

static void
test_names_of_users_are_never_markup(void **state)
{
    static const char bare[] = "|<`*_[~";
    static const char format[] =
        "[{\"id\":\"1\",\"name\":\"%s\",\"cash_balance\":-1,\"positions\":["
        "{\"symbol\":\"NEW\",\"quantity\":1}]}]";
    _cleanup(cleanup_free) char *plain_accounts = xasprintf(format, "Plain");
    _cleanup(cleanup_free) char *plain = report((struct input){
        .user = "{\"display_name\":\"Plain\"}",
        .accounts = plain_accounts,
        .instruments = "{\"NEW\":{\"name\":\"Plain\",\"current_price\":1}}",
    });

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(hostile); i++) {
        _cleanup(cleanup_free) char *user =
            xasprintf("{\"display_name\":\"%s\"}", hostile[i]);
        _cleanup(cleanup_free) char *accounts = xasprintf(format, hostile[i]);
        _cleanup(cleanup_free) char *instruments = xasprintf(
            "{\"NEW\":{\"name\":\"%s\",\"current_price\":1}}", hostile[i]);
        _cleanup(cleanup_free) char *text = report((struct input){
            .user = user, .accounts = accounts, .instruments = instruments});

        /* As many live marks as with a harmless name. */
        for (const char *c = bare; *c != '\0'; c++) {
            if (count_bare(text, *c) != count_bare(plain, *c)) {
                fail_msg("%s puts a live %c into:\n%s", hostile[i], *c, text);
            }
        }
        assert_int_equal(count_of(text, "\n"), count_of(plain, "\n"));
        assert_int_equal(count_of(text, "\n#"), count_of(plain, "\n#"));
        assert_silent(text, "http://");
        assert_silent(text, "a@e");
        assert_silent(text, "www.");
        assert_silent(text, "\u202e");
        assert_int_equal(count_of(text, "\n- item"), 0);
    }
}

static void
test_five_hundred_positions_fit(void **state)
{
    _cleanup(buf_free) struct buf positions = {0};
    _cleanup(buf_free) struct buf instruments = {0};

    (void)state;
    for (int i = 0; i < 500; i++) {
        buf_printf(&positions, "%s{\"symbol\":\"S%03d\",\"quantity\":\"1\"}",
                   i > 0 ? "," : "", i);
        buf_printf(&instruments, "%s" INPUT_STOCK("S%03d", "1"),
                   i > 0 ? "," : "", i, i);
    }
    _cleanup(cleanup_free) char *accounts = xasprintf(
        "[{\"id\":\"1\",\"name\":\"A\",\"positions\":[%s]}]", positions.data);
    _cleanup(cleanup_free) char *all = xasprintf("{%s}", instruments.data);
    _cleanup(cleanup_free) char *text =
        report((struct input){.accounts = accounts, .instruments = all});

    assert_says(text, "| S014 |");
    assert_silent(text, "| S015 |");
    assert_says(text, "\n...and 485 holdings more.\n");
    assert_says(text, "the five largest make up 1.0%.");
    assert_says(text, "as widely as 500.0 equal ones");
}

static void
test_notes_are_never_markup(void **state)
{
    _cleanup(cleanup_free) char *text = report((struct input){
        .needs = "{\"plan\":{\"detail\":{\"notes\":[\"# one\",\"- two\","
                 "\"3. three\",\"+ four\",\"10) ten\"]}}}",
    });

    (void)state;
    assert_says(text, "\n- \\# one\n- \\- two\n- 3\\. three\n- \\+ four\n"
                      "- 10\\) ten\n");
}

/* An allocation map over the whole vocabulary, as members of an instrument. */
static void
put_maps(struct buf *out)
{
    for (enum portfolio_dimension d = 0; d < PORTFOLIO_DIMENSIONS; d++) {
        size_t words = portfolio_key_count(d);

        buf_printf(out, ",\"%s\":{", portfolio_dimension_field(d));
        for (size_t i = 0; i < words; i++) {
            buf_printf(out, "%s\"%s\":%zu", i > 0 ? "," : "",
                       portfolio_slice_key(d, i), i > 0 ? 5 : 105 - 5 * words);
        }
        buf_puts(out, "}");
    }
}

/* Known and unknown targets; 'name' makes the unknown ones. */
static void
put_targets(struct buf *out, enum portfolio_dimension d, const char *name)
{
    buf_puts(out, "{");
    for (size_t i = 0; i < portfolio_key_count(d); i++) {
        buf_printf(out, "\"%s\":1,", portfolio_slice_key(d, i));
    }
    for (int i = 0; i < 6; i++) {
        buf_printf(out, "\"%.120s%d\":1%s", name, i, i < 5 ? "," : "}");
    }
}

/* All that a report can hold, with names of the most bytes there can be. */
static char *
largest_input(void)
{
    _cleanup(buf_free) struct buf name = {0};
    _cleanup(buf_free) struct buf accounts = {0};
    _cleanup(buf_free) struct buf instruments = {0};
    _cleanup(buf_free) struct buf notes = {0};
    _cleanup(buf_free) struct buf user = {0};

    for (int i = 0; i < 250; i++) {
        buf_puts(&name, "\U0001F4B0");
    }
    for (int i = 0; i < 100; i++) {
        buf_printf(&accounts,
                   "%s{\"id\":\"%d\",\"name\":\"%s\",\"cash_balance\":%d,"
                   "\"positions\":[{\"symbol\":\"%.64s%03d\","
                   "\"quantity\":%d}]}",
                   i > 0 ? "," : "[", i, name.data, i < 5 ? -1 : 1000000,
                   name.data, i, i < 5 ? -1 : 1000000);
        buf_printf(&instruments,
                   "%s\"%.64s%03d\":{\"name\":\"%s\",\"instrument_type\":"
                   "\"stock\",\"allocation_source\":\"%s\","
                   "\"price_as_of\":\"2020-01-01\",\"current_price\":%d",
                   i > 0 ? "," : "{", name.data, i, name.data,
                   i < 50 ? "rule" : "curated", i % 10 > 0);
        if (i > 5) {
            put_maps(&instruments);
        }
        buf_puts(&instruments, "}");
    }
    buf_puts(&accounts, "]");
    buf_puts(&instruments, "}");
    for (int i = 0; i < 10; i++) {
        buf_printf(&notes, "%s\"%.300s\"", i > 0 ? "," : "", name.data);
    }
    buf_printf(&user,
               "{\"display_name\":\"%s\",\"target_retirement_income\":"
               "\"9999999999.99\",\"asset_class_targets\":",
               name.data);
    put_targets(&user, PORTFOLIO_ASSET_CLASS, name.data);
    buf_puts(&user, ",\"region_targets\":");
    put_targets(&user, PORTFOLIO_REGION, name.data);
    buf_puts(&user, "}");
    _cleanup(cleanup_free) char *needs =
        xasprintf("{\"plan\":{\"detail\":{\"notes\":[%s]}}}", notes.data);

    return input_text(&(struct input){.user = user.data,
                                      .accounts = accounts.data,
                                      .instruments = instruments.data,
                                      .needs = needs});
}

static void
test_long_names_cut_tables_and_not_the_report(void **state)
{
    _cleanup(cleanup_free) char *input = largest_input();
    _cleanup(cleanup_free) char *text = report_of(input);

    (void)state;
    /* Not the usual fifteen, but not none. */
    assert_silent(text, "...and 85 accounts more.");
    assert_says(text, "...and 93 accounts more.");
    assert_says(text, "## Conclusion");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_of_users_are_never_markup),
        cmocka_unit_test(test_five_hundred_positions_fit),
        cmocka_unit_test(test_notes_are_never_markup),
        cmocka_unit_test(test_long_names_cut_tables_and_not_the_report),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
