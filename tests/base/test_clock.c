#include "test.h"

#include <time.h>

#include "base/clock.h"

/* The numbers are Python's: (datetime - epoch) // timedelta(milliseconds=1). */
static void
test_utc_text_is_rfc3339_with_milliseconds(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
    } rows[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {951782400000, "2000-02-29T00:00:00.000Z"},
        {2147483648000, "2038-01-19T03:14:08.000Z"},
        {1795428672345, "2026-11-23T10:11:12.345Z"},
        {253402300799999, "9999-12-31T23:59:59.999Z"},
    };

    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        char text[32];
        clock_format_utc(rows[i].ms, text, sizeof(text));
        assert_string_equal(text, rows[i].text);
    }
}

static void
test_an_impossible_date_stays_inside_the_text(void **state)
{
    (void)state;
    char text[32];

    clock_format_utc(INT64_MAX, text, sizeof(text));
    assert_true(strlen(text) < sizeof(text));
}

static void
test_the_units_of_the_boot_clock_agree(void **state)
{
    (void)state;
    int64_t before_ms = clock_boot_ms();
    int64_t us = clock_boot_us();
    int64_t after_ms = clock_boot_ms();

    assert_in_range(us / 1000, before_ms, after_ms);
}

static void
test_the_wall_clock_is_milliseconds_since_1970(void **state)
{
    (void)state;
    int64_t before = time(NULL);
    int64_t ms = clock_wall_ms();

    assert_in_range(ms / 1000, before, before + 2);
}

static void
test_jitter_stays_in_its_span_and_reaches_both_ends(void **state)
{
    (void)state;
    bool seen[3] = {false};

    for (int i = 0; i < 1000; i++) {
        int64_t value = clock_jitter_ms(-1, 1);
        assert_true(value >= -1 && value <= 1);
        seen[value + 1] = true;
    }
    assert_true(seen[0] && seen[1] && seen[2]);
    assert_int_equal(clock_jitter_ms(5, 5), 5);
    assert_int_equal(clock_jitter_ms(5, 4), 5);
    clock_jitter_ms(INT64_MIN, INT64_MAX);
}

static void
test_sleep_is_not_shorter_than_asked(void **state)
{
    int64_t from_us = clock_boot_us();

    (void)state;
    clock_sleep_ms(30);
    assert_true(clock_boot_us() - from_us >= 30000);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_utc_text_is_rfc3339_with_milliseconds),
        cmocka_unit_test(test_an_impossible_date_stays_inside_the_text),
        cmocka_unit_test(test_the_units_of_the_boot_clock_agree),
        cmocka_unit_test(test_the_wall_clock_is_milliseconds_since_1970),
        cmocka_unit_test(test_sleep_is_not_shorter_than_asked),
        cmocka_unit_test(test_jitter_stays_in_its_span_and_reaches_both_ends),
    };

    return RUN_TESTS(tests);
}
