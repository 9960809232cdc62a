#include "test.h"

#include "alexctl/csv.h"

static struct arena *mem;

static struct csv
parse(const char *bytes, size_t size)
{
    struct csv csv;
    struct err err = {0};
    assert_int_equal(csv_parse(bytes, size, mem, &csv, &err), 0);
    return csv;
}

static struct csv
parse_text(const char *text)
{
    return parse(text, strlen(text));
}

static void
assert_row(const struct csv *csv, size_t row, int line,
           const char *const *wanted)
{
    size_t count = 0;
    assert_true(row < csv->count);
    for (; wanted[count] != NULL; count++) {
        assert_true(count < csv->rows[row].count);
        assert_string_equal(csv->rows[row].cells[count], wanted[count]);
    }
    assert_int_equal(csv->rows[row].count, count);
    assert_int_equal(csv->rows[row].line, line);
}

#define ROW(csv, row, line, ...)                                               \
    assert_row((csv), (row), (line), (const char *const[]){__VA_ARGS__, NULL})

static void
assert_rejected(const char *bytes, size_t size, const char *text)
{
    struct csv csv;
    struct err err = {0};
    assert_int_equal(csv_parse(bytes, size, mem, &csv, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    assert_non_null(strstr(err.text, text));
}

static int
set_up(void **state)
{
    (void)state;
    mem = arena_new(4096);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    arena_free(&mem);
    return 0;
}

static void
test_all_three_line_ends_end_rows(void **state)
{
    (void)state;
    struct csv csv = parse_text("a,b\r\nc\rd\n\ne");
    assert_int_equal(csv.count, 5);
    ROW(&csv, 0, 1, "a", "b");
    ROW(&csv, 1, 2, "c");
    ROW(&csv, 2, 3, "d");
    assert_true(csv_row_is_blank(&csv.rows[3]));
    ROW(&csv, 4, 5, "e");
}

static void
test_trailing_comma_is_an_empty_cell(void **state)
{
    (void)state;
    struct csv csv = parse_text("a,\n,b,");
    ROW(&csv, 0, 1, "a", "");
    ROW(&csv, 1, 2, "", "b", "");
}

static void
test_quotes_keep_commas_newlines_and_quotes(void **state)
{
    (void)state;
    struct csv csv = parse_text("\"a,b\",\"c\r\nd\",\"say \"\"hi\"\"\"\nnext");
    ROW(&csv, 0, 1, "a,b", "c\nd", "say \"hi\"");
    ROW(&csv, 1, 3, "next");
}

static void
test_quote_inside_a_cell_is_text(void **state)
{
    (void)state;
    struct csv csv = parse_text("6\" pipe,\"a\"b,c");
    ROW(&csv, 0, 1, "6\" pipe", "ab", "c");
}

static void
test_cells_lose_outer_spaces(void **state)
{
    (void)state;
    struct csv csv = parse_text("  a b\t,  \" c \" ,");
    ROW(&csv, 0, 1, "a b", "c", "");
}

static void
test_byte_order_mark_is_not_part_of_the_first_cell(void **state)
{
    (void)state;
    struct csv csv = parse_text("\xef\xbb\xbf"
                                "a,b");
    ROW(&csv, 0, 1, "a", "b");
    assert_int_equal(csv.replaced, 0);
}

static void
test_latin1_bytes_become_utf8_and_are_counted(void **state)
{
    (void)state;
    struct csv csv = parse_text("Soci\xe9t\xe9,\x85,na\xc3\xafve");
    ROW(&csv, 0, 1, "Soci\xc3\xa9t\xc3\xa9", "\xef\xbf\xbd", "na\xc3\xafve");
    assert_int_equal(csv.replaced, 3);
}

static void
test_nul_byte_is_refused_with_its_place(void **state)
{
    (void)state;
    assert_rejected("ab\0c", 4, "byte 2 is NUL");
}

static void
test_open_quote_is_refused_with_its_line(void **state)
{
    (void)state;
    assert_rejected("a\nb,\"c\nd\ne", 10, "line 2");
}

static void
test_more_than_ten_megabytes_are_refused(void **state)
{
    (void)state;
    _cleanup(cleanup_free) char *big = xmalloc(CSV_SIZE_MAX_BYTES + 1);
    memset(big, '\n', CSV_SIZE_MAX_BYTES + 1);
    assert_rejected(big, CSV_SIZE_MAX_BYTES + 1, "at most 10485760");
}

static void
test_endless_rows_and_cells_are_refused(void **state)
{
    (void)state;
    _cleanup(cleanup_free) char *many = xmalloc(CSV_ROWS_MAX + 2);
    memset(many, '\n', CSV_ROWS_MAX + 1);
    assert_rejected(many, CSV_ROWS_MAX + 1, "more than 200000 lines");
    memset(many, ',', CSV_CELLS_MAX);
    assert_rejected(many, CSV_CELLS_MAX, "line 1 has more than 256 cells");
}

static void
test_empty_input_has_no_rows(void **state)
{
    (void)state;
    assert_int_equal(parse_text("").count, 0);
    assert_int_equal(parse_text("\xef\xbb\xbf").count, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_three_line_ends_end_rows),
        cmocka_unit_test(test_trailing_comma_is_an_empty_cell),
        cmocka_unit_test(test_quotes_keep_commas_newlines_and_quotes),
        cmocka_unit_test(test_quote_inside_a_cell_is_text),
        cmocka_unit_test(test_cells_lose_outer_spaces),
        cmocka_unit_test(test_byte_order_mark_is_not_part_of_the_first_cell),
        cmocka_unit_test(test_latin1_bytes_become_utf8_and_are_counted),
        cmocka_unit_test(test_nul_byte_is_refused_with_its_place),
        cmocka_unit_test(test_open_quote_is_refused_with_its_line),
        cmocka_unit_test(test_more_than_ten_megabytes_are_refused),
        cmocka_unit_test(test_endless_rows_and_cells_are_refused),
        cmocka_unit_test(test_empty_input_has_no_rows),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
