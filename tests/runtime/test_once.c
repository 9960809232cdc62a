/* --once as a person types it: this program is also the bench worker. */
#include "test.h"

#include "base/buf.h"
#include "bench/bench.h"

static char self[200];

struct outcome {
    int code;
    char out[4000];
    char err[4000];
};

static void
read_back(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "re");

    assert_non_null(file);
    text[fread(text, 1, size - 1, file)] = '\0';
    fclose(file);
    unlink(path);
}

/* Runs this program with 'arguments' on 'input'. */
static struct outcome
once(const char *arguments, const char *input)
{
    struct outcome outcome = {0};
    char out[64];
    char err[64];
    char command[500];

    snprintf(out, sizeof(out), "/tmp/alex-once-out-%d", (int)getpid());
    snprintf(err, sizeof(err), "/tmp/alex-once-err-%d", (int)getpid());
    snprintf(command, sizeof(command), "'%s' %s > %s 2> %s", self, arguments,
             out, err);
    FILE *pipe = popen(command, "we");
    assert_non_null(pipe);
    fputs(input, pipe);
    outcome.code = WEXITSTATUS(pclose(pipe));
    read_back(out, outcome.out, sizeof(outcome.out));
    read_back(err, outcome.err, sizeof(outcome.err));
    return outcome;
}

static void
test_output_is_printed_with_a_newline_and_nothing_else(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        const struct outcome outcome =
            once("--once", "{\"params\":{\"op\":\"noop\"}}");
        assert_int_equal(outcome.code, 0);
        assert_string_equal(outcome.out, "{\"detail\":{\"op\":\"noop\"}}\n");
        assert_string_equal(outcome.err, "");
    }
}

static void
test_missing_answer_is_printed_and_completes_the_run_when_added(void **state)
{
    static const char input[] = "{\"params\":{\"op\":\"ask\",\"delay_ms\":9}}";
    char path[64];
    char arguments[100];

    (void)state;
    struct outcome outcome = once("--once", input);
    assert_int_equal(outcome.code, 75);
    assert_string_equal(outcome.out, "");
    char *entry = strstr(outcome.err, "{\"kind\":\"delay\"");
    assert_non_null(entry);
    *strchr(entry, '\n') = '\0';
    char *null = strstr(entry, "null}");
    assert_non_null(null);
    memcpy(null, "1234}", 5);

    snprintf(path, sizeof(path), "/tmp/alex-once-answers-%d", (int)getpid());
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fprintf(file, "[%s]", entry);
    fclose(file);
    snprintf(arguments, sizeof(arguments), "--once --answers %s", path);
    outcome = once(arguments, input);
    unlink(path);
    assert_int_equal(outcome.code, 0);
    assert_non_null(strstr(outcome.out, "\"answers\":[1234]"));
}

static void
test_each_failure_has_its_exit_code_and_reason(void **state)
{
    static const struct {
        const char *arguments;
        const char *input;
        int code;
        const char *text;
    } rows[] = {
        {"--once", "", 65, "input"},
        {"--once", "{\"params\":{\"op\":\"juggle\"}}", 65, "juggle"},
        {"--once", "{\"params\":{\"op\":\"reject\",\"text\":\"no way\"}}", 65,
         "rejected: no way"},
        {"--once", "{\"params\":{\"op\":\"retry\",\"text\":\"later\"}}", 75,
         "retry: later"},
        {"--once", "{\"params\":{\"op\":\"raw\",\"hex\":\"7b7d\"}}", 65,
         "bad result"},
        {"--once", "{\"params\":{\"op\":\"raw\",\"hex\":\"7bff\"}}", 65,
         "bad result"},
        {"--once --answers /nonexistent", "{}", 66, "/nonexistent"},
        {"--once --answers /proc/self/cmdline", "{}", 65, "answers"},
        {"--once --nonsense", "{}", 64, "--nonsense"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        const struct outcome outcome = once(rows[i].arguments, rows[i].input);
        if (outcome.code != rows[i].code ||
            strstr(outcome.err, rows[i].text) == NULL) {
            print_error("%s %s: %d %s\n", rows[i].arguments, rows[i].input,
                        outcome.code, outcome.err);
            fail();
        }
    }
}

int
main(int argc, char **argv)
{
    if (argc > 1) {
        return worker_main(argc, argv, &bench_worker);
    }
    assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);

    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_output_is_printed_with_a_newline_and_nothing_else),
        cmocka_unit_test(
            test_missing_answer_is_printed_and_completes_the_run_when_added),
        cmocka_unit_test(test_each_failure_has_its_exit_code_and_reason),
    };

    return RUN_TESTS(tests);
}
