#include "test.h"

#include <float.h>
#include <math.h>

#include "base/buf.h"
#include "base/json.h"

static void
assert_buf(const struct buf *b, const char *text)
{
    assert_non_null(b->data);
    assert_int_equal(b->size, strlen(text));
    assert_string_equal(b->data, text);
}

static void
test_content_survives_growing(void **state)
{
    (void)state;
    _cleanup(buf_free) struct buf b = {0};

    for (int i = 0; i < 100000; i++) {
        char c = (char)('a' + i % 26);
        buf_append(&b, &c, 1);
    }
    assert_int_equal(b.size, 100000);
    assert_int_equal(strlen(b.data), 100000);
    for (int i = 0; i < 100000; i++) {
        assert_int_equal(b.data[i], 'a' + i % 26);
    }
}

static void
test_printf_longer_than_the_room_is_whole(void **state)
{
    (void)state;
    _cleanup(buf_free) struct buf b = {0};

    for (size_t width = 1; width < 3000; width = width * 2 + 1) {
        buf_reset(&b);
        buf_puts(&b, "<");
        buf_printf(&b, "%0*d", (int)width, 7);
        assert_int_equal(b.size, width + 1);
        assert_int_equal(b.data[width], '7');
        assert_int_equal(b.data[width + 1], '\0');
    }
}

static void
test_consume_drops_exactly_the_front(void **state)
{
    (void)state;
    _cleanup(buf_free) struct buf b = {0};

    buf_consume(&b, 5);
    buf_puts(&b, "abcdef");
    buf_consume(&b, 2);
    assert_buf(&b, "cdef");
    buf_consume(&b, 0);
    assert_buf(&b, "cdef");
    buf_consume(&b, 4);
    assert_buf(&b, "");
}

static void
test_steal_hands_out_text_even_when_empty(void **state)
{
    (void)state;
    struct buf b = {0};
    _cleanup(cleanup_free) char *nothing = buf_steal(&b);
    assert_string_equal(nothing, "");

    buf_puts(&b, "x");
    _cleanup(cleanup_free) char *text = buf_steal(&b);
    assert_string_equal(text, "x");
    assert_null(b.data);
    assert_int_equal(b.size + b.room, 0);
}

static void
test_reset_starts_a_new_document(void **state)
{
    (void)state;
    _cleanup(buf_free) struct buf b = {0};

    buf_json_array(&b);
    buf_json_int(&b, 1);
    buf_reset(&b);
    buf_json_int(&b, 2);
    assert_buf(&b, "2");
}

static void
test_commas_come_between_and_only_between(void **state)
{
    (void)state;
    _cleanup(buf_free) struct buf b = {0};

    buf_json_object(&b);
    buf_json_key(&b, "a");
    buf_json_array(&b);
    buf_json_int(&b, -1);
    buf_json_array(&b);
    buf_json_end(&b);
    buf_json_object(&b);
    buf_json_end(&b);
    buf_json_null(&b);
    buf_json_end(&b);
    buf_json_key(&b, "b");
    buf_json_bool(&b, true);
    buf_json_key(&b, "c");
    buf_json_raw(&b, "{\"d\":[]}", 8);
    buf_json_key(&b, "e");
    buf_json_string(&b, NULL);
    buf_json_end(&b);
    assert_buf(&b, "{\"a\":[-1,[],{},null],\"b\":true,\"c\":{\"d\":[]},"
                   "\"e\":null}");
}

static void
test_documents_after_each_other_have_no_comma(void **state)
{
    (void)state;
    _cleanup(buf_free) struct buf b = {0};

    buf_json_object(&b);
    buf_json_end(&b);
    buf_puts(&b, "\n");
    buf_json_int(&b, INT64_MIN);
    buf_puts(&b, "\n");
    buf_json_bool(&b, false);
    assert_buf(&b, "{}\n-9223372036854775808\nfalse");
}

static void
test_strings_are_escaped_as_the_rfc_demands(void **state)
{
    (void)state;
    _cleanup(buf_free) struct buf b = {0};

    buf_json_string(&b, "\"\\/\b\f\n\r\t\x01\x1f\x7f\xc3\xa9");
    assert_buf(&b, "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\xc3\xa9\"");
}

