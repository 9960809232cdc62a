/* What the SQS driver makes of a server that throttles, fails in part, repeats,
 * cuts and answers nonsense.  The server is a script of the test's
 * own. */
#include "contract/sqs_stub.h"

#include <pthread.h>

#include "base/buf.h"
#include "base/clock.h"

static int
send_three(struct queue *queue, struct queue_letter letters[3], struct err *err)
{
    static const char *const bodies[] = {"one", "two", "three"};
    for (size_t i = 0; i < 3; i++) {
        letters[i] = (struct queue_letter){.queue = STUB_QUEUE,
                                           .body = bodies[i],
                                           .body_size = strlen(bodies[i])};
    }
    return queue_send(queue, letters, 3, err);
}

/* --- sending ------------------------------------------------------------- */

static void
test_only_entries_that_failed_are_sent_again(void **state)
{
    struct stub_world *f = *state;
    struct queue_letter letters[3];
    struct err err = {0};
    SCRIPT({.action = "SendMessageBatch",
            .body = "{\"Successful\":[{\"Id\":\"0\"},{\"Id\":\"2\"}],"
                    "\"Failed\":[{\"Id\":\"1\",\"SenderFault\":false,"
                    "\"Code\":\"InternalError\",\"Message\":\"try again\"}]}"});
    assert_int_equal(send_three(f->queue, letters, &err), 0);
    assert_int_equal(stub_count("SendMessageBatch"), 2);
    const char *again = stub_asked("SendMessageBatch", 1).body;
    assert_non_null(strstr(again, "\"two\""));
    assert_null(strstr(again, "\"one\""));
    assert_null(strstr(again, "\"three\""));
}

