/* That the SQS driver never touches what is not its own any more, and keeps
 * within what SQS allows.  The server is a script of the test's own. */
#include "contract/sqs_stub.h"

#include <pthread.h>

#include "base/clock.h"

/* --- leases -------------------------------------------------------------- */

struct beat {
    struct stub_world *faults;
    const struct queue_message *message;
    int result;
};

static void *
extend(void *arg)
{
    struct beat *beat = arg;
    struct err err = {0};
    beat->result =
        queue_extend(beat->faults->heart, beat->message, 1, NULL, &err);
    return NULL;
}

static void
test_slow_heartbeat_never_meets_a_release(void **state)
{
    struct stub_world *f = *state;
    struct queue_message m = stub_receive_one(f->queue, clock_wall_ms());
    struct beat beat = {.faults = f, .message = &m};
    struct err err = {0};
    size_t lost = 9;
    pthread_t thread;
    SCRIPT({.action = "ChangeMessageVisibilityBatch", .delay_ms = 600});
    pthread_create(&thread, NULL, extend, &beat);
    while (stub_count("ChangeMessageVisibilityBatch") == 0) {
        usleep(5000);
    }
    assert_int_equal(queue_release(f->queue, &m, 1, 0, &lost, &err), 0);
    assert_int_equal(lost, 0);
    pthread_join(thread, NULL);
    assert_int_equal(beat.result, 0);
    struct asked beaten = stub_asked("ChangeMessageVisibilityBatch", 0);
    struct asked released = stub_asked("ChangeMessageVisibilityBatch", 1);
    assert_non_null(strstr(beaten.body, "\"VisibilityTimeout\":60"));
    assert_non_null(strstr(released.body, "\"VisibilityTimeout\":0"));
    assert_true(beaten.answered_boot_ms <= released.asked_boot_ms);
    /* And a later one finds nothing to extend. */
    assert_int_equal(queue_extend(f->heart, &m, 1, &lost, &err), 0);
    assert_int_equal(lost, 1);
    assert_int_equal(stub_count("ChangeMessageVisibilityBatch"), 2);
    queue_message_free(&m);
}

static void
test_nothing_is_asked_about_a_delivery_whose_time_is_up(void **state)
{
    (void)state;
    struct queue *queue = stub_connect(1000);
    struct queue_message m = stub_receive_one(queue, 1);
    struct err err = {0};
    size_t lost = 9;
    usleep(1050 * 1000);
    assert_int_equal(queue_extend(queue, &m, 1, &lost, &err), 0);
    assert_int_equal(lost, 1);
    assert_int_equal(queue_ack(queue, &m, 1, &lost, &err), 0);
    assert_int_equal(lost, 1);
    assert_int_equal(queue_release(queue, &m, 1, 0, &lost, &err), 0);
    assert_int_equal(lost, 1);
    assert_int_equal(queue_dead_letter(queue, &m, "no", &err), 0);
    queue_close(&queue);
    assert_int_equal(stub_count("ChangeMessageVisibilityBatch"), 0);
    assert_int_equal(stub_count("DeleteMessageBatch"), 0);
    assert_int_equal(stub_count("SendMessage"), 0);
    queue_message_free(&m);
}

static void
test_delivery_sqs_does_not_know_any_more_is_lost(void **state)
{
    struct stub_world *f = *state;
    struct queue_message m = stub_receive_one(f->queue, 1);
    struct err err = {0};
    size_t lost = 9;
    SCRIPT({.action = "ChangeMessageVisibilityBatch",
            .body = "{\"Successful\":[],\"Failed\":[{\"Id\":\"0\","
                    "\"SenderFault\":true,\"Code\":\"InvalidParameterValue\","
                    "\"Message\":\"Message does not exist or is not available "
                    "for visibility timeout change.\"}]}"});
    assert_int_equal(queue_extend(f->queue, &m, 1, &lost, &err), 0);
    assert_int_equal(lost, 1);
    assert_int_equal(queue_ack(f->queue, &m, 1, &lost, &err), 0);
    assert_int_equal(lost, 1);
    assert_int_equal(stub_count("DeleteMessageBatch"), 0);
    queue_message_free(&m);
}

static void
test_failed_ack_may_be_repeated(void **state)
{
    struct stub_world *f = *state;
    struct queue_message m = stub_receive_one(f->queue, 1);
    struct err err = {0};
    size_t lost = 9;
    SCRIPT({.action = "DeleteMessageBatch", .status = 400, .body = "{}"});
    assert_int_equal(queue_ack(f->queue, &m, 1, &lost, &err), -1);
    assert_int_equal(queue_ack(f->queue, &m, 1, &lost, &err), 0);
    assert_int_equal(lost, 0);
    queue_message_free(&m);
}

