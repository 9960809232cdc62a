#include "test.h"

#include "queue/sqs_entry.h"

static struct json_object *
parse(const char *json)
{
    struct json_object *object = NULL;
    struct err err;
    assert_int_equal(json_parse(json, strlen(json), "test", &object, &err), 0);
    return object;
}

/* What a sent entry looks like to its receiver. */
static bool
read_sent(struct buf *sent, struct queue_message *ret)
{
    _cleanup(json_put) struct json_object *object = parse(sent->data);
    struct json_object *value = NULL;
    const char *receipt;
    int64_t queued_wall_ms;
    assert_true(json_object_object_get_ex(object, "MessageBody", &value));
    json_object_object_add(object, "Body", json_object_get(value));
    json_object_object_add(object, "MessageId", json_object_new_string("id"));
    json_object_object_add(object, "ReceiptHandle",
                           json_object_new_string("receipt"));
    return sqs_entry_read(object, ret, &receipt, &queued_wall_ms);
}

static void
write_dead(struct buf *out, const char *body, size_t size,
           const struct sqs_epitaph *epitaph)
{
    buf_json_object(out);
    sqs_entry_write_dead(out, body, size, epitaph);
    buf_json_end(out);
}

static void
write_letter(struct buf *out, const struct queue_letter *letter)
{
    buf_json_object(out);
    sqs_entry_write_letter(out, letter);
    buf_json_end(out);
}

/* --- bodies -------------------------------------------------------------- */

static void
test_what_sqs_takes_travels_as_it_is(void **state)
{
    (void)state;
    _cleanup(buf_free) struct buf out = {0};
    static const char body[] = "{\"a\":\"\xc3\xa9\t\r\n\xf0\x9f\x94\x94\x7f\"}";
    write_dead(&out, body, sizeof(body) - 1, NULL);
    _cleanup(json_put) struct json_object *object = parse(out.data);
    struct json_object *value;
    assert_true(json_object_object_get_ex(object, "MessageBody", &value));
    assert_string_equal(json_object_get_string(value), body);
    assert_false(json_object_object_get_ex(object, "MessageAttributes", NULL));
}

static void
test_what_sqs_refuses_comes_back_byte_by_byte(void **state)
{
    (void)state;
    /* NUL, a control character, no UTF-8, a surrogate, U+FFFE, U+FFFF. */
    static const struct {
        const char *bytes;
        size_t size;
    } bodies[] = {{"a\0b", 3},
                  {"\x01", 1},
                  {"\xff\xfe", 2},
                  {"\xed\xa0\x80", 3},
                  {"x\xef\xbf\xbe", 4},
                  {"\xef\xbf\xbf", 3},
                  {"\x1f\x1f\x1f\x1f", 4}};
    for (size_t i = 0; i < ARRAY_COUNT(bodies); i++) {
        _cleanup(buf_free) struct buf out = {0};
        struct queue_message m;
        write_dead(&out, bodies[i].bytes, bodies[i].size, NULL);
        assert_non_null(strstr(out.data, "base64"));
        assert_true(read_sent(&out, &m));
        assert_int_equal(m.body_size, bodies[i].size);
        assert_memory_equal(m.body, bodies[i].bytes, bodies[i].size);
        assert_int_equal(m.body[m.body_size], '\0');
        queue_message_free(&m);
    }
}

static void
test_marked_body_that_is_no_base64_stays_as_it_is(void **state)
{
    (void)state;
    _cleanup(json_put) struct json_object *entry =
        parse("{\"MessageId\":\"i\",\"ReceiptHandle\":\"r\",\"Body\":\"a*b\","
              "\"MessageAttributes\":{\"alex-encoding\":{"
              "\"StringValue\":\"base64\",\"DataType\":\"String\"}}}");
    struct queue_message m;
    const char *receipt;
    int64_t queued_wall_ms;
    assert_true(sqs_entry_read(entry, &m, &receipt, &queued_wall_ms));
    assert_string_equal(m.body, "a*b");
    queue_message_free(&m);
}

/* --- letters ------------------------------------------------------------- */

static void
test_traceparent_becomes_the_header_of_x_ray(void **state)
{
    (void)state;
    char header[SQS_TRACE_SIZE];
    /* The ids are those of AWS's own example of the header. */
    assert_true(sqs_entry_trace(
        "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01", header));
    assert_string_equal(header, "Root=1-5759e988-bd862e3fe1be46a994272793;"
                                "Parent=53995c3f42cd8ad8;Sampled=1");
    assert_true(sqs_entry_trace(
        "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-02", header));
    assert_non_null(strstr(header, "Sampled=0"));
}

