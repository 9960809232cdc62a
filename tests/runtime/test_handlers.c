/* What passes between a supervisor and a real handler process. */
#include "bench_handlers.h"

#include "base/uuid.h"

static void
assert_detail(const struct run *run, const char *text)
{
    assert_true(run->ended);
    assert_int_equal(run->end, HANDLERS_RESULT);
    assert_non_null(strstr(run->bytes.data, text));
}

static void
test_result_comes_back(void **state)
{
    (void)state;
    START(handlers, 1);
    RUN(run);

    bench_handlers_give(handlers, &run, "{\"op\":\"noop\"}");
    assert_true(bench_handlers_wait(handlers, &run));
    assert_int_equal(run.end, HANDLERS_RESULT);
    assert_string_equal(run.bytes.data, "{\"detail\":{\"op\":\"noop\"}}");
    assert_int_equal(handlers_idle_count(handlers), 1);
}

static void
test_each_run_has_a_handler_of_its_own(void **state)
{
    (void)state;
    START(handlers, 3);
    RUN(slow);
    RUN(other);
    RUN(third);
    struct err err = {0};
    struct run fourth = {0};

    bench_handlers_give(handlers, &slow, "{\"op\":\"sleep\",\"ms\":60000}");
    bench_handlers_give(handlers, &other, "{\"op\":\"noop\"}");
    bench_handlers_give(handlers, &third, "{\"op\":\"sleep\",\"ms\":60000}");
    assert_int_equal(handlers_idle_count(handlers), 0);
    assert_int_equal(handlers_start(handlers, &fourth, "{}", 2, NULL, 0, &err),
                     -1);
    assert_int_equal(err.kind, ERR_RETRY);
    assert_true(bench_handlers_wait(handlers, &other));
    assert_false(slow.ended);
    assert_int_equal(handlers_idle_count(handlers), 1);
}

static void
test_handlers_error_arrives_with_kind_code_and_delay(void **state)
{
    (void)state;
    START(handlers, 1);
    RUN(run);

    bench_handlers_give(handlers, &run,
                        "{\"op\":\"reject\",\"text\":\"caf\u00e9\"}");
    assert_true(bench_handlers_wait(handlers, &run));
    assert_int_equal(run.end, HANDLERS_ERROR);
    assert_int_equal(run.err.kind, ERR_REJECT);
    assert_string_equal(run.err.text, "caf\u00e9");

    bench_handlers_give(handlers, &run,
                        "{\"op\":\"retry\",\"after_ms\":4500,\"code\":429}");
    assert_true(bench_handlers_wait(handlers, &run));
    assert_int_equal(run.end, HANDLERS_ERROR);
    assert_int_equal(run.err.kind, ERR_RETRY);
    assert_int_equal(run.err.code, 429);
    assert_int_equal(run.err.after_ms, 4500);
}

static void
test_bad_frames_kill_the_handler_and_say_why(void **state)
{
    static const struct {
        const char *hex;
        const char *text;
    } rows[] = {
        {"ffffffff", "frame of 4294967295 bytes"},
        {"00000000", "frame of 0 bytes"},
        {"0080000106", "frame of 8388609 bytes"},
        {"0000000163", "unknown type 99"},
        {"0000000100", "unknown type 0"},
        {"0000000101", "type 1 out of turn"},
        {"0000000102", "type 2 out of turn"},
        {"0000000103", "type 3 out of turn"},
        {"0000000108", "ready twice"},
        {"0000000104", "ask: ordinal"},
        {"0000000107", "error: 0 bytes"},
        {"000000050541424344", "progress"},
    };

    (void)state;
    START(handlers, 1);
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        RUN(run);
        char params[100];
        snprintf(params, sizeof(params), "{\"op\":\"garbage\",\"hex\":\"%s\"}",
                 rows[i].hex);
        bench_handlers_give(handlers, &run, params);
        assert_true(bench_handlers_wait(handlers, &run));
        assert_int_equal(run.end, HANDLERS_CRASHED);
        if (strstr(run.err.text, rows[i].text) == NULL) {
            print_error("%s: %s\n", rows[i].hex, run.err.text);
            fail();
        }
    }
}

static void
test_whole_result_counts_though_its_sender_misbehaves(void **state)
{
    (void)state;
    START(handlers, 1);
    RUN(run);

    /* RESULT "{}", and then a byte that nobody asked for. */
    bench_handlers_give(handlers, &run,
                        "{\"op\":\"garbage\",\"hex\":\"00000003067b7d00\"}");
    assert_true(bench_handlers_wait(handlers, &run));
    assert_int_equal(run.end, HANDLERS_RESULT);
    assert_string_equal(run.bytes.data, "{}");

    bench_handlers_serve(handlers, 100); /* Until it is replaced. */
    bench_handlers_give(handlers, &run, "{\"op\":\"noop\"}");
    assert_true(bench_handlers_wait(handlers, &run));
    assert_int_equal(run.end, HANDLERS_RESULT);
    assert_int_equal(run.ends, 2);
}

static void
test_input_of_7_mib_arrives_whole(void **state)
{
    const size_t size = 7u * 1024 * 1024;
    _cleanup(buf_free) struct buf input = {0};
    char sha256[DIGEST_SHA256_SIZE];
    struct err err = {0};

    (void)state;
    START(handlers, 1);
    RUN(run);
    buf_puts(&input, "{\"params\":{\"op\":\"echo\"},\"filler\":\"");
    for (size_t i = 0; input.size < size; i++) {
        buf_printf(&input, "%zu,", i);
    }
    buf_puts(&input, "\"}");
    digest_sha256_hex(input.data, input.size, sha256);
    assert_int_equal(
        handlers_start(handlers, &run, input.data, input.size, NULL, 0, &err),
        0);
    assert_true(bench_handlers_wait(handlers, &run));
    assert_detail(&run, sha256);
}

