/* Every end of a run, and the outcome the engine is told. */
#include "test.h"

#include "base/arena.h"
#include "runtime/flight.h"
#include "runtime/outcome.h"

static const char schema_text[] =
    "{\"type\":\"object\",\"properties\":{\"detail\":{\"type\":\"object\"},"
    "\"plan\":{\"type\":\"array\"}},\"required\":[\"detail\"],"
    "\"additionalProperties\":false}";

struct end {
    enum handlers_end end;
    enum run_stop stop;
    const char *bytes;
    size_t size;
    struct err err;
};

static struct outcome *
decide_run(struct run *run, const struct end *end)
{
    _cleanup(json_put) struct json_object *schema = NULL;
    struct mail *mail = mail_new(MAIL_OUTCOME, run);
    struct err err = {0};

    assert_int_equal(
        json_parse(schema_text, strlen(schema_text), "schema", &schema, &err),
        0);
    run->refs = 1;
    run->fence = 3;
    atomic_store(&run->stop, (int)end->stop);
    strcpy(run->job, "the-job");
    strcpy(run->task, "the-task");
    mail->end = end->end;
    mail->err = end->err;
    if (end->bytes != NULL) {
        mail->bytes = xmalloc(end->size + 1);
        memcpy(mail->bytes, end->bytes, end->size);
        mail->bytes[end->size] = '\0';
        mail->size = end->size;
    }
    return outcome_new(mail, schema);
}

static struct outcome *
decide(const struct end *end)
{
    return decide_run(xcalloc(1, sizeof(struct run)), end);
}

static struct outcome *
decide_result(const char *bytes)
{
    struct end end = {.bytes = bytes, .size = strlen(bytes)};

    return decide(&end);
}

static struct outcome *
decide_error(enum err_kind kind, int code, int64_t after_ms)
{
    struct end end = {.end = HANDLERS_ERROR};

    err_set(&end.err, kind, code, "because");
    end.err.after_ms = after_ms;
    return decide(&end);
}

/* Frees it. */
static void
assert_outcome(struct outcome *outcome, const char *word, const char *contains)
{
    struct err err = {0};

    assert_int_equal(json_check(outcome->text.data, outcome->text.size, &err),
                     0);
    assert_string_equal(outcome_word(outcome), word);
    if (strstr(outcome->text.data, contains) == NULL) {
        fail_msg("%s lacks %s", outcome->text.data, contains);
    }
    outcome_free(&outcome);
}

static void
test_result_is_spliced_in_byte_for_byte(void **state)
{
    (void)state;
    assert_outcome(decide_result("{ \"detail\" : {\"n\":1.50} }"), "succeeded",
                   "\"output\":{ \"detail\" : {\"n\":1.50} }}");
}

static void
test_outcome_names_job_task_and_fence(void **state)
{
    (void)state;
    assert_outcome(decide_result("{\"detail\":{}}"), "succeeded",
                   "{\"job\":\"the-job\",\"task\":\"the-task\",\"fence\":3,"
                   "\"outcome\":\"succeeded\"");
}

static void
test_children_of_a_plan_are_counted(void **state)
{
    struct outcome *outcome =
        decide_result("{\"detail\":{},\"plan\":[{},{},{}]}");

    (void)state;
    assert_int_equal(outcome->children, 3);
    outcome_free(&outcome);
}

