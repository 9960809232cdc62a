/* Price files as people write them. */
#include "test.h"

#include <fcntl.h>

#include "runtime/quotes.h"

static char path[64];

static void
write_file(const char *text)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void
load(const char *text, struct quotes *ret)
{
    struct err err = {0};

    write_file(text);
    if (quotes_load(path, ret, &err) != 0) {
        print_error("%s\n", err.text);
        fail();
    }
}

static void
assert_quote(const struct quotes *quotes, const char *symbol, int64_t price,
             const char *as_of)
{
    const struct quote *quote = quotes_find(quotes, symbol);

    assert_non_null(quote);
    assert_int_equal(quote->price, price);
    assert_string_equal(quote->as_of, as_of);
}

static void
test_csv_with_header_comment_spaces_and_crlf_is_read(void **state)
{
    _cleanup(quotes_free) struct quotes quotes = {0};

    (void)state;
    load("Symbol,Price,As of\r\n"
         "# the big ones\r\n"
         "\r\n"
         " SPY , 450.25 , 2026-11-20\r\n"
         "BRK.B,0.0001\r\n"
         "BND,72",
         &quotes);
    assert_int_equal(quotes.count, 3);
    assert_quote(&quotes, "SPY", 4502500, "2026-11-20");
    assert_quote(&quotes, "BRK.B", 1, "");
    assert_quote(&quotes, "BND", 720000, "");
    assert_null(quotes_find(&quotes, "spy"));
    assert_null(quotes_find(&quotes, "A-symbol-longer-than-any"));
    /* The table's own time is the file's, and that is now. */
    assert_memory_equal(quotes.as_of, "20", 2);
    assert_int_equal(strlen(quotes.as_of), strlen("2026-11-23T10:11:12.000Z"));
}

static void
test_json_with_text_numbers_and_objects_is_read(void **state)
{
    _cleanup(quotes_free) struct quotes quotes = {0};

    (void)state;
    load("  {\"SPY\": \"450.25\", \"VTI\": 230.1, \"QQQ\": 5,"
         " \"BND\": {\"price\": \"72.5\", \"as_of\": "
         "\"2026-11-20T21:00:00Z\"}}",
         &quotes);
    assert_int_equal(quotes.count, 4);
    assert_quote(&quotes, "SPY", 4502500, "");
    assert_quote(&quotes, "VTI", 2301000, "");
    assert_quote(&quotes, "QQQ", 50000, "");
    assert_quote(&quotes, "BND", 725000, "2026-11-20T21:00:00Z");
}

static void
test_bad_lines_are_refused_by_number_and_rule(void **state)
{
    static const struct {
        const char *text;
        const char *error;
    } rows[] = {
        {"SPY,450\nBND\n", "line 2: price"},
        {"SPY,\n", "line 1: price"},
        {"SPY,-1\n", "line 1: price of SPY"},
        {"SPY,0\n", "line 1: price of SPY"},
        {"SPY,1.00001\n", "decimals"},
        {"SPY,1e3\n", "not a decimal"},
        {"SPY,nan\n", "not a decimal"},
        {"SPY,100000000\n", "limit"},
        {",1\n", "line 1: symbol"},
        {"ABCDEFGHIJKLMNOPQRSTU,1\n", "line 1: symbol"},
        {"SPY,1,yesterday\n", "YYYY-MM-DD"},
        {"SPY,1,2026-11-20,x\n", "three fields"},
        {"{\"SPY\": -1}", "price of SPY"},
        {"{\"SPY\": null}", "price of SPY"},
        {"{\"SPY\": 1e300}", "price of SPY"},
        {"{\"SPY\": {\"as_of\": \"2026-11-20\"}}", "SPY: no price"},
        {"{\"SPY\": ", "prices"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct quotes quotes = {0};
        struct err err = {0};
        write_file(rows[i].text);
        assert_int_equal(quotes_load(path, &quotes, &err), -1);
        assert_int_equal(err.kind, ERR_REJECT);
        assert_null(quotes.rows);
        if (strstr(err.text, rows[i].error) == NULL) {
            print_error("%s: %s\n", rows[i].text, err.text);
            fail();
        }
    }
}

static void
test_missing_file_is_named(void **state)
{
    struct quotes quotes = {0};
    struct err err = {0};

    (void)state;
    assert_int_equal(quotes_load("/nonexistent/prices.csv", &quotes, &err), -1);
    assert_non_null(strstr(err.text, "/nonexistent/prices.csv"));
}

static void
test_symbol_given_twice_is_there_once(void **state)
{
    _cleanup(quotes_free) struct quotes quotes = {0};

    (void)state;
    load("SPY,1\nBND,2\nSPY,1\n", &quotes);
    assert_int_equal(quotes.count, 2);
    assert_quote(&quotes, "SPY", 10000, "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_csv_with_header_comment_spaces_and_crlf_is_read),
        cmocka_unit_test(test_json_with_text_numbers_and_objects_is_read),
        cmocka_unit_test(test_bad_lines_are_refused_by_number_and_rule),
        cmocka_unit_test(test_missing_file_is_named),
        cmocka_unit_test(test_symbol_given_twice_is_there_once),
    };

    snprintf(path, sizeof(path), "/tmp/alex-test-quotes-%d", (int)getpid());
    const int failed = RUN_TESTS(tests);
    unlink(path);
    return failed;
}
