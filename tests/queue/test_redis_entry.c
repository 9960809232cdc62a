#include "test.h"

#include "queue/redis_entry.h"

/* What the broker sent, parsed as the driver does it. */
static redisReply *
parse(const char *resp, size_t size)
{
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;
    redisReaderFeed(reader, resp, size);
    assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
    assert_non_null(reply);
    redisReaderFree(reader);
    return reply;
}

static bool
read_entry(const char *resp, size_t size, struct queue_message *ret)
{
    redisReply *reply = parse(resp, size);
    bool fit = redis_entry_read(reply, 1, ret);
    freeReplyObject(reply);
    return fit;
}

#define READ(resp, ret) read_entry(resp, sizeof(resp) - 1, ret)

static void
test_fresh_entry_takes_its_time_from_its_id(void **state)
{
    (void)state;
    struct queue_message m;
    assert_true(READ("*2\r\n$15\r\n1700000000123-4\r\n"
                     "*2\r\n$1\r\nb\r\n$3\r\na\0b\r\n",
                     &m));
    assert_string_equal(m.handle, "1700000000123-4");
    assert_int_equal(m.body_size, 3);
    assert_memory_equal(m.body, "a\0b", 4);
    assert_true(m.sent_wall_ms == 1700000000123);
    assert_int_equal(m.deliveries, 1);
    assert_null(m.reason);
    queue_message_free(&m);
}

static void
test_released_entry_tells_its_past(void **state)
{
    (void)state;
    struct queue_message m;
    assert_true(READ("*2\r\n$3\r\n9-0\r\n*8\r\n$1\r\nb\r\n$1\r\nx\r\n"
                     "$1\r\nt\r\n$1\r\n5\r\n$1\r\nn\r\n$1\r\n2\r\n"
                     "$6\r\nreason\r\n$3\r\nwhy\r\n",
                     &m));
    assert_int_equal(m.sent_wall_ms, 5);
    assert_int_equal(m.deliveries, 3);
    assert_string_equal(m.reason, "why");
    queue_message_free(&m);
}

static void
test_entry_without_a_usable_body_is_no_message(void **state)
{
    (void)state;
    struct queue_message m = {.handle = "untouched"};
    assert_false(READ("*2\r\n$3\r\n9-0\r\n*2\r\n$1\r\nc\r\n$1\r\nx\r\n", &m));
    assert_false(READ("*2\r\n$3\r\n9-0\r\n*1\r\n$1\r\nb\r\n", &m));
    assert_false(READ("*2\r\n$3\r\n9-0\r\n*2\r\n$1\r\nb\r\n:7\r\n", &m));
    assert_false(READ("*2\r\n$3\r\n9-0\r\n*2\r\n:7\r\n$1\r\nb\r\n", &m));
    assert_false(READ("*2\r\n$3\r\n9-0\r\n*-1\r\n", &m));
    assert_false(READ("*2\r\n:9\r\n*2\r\n$1\r\nb\r\n$1\r\nx\r\n", &m));
    assert_false(READ("*1\r\n$3\r\n9-0\r\n", &m));
    assert_false(READ("*0\r\n", &m));
    assert_false(READ("*-1\r\n", &m));
    assert_false(READ("+OK\r\n", &m));
    assert_string_equal(m.handle, "untouched");
}

static void
test_id_longer_than_a_handle_is_no_id(void **state)
{
    (void)state;
    char resp[512];
    struct queue_message m;
    int size = snprintf(resp, sizeof(resp),
                        "*2\r\n$%d\r\n%0*d\r\n*2\r\n$1\r\nb\r\n$1\r\nx\r\n",
                        QUEUE_HANDLE_SIZE, QUEUE_HANDLE_SIZE, 1);
    assert_false(read_entry(resp, (size_t)size, &m));
}

static void
test_body_over_the_limit_is_no_message(void **state)
{
    (void)state;
    size_t room = QUEUE_BODY_MAX_BYTES + 100;
    _cleanup(cleanup_free) char *resp = malloc(room);
    struct queue_message m;
    for (int over = 0; over <= 1; over++) {
        size_t body = QUEUE_BODY_MAX_BYTES + (size_t)over;
        int size = snprintf(
            resp, room, "*2\r\n$3\r\n9-0\r\n*2\r\n$1\r\nb\r\n$%zu\r\n", body);
        memset(resp + size, 'x', body);
        memcpy(resp + size + body, "\r\n", 2);
        bool fit = read_entry(resp, (size_t)size + body + 2, &m);
        assert_int_equal(fit, !over);
        if (fit) {
            queue_message_free(&m);
        }
    }
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fresh_entry_takes_its_time_from_its_id),
        cmocka_unit_test(test_released_entry_tells_its_past),
        cmocka_unit_test(test_entry_without_a_usable_body_is_no_message),
        cmocka_unit_test(test_id_longer_than_a_handle_is_no_id),
        cmocka_unit_test(test_body_over_the_limit_is_no_message),
    };
    return RUN_TESTS(tests);
}
