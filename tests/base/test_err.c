#include "test.h"

#include <errno.h>

#include "base/err.h"
#include "base/utf8.h"

static void
test_set_fills_every_field_and_returns_minus_one(void **state)
{
    (void)state;
    struct err err = {.kind = ERR_FATAL, .after_ms = 77};

    assert_int_equal(err_set(&err, ERR_RETRY, 429, "busy: %d", 3), -1);
    assert_int_equal(err.kind, ERR_RETRY);
    assert_int_equal(err.code, 429);
    assert_int_equal(err.after_ms, 0);
    assert_string_equal(err.text, "busy: 3");
}

static void
test_set_may_quote_the_text_it_replaces(void **state)
{
    (void)state;
    struct err err;

    err_set(&err, ERR_REJECT, 0, "inner");
    err_set(&err, ERR_FATAL, 0, "outer(%s)", err.text);
    assert_string_equal(err.text, "outer(inner)");
}

static void
test_wrap_adds_context_and_keeps_the_instruction(void **state)
{
    (void)state;
    struct err err;

    err_set(&err, ERR_RETRY, 503, "no answer");
    err.after_ms = 1500;
    assert_int_equal(err_wrap(&err, "task %s", "t1"), -1);
    assert_string_equal(err.text, "task t1: no answer");
    assert_int_equal(err.kind, ERR_RETRY);
    assert_int_equal(err.code, 503);
    assert_int_equal(err.after_ms, 1500);
}

static void
test_long_text_is_cut_at_a_whole_character(void **state)
{
    (void)state;
    struct err err;

    /* 299 bytes of room: one 'x', then 99 euro signs of three bytes fit. */
    char text[1 + 3 * 120 + 1] = "x";
    for (int i = 0; i < 120; i++) {
        strcat(text, "\xe2\x82\xac");
    }
    err_set(&err, ERR_REJECT, 0, "%s", text);
    assert_int_equal(strlen(err.text), 1 + 3 * 99);
    assert_int_equal(utf8_count(err.text, strlen(err.text)), 100);
    err_wrap(&err, "ab");
    assert_int_equal(strlen(err.text), 4 + 1 + 3 * 98);
}

static void
test_text_stays_on_one_line_whatever_is_quoted(void **state)
{
    (void)state;
    struct err err;

    err_set(&err, ERR_REJECT, 0, "%s", "a\r\nb\tc\x7f\xff more text");
    assert_string_equal(err.text, "a  b c   more text");
}

static void
test_errno_becomes_code_and_words(void **state)
{
    (void)state;
    struct err err;

    errno = ECONNREFUSED;
    assert_int_equal(err_errno(&err, ERR_RETRY, "connect %d", 1), -1);
    assert_int_equal(err.kind, ERR_RETRY);
    assert_int_equal(err.code, ECONNREFUSED);
    assert_string_equal(err.text, "connect 1: Connection refused");
}

static void
test_exhausted_process_is_fatal_whatever_the_caller_says(void **state)
{
    (void)state;
    static const int codes[] = {EMFILE, ENFILE, ENOMEM, ENOSPC};

    for (size_t i = 0; i < ARRAY_COUNT(codes); i++) {
        struct err err;
        errno = codes[i];
        err_errno(&err, ERR_RETRY, "open");
        assert_int_equal(err.kind, ERR_FATAL);
        assert_int_equal(err.code, codes[i]);
    }
}

static void
test_every_kind_has_its_word(void **state)
{
    (void)state;
    assert_string_equal(err_kind_name(ERR_NONE), "none");
    assert_string_equal(err_kind_name(ERR_RETRY), "retry");
    assert_string_equal(err_kind_name(ERR_REJECT), "reject");
    assert_string_equal(err_kind_name(ERR_LOST), "lost");
    assert_string_equal(err_kind_name(ERR_SUSPEND), "suspend");
    assert_string_equal(err_kind_name(ERR_FATAL), "fatal");
    assert_string_equal(err_kind_name((enum err_kind)99), "unknown");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_fills_every_field_and_returns_minus_one),
        cmocka_unit_test(test_set_may_quote_the_text_it_replaces),
        cmocka_unit_test(test_wrap_adds_context_and_keeps_the_instruction),
        cmocka_unit_test(test_long_text_is_cut_at_a_whole_character),
        cmocka_unit_test(test_text_stays_on_one_line_whatever_is_quoted),
        cmocka_unit_test(test_errno_becomes_code_and_words),
        cmocka_unit_test(
            test_exhausted_process_is_fatal_whatever_the_caller_says),
        cmocka_unit_test(test_every_kind_has_its_word),
    };

    return RUN_TESTS(tests);
}
