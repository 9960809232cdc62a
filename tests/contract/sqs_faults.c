/* What the SQS driver makes of a server that throttles, fails in part, repeats,
 * cuts and answers nonsense; and that it never touches what is not its own. The
 * server is a script of the test's own. */
#include "contract/sqs_stub.h"

#include <pthread.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"

#define NAME "alex-test"

struct faults {
    struct queue *queue;
    struct queue *heart; /* Another connection of the same consumer. */
};

static struct queue *
connect_queue(int64_t lease_ms)
{
    struct queue *queue = NULL;
    struct err err = {0};
    const struct queue_options options = {
        .name = NAME, .consumer = "one-process", .lease_ms = lease_ms};
    if (queue_open("sqs://eu-west-1", &options, &queue, &err)) {
        fail_msg("%s", err.text);
    }
    return queue;
}

static int
open_faults(void **state)
{
    struct faults *f = xcalloc(1, sizeof(*f));
    f->queue = connect_queue(60000);
    f->heart = connect_queue(60000);
    *state = f;
    return 0;
}

static int
close_faults(void **state)
{
    struct faults *f = *state;
    queue_close(&f->heart);
    queue_close(&f->queue);
    stub_reset();
    free(f);
    return 0;
}

#define SCRIPT(...)                                                            \
    stub_expect((const struct step[]){__VA_ARGS__},                            \
                ARRAY_COUNT(((const struct step[]){__VA_ARGS__})))

/* --- messages ------------------------------------------------------------ */

static void
write_messages(struct buf *out, int first, int count, int64_t sent_wall_ms,
               const char *body)
{
    buf_puts(out, "{\"Messages\":[");
    for (int i = first; i < first + count; i++) {
        buf_printf(out,
                   "%s{\"MessageId\":\"m%d\",\"ReceiptHandle\":\"r%d\","
                   "\"Body\":\"%s\",\"Attributes\":{\"SentTimestamp\":\"%lld\","
                   "\"ApproximateReceiveCount\":\"1\"}}",
                   i > first ? "," : "", i, i, body, (long long)sent_wall_ms);
    }
    buf_puts(out, "]}");
}

static size_t
receive(struct queue *queue, size_t max, struct queue_message *ret)
{
    size_t count = 0;
    bool reset;
    struct err err = {0};
    if (queue_receive(queue, max, 0, ret, &count, &reset, &err)) {
        fail_msg("%s", err.text);
    }
    return count;
}

/* One message, received from the script. */
static struct queue_message
receive_one(struct queue *queue, int64_t sent_wall_ms)
{
    _cleanup(buf_free) struct buf reply = {0};
    struct queue_message m;
    write_messages(&reply, 1, 1, sent_wall_ms, "bell");
    SCRIPT({.action = "ReceiveMessage", .body = reply.data});
    assert_int_equal(receive(queue, 1, &m), 1);
    return m;
}

static int
send_three(struct queue *queue, struct queue_letter letters[3], struct err *err)
{
    static const char *const bodies[] = {"one", "two", "three"};
    for (size_t i = 0; i < 3; i++) {
        letters[i] = (struct queue_letter){
            .queue = NAME, .body = bodies[i], .body_size = strlen(bodies[i])};
    }
    return queue_send(queue, letters, 3, err);
}

/* --- sending ------------------------------------------------------------- */

