#include "test.h"

#include <fcntl.h>
#include <spawn.h>

#include "base/conf.h"

struct settings {
    char *url;
    char *token;
    int64_t count;
    int64_t lease_ms;
    bool fast;
    char *mode;
};

#define FIELD(name) offsetof(struct settings, name)

static const struct conf_row rows[] = {
    {CONF_STR, "T_URL", FIELD(url), "none:", 3, 20, "where to go"},
    {CONF_SECRET, "T_TOKEN", FIELD(token), "", 8, 4096, "what opens it"},
    {CONF_INT, "T_COUNT", FIELD(count), "4", -5, 100, "how many"},
    {CONF_SPAN, "T_LEASE", FIELD(lease_ms), "60s", 1000, 3600000, "how long"},
    {CONF_BOOL, "T_FAST", FIELD(fast), "off", 0, 0, "hurry"},
    {CONF_CHOICE, "T_MODE", FIELD(mode), "json", 0, 0, "shape", "json|text"},
};

static const struct conf_row required_row = {
    CONF_STR, "T_NEED", 0, NULL, 1, 100, "the thing we need",
};

static const struct conf_row wide_row = {
    CONF_INT, "T_COUNT", 0, "0", INT64_MIN, INT64_MAX, "any",
};

static int
clear_environment(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        char file[64];
        snprintf(file, sizeof(file), "%s_FILE", rows[i].name);
        unsetenv(rows[i].name);
        unsetenv(file);
    }
    return 0;
}

static void
settings_free(struct settings *s)
{
    free(s->url);
    free(s->token);
    free(s->mode);
}

static int
load(struct settings *s, struct err *err)
{
    return conf_load(rows, ARRAY_COUNT(rows), s, err);
}

static void
assert_refused(const char *name, const char *value, const char *text)
{
    struct settings s = {0};
    struct err err;

    setenv(name, value, 1);
    assert_int_equal(load(&s, &err), -1);
    unsetenv(name);
    assert_int_equal(err.kind, ERR_FATAL);
    assert_int_equal(err.code, 78);
    assert_string_equal(err.text, text);
    assert_null(s.url); /* Nothing is stored on failure. */
}

/* A file with 'size' bytes; its name is valid until the next call. */
static const char *
write_file(const char *bytes, size_t size)
{
    static char path[64];
    snprintf(path, sizeof(path), "/tmp/test-conf-XXXXXX");
    _cleanup(cleanup_close) int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    return path;
}

static void
test_defaults_fill_what_is_unset_or_empty(void **state)
{
    (void)state;
    _cleanup(settings_free) struct settings s = {0};
    struct err err;

    setenv("T_COUNT", "", 1);
    setenv("T_URL_FILE", "", 1);
    assert_int_equal(load(&s, &err), 0);
    assert_string_equal(s.url, "none:");
    assert_string_equal(s.token, "");
    assert_int_equal(s.count, 4);
    assert_int_equal(s.lease_ms, 60000);
    assert_false(s.fast);
    assert_string_equal(s.mode, "json");
}

static void
test_the_environment_overrides_defaults(void **state)
{
    (void)state;
    _cleanup(settings_free) struct settings s = {0};
    struct err err;

    setenv("T_URL", "redis://h", 1);
    setenv("T_TOKEN", "12345678", 1);
    setenv("T_COUNT", "-5", 1);
    setenv("T_LEASE", "2500ms", 1);
    setenv("T_FAST", "true", 1);
    setenv("T_MODE", "text", 1);
    assert_int_equal(load(&s, &err), 0);
    assert_string_equal(s.url, "redis://h");
    assert_string_equal(s.token, "12345678");
    assert_int_equal(s.count, -5);
    assert_int_equal(s.lease_ms, 2500);
    assert_true(s.fast);
    assert_string_equal(s.mode, "text");
}

static void
test_spans_are_read_in_every_unit(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } spans[] = {{"1s", 1000}, {"5m", 300000}, {"1h", 3600000}};

    for (size_t i = 0; i < ARRAY_COUNT(spans); i++) {
        _cleanup(settings_free) struct settings s = {0};
        struct err err;
        setenv("T_LEASE", spans[i].text, 1);
        assert_int_equal(load(&s, &err), 0);
        assert_int_equal(s.lease_ms, spans[i].ms);
    }
}

