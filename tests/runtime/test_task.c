/* The task API as an agent's unit test sees it: answered from a document. */
#include "test.h"

#include "bench/bench.h"
#include "runtime/task.h"

static struct task *
offline(const char *answers)
{
    struct task *task = NULL;
    struct err err = {0};

    const int failed = task_offline_new(
        answers, answers != NULL ? strlen(answers) : 0, &task, &err);
    if (failed) {
        print_error("%s\n", err.text);
    }
    assert_int_equal(failed, 0);
    return task;
}

static int
ask(struct task *task, const char *kind, const char *request,
    const char **answer, struct err *err)
{
    size_t size = 0;
    const int failed =
        task_ask(task, kind, request, strlen(request), answer, &size, err);

    if (!failed) {
        assert_int_equal(size, strlen(*answer));
    }
    return failed;
}

static void
test_answer_is_found_by_kind_and_meaning_of_the_request(void **state)
{
    _cleanup(task_offline_free) struct task *task =
        offline("[{\"kind\":\"a\",\"request\":{\"x\":1,\"y\":[2]},"
                "\"answer\":\"first\"},"
                "{\"kind\":\"b\",\"answer\":{\"any\":true}}]");
    const char *answer = NULL;
    struct err err = {0};

    (void)state;
    assert_int_equal(
        ask(task, "a", " { \"y\" : [ 2 ], \"x\" : 1 } ", &answer, &err), 0);
    assert_string_equal(answer, "\"first\"");
    assert_int_equal(ask(task, "b", "[1]", &answer, &err), 0);
    assert_string_equal(answer, "{\"any\":true}");
    assert_int_equal(ask(task, "b", "[2]", &answer, &err), 0);
    assert_int_equal(ask(task, "a", "{\"x\":2,\"y\":[2]}", &answer, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
}

static void
test_missing_answer_is_named_so_that_it_can_be_added(void **state)
{
    _cleanup(task_offline_free) struct task *task = offline(NULL);
    _cleanup(buf_free) struct buf missing = {0};
    const char *answer = NULL;
    struct err err = {0};

    (void)state;
    assert_false(task_offline_missing(task, &missing));
    assert_int_equal(ask(task, "prices", "{\"b\":1,\"a\":2}", &answer, &err),
                     -1);
    assert_int_equal(err.kind, ERR_REJECT);
    assert_true(task_offline_missing(task, &missing));
    assert_string_equal(
        missing.data,
        "{\"kind\":\"prices\",\"request\":{\"a\":2,\"b\":1},\"answer\":null}");
    task_offline_suspends(task);
    assert_int_equal(ask(task, "prices", "{}", &answer, &err), -1);
    assert_int_equal(err.kind, ERR_SUSPEND);
}

static void
test_malformed_answers_are_refused_by_entry(void **state)
{
    static const struct {
        const char *text;
        const char *error;
    } rows[] = {
        {"{}", "not an array"},
        {"[{\"answer\":1}]", "answers[0]: kind"},
        {"[{\"kind\":\"a\",\"answer\":1},{\"kind\":\"a\"}]",
         "answers[1]: answer"},
        {"[{\"kind\":7,\"answer\":1}]", "answers[0]: kind"},
        {"[1,", "answers"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct task *task = NULL;
        struct err err = {0};
        assert_int_equal(
            task_offline_new(rows[i].text, strlen(rows[i].text), &task, &err),
            -1);
        assert_int_equal(err.kind, ERR_REJECT);
        assert_non_null(strstr(err.text, rows[i].error));
        assert_null(task);
    }
}

static void
test_requests_that_are_not_json_or_too_big_are_refused(void **state)
{
    _cleanup(task_offline_free) struct task *task =
        offline("[{\"kind\":\"a\",\"answer\":1}]");
    _cleanup(cleanup_free) char *big = malloc(CHANNEL_REQUEST_MAX_BYTES + 2);
    const char *answer = NULL;
    struct err err = {0};

    (void)state;
    assert_int_equal(ask(task, "a", "{\"x\":\"\\u0000\"}", &answer, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    assert_int_equal(ask(task, "a", "", &answer, &err), -1);
    memset(big, '1', CHANNEL_REQUEST_MAX_BYTES + 1);
    big[0] = '"';
    big[CHANNEL_REQUEST_MAX_BYTES] = '"';
    big[CHANNEL_REQUEST_MAX_BYTES + 1] = '\0';
    assert_int_equal(ask(task, "a", big, &answer, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    assert_non_null(strstr(err.text, "262144"));
}

static void
test_asks_of_one_run_are_bounded(void **state)
{
    _cleanup(task_offline_free) struct task *task =
        offline("[{\"kind\":\"a\",\"answer\":1}]");
    const char *answer = NULL;
    struct err err = {0};

    (void)state;
    for (unsigned i = 0; i < CHANNEL_ASKS_MAX; i++) {
        assert_int_equal(ask(task, "a", "{}", &answer, &err), 0);
    }
    assert_int_equal(ask(task, "a", "{}", &answer, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
}

static void
test_handler_runs_without_a_supervisor(void **state)
{
    static const char input[] =
        "{\"node\":\"n\",\"params\":{\"op\":\"fan\",\"width\":2,\"join\":true,"
        "\"child\":{\"op\":\"noop\"}}}";
    _cleanup(task_offline_free) struct task *task = offline(NULL);
    _cleanup(buf_free) struct buf output = {0};
    struct err err = {0};

    (void)state;
    assert_int_equal(bench_handle(task, input, strlen(input), &output, &err),
                     0);
    assert_string_equal(
        output.data,
        "{\"detail\":{\"op\":\"fan\",\"children\":2},\"plan\":["
        "{\"node\":\"n.0\",\"agent\":\"bench\",\"needs\":[],\"required\":true,"
        "\"params\":{\"op\":\"noop\"}},"
        "{\"node\":\"n.1\",\"agent\":\"bench\",\"needs\":[],\"required\":true,"
        "\"params\":{\"op\":\"noop\"}},"
        "{\"node\":\"n.join\",\"agent\":\"bench\",\"needs\":[\"n.0\",\"n.1\"],"
        "\"required\":true,\"params\":{}}]}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_answer_is_found_by_kind_and_meaning_of_the_request),
        cmocka_unit_test(test_missing_answer_is_named_so_that_it_can_be_added),
        cmocka_unit_test(test_malformed_answers_are_refused_by_entry),
        cmocka_unit_test(
            test_requests_that_are_not_json_or_too_big_are_refused),
        cmocka_unit_test(test_asks_of_one_run_are_bounded),
        cmocka_unit_test(test_handler_runs_without_a_supervisor),
    };

    return RUN_TESTS(tests);
}