static void
test_entry_refused_for_good_is_not_sent_again(void **state)
{
    struct stub_world *f = *state;
    struct queue_letter letters[3];
    struct err err = {0};
    SCRIPT({.action = "SendMessageBatch",
            .body = "{\"Successful\":[{\"Id\":\"0\"},{\"Id\":\"2\"}],"
                    "\"Failed\":[{\"Id\":\"1\",\"SenderFault\":true,"
                    "\"Code\":\"InvalidMessageContents\","
                    "\"Message\":\"bad character\"}]}"});
    assert_int_equal(send_three(f->queue, letters, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    assert_non_null(strstr(err.text, "InvalidMessageContents"));
    assert_int_equal(stub_count("SendMessageBatch"), 1);
    assert_true(letters[0].sent && !letters[1].sent && letters[2].sent);
}

static void
test_entry_that_is_not_answered_is_sent_again(void **state)
{
    struct stub_world *f = *state;
    struct queue_letter letters[3];
    struct err err = {0};
    SCRIPT({.action = "SendMessageBatch",
            .body = "{\"Successful\":[{\"Id\":\"1\"}]}"});
    assert_int_equal(send_three(f->queue, letters, &err), 0);
    assert_null(strstr(stub_asked("SendMessageBatch", 1).body, "\"two\""));
}

static void
test_missing_queue_does_not_keep_others_waiting(void **state)
{
    struct stub_world *f = *state;
    struct err err = {0};
    struct queue_letter letters[] = {
        {.queue = "alex-gone", .body = "x", .body_size = 1},
        {.queue = STUB_QUEUE, .body = "y", .body_size = 1},
    };
    SCRIPT({.action = "GetQueueUrl",
            .status = 400,
            .body = "{\"__type\":\"com.amazonaws.sqs#QueueDoesNotExist\","
                    "\"message\":\"The specified queue does not exist.\"}"});
    assert_int_equal(queue_send(f->queue, letters, 2, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY);
    assert_non_null(strstr(err.text, "alex-gone does not exist in eu-west-1"));
    assert_non_null(strstr(err.text, "alexctl queue create"));
    assert_true(!letters[0].sent && letters[1].sent);
}

static void
test_throttling_is_a_retry(void **state)
{
    struct stub_world *f = *state;
    struct queue_letter letters[3];
    struct err err = {0};
    for (int i = 0; i < 8; i++) {
        SCRIPT({.action = "SendMessageBatch",
                .status = 400,
                .body =
                    "{\"__type\":\"com.amazon.coral.service#"
                    "ThrottlingException\",\"message\":\"Rate exceeded\"}"});
    }
    assert_int_equal(send_three(f->queue, letters, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY);
    assert_non_null(strstr(err.text, "Throttl"));
    assert_false(letters[0].sent);
}

static void
test_error_page_is_a_retry_and_says_what_came(void **state)
{
    struct stub_world *f = *state;
    struct queue_letter letters[3];
    struct err err = {0};
    for (int i = 0; i < 20; i++) {
        SCRIPT({.action = "SendMessageBatch",
                .status = 503,
                .type = "text/html",
                .body = "<html>Slow down</html>"});
    }
    assert_int_equal(send_three(f->queue, letters, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY);
    assert_non_null(strstr(err.text, "503"));
}

static void
test_one_internal_error_is_not_even_noticed(void **state)
{
    struct stub_world *f = *state;
    struct queue_letter letters[3];
    struct err err = {0};
    SCRIPT({.action = "SendMessageBatch",
            .status = 500,
            .body = "{\"__type\":\"com.amazonaws.sqs#InternalError\"}"});
    assert_int_equal(send_three(f->queue, letters, &err), 0);
}

static void
test_cut_connection_is_a_retry_and_the_next_call_connects_anew(void **state)
{
    struct stub_world *f = *state;
    struct queue_letter letters[3];
    struct err err = {0};
    SCRIPT({.action = "GetQueueUrl", .cut = true},
           {.action = "GetQueueUrl", .cut = true},
           {.action = "GetQueueUrl", .cut = true},
           {.action = "GetQueueUrl", .cut = true});
    int result = send_three(f->queue, letters, &err);
    for (int i = 0; result && i < 4; i++) {
        assert_int_equal(err.kind, ERR_RETRY);
        result = queue_send(f->queue, letters, 3, &err);
    }
    assert_int_equal(result, 0);
    assert_true(letters[0].sent);
}

static void
test_nonsense_for_an_answer_is_a_retry(void **state)
{
    struct stub_world *f = *state;
    static const char *const bodies[] = {"<html>", "[]", "{", "null"};
    for (size_t i = 0; i < ARRAY_COUNT(bodies); i++) {
        struct queue_letter letters[3];
        struct err err = {0};
        SCRIPT({.action = "SendMessageBatch", .body = bodies[i]});
        assert_int_equal(send_three(f->queue, letters, &err), -1);
        assert_int_equal(err.kind, ERR_RETRY);
        assert_non_null(strstr(err.text, "SendMessageBatch"));
    }
}

/* --- receiving ----------------------------------------------------------- */

static void
test_full_batches_are_merged_and_only_the_first_waits(void **state)
{
    struct stub_world *f = *state;
    _cleanup(buf_free) struct buf first = {0};
    _cleanup(buf_free) struct buf second = {0};
    _cleanup(buf_free) struct buf third = {0};
    struct queue_message messages[50];
    size_t count = 0;
    bool reset;
    struct err err = {0};
    stub_write_messages(&first, 0, 10, 1, "b");
    stub_write_messages(&second, 10, 10, 1, "b");
    stub_write_messages(&third, 20, 3, 1, "b");
    SCRIPT({.action = "ReceiveMessage", .body = first.data},
           {.action = "ReceiveMessage", .body = second.data},
           {.action = "ReceiveMessage", .body = third.data});
    assert_int_equal(
        queue_receive(f->queue, 50, 20000, messages, &count, &reset, &err), 0);
    assert_int_equal(count, 23);
    assert_int_equal(stub_count("ReceiveMessage"), 3);
    assert_non_null(
        strstr(stub_asked("ReceiveMessage", 0).body, "\"WaitTimeSeconds\":20"));
    for (size_t i = 1; i < 3; i++) {
        assert_non_null(strstr(stub_asked("ReceiveMessage", i).body,
                               "\"WaitTimeSeconds\":0"));
    }
    for (size_t i = 0; i < count; i++) {
        queue_message_free(&messages[i]);
    }
}

static void
test_message_delivered_twice_is_two_deliveries(void **state)
{
    struct stub_world *f = *state;
    _cleanup(buf_free) struct buf reply = {0};
    struct queue_message m[2];
    struct err err = {0};
    size_t lost = 9;
    buf_puts(&reply, "{\"Messages\":["
                     "{\"MessageId\":\"m\",\"ReceiptHandle\":\"r1\","
                     "\"Body\":\"b\"},"
                     "{\"MessageId\":\"m\",\"ReceiptHandle\":\"r2\","
                     "\"Body\":\"b\"}]}");
    SCRIPT({.action = "ReceiveMessage", .body = reply.data});
    assert_int_equal(stub_receive(f->queue, 10, m), 2);
    assert_string_not_equal(m[0].handle, m[1].handle);
    assert_int_equal(queue_ack(f->queue, &m[1], 1, &lost, &err), 0);
    assert_int_equal(lost, 0);
    assert_non_null(strstr(stub_asked("DeleteMessageBatch", 0).body, "r2"));
    assert_int_equal(queue_ack(f->queue, &m[0], 1, &lost, &err), 0);
    assert_int_equal(lost, 0);
    queue_message_free(&m[0]);
    queue_message_free(&m[1]);
}

static void
expect_missing(struct stub_world *f, const char *error)
{
    struct queue_message m;
    size_t count = 9;
    bool reset = false;
    struct err err = {0};
    SCRIPT({.action = "ReceiveMessage", .status = 400, .body = error});
    assert_int_equal(queue_receive(f->queue, 1, 0, &m, &count, &reset, &err),
                     -1);
    assert_int_equal(err.kind, ERR_RETRY);
    assert_non_null(strstr(err.text, STUB_QUEUE " does not exist"));
    assert_int_equal(queue_receive(f->queue, 1, 0, &m, &count, &reset, &err),
                     0);
    assert_true(reset);
    assert_int_equal(queue_receive(f->queue, 1, 0, &m, &count, &reset, &err),
                     0);
    assert_false(reset);
}

static void
test_queue_that_is_there_again_is_reported_once(void **state)
{
    struct stub_world *f = *state;
    expect_missing(f, "{\"__type\":\"com.amazonaws.sqs#QueueDoesNotExist\","
                      "\"message\":\"no such queue\"}");
    expect_missing(f, "{\"__type\":\"AWS.SimpleQueueService.NonExistentQueue\","
                      "\"Message\":\"no such queue\"}");
}

static void
test_larger_body_is_dead_lettered_whole_and_not_received(void **state)
{
    struct stub_world *f = *state;
    _cleanup(buf_free) struct buf reply = {0};
    _cleanup(cleanup_free) char *body = malloc(QUEUE_BODY_MAX_BYTES + 2);
    struct queue_message m;
    memset(body, 'x', QUEUE_BODY_MAX_BYTES + 1);
    body[QUEUE_BODY_MAX_BYTES + 1] = '\0';
    stub_write_messages(&reply, 1, 1, 1, body);
    SCRIPT({.action = "ReceiveMessage", .body = reply.data});
    assert_int_equal(stub_receive(f->queue, 1, &m), 0);
    const char *sent = stub_asked("SendMessage", 0).body;
    assert_non_null(strstr(sent, STUB_QUEUE "-dlq"));
    assert_non_null(strstr(sent, body));
    assert_non_null(strstr(sent, "65537"));
    assert_non_null(strstr(stub_asked("DeleteMessageBatch", 0).body, "\"r1\""));
}

static void
test_server_that_does_not_wait_is_not_asked_without_end(void **state)
{
    struct stub_world *f = *state;
    struct queue_message m;
    size_t count = 9;
    bool reset;
    struct err err = {0};
    assert_int_equal(queue_receive(f->queue, 1, 1000, &m, &count, &reset, &err),
                     0);
    assert_int_equal(count, 0);
    assert_in_range(stub_count("ReceiveMessage"), 1, 60);
}

/* --- opening ------------------------------------------------------------- */

static void
test_url_that_names_no_region_or_account_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "sqs://", "sqs:///123456789012", "sqs://eu-west-1/abc",
        "sqs://eu-west-1/123456789012/queue", "sqs://EU"};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        struct queue *queue = NULL;
        struct err err = {0};
        const struct queue_options options = {.consumer = "c"};
        assert_int_equal(queue_open(bad[i], &options, &queue, &err), -1);
        assert_int_equal(err.kind, ERR_FATAL);
        assert_int_equal(err.code, 78);
        assert_non_null(strstr(err.text, "sqs://"));
    }
}

static void
test_fifo_queue_is_refused_in_words(void **state)
{
    (void)state;
    struct queue *queue = NULL;
    struct err err = {0};
    const struct queue_options options = {
        .name = "alex-reporter.fifo", .consumer = "c", .lease_ms = 60000};
    assert_int_equal(queue_open("sqs://eu-west-1", &options, &queue, &err), -1);
    assert_int_equal(err.kind, ERR_FATAL);
    assert_int_equal(err.code, 78);
    assert_non_null(strstr(err.text, "FIFO"));
}

static void *
wake_soon(void *arg)
{
    usleep(300 * 1000);
    queue_wake(arg);
    return NULL;
}

static void
test_wake_while_the_queue_is_looked_up_is_not_lost(void **state)
{
    struct stub_world *w = *state;
    struct queue_message m;
    size_t count = 9;
    bool reset;
    struct err err = {0};
    pthread_t thread;
    SCRIPT({.action = "GetQueueUrl", .delay_ms = 600},
           {.action = "ReceiveMessage", .delay_ms = 4000});
    int64_t from_ms = clock_boot_ms();
    pthread_create(&thread, NULL, wake_soon, w->queue);
    assert_int_equal(queue_receive(w->queue, 1, 9000, &m, &count, &reset, &err),
                     0);
    pthread_join(thread, NULL);
    assert_int_equal(count, 0);
    assert_in_range(clock_boot_ms() - from_ms, 300, 3000);
}

#define TEST(f)                                                                \
    cmocka_unit_test_setup_teardown(f, stub_world_open, stub_world_close)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_only_entries_that_failed_are_sent_again),
        TEST(test_entry_refused_for_good_is_not_sent_again),
        TEST(test_entry_that_is_not_answered_is_sent_again),
        TEST(test_missing_queue_does_not_keep_others_waiting),
        TEST(test_throttling_is_a_retry),
        TEST(test_error_page_is_a_retry_and_says_what_came),
        TEST(test_one_internal_error_is_not_even_noticed),
        TEST(test_cut_connection_is_a_retry_and_the_next_call_connects_anew),
        TEST(test_nonsense_for_an_answer_is_a_retry),
        TEST(test_full_batches_are_merged_and_only_the_first_waits),
        TEST(test_message_delivered_twice_is_two_deliveries),
        TEST(test_queue_that_is_there_again_is_reported_once),
        TEST(test_larger_body_is_dead_lettered_whole_and_not_received),
        TEST(test_server_that_does_not_wait_is_not_asked_without_end),
        TEST(test_wake_while_the_queue_is_looked_up_is_not_lost),
        cmocka_unit_test(test_fifo_queue_is_refused_in_words),
        cmocka_unit_test(test_url_that_names_no_region_or_account_is_refused),
    };
    stub_start();
    int failed = RUN_TESTS(tests);
    stub_stop();
    return failed;
}
