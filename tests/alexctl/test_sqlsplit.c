#include "test.h"

#include "alexctl/sqlsplit.h"

/* Splits 'sql' and compares with 'wanted', a NULL-terminated list. */
static void
check(const char *sql, const char *const *wanted)
{
    struct sqlsplit split = {.at = sql, .end = sql + strlen(sql), .line = 1};
    struct sqlsplit_statement statement;
    struct err err = {0};
    for (; *wanted != NULL; wanted++) {
        assert_int_equal(sqlsplit_next(&split, &statement, &err), 1);
        assert_int_equal(statement.size, strlen(*wanted));
        assert_memory_equal(statement.text, *wanted, statement.size);
    }
    assert_int_equal(sqlsplit_next(&split, &statement, &err), 0);
    assert_int_equal(sqlsplit_next(&split, &statement, &err), 0);
}

#define CHECK(sql, ...) check((sql), (const char *const[]){__VA_ARGS__, NULL})

static void
test_statements_end_at_semicolons(void **state)
{
    (void)state;
    CHECK("select 1; select 2;", "select 1", "select 2");
    CHECK("select 1;;\n;\nselect 2", "select 1", "select 2");
}

static void
test_nothing_but_space_and_comments_is_no_statement(void **state)
{
    (void)state;
    check("", (const char *const[]){NULL});
    check(" ;\n -- a; b\n /* c; */ ;", (const char *const[]){NULL});
}

static void
test_strings_hide_semicolons(void **state)
{
    (void)state;
    CHECK("select 'a;b'; x", "select 'a;b'", "x");
    CHECK("select 'it''s;'; x", "select 'it''s;'", "x");
    CHECK("select \"a;\"\"b\"; x", "select \"a;\"\"b\"", "x");
}

static void
test_backslash_escapes_only_in_e_strings(void **state)
{
    (void)state;
    CHECK("select e'a\\';b'; x", "select e'a\\';b'", "x");
    CHECK("select E'\\\\'; x", "select E'\\\\'", "x");
    CHECK("select '\\'; x", "select '\\'", "x");
}

static void
test_dollar_quotes_hide_semicolons_and_quotes(void **state)
{
    (void)state;
    CHECK("do $$ a; 'b $$; x", "do $$ a; 'b $$", "x");
    CHECK("do $f$ a; $$ b; $$ $f$; x", "do $f$ a; $$ b; $$ $f$", "x");
    CHECK("select $1; x", "select $1", "x");
    CHECK("select a$b; x$", "select a$b", "x$");
}

static void
test_comments_hide_semicolons_and_nest(void **state)
{
    (void)state;
    CHECK("select 1 -- a; 'b\n+ 1; x", "select 1 -- a; 'b\n+ 1", "x");
    CHECK("select /* ; /* ' */ ; */ 1; x", "select /* ; /* ' */ ; */ 1", "x");
    CHECK("-- head;\nselect 1", "select 1");
}

static void
test_lines_are_where_statements_begin(void **state)
{
    (void)state;
    const char *sql = "-- one\nselect\n1;\n\n/* \n */ select $$\n$$;\nselect 3";
    const int lines[] = {2, 6, 8};
    struct sqlsplit split = {.at = sql, .end = sql + strlen(sql), .line = 1};
    struct sqlsplit_statement statement;
    struct err err = {0};
    for (size_t i = 0; i < ARRAY_COUNT(lines); i++) {
        assert_int_equal(sqlsplit_next(&split, &statement, &err), 1);
        assert_int_equal(statement.line, lines[i]);
    }
}

static void
test_what_is_never_closed_is_an_error_with_its_line(void **state)
{
    (void)state;
    static const char *const broken[] = {"\nselect 'a;", "\nselect \"a;",
                                         "\ndo $$ a;", "\n/* /* */ a;",
                                         "\nselect e'\\';"};
    for (size_t i = 0; i < ARRAY_COUNT(broken); i++) {
        struct sqlsplit split = {
            .at = broken[i], .end = broken[i] + strlen(broken[i]), .line = 1};
        struct sqlsplit_statement statement;
        struct err err = {0};
        assert_int_equal(sqlsplit_next(&split, &statement, &err), -1);
        assert_int_equal(err.kind, ERR_REJECT);
        assert_non_null(strstr(err.text, "line 2"));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statements_end_at_semicolons),
        cmocka_unit_test(test_nothing_but_space_and_comments_is_no_statement),
        cmocka_unit_test(test_strings_hide_semicolons),
        cmocka_unit_test(test_backslash_escapes_only_in_e_strings),
        cmocka_unit_test(test_dollar_quotes_hide_semicolons_and_quotes),
        cmocka_unit_test(test_comments_hide_semicolons_and_nest),
        cmocka_unit_test(test_lines_are_where_statements_begin),
        cmocka_unit_test(test_what_is_never_closed_is_an_error_with_its_line),
    };
    return RUN_TESTS(tests);
}