static void
test_release_stays_below_what_sqs_allows(void **state)
{
    struct stub_world *f = *state;
    struct queue_message m = stub_receive_one(f->queue, clock_wall_ms());
    struct err err = {0};
    int seconds = 0;
    assert_int_equal(
        queue_release(f->queue, &m, 1, 24 * 3600 * 1000LL, NULL, &err), 0);
    const char *asked = stub_asked("ChangeMessageVisibilityBatch", 0).body;
    sscanf(strstr(asked, "\"VisibilityTimeout\":"), "\"VisibilityTimeout\":%d",
           &seconds);
    assert_in_range(seconds, 10 * 3600, 11 * 3600);
    queue_message_free(&m);
}

static void
test_old_message_is_sent_anew_instead_of_released(void **state)
{
    struct stub_world *f = *state;
    int64_t day_ms = 24 * 3600 * 1000LL;
    struct queue_message m =
        stub_receive_one(f->queue, clock_wall_ms() - 8 * day_ms);
    struct err err = {0};
    size_t lost = 9;
    assert_int_equal(queue_release(f->queue, &m, 1, 5000, &lost, &err), 0);
    assert_int_equal(lost, 0);
    const char *sent = stub_asked("SendMessageBatch", 0).body;
    assert_non_null(strstr(sent, "\"bell\""));
    assert_non_null(strstr(sent, "\"DelaySeconds\":5"));
    assert_int_equal(stub_count("DeleteMessageBatch"), 1);
    assert_int_equal(stub_count("ChangeMessageVisibilityBatch"), 0);
    queue_message_free(&m);
}

/* --- dead letters -------------------------------------------------------- */

static void
test_letter_that_sqs_moved_itself_says_so(void **state)
{
    struct stub_world *f = *state;
    struct queue_message m;
    size_t count = 0;
    char next[QUEUE_HANDLE_SIZE];
    struct err err = {0};
    SCRIPT({.action = "ReceiveMessage",
            .body = "{\"Messages\":[{\"MessageId\":\"m\","
                    "\"ReceiptHandle\":\"r\",\"Body\":\"b\",\"Attributes\":{"
                    "\"ApproximateReceiveCount\":\"1001\","
                    "\"SentTimestamp\":\"5\"}}]}"});
    assert_int_equal(
        queue_dead_peek(f->queue, STUB_QUEUE, "", 10, &m, &count, next, &err),
        0);
    assert_int_equal(count, 1);
    assert_string_equal(m.reason,
                        "received 1000 times without an end (moved by SQS)");
    queue_message_free(&m);
}

static void
test_dead_letter_is_kept_while_it_cannot_be_sent_again(void **state)
{
    struct stub_world *f = *state;
    struct err err = {0};
    SCRIPT({.action = "ReceiveMessage",
            .body = "{\"Messages\":[{\"MessageId\":\"m\","
                    "\"ReceiptHandle\":\"r\",\"Body\":\"b\"}]}"},
           {.action = "SendMessage", .status = 400, .body = "{}"});
    assert_int_equal(queue_dead_take(f->queue, STUB_QUEUE, "m", true, &err),
                     -1);
    assert_int_equal(stub_count("DeleteMessageBatch"), 0);
    assert_int_equal(queue_dead_take(f->queue, STUB_QUEUE, "m", true, &err), 0);
    assert_int_equal(stub_count("SendMessage"), 2);
    assert_int_equal(stub_count("DeleteMessageBatch"), 1);
}

#define TEST(f)                                                                \
    cmocka_unit_test_setup_teardown(f, stub_world_open, stub_world_close)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_slow_heartbeat_never_meets_a_release),
        TEST(test_nothing_is_asked_about_a_delivery_whose_time_is_up),
        TEST(test_delivery_sqs_does_not_know_any_more_is_lost),
        TEST(test_failed_ack_may_be_repeated),
        TEST(test_release_stays_below_what_sqs_allows),
        TEST(test_old_message_is_sent_anew_instead_of_released),
        TEST(test_letter_that_sqs_moved_itself_says_so),
        TEST(test_dead_letter_is_kept_while_it_cannot_be_sent_again),
    };
    stub_start();
    int failed = RUN_TESTS(tests);
    stub_stop();
    return failed;
}