static void
test_input_beyond_a_frame_is_refused(void **state)
{
    _cleanup(cleanup_free) char *input = calloc(1, CHANNEL_FRAME_MAX_BYTES);
    struct err err = {0};

    (void)state;
    START(handlers, 1);
    RUN(run);
    assert_int_equal(handlers_start(handlers, &run, input,
                                    CHANNEL_FRAME_MAX_BYTES - 4, NULL, 0, &err),
                     -1);
    assert_int_equal(err.kind, ERR_REJECT);
    assert_int_equal(handlers_idle_count(handlers), 1);
}

static void
test_result_over_4_mib_is_rejected_with_its_size(void **state)
{
    (void)state;
    START(handlers, 1);
    RUN(run);

    bench_handlers_give(handlers, &run,
                        "{\"op\":\"oversize\",\"bytes\":6000000}");
    assert_true(bench_handlers_wait(handlers, &run));
    assert_int_equal(run.end, HANDLERS_ERROR);
    assert_int_equal(run.err.kind, ERR_REJECT);
    assert_non_null(strstr(run.err.text, "4194304"));
}

static void
test_answered_ask_returns_in_the_same_run(void **state)
{
    (void)state;
    START(handlers, 1);
    RUN(run);

    run.answer = "[7]";
    bench_handlers_give(handlers, &run, "{\"op\":\"ask\",\"count\":3}");
    assert_true(bench_handlers_wait(handlers, &run));
    assert_int_equal(run.asks, 3);
    assert_int_equal(run.ask.ordinal, 2);
    assert_detail(&run, "\"answers\":[[7],[7],[7]]");
}

/* The run that follows a suspension, with 'sha256' as the key of its one stored
 * answer. */
static void
resume(struct handlers *handlers, struct run *run, const char *sha256)
{
    static const char input[] = "{\"params\":{\"op\":\"ask\",\"count\":1}}";
    struct handlers_answer answer = {.ordinal = 0, .bytes = "[7]", .size = 3};
    struct err err = {0};

    run->ended = false;
    run->asks = 0;
    memcpy(answer.sha256, sha256, sizeof(answer.sha256));
    assert_int_equal(
        handlers_start(handlers, run, input, strlen(input), &answer, 1, &err),
        0);
    assert_true(bench_handlers_wait(handlers, run));
}

static void
test_suspended_run_finds_its_stored_answer(void **state)
{
    char expected[DIGEST_SHA256_SIZE];
    static const char key[] = "delay\n{\"answer\":0,\"delay_ms\":0}";

    (void)state;
    START(handlers, 1);
    RUN(run);
    bench_handlers_give(handlers, &run, "{\"op\":\"ask\"}");
    assert_true(bench_handlers_wait(handlers, &run));
    assert_int_equal(run.end, HANDLERS_ERROR);
    assert_int_equal(run.err.kind, ERR_SUSPEND);
    digest_sha256_hex(key, strlen(key), expected);
    assert_string_equal(run.ask.sha256, expected);

    resume(handlers, &run, run.ask.sha256);
    assert_int_equal(run.asks, 0);
    assert_detail(&run, "\"answers\":[[7]]");
}

static void
test_stored_answer_to_another_request_is_a_miss(void **state)
{
    char other[DIGEST_SHA256_SIZE];

    (void)state;
    START(handlers, 1);
    RUN(run);
    digest_sha256_hex("other", 5, other);
    run.answer = "[8]";
    resume(handlers, &run, other);
    assert_int_equal(run.asks, 1);
    assert_detail(&run, "\"answers\":[[8]]");
}

static void
test_progress_is_passed_on(void **state)
{
    (void)state;
    START(handlers, 1);
    RUN(run);

    bench_handlers_give(
        handlers, &run,
        "{\"op\":\"progress\",\"percent\":40,\"text\":\"almost\"}");
    assert_true(bench_handlers_wait(handlers, &run));
    assert_int_equal(run.progresses, 1);
    assert_string_equal(run.progress, "{\"percent\":40,\"text\":\"almost\"}");
}

int
main(int argc, char **argv)
{
    bench_handlers_main(argc, argv);

    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_result_comes_back),
        cmocka_unit_test(test_each_run_has_a_handler_of_its_own),
        cmocka_unit_test(test_handlers_error_arrives_with_kind_code_and_delay),
        cmocka_unit_test(test_bad_frames_kill_the_handler_and_say_why),
        cmocka_unit_test(test_whole_result_counts_though_its_sender_misbehaves),
        cmocka_unit_test(test_input_of_7_mib_arrives_whole),
        cmocka_unit_test(test_input_beyond_a_frame_is_refused),
        cmocka_unit_test(test_result_over_4_mib_is_rejected_with_its_size),
        cmocka_unit_test(test_answered_ask_returns_in_the_same_run),
        cmocka_unit_test(test_suspended_run_finds_its_stored_answer),
        cmocka_unit_test(test_stored_answer_to_another_request_is_a_miss),
        cmocka_unit_test(test_progress_is_passed_on),
    };

    return RUN_TESTS(tests);
}
