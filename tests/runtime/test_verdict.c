/* Every word of the engine about a doorbell, and what becomes of its message.
 */
#include "test.h"

#include "runtime/verdict.h"

static const char run_head[] =
    "{\"n\":\"00000000-0000-4000-8000-000000000001\",\"verdict\":\"run\","
    "\"job\":\"00000000-0000-4000-8000-00000000000a\","
    "\"task\":\"00000000-0000-4000-8000-00000000000b\",\"node\":\"report\","
    "\"fence\":7,\"attempt\":2,\"alone\":true,\"trace\":\"00-ab\","
    "\"deadline_ms\":5000,\"lease_ms\":60000,\"input_bytes\":12,"
    "\"checkpoints\":3,\"watched\":true}";

static int
decode(const char *text, struct verdict *ret, struct err *err)
{
    struct json_object *head = NULL;

    assert_int_equal(json_parse(text, strlen(text), "head", &head, err), 0);
    return verdict_decode(head, ret, err);
}

static struct verdict
decode_word(const char *word, const char *more)
{
    struct verdict verdict = {0};
    struct err err = {0};
    char text[256];

    snprintf(text, sizeof(text), "{\"n\":\"n\",\"verdict\":\"%s\"%s}", word,
             more);
    assert_int_equal(decode(text, &verdict, &err), 0);
    return verdict;
}

static void
test_every_terminal_word_rings_and_acks(void **state)
{
    static const char *const words[] = {"succeeded", "dead",    "quarantined",
                                        "cancelled", "skipped", "wrong_agent",
                                        "adopted",   "blocked"};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
        struct verdict verdict = decode_word(words[i], ",\"ring\":[{}]");
        assert_int_equal(verdict.action, VERDICT_RING_ACK);
        assert_int_equal(json_object_array_length(verdict.ring), 1);
        verdict_free(&verdict);
    }
}

static void
test_busy_and_later_release_until_the_time_given(void **state)
{
    static const char *const words[] = {"busy", "later"};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
        struct verdict verdict = decode_word(words[i], ",\"until_ms\":1234");
        assert_int_equal(verdict.action, VERDICT_RELEASE);
        assert_int_equal(verdict.until_ms, 1234);
        verdict_free(&verdict);
    }
}

static void
test_release_is_never_longer_than_a_broker_takes(void **state)
{
    struct verdict verdict = decode_word("later", ",\"until_ms\":86400000");

    (void)state;
    assert_int_equal(verdict.until_ms, 11 * 3600 * 1000);
    verdict_free(&verdict);
}

static void
test_word_of_a_later_version_is_not_acked(void **state)
{
    struct verdict verdict = decode_word("teleported", ",\"until_ms\":1");

    (void)state;
    assert_int_equal(verdict.action, VERDICT_RELEASE);
    assert_int_equal(verdict.until_ms, 60000);
    verdict_free(&verdict);
}

static void
test_run_fills_a_run_with_times_of_our_clock(void **state)
{
    struct verdict verdict = {0};
    struct run run = {0};
    struct err err = {0};

    (void)state;
    assert_int_equal(decode(run_head, &verdict, &err), 0);
    assert_int_equal(verdict.action, VERDICT_RUN);
    assert_int_equal(verdict.lease_ms, 60000);
    assert_int_equal(verdict.checkpoints, 3);
    assert_int_equal(verdict_fill(&verdict, 1000, &run, &err), 0);
    assert_string_equal(run.job, "00000000-0000-4000-8000-00000000000a");
    assert_string_equal(run.task, "00000000-0000-4000-8000-00000000000b");
    assert_string_equal(run.node, "report");
    assert_int_equal(run.fence, 7);
    assert_int_equal(run.attempt, 2);
    assert_int_equal(run.deadline_ms, 6000);
    assert_true(run.alone);
    assert_true(atomic_load(&run.watched));
    verdict_free(&verdict);
}

static void
test_long_node_name_is_cut_not_refused(void **state)
{
    struct verdict verdict = {0};
    struct run run = {0};
    struct err err = {0};
    char text[512];

    (void)state;
    snprintf(text, sizeof(text),
             "{\"n\":\"n\",\"verdict\":\"run\",\"fence\":1,\"lease_ms\":1,"
             "\"deadline_ms\":1,\"node\":\"%0200d\"}",
             0);
    assert_int_equal(decode(text, &verdict, &err), 0);
    assert_int_equal(verdict_fill(&verdict, 0, &run, &err), 0);
    assert_int_equal(strlen(run.node), sizeof(run.node) - 1);
    verdict_free(&verdict);
}

static void
test_malformed_verdict_makes_us_unfit_not_guess(void **state)
{
    static const char *const texts[] = {
        "{}",
        "{\"n\":\"n\"}",
        "{\"n\":\"n\",\"verdict\":7}",
        "{\"n\":\"n\",\"verdict\":\"run\",\"deadline_ms\":1}",
        "{\"n\":\"n\",\"verdict\":\"busy\",\"until_ms\":-1}",
        "{\"n\":\"n\",\"verdict\":\"dead\",\"ring\":{}}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        struct verdict verdict = {0};
        struct err err = {0};
        assert_int_equal(decode(texts[i], &verdict, &err), -1);
        assert_int_equal(err.kind, ERR_FATAL);
    }
}

static void
test_unknown_job_is_released_once_then_dropped(void **state)
{
    struct queue_message young = {.sent_wall_ms = 1000000, .deliveries = 9};
    struct queue_message unsaid = {.deliveries = 1};

    (void)state;
    assert_int_equal(verdict_unknown_delay_ms(&young, 1000000 + 59999), 60000);
    assert_int_equal(verdict_unknown_delay_ms(&young, 1000000 + 60000), -1);
    assert_int_equal(verdict_unknown_delay_ms(&unsaid, 0), 60000);
    unsaid.deliveries = 2;
    assert_int_equal(verdict_unknown_delay_ms(&unsaid, 0), -1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_terminal_word_rings_and_acks),
        cmocka_unit_test(test_busy_and_later_release_until_the_time_given),
        cmocka_unit_test(test_release_is_never_longer_than_a_broker_takes),
        cmocka_unit_test(test_word_of_a_later_version_is_not_acked),
        cmocka_unit_test(test_run_fills_a_run_with_times_of_our_clock),
        cmocka_unit_test(test_long_node_name_is_cut_not_refused),
        cmocka_unit_test(test_malformed_verdict_makes_us_unfit_not_guess),
        cmocka_unit_test(test_unknown_job_is_released_once_then_dropped),
    };

    return RUN_TESTS(tests);
}