static void
test_whatever_the_bytes_the_document_is_valid(void **state)
{
    (void)state;
    _cleanup(buf_free) struct buf b = {0};
    struct err err;
    unsigned random = 1;

    for (int round = 0; round < 2000; round++) {
        char bytes[40];
        for (size_t i = 0; i < sizeof(bytes); i++) {
            random = random * 1103515245u + 12345u;
            bytes[i] = (char)(random >> 16);
        }
        buf_reset(&b);
        buf_json_string_n(&b, bytes, sizeof(bytes));
        assert_int_equal(json_check(b.data, b.size, &err), 0);
    }
    buf_reset(&b);
    buf_json_string_n(&b, "a\0\xff", 3);
    assert_buf(&b, "\"a\xef\xbf\xbd\xef\xbf\xbd\"");
}

static void
test_doubles_read_back_as_themselves(void **state)
{
    (void)state;
    _cleanup(buf_free) struct buf b = {0};
    static const double values[] = {
        0.0,     0.1,     1.0 / 3,     450.25, 1e21,   1e-7,
        DBL_MAX, DBL_MIN, DBL_EPSILON, 5e-324, -2.5e9, 9007199254740993.0,
    };

    for (size_t i = 0; i < ARRAY_COUNT(values); i++) {
        buf_reset(&b);
        buf_json_double(&b, values[i]);
        assert_true(strtod(b.data, NULL) == values[i]);
    }
    buf_reset(&b);
    buf_json_double(&b, 0.1);
    assert_buf(&b, "0.1");
}

static void
write_nan(void)
{
    struct buf b = {0};
    buf_json_double(&b, NAN);
}

static void
write_infinity(void)
{
    struct buf b = {0};
    buf_json_double(&b, -INFINITY);
}

static void
nest_too_deep(void)
{
    struct buf b = {0};
    for (int i = 0; i < 64; i++) {
        buf_json_array(&b);
    }
}

static void
end_too_often(void)
{
    struct buf b = {0};
    buf_json_end(&b);
}

static void
reserve_too_much(void)
{
    struct buf b = {0};
    buf_reserve(&b, SIZE_MAX);
}

static void
test_bugs_abort_instead_of_writing_nonsense(void **state)
{
    (void)state;
    assert_aborts(write_nan);
    assert_aborts(write_infinity);
    assert_aborts(nest_too_deep);
    assert_aborts(end_too_often);
    assert_aborts(reserve_too_much);
}

static void
test_sixty_three_levels_close_as_they_opened(void **state)
{
    (void)state;
    _cleanup(buf_free) struct buf b = {0};

    for (int i = 0; i < 63; i++) {
        if (i % 2 == 0) {
            buf_json_array(&b);
        } else {
            buf_json_object(&b);
            buf_json_key(&b, "");
        }
    }
    for (int i = 0; i < 63; i++) {
        buf_json_end(&b);
    }
    assert_int_equal(b.size, 32 * 2 + 31 * 5);
    for (size_t i = 0; i < 63; i++) {
        assert_int_equal(b.data[b.size - 1 - i], i % 2 == 0 ? ']' : '}');
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_content_survives_growing),
        cmocka_unit_test(test_printf_longer_than_the_room_is_whole),
        cmocka_unit_test(test_consume_drops_exactly_the_front),
        cmocka_unit_test(test_steal_hands_out_text_even_when_empty),
        cmocka_unit_test(test_reset_starts_a_new_document),
        cmocka_unit_test(test_commas_come_between_and_only_between),
        cmocka_unit_test(test_documents_after_each_other_have_no_comma),
        cmocka_unit_test(test_strings_are_escaped_as_the_rfc_demands),
        cmocka_unit_test(test_whatever_the_bytes_the_document_is_valid),
        cmocka_unit_test(test_doubles_read_back_as_themselves),
        cmocka_unit_test(test_bugs_abort_instead_of_writing_nonsense),
        cmocka_unit_test(test_sixty_three_levels_close_as_they_opened),
    };

    return RUN_TESTS(tests);
}