static void
test_what_is_no_traceparent_makes_no_header(void **state)
{
    (void)state;
    char header[SQS_TRACE_SIZE];
    static const char *const bad[] = {
        "",
        "00",
        "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8",
        "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01-x",
        "00-5759E988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01",
        "00-5759e988bd862e3fe1be46a99427279-53995c3f42cd8ad8-01",
    };
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        assert_false(sqs_entry_trace(bad[i], header));
    }
}

static void
test_group_is_the_user_or_a_hash_of_what_sqs_would_refuse(void **state)
{
    (void)state;
    _cleanup(buf_free) struct buf out = {0};
    struct queue_letter letter = {.queue = "q", .body = "b", .body_size = 1};
    letter.group = "user_2abc|x@y";
    write_letter(&out, &letter);
    assert_non_null(strstr(out.data, "\"MessageGroupId\":\"user_2abc|x@y\""));
    /* printf 'a b' | sha256sum */
    static const char hash[] =
        "c8687a08aa5d6ed2044328fa6a697ab8e96dc34291e8c2034ae8c38e6fcc6d65";
    buf_reset(&out);
    letter.group = "a b";
    write_letter(&out, &letter);
    assert_non_null(strstr(out.data, hash));
}

static void
test_delay_is_whole_seconds_rounded_up_and_15_minutes_at_most(void **state)
{
    (void)state;
    static const struct {
        int64_t delay_ms;
        const char *expected;
    } rows[] = {{0, NULL},
                {1, "\"DelaySeconds\":1"},
                {1000, "\"DelaySeconds\":1"},
                {1001, "\"DelaySeconds\":2"},
                {86400000, "\"DelaySeconds\":900"}};
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        _cleanup(buf_free) struct buf out = {0};
        const struct queue_letter letter = {.queue = "q",
                                            .body = "b",
                                            .body_size = 1,
                                            .delay_ms = rows[i].delay_ms};
        write_letter(&out, &letter);
        const char *found = strstr(out.data, "\"DelaySeconds\"");
        assert_true(!found == !rows[i].expected);
        assert_true(!found || strstr(found, rows[i].expected) == found);
    }
}

/* --- dead letters -------------------------------------------------------- */

static void
test_dead_letter_tells_its_past(void **state)
{
    (void)state;
    _cleanup(buf_free) struct buf out = {0};
    const struct sqs_epitaph epitaph = {"why: \x01\xff", 1700000000123, 7};
    struct queue_message m;
    write_dead(&out, "\0x", 2, &epitaph);
    assert_true(read_sent(&out, &m));
    assert_string_equal(m.reason, "why: ??");
    assert_true(m.sent_wall_ms == 1700000000123);
    assert_int_equal(m.deliveries, 7);
    assert_int_equal(m.body_size, 2);
    assert_memory_equal(m.body, "\0x", 2);
    queue_message_free(&m);
}

static void
test_long_or_empty_reason_is_made_to_fit(void **state)
{
    (void)state;
    _cleanup(cleanup_free) char *longest = malloc(5001);
    memset(longest, 'r', 5000);
    longest[5000] = '\0';
    const char *const reasons[] = {"", longest};
    for (size_t i = 0; i < ARRAY_COUNT(reasons); i++) {
        _cleanup(buf_free) struct buf out = {0};
        const struct sqs_epitaph epitaph = {reasons[i], 1, 1};
        struct queue_message m;
        write_dead(&out, "b", 1, &epitaph);
        assert_true(read_sent(&out, &m));
        assert_in_range(strlen(m.reason), 1, 1024);
        queue_message_free(&m);
    }
}

static void
test_body_of_the_full_size_goes_without_anything_beside_it(void **state)
{
    (void)state;
    _cleanup(buf_free) struct buf out = {0};
    _cleanup(cleanup_free) char *body = malloc(SQS_MESSAGE_MAX_BYTES);
    const struct sqs_epitaph epitaph = {"too large", 1, 1};
    memset(body, 'x', SQS_MESSAGE_MAX_BYTES);
    write_dead(&out, body, SQS_MESSAGE_MAX_BYTES, &epitaph);
    assert_null(strstr(out.data, "MessageAttributes"));
    assert_in_range(out.size, SQS_MESSAGE_MAX_BYTES,
                    SQS_MESSAGE_MAX_BYTES + 99);
}

/* --- what comes in ------------------------------------------------------- */

