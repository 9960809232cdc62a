#include "test.h"

#include "alexctl/args.h"
#include "base/cleanup.h"

struct target {
    const char *word;
    const char *text;
    int64_t number;
    bool flag;
    struct args_list list;
    const char *name;
};

static const struct args_option options[] = {
    {ARGS_WORD, "FILE", NULL, offsetof(struct target, word), 0, 0, NULL,
     "a file"},
    {ARGS_TEXT, "text", "T", offsetof(struct target, text), 0, 0, "default",
     "some text"},
    {ARGS_INT, "number", "N", offsetof(struct target, number), -5, 10, "7",
     "a number"},
    {ARGS_FLAG, "flag", NULL, offsetof(struct target, flag), 0, 0, NULL,
     "a flag"},
    {ARGS_LIST, "item", "I", offsetof(struct target, list), 0, 0, NULL,
     "an item"},
    {ARGS_TEXT, "name", "N", offsetof(struct target, name), 1, 3, NULL,
     "one to three characters"},
};

static int
parse(char *const *words, struct target *ret, bool *help, struct err *err)
{
    size_t count = 0;
    while (words[count] != NULL) {
        count++;
    }
    *ret = (struct target){0};
    return args_parse(options, ARRAY_COUNT(options), words, count, ret, help,
                      err);
}

static struct target
parsed(char *const *words)
{
    struct target target;
    struct err err = {0};
    bool help = true;
    assert_int_equal(parse(words, &target, &help, &err), 0);
    assert_false(help);
    return target;
}

static void
assert_refused(char *const *words, const char *why)
{
    struct target target;
    struct err err = {0};
    bool help = false;
    assert_int_equal(parse(words, &target, &help, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    assert_int_equal(err.code, 64);
    if (strstr(err.text, why) == NULL) {
        fail_msg("'%s' is not in: %s", why, err.text);
    }
}

#define WORDS(...) ((char *const[]){__VA_ARGS__, NULL})

static void
test_defaults_hold_until_given(void **state)
{
    (void)state;
    struct target t = parsed(WORDS("a.csv"));
    assert_string_equal(t.word, "a.csv");
    assert_string_equal(t.text, "default");
    assert_int_equal(t.number, 7);
    assert_false(t.flag);
    assert_int_equal(t.list.count, 0);
}

static void
test_values_come_after_a_space_or_an_equals_sign(void **state)
{
    (void)state;
    struct target t =
        parsed(WORDS("--text", "x y", "--number=-5", "--flag", "a.csv"));
    assert_string_equal(t.text, "x y");
    assert_int_equal(t.number, -5);
    assert_true(t.flag);
    t = parsed(WORDS("a.csv", "--text=", "--number", "10"));
    assert_string_equal(t.text, "");
    assert_int_equal(t.number, 10);
}

static void
test_lists_keep_their_order(void **state)
{
    (void)state;
    struct target t = parsed(WORDS("--item", "b=1", "f", "--item=a=2"));
    assert_int_equal(t.list.count, 2);
    assert_string_equal(t.list.items[0], "b=1");
    assert_string_equal(t.list.items[1], "a=2");
}

static void
test_text_is_bounded_in_characters_not_bytes(void **state)
{
    (void)state;
    assert_string_equal(parsed(WORDS("f", "--name", "\u20ac\u20ac\u20ac")).name,
                        "\u20ac\u20ac\u20ac");
    assert_refused(WORDS("f", "--name", "abcd"), "1 to 3 characters, not 4");
    assert_refused(WORDS("f", "--name="), "1 to 3 characters, not 0");
}

static void
test_text_that_is_not_utf8_is_refused(void **state)
{
    (void)state;
    assert_refused(WORDS("f", "--text", "a\xff"), "--text is not UTF-8");
    assert_refused(WORDS("f", "--item", "a=\xc3\x28"), "--item is not UTF-8");
}

static void
test_two_dashes_end_the_options(void **state)
{
    (void)state;
    assert_string_equal(parsed(WORDS("--", "--flag")).word, "--flag");
    assert_string_equal(parsed(WORDS("-")).word, "-");
}

static void
test_help_wins_over_everything(void **state)
{
    (void)state;
    struct target target;
    struct err err = {0};
    bool help = false;
    assert_int_equal(parse(WORDS("--nonsense", "-h"), &target, &help, &err), 0);
    assert_true(help);
}

static void
test_bad_words_are_named(void **state)
{
    (void)state;
    assert_refused(WORDS("--flag"), "FILE is missing: a file");
    assert_refused(WORDS("f", "--what"), "unknown option --what");
    assert_refused(WORDS("f", "--what=5"), "unknown option --what");
    assert_refused(WORDS("f", "-x"), "'-x'");
    assert_refused(WORDS("f", "g"), "'g'");
    assert_refused(WORDS("f", "--text"), "--text needs a value: T");
    assert_refused(WORDS("f", "--flag=1"), "--flag takes no value");
}

static void
test_numbers_are_checked_against_their_bounds(void **state)
{
    (void)state;
    static char *const bad[] = {"11", "-6",  "",
                                "1x", "1.0", "99999999999999999999"};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        assert_refused(WORDS("f", "--number", bad[i]),
                       "--number takes a whole number from -5 to 10");
    }
}

static void
test_more_items_than_a_list_holds_are_refused(void **state)
{
    (void)state;
    char *words[2 * (ARGS_LIST_MAX + 1) + 2] = {"f"};
    for (size_t i = 1; i + 1 < ARRAY_COUNT(words); i += 2) {
        words[i] = "--item";
        words[i + 1] = "x";
    }
    words[ARRAY_COUNT(words) - 1] = NULL;
    assert_refused(words, "--item may be given 16 times");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_hold_until_given),
        cmocka_unit_test(test_values_come_after_a_space_or_an_equals_sign),
        cmocka_unit_test(test_lists_keep_their_order),
        cmocka_unit_test(test_text_is_bounded_in_characters_not_bytes),
        cmocka_unit_test(test_text_that_is_not_utf8_is_refused),
        cmocka_unit_test(test_two_dashes_end_the_options),
        cmocka_unit_test(test_help_wins_over_everything),
        cmocka_unit_test(test_bad_words_are_named),
        cmocka_unit_test(test_numbers_are_checked_against_their_bounds),
        cmocka_unit_test(test_more_items_than_a_list_holds_are_refused),
    };
    return RUN_TESTS(tests);
}