static void
test_result_that_is_not_allowed_dies_as_bad_result(void **state)
{
    static const struct {
        const char *bytes;
        const char *says;
    } bad[] = {
        {"{\"detail\":", "\"text\":\"result"},
        {"[]", "not an object"},
        {"{\"detail\":{},\"prices\":[]}", "prices"},
        {"{}", "detail"},
        {"{\"detail\":{\"a\":\"\\u0000\"}}", "\"text\":\"result"},
        {"{\"detail\":{\"a\":\"\\ud800\"}}", "\"text\":\"result"},
        {"{\"detail\":{\"a\":\"\xff\"}}", "\"text\":\"result"},
        {"{\"detail\":{\"a\":1e400000}}", "\"text\":\"result"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        assert_outcome(decide_result(bad[i].bytes), "dead",
                       "\"class\":\"bad_result\"");
        assert_outcome(decide_result(bad[i].bytes), "dead", bad[i].says);
    }
}

static void
test_raw_nul_in_a_result_dies_as_bad_result(void **state)
{
    static const char bytes[] = "{\"detail\":{\"a\":\"x\0y\"}}";
    struct end end = {.bytes = bytes, .size = sizeof(bytes) - 1};

    (void)state;
    assert_outcome(decide(&end), "dead", "\"class\":\"bad_result\"");
}

static void
test_result_over_four_mebibytes_dies_as_bad_result(void **state)
{
    _cleanup(buf_free) struct buf big = {0};

    (void)state;
    buf_puts(&big, "{\"detail\":{\"a\":\"");
    memset(buf_reserve(&big, 4u << 20), 'x', 4u << 20);
    big.size += 4u << 20;
    buf_puts(&big, "\"}}");
    assert_outcome(decide_result(big.data), "dead", "limit 4194304");
}

static void
test_handlers_own_errors_map_by_kind(void **state)
{
    (void)state;
    assert_outcome(decide_error(ERR_REJECT, 0, 0), "dead",
                   "\"class\":\"rejected\",\"text\":\"because\"");
    assert_outcome(decide_error(ERR_RETRY, 0, 1500), "retry",
                   "\"after_ms\":1500");
    assert_outcome(decide_error(ERR_LOST, 0, 0), "retry", "because");
    assert_outcome(decide_error(ERR_SUSPEND, 0, 0), "retry",
                   "suspended_without_asking");
}

static void
test_throttling_is_deferred_and_so_not_charged(void **state)
{
    (void)state;
    assert_outcome(decide_error(ERR_RETRY, 429, 30000), "deferred",
                   "\"after_ms\":30000");
    assert_outcome(decide_error(ERR_RETRY, 503, 0), "retry", "because");
}

static void
test_wait_asked_for_is_bounded_by_a_day(void **state)
{
    (void)state;
    assert_outcome(decide_error(ERR_RETRY, 0, INT64_MAX), "retry",
                   "\"after_ms\":86400000");
}

static void
test_fatal_error_of_a_handler_is_retried(void **state)
{
    (void)state;
    assert_outcome(decide_error(ERR_FATAL, 0, 0), "retry", "because");
}

static void
test_crash_says_how(void **state)
{
    struct end end = {.end = HANDLERS_CRASHED};

    (void)state;
    err_set(&end.err, ERR_RETRY, 11, "killed by signal 11");
    assert_outcome(decide(&end), "crashed",
                   "\"class\":\"crash\",\"text\":\"killed by signal 11\"");
}

static void
test_kill_is_what_it_was_for(void **state)
{
    static const struct {
        enum run_stop stop;
        const char *word;
        const char *contains;
    } kills[] = {
        {RUN_STOP_CANCEL, "cancelled", "\"outcome\":\"cancelled\"}"},
        {RUN_STOP_DEADLINE, "dead", "\"class\":\"deadline\""},
        {RUN_STOP_INTERRUPT, "interrupted", "\"outcome\":\"interrupted\"}"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(kills); i++) {
        struct end end = {.end = HANDLERS_KILLED, .stop = kills[i].stop};
        assert_outcome(decide(&end), kills[i].word, kills[i].contains);
    }
}

static void
test_result_that_came_before_the_kill_counts(void **state)
{
    struct end end = {
        .stop = RUN_STOP_INTERRUPT, .bytes = "{\"detail\":{}}", .size = 13};

    (void)state;
    assert_outcome(decide(&end), "succeeded", "\"output\"");
}

static void
test_error_text_of_any_bytes_is_valid_json(void **state)
{
    struct end end = {.end = HANDLERS_ERROR};

    (void)state;
    err_set(&end.err, ERR_REJECT, 0, "bad \xff\xfe byte \"and\" quote");
    assert_outcome(decide(&end), "dead", "\\\"and\\\"");
}

static void
test_only_free_answers_go_with_a_result(void **state)
{
    struct end end = {.bytes = "{\"detail\":{}}", .size = 13};
    struct run *run = xcalloc(1, sizeof(*run));
    char sha256[DIGEST_SHA256_SIZE];

    (void)state;
    digest_sha256_hex("x", 1, sha256);
    run_add_answer(run, 0, sha256, xstrdup("\"paid\""), 6, true, NULL);
    run_add_answer(run, 1, sha256, xstrdup("\"free\""), 6, false, NULL);
    struct outcome *outcome = decide_run(run, &end);
    assert_null(strstr(outcome->text.data, "paid"));
    assert_outcome(outcome, "succeeded", "\"answer\":\"\\\"free\\\"\"");
}

static void
test_what_the_engine_refuses_becomes_dead_without_its_output(void **state)
{
    struct outcome *outcome = decide_result("{\"detail\":{\"a\":1}}");
    struct err err;

    (void)state;
    err_set(&err, ERR_REJECT, 22, "value too long");
    outcome_make_dead(outcome, &err);
    assert_null(strstr(outcome->text.data, "output"));
    assert_outcome(outcome, "dead",
                   "\"class\":\"data\",\"text\":\"value too long\"");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_result_is_spliced_in_byte_for_byte),
        cmocka_unit_test(test_outcome_names_job_task_and_fence),
        cmocka_unit_test(test_children_of_a_plan_are_counted),
        cmocka_unit_test(test_result_that_is_not_allowed_dies_as_bad_result),
        cmocka_unit_test(test_raw_nul_in_a_result_dies_as_bad_result),
        cmocka_unit_test(test_result_over_four_mebibytes_dies_as_bad_result),
        cmocka_unit_test(test_handlers_own_errors_map_by_kind),
        cmocka_unit_test(test_throttling_is_deferred_and_so_not_charged),
        cmocka_unit_test(test_wait_asked_for_is_bounded_by_a_day),
        cmocka_unit_test(test_fatal_error_of_a_handler_is_retried),
        cmocka_unit_test(test_crash_says_how),
        cmocka_unit_test(test_kill_is_what_it_was_for),
        cmocka_unit_test(test_result_that_came_before_the_kill_counts),
        cmocka_unit_test(test_error_text_of_any_bytes_is_valid_json),
        cmocka_unit_test(test_only_free_answers_go_with_a_result),
        cmocka_unit_test(
            test_what_the_engine_refuses_becomes_dead_without_its_output),
    };

    return RUN_TESTS(tests);
}