static void
test_only_entries_that_failed_are_sent_again(void **state)
{
    struct faults *f = *state;
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
    struct faults *f = *state;
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
    struct faults *f = *state;
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
    struct faults *f = *state;
    struct err err = {0};
    struct queue_letter letters[] = {
        {.queue = "alex-gone", .body = "x", .body_size = 1},
        {.queue = NAME, .body = "y", .body_size = 1},
    };
    SCRIPT({.action = "GetQueueUrl",
            .status = 400,
            .body = "{\"__type\":\"com.amazonaws.sqs#QueueDoesNotExist\","
                    "\"message\":\"The specified queue does not exist.\"}"});
    assert_int_equal(queue_send(f->queue, letters, 2, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY);
    assert_non_null(strstr(err.text, "alexctl queue create alex-gone"));
    assert_true(!letters[0].sent && letters[1].sent);
}

static void
test_throttling_is_a_retry(void **state)
{
    struct faults *f = *state;
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
    struct faults *f = *state;
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
    struct faults *f = *state;
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
    struct faults *f = *state;
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
    struct faults *f = *state;
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
    struct faults *f = *state;
    _cleanup(buf_free) struct buf first = {0};
    _cleanup(buf_free) struct buf second = {0};
    _cleanup(buf_free) struct buf third = {0};
    struct queue_message messages[50];
    size_t count = 0;
    bool reset;
    struct err err = {0};
    write_messages(&first, 0, 10, 1, "b");
    write_messages(&second, 10, 10, 1, "b");
    write_messages(&third, 20, 3, 1, "b");
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
    struct faults *f = *state;
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
    assert_int_equal(receive(f->queue, 10, m), 2);
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
expect_missing(struct faults *f, const char *error)
{
    struct queue_message m;
    size_t count = 9;
    bool reset = false;
    struct err err = {0};
    SCRIPT({.action = "ReceiveMessage", .status = 400, .body = error});
    assert_int_equal(queue_receive(f->queue, 1, 0, &m, &count, &reset, &err),
                     -1);
    assert_int_equal(err.kind, ERR_RETRY);
    assert_non_null(strstr(err.text, "alexctl queue create " NAME));
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
    struct faults *f = *state;
    expect_missing(f, "{\"__type\":\"com.amazonaws.sqs#QueueDoesNotExist\","
                      "\"message\":\"no such queue\"}");
    expect_missing(f, "{\"__type\":\"AWS.SimpleQueueService.NonExistentQueue\","
                      "\"Message\":\"no such queue\"}");
}

static void
test_larger_body_is_dead_lettered_whole_and_not_received(void **state)
{
    struct faults *f = *state;
    _cleanup(buf_free) struct buf reply = {0};
    _cleanup(cleanup_free) char *body = malloc(QUEUE_BODY_MAX_BYTES + 2);
    struct queue_message m;
    memset(body, 'x', QUEUE_BODY_MAX_BYTES + 1);
    body[QUEUE_BODY_MAX_BYTES + 1] = '\0';
    write_messages(&reply, 1, 1, 1, body);
    SCRIPT({.action = "ReceiveMessage", .body = reply.data});
    assert_int_equal(receive(f->queue, 1, &m), 0);
    const char *sent = stub_asked("SendMessage", 0).body;
    assert_non_null(strstr(sent, NAME "-dlq"));
    assert_non_null(strstr(sent, body));
    assert_non_null(strstr(sent, "65537"));
    assert_non_null(strstr(stub_asked("DeleteMessageBatch", 0).body, "\"r1\""));
}

static void
test_server_that_does_not_wait_is_not_asked_without_end(void **state)
{
    struct faults *f = *state;
    struct queue_message m;
    size_t count = 9;
    bool reset;
    struct err err = {0};
    assert_int_equal(queue_receive(f->queue, 1, 1000, &m, &count, &reset, &err),
                     0);
    assert_int_equal(count, 0);
    assert_in_range(stub_count("ReceiveMessage"), 1, 60);
}

/* --- leases -------------------------------------------------------------- */

struct beat {
    struct faults *faults;
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
    struct faults *f = *state;
    struct queue_message m = receive_one(f->queue, clock_wall_ms());
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
    struct queue *queue = connect_queue(1000);
    struct queue_message m = receive_one(queue, 1);
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
    struct faults *f = *state;
    struct queue_message m = receive_one(f->queue, 1);
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
    struct faults *f = *state;
    struct queue_message m = receive_one(f->queue, 1);
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
    struct faults *f = *state;
    struct queue_message m = receive_one(f->queue, clock_wall_ms());
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
    struct faults *f = *state;
    int64_t day_ms = 24 * 3600 * 1000LL;
    struct queue_message m =
        receive_one(f->queue, clock_wall_ms() - 8 * day_ms);
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
    struct faults *f = *state;
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
        queue_dead_peek(f->queue, NAME, "", 10, &m, &count, next, &err), 0);
    assert_int_equal(count, 1);
    assert_string_equal(m.reason,
                        "received 1000 times without an end (moved by SQS)");
    queue_message_free(&m);
}

static void
test_dead_letter_is_kept_while_it_cannot_be_sent_again(void **state)
{
    struct faults *f = *state;
    struct err err = {0};
    SCRIPT({.action = "ReceiveMessage",
            .body = "{\"Messages\":[{\"MessageId\":\"m\","
                    "\"ReceiptHandle\":\"r\",\"Body\":\"b\"}]}"},
           {.action = "SendMessage", .status = 400, .body = "{}"});
    assert_int_equal(queue_dead_take(f->queue, NAME, "m", true, &err), -1);
    assert_int_equal(stub_count("DeleteMessageBatch"), 0);
    assert_int_equal(queue_dead_take(f->queue, NAME, "m", true, &err), 0);
    assert_int_equal(stub_count("SendMessage"), 2);
    assert_int_equal(stub_count("DeleteMessageBatch"), 1);
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

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_faults, close_faults)

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
        TEST(test_slow_heartbeat_never_meets_a_release),
        TEST(test_nothing_is_asked_about_a_delivery_whose_time_is_up),
        TEST(test_delivery_sqs_does_not_know_any_more_is_lost),
        TEST(test_failed_ack_may_be_repeated),
        TEST(test_release_stays_below_what_sqs_allows),
        TEST(test_old_message_is_sent_anew_instead_of_released),
        TEST(test_letter_that_sqs_moved_itself_says_so),
        TEST(test_dead_letter_is_kept_while_it_cannot_be_sent_again),
        cmocka_unit_test(test_url_that_names_no_region_or_account_is_refused),
    };
    stub_start();
    int failed = RUN_TESTS(tests);
    stub_stop();
    return failed;
}