static void
test_a_bad_value_names_variable_value_and_range(void **state)
{
    (void)state;
    static const char *const bad_ints[] = {"x",
                                           "1x",
                                           " 1",
                                           "+1",
                                           "0x10",
                                           "--",
                                           "-",
                                           "1.5",
                                           "-6",
                                           "101",
                                           "99999999999999999999"};
    static const char *const bad_spans[] = {
        "60", "60 s", "s", "2d", "999ms", "2h", "9223372036854775807h", "-1s"};

    for (size_t i = 0; i < ARRAY_COUNT(bad_ints); i++) {
        char text[100];
        snprintf(text, sizeof(text), "T_COUNT=%s: expected -5 to 100",
                 bad_ints[i]);
        assert_refused("T_COUNT", bad_ints[i], text);
    }
    for (size_t i = 0; i < ARRAY_COUNT(bad_spans); i++) {
        char text[150];
        snprintf(text, sizeof(text),
                 "T_LEASE=%s: expected a span from 1s to 1h, like 250ms, 20s, "
                 "5m, 2h",
                 bad_spans[i]);
        assert_refused("T_LEASE", bad_spans[i], text);
    }
    assert_refused("T_FAST", "yes", "T_FAST=yes: expected on or off");
    assert_refused("T_MODE", "tex", "T_MODE=tex: expected one of json|text");
    assert_refused("T_MODE", "json|text",
                   "T_MODE=json|text: expected one of json|text");
    assert_refused("T_URL", "ab", "T_URL: expected text of 3 to 20 bytes");
}

static void
test_a_number_beyond_64_bits_is_not_clamped(void **state)
{
    (void)state;
    int64_t target = 0;
    struct err err;

    setenv("T_COUNT", "-9223372036854775808", 1);
    assert_int_equal(conf_load(&wide_row, 1, &target, &err), 0);
    assert_true(target == INT64_MIN);
    setenv("T_COUNT", "9223372036854775808", 1);
    assert_int_equal(conf_load(&wide_row, 1, &target, &err), -1);
    assert_true(target == INT64_MIN);
}

static void
test_a_bad_secret_is_not_quoted(void **state)
{
    (void)state;
    assert_refused("T_TOKEN", "hunter2",
                   "T_TOKEN: expected text of 8 to 4096 bytes");
}

static void
test_a_missing_required_value_says_what_it_is_for(void **state)
{
    (void)state;
    char *target = NULL;
    struct err err;

    assert_int_equal(conf_load(&required_row, 1, &target, &err), -1);
    assert_int_equal(err.code, 78);
    assert_string_equal(err.text, "T_NEED is not set: the thing we need (text "
                                  "of 1 to 100 bytes)");
}

static void
test_a_file_gives_the_value_without_its_line_end(void **state)
{
    (void)state;
    _cleanup(settings_free) struct settings s = {0};
    struct err err;
    const char *path = write_file("pass word \r\n", 12);

    setenv("T_TOKEN_FILE", path, 1);
    assert_int_equal(load(&s, &err), 0);
    unlink(path);
    assert_string_equal(s.token, "pass word ");
}

static void
test_an_unfit_file_is_refused(void **state)
{
    (void)state;
    _cleanup(cleanup_free) char *large = malloc(70000);
    struct settings s = {0};
    struct err err;

    memset(large, 'x', 70000);
    const char *path = write_file(large, 70000);
    setenv("T_TOKEN_FILE", path, 1);
    assert_int_equal(load(&s, &err), -1);
    unlink(path);
    assert_non_null(strstr(err.text, "longer than 65536 bytes"));

    path = write_file("12345678\0x", 10);
    setenv("T_TOKEN_FILE", path, 1);
    assert_int_equal(load(&s, &err), -1);
    unlink(path);
    assert_non_null(strstr(err.text, "NUL"));

    setenv("T_TOKEN_FILE", "/nonexistent/x", 1);
    assert_int_equal(load(&s, &err), -1);
    assert_int_equal(err.code, 78);
    assert_string_equal(err.text, "T_TOKEN_FILE: cannot read /nonexistent/x: "
                                  "No such file or directory");

    setenv("T_TOKEN_FILE", "/tmp", 1);
    assert_int_equal(load(&s, &err), -1);
    assert_non_null(strstr(err.text, "Is a directory"));
}

static void
test_value_and_file_together_are_refused(void **state)
{
    (void)state;
    setenv("T_URL_FILE", "/etc/hostname", 1);
    assert_refused("T_URL", "redis://h",
                   "T_URL and T_URL_FILE are both set; unset one");
}

static char *
captured(void (*print)(FILE *out, const struct settings *s),
         const struct settings *s)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    print(out, s);
    fclose(out);
    return text;
}

