#include "test.h"

#include "base/utf8.h"

/* RFC 3629, section 3. */
static size_t
encode(unsigned point, char *ret)
{
    if (point < 0x80) {
        ret[0] = (char)point;
        return 1;
    }
    if (point < 0x800) {
        ret[0] = (char)(0xc0 | point >> 6);
        ret[1] = (char)(0x80 | (point & 63));
        return 2;
    }
    if (point < 0x10000) {
        ret[0] = (char)(0xe0 | point >> 12);
        ret[1] = (char)(0x80 | (point >> 6 & 63));
        ret[2] = (char)(0x80 | (point & 63));
        return 3;
    }
    ret[0] = (char)(0xf0 | point >> 18);
    ret[1] = (char)(0x80 | (point >> 12 & 63));
    ret[2] = (char)(0x80 | (point >> 6 & 63));
    ret[3] = (char)(0x80 | (point & 63));
    return 4;
}

static void
test_every_code_point_but_surrogates_is_accepted_whole(void **state)
{
    (void)state;
    char bytes[4];

    for (unsigned point = 0; point <= 0x10ffff; point++) {
        size_t size = encode(point, bytes);
        bool surrogate = point >= 0xd800 && point <= 0xdfff;
        size_t want = surrogate ? 0 : size;
        if (utf8_size(bytes, size) != want ||
            (size > 1 && utf8_size(bytes, size - 1) != 0)) {
            fail_msg("U+%04X", point);
        }
    }
}

static void
test_nothing_above_the_last_code_point_is_accepted(void **state)
{
    (void)state;
    char bytes[4];

    for (unsigned point = 0x110000; point < 0x1fffff; point += 97) {
        assert_int_equal(utf8_size(bytes, encode(point, bytes)), 0);
    }
}

/* Counting all three-byte strings leaves no room for an overlong form. */
static void
test_no_other_bytes_are_accepted(void **state)
{
    (void)state;
    size_t counts[5] = {0};

    for (unsigned value = 0; value < 1u << 24; value++) {
        char bytes[3] = {(char)(value >> 16), (char)(value >> 8), (char)value};
        counts[utf8_size(bytes, sizeof(bytes))]++;
    }
    assert_int_equal(counts[1], 0x80 * 0x10000);
    assert_int_equal(counts[2], (0x800 - 0x80) * 0x100);
    assert_int_equal(counts[3], 0x10000 - 0x800 - 0x800);
    assert_int_equal(counts[4], 0);
    assert_int_equal(utf8_size("\xf0\x8f\xbf\xbf", 4), 0);
    assert_int_equal(utf8_size("", 0), 0);
}

static void
test_count_counts_code_points_not_bytes(void **state)
{
    (void)state;
    static const char text[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x92\xb0";

    assert_int_equal(utf8_count(text, sizeof(text) - 1), 4);
    assert_int_equal(utf8_count(text, 0), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_every_code_point_but_surrogates_is_accepted_whole),
        cmocka_unit_test(test_nothing_above_the_last_code_point_is_accepted),
        cmocka_unit_test(test_no_other_bytes_are_accepted),
        cmocka_unit_test(test_count_counts_code_points_not_bytes),
    };

    return RUN_TESTS(tests);
}
