/* Where a colon begins a parameter and where it does not. */
#include "test.h"

#include "base/arena.h"
#include "base/cleanup.h"
#include "rds-data-local/lex.h"

static struct lex
lex(const char *sql)
{
    struct lex found = {0};
    struct err err = {0};
    if (lex_sql(sql, strlen(sql), &found, &err)) {
        fail_msg("%s: %s", sql, err.text);
    }
    return found;
}

struct row {
    const char *sql;
    const char *out;
    size_t names;
};

static void
check(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        _cleanup(lex_free) struct lex found = lex(rows[i].sql);
        assert_string_equal(found.sql.data, rows[i].out);
        assert_int_equal(found.name_count, rows[i].names);
        assert_false(found.multiple);
    }
}

static void
test_names_become_numbers_in_order_of_appearance(void **state)
{
    static const struct row rows[] = {
        {"select :a", "select $1", 1},
        {"select :b, :a, :b", "select $1, $2, $1", 2},
        {":_x9+:a", "$1+$2", 2},
        {"select :a::int", "select $1::int", 1},
        {"select(:a)", "select($1)", 1},
        {"select :n\xc3\xa9", "select $1", 1},
        {"values (:1, :2, :1)", "values ($1, $2, $1)", 2},
        {"", "", 0},
    };
    (void)state;
    check(rows, ARRAY_COUNT(rows));
    _cleanup(lex_free) struct lex found = lex("select :b, :a");
    assert_string_equal(found.names[0], "b");
    assert_string_equal(found.names[1], "a");
}

static void
test_colons_that_are_no_parameters_stay(void **state)
{
    static const struct row rows[] = {
        {"select 'a':: text", "select 'a':: text", 0},
        {"select x[1:2], :1", "select x[1:2], $1", 1},
        {"select x[f(y[1:2]):3]", "select x[f(y[1:2]):3]", 0},
        {"select x[:a:2]", "select x[$1:2]", 1},
        {"f(a := 1)", "f(a := 1)", 0},
        {"select ':a'", "select ':a'", 0},
        {"select 'it''s :a'", "select 'it''s :a'", 0},
        {"select ':a' || :b", "select ':a' || $1", 1},
        {"select E'\\':a' || :b", "select E'\\':a' || $1", 1},
        {"select e'\\\\' || :b", "select e'\\\\' || $1", 1},
        /* No E of its own: the backslash is only a backslash. */
        {"select like_e'\\' || :b", "select like_e'\\' || $1", 1},
        {"select U&'\\0041:a' || :b", "select U&'\\0041:a' || $1", 1},
        {"select \":a\"\":b\", :c", "select \":a\"\":b\", $1", 1},
        {"select $$ :a $$, :b", "select $$ :a $$, $1", 1},
        {"select $t$ $$ :a $t$, :b", "select $t$ $$ :a $t$, $1", 1},
        {"select a$b$ , :c", "select a$b$ , $1", 1},
        {"select 1 -- :a\n, :b", "select 1 -- :a\n, $1", 1},
        {"/* :a /* :b */ :c */ :d", "/* :a /* :b */ :c */ $1", 1},
    };
    (void)state;
    check(rows, ARRAY_COUNT(rows));
}

static void
test_what_is_not_closed_is_passed_on(void **state)
{
    static const struct row rows[] = {
        {"select ':a", "select ':a", 0}, {"\":a", "\":a", 0},
        {"$x$ :a", "$x$ :a", 0},         {"/* :a", "/* :a", 0},
        {"-- :a", "-- :a", 0},           {"select E'\\", "select E'\\", 0},
        {"select :", "select :", 0},     {"select $", "select $", 0},
    };
    (void)state;
    check(rows, ARRAY_COUNT(rows));
}

static void
test_only_one_statement_is_one_statement(void **state)
{
    static const struct {
        const char *sql;
        bool multiple;
    } rows[] = {
        {"select 1;", false},
        {"select 1; ; -- done\n /* so */ ", false},
        {"select ';'", false},
        {"select $$;$$ x", false},
        {"select 1; select 2", true},
        {"select 1;:a", true},
        {"; select 1", true},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        _cleanup(lex_free) struct lex found = lex(rows[i].sql);
        assert_int_equal(found.multiple, rows[i].multiple);
    }
}

static void
test_names_are_bounded_in_number_and_length(void **state)
{
    _cleanup(buf_free) struct buf sql = {0};
    struct lex found;
    struct err err = {0};
    (void)state;
    for (int i = 0; i <= LEX_PARAMETERS_MAX; i++) {
        buf_printf(&sql, " :p%d", i);
    }
    assert_int_equal(lex_sql(sql.data, sql.size, &found, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    buf_reset(&sql);
    buf_puts(&sql, ":");
    for (int i = 0; i <= LEX_NAME_MAX; i++) {
        buf_puts(&sql, "n");
    }
    assert_int_equal(lex_sql(sql.data, sql.size, &found, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_become_numbers_in_order_of_appearance),
        cmocka_unit_test(test_colons_that_are_no_parameters_stay),
        cmocka_unit_test(test_what_is_not_closed_is_passed_on),
        cmocka_unit_test(test_only_one_statement_is_one_statement),
        cmocka_unit_test(test_names_are_bounded_in_number_and_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