static void
test_received_message_is_read_whole(void **state)
{
    (void)state;
    /* The reply of the API reference's ReceiveMessage example, shortened. */
    _cleanup(json_put) struct json_object *entry = parse(
        "{\"Attributes\":{\"SenderId\":\"AIDASSYFHUBOBT7F4XT75\","
        "\"ApproximateFirstReceiveTimestamp\":\"1677112433437\","
        "\"ApproximateReceiveCount\":\"3\","
        "\"SentTimestamp\":\"1677112427387\"},"
        "\"Body\":\"This is a test message\","
        "\"MD5OfBody\":\"fafb00f5732ab283681e124bf8747ed1\","
        "\"MessageId\":\"219f8380-5770-4cc2-8c3e-5c715e145f5e\","
        "\"ReceiptHandle\":\"AQEBaZ+j5qUoOAoxlmrCQPkBm9njMWXqemmIG6shMHCO6\"}");
    struct queue_message m;
    const char *receipt;
    int64_t queued_wall_ms;
    assert_true(sqs_entry_read(entry, &m, &receipt, &queued_wall_ms));
    assert_string_equal(m.handle, "219f8380-5770-4cc2-8c3e-5c715e145f5e");
    assert_string_equal(receipt,
                        "AQEBaZ+j5qUoOAoxlmrCQPkBm9njMWXqemmIG6shMHCO6");
    assert_string_equal(m.body, "This is a test message");
    assert_true(m.sent_wall_ms == 1677112427387);
    assert_true(queued_wall_ms == 1677112427387);
    assert_int_equal(m.deliveries, 3);
    assert_null(m.reason);
    queue_message_free(&m);
}

static void
test_message_without_id_receipt_or_body_is_none(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "[]",
        "\"x\"",
        "{\"ReceiptHandle\":\"r\",\"Body\":\"b\"}",
        "{\"MessageId\":\"\",\"ReceiptHandle\":\"r\",\"Body\":\"b\"}",
        "{\"MessageId\":\"i\",\"Body\":\"b\"}",
        "{\"MessageId\":\"i\",\"ReceiptHandle\":\"r\"}",
        "{\"MessageId\":\"i\",\"ReceiptHandle\":\"r\",\"Body\":7}",
    };
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        _cleanup(json_put) struct json_object *entry = parse(bad[i]);
        struct queue_message m;
        const char *receipt;
        int64_t queued_wall_ms;
        assert_false(sqs_entry_read(entry, &m, &receipt, &queued_wall_ms));
    }
}

static void
test_each_entry_of_a_batch_has_its_own_outcome(void **state)
{
    (void)state;
    _cleanup(json_put) struct json_object *reply = parse(
        "{\"Successful\":[{\"Id\":\"0\"},{\"Id\":\"99\"},{\"Id\":7}],"
        "\"Failed\":["
        "{\"Id\":\"1\",\"SenderFault\":false,\"Code\":\"InternalError\"},"
        "{\"Id\":\"2\",\"SenderFault\":true,\"Code\":"
        "\"ReceiptHandleIsInvalid\","
        "\"Message\":\"no such handle\"},"
        "{\"Id\":\"3\",\"SenderFault\":\"true\",\"Code\":\"InvalidParameter\"},"
        "{\"Id\":\"4\",\"SenderFault\":true,\"Code\":\"RequestThrottled\"}]}");
    static const enum sqs_entry_outcome expected[SQS_BATCH_MAX] = {
        SQS_ENTRY_DONE, SQS_ENTRY_AGAIN, SQS_ENTRY_REFUSED, SQS_ENTRY_REFUSED};
    enum sqs_entry_outcome outcomes[SQS_BATCH_MAX];
    struct err err = {0};
    sqs_entry_outcomes(reply, outcomes, &err);
    for (size_t i = 0; i < SQS_BATCH_MAX; i++) {
        assert_int_equal(outcomes[i], expected[i]);
    }
    assert_non_null(strstr(err.text, "RequestThrottled"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_sqs_takes_travels_as_it_is),
        cmocka_unit_test(test_what_sqs_refuses_comes_back_byte_by_byte),
        cmocka_unit_test(test_marked_body_that_is_no_base64_stays_as_it_is),
        cmocka_unit_test(test_traceparent_becomes_the_header_of_x_ray),
        cmocka_unit_test(test_what_is_no_traceparent_makes_no_header),
        cmocka_unit_test(
            test_group_is_the_user_or_a_hash_of_what_sqs_would_refuse),
        cmocka_unit_test(
            test_delay_is_whole_seconds_rounded_up_and_15_minutes_at_most),
        cmocka_unit_test(test_dead_letter_tells_its_past),
        cmocka_unit_test(test_long_or_empty_reason_is_made_to_fit),
        cmocka_unit_test(
            test_body_of_the_full_size_goes_without_anything_beside_it),
        cmocka_unit_test(test_received_message_is_read_whole),
        cmocka_unit_test(test_message_without_id_receipt_or_body_is_none),
        cmocka_unit_test(test_each_entry_of_a_batch_has_its_own_outcome),
    };
    return RUN_TESTS(tests);
}