static void
print_values(FILE *out, const struct settings *s)
{
    conf_print(rows, ARRAY_COUNT(rows), s, out);
}

static void
print_help(FILE *out, const struct settings *s)
{
    (void)s;
    conf_help(rows, ARRAY_COUNT(rows), out);
    conf_help(&required_row, 1, out);
}

static void
test_printing_shows_value_and_origin_but_no_secret(void **state)
{
    (void)state;
    _cleanup(settings_free) struct settings s = {0};
    struct err err;
    const char *path = write_file("text\n", 5);

    setenv("T_TOKEN", "s3cr3t-s3cr3t", 1);
    setenv("T_LEASE", "90s", 1);
    setenv("T_MODE_FILE", path, 1);
    assert_int_equal(load(&s, &err), 0);
    _cleanup(cleanup_free) char *text = captured(print_values, &s);
    unlink(path);

    char want[400];
    snprintf(want, sizeof(want),
             "T_URL=none:  (default)\n"
             "T_TOKEN=(set)  (environment)\n"
             "T_COUNT=4  (default)\n"
             "T_LEASE=90s  (environment)\n"
             "T_FAST=off  (default)\n"
             "T_MODE=text  (from %s)\n",
             path);
    assert_string_equal(text, want);
}

static void
test_help_gives_meaning_range_and_default(void **state)
{
    (void)state;
    _cleanup(cleanup_free) char *text = captured(print_help, NULL);

    assert_non_null(strstr(text, "T_COUNT (or T_COUNT_FILE)"));
    assert_non_null(strstr(text, "how many"));
    assert_non_null(strstr(text, "-5 to 100; default 4\n"));
    assert_non_null(strstr(text, "from 1s to 1h"));
    assert_non_null(strstr(text, "one of json|text; default json\n"));
    assert_non_null(strstr(text, "of 8 to 4096 bytes; default none\n"));
    assert_non_null(strstr(text, "1 to 100 bytes; required\n"));
}

/* Whether /proc shows 'needle' as part of this process's environment. */
static bool
environ_shows(const char *needle)
{
    static char bytes[1 << 16];
    _cleanup(cleanup_close) int fd = open("/proc/self/environ", O_RDONLY);
    ssize_t size = read(fd, bytes, sizeof(bytes));

    return size > 0 && memmem(bytes, (size_t)size, needle, strlen(needle));
}

/* In a process of its own: the kernel shows the area that execve() filled. */
static int
wipe_in_child(void)
{
    struct settings s = {0};
    struct err err;

    if (load(&s, &err) != 0 || !environ_shows("s3cr3t-s3cr3t")) {
        return 2;
    }
    conf_wipe_secrets(rows, ARRAY_COUNT(rows));
    bool gone = !environ_shows("s3cr3t") && conf_env("T_TOKEN") == NULL;
    bool kept = environ_shows("T_URL=redis://h") &&
                strcmp(s.token, "s3cr3t-s3cr3t") == 0;
    settings_free(&s);
    return gone && kept ? 0 : 1;
}

static void
test_wiped_secrets_are_gone_from_proc(void **state)
{
    (void)state;
    char *argv[] = {"test", "wipe", NULL};
    char *env[] = {"T_TOKEN=s3cr3t-s3cr3t", "T_URL=redis://h", NULL};
    int status;
    pid_t pid;

    assert_int_equal(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, env),
                     0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

#define TEST(name) cmocka_unit_test_setup(name, clear_environment)

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_defaults_fill_what_is_unset_or_empty),
        TEST(test_the_environment_overrides_defaults),
        TEST(test_spans_are_read_in_every_unit),
        TEST(test_a_bad_value_names_variable_value_and_range),
        TEST(test_a_number_beyond_64_bits_is_not_clamped),
        TEST(test_a_bad_secret_is_not_quoted),
        TEST(test_a_missing_required_value_says_what_it_is_for),
        TEST(test_a_file_gives_the_value_without_its_line_end),
        TEST(test_an_unfit_file_is_refused),
        TEST(test_value_and_file_together_are_refused),
        TEST(test_printing_shows_value_and_origin_but_no_secret),
        TEST(test_help_gives_meaning_range_and_default),
        TEST(test_wiped_secrets_are_gone_from_proc),
    };

    if (argc > 1 && strcmp(argv[1], "wipe") == 0) {
        return wipe_in_child();
    }
    return RUN_TESTS(tests);
}
