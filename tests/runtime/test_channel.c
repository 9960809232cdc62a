/* The frames by themselves: what is written is read back, what is malformed is
 * refused. */
#include "test.h"

#include "runtime/channel.h"

static const char sha256[] =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

static struct channel_frame
only_frame(const struct buf *in)
{
    struct channel_frame frame = {0};
    struct err err = {0};

    assert_int_equal(channel_next(in, &frame, &err), 1);
    assert_int_equal(frame.size + CHANNEL_HEADER_BYTES, in->size);
    return frame;
}

static void
test_frame_is_five_bytes_and_its_payload(void **state)
{
    _cleanup(buf_free) struct buf out = {0};

    (void)state;
    channel_append(&out, CHANNEL_RESULT, "{}", 2);
    assert_int_equal(out.size, 7);
    assert_memory_equal(out.data, "\0\0\0\3\6{}", 7);
}

static void
test_frame_cut_anywhere_waits_for_more(void **state)
{
    _cleanup(buf_free) struct buf whole = {0};
    struct channel_frame frame = {0};
    struct err err = {0};

    (void)state;
    channel_append(&whole, CHANNEL_RESULT, "{\"a\":1}", 7);
    for (size_t size = 0; size < whole.size; size++) {
        _cleanup(buf_free) struct buf part = {0};
        buf_append(&part, whole.data, size);
        assert_int_equal(channel_next(&part, &frame, &err), 0);
    }
}

static void
test_two_frames_come_out_in_order(void **state)
{
    _cleanup(buf_free) struct buf in = {0};
    struct channel_frame frame = {0};
    struct err err = {0};

    (void)state;
    channel_append(&in, CHANNEL_PROGRESS, "1", 1);
    channel_append(&in, CHANNEL_RESULT, "", 0);
    assert_int_equal(channel_next(&in, &frame, &err), 1);
    assert_int_equal(frame.type, CHANNEL_PROGRESS);
    buf_consume(&in, frame.size + CHANNEL_HEADER_BYTES);
    assert_int_equal(channel_next(&in, &frame, &err), 1);
    assert_int_equal(frame.type, CHANNEL_RESULT);
    assert_int_equal(frame.size, 0);
}

static void
test_impossible_headers_are_refused_before_the_payload(void **state)
{
    static const char headers[][5] = {
        {0, 0, 0, 0, 6},              /* No room for the type. */
        {0, (char)0x80, 0, 1, 6},     /* 8 MiB and one. */
        {(char)0xff, -1, -1, -1, -1}, /* 4 GiB. */
        {0, 0, 0, 1, 0},              /* Types outside the list. */
        {0, 0, 0, 1, 9},
        {0, 0, 0, 1, -1},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(headers); i++) {
        _cleanup(buf_free) struct buf in = {0};
        struct channel_frame frame = {0};
        struct err err = {0};
        buf_append(&in, headers[i], sizeof(headers[i]));
        assert_int_equal(channel_next(&in, &frame, &err), -1);
        assert_int_equal(err.kind, ERR_REJECT);
    }
}

static void
test_ask_survives_the_round_trip(void **state)
{
    _cleanup(buf_free) struct buf out = {0};
    struct channel_ask sent = {.ordinal = 999,
                               .kind = "prices",
                               .kind_size = 6,
                               .request = "{\"symbols\":[\"SPY\"]}",
                               .request_size = 19};
    struct channel_ask got = {0};
    struct err err = {0};

    (void)state;
    memcpy(sent.sha256, sha256, sizeof(sha256));
    channel_append_ask(&out, &sent);
    const struct channel_frame frame = only_frame(&out);
    assert_int_equal(frame.type, CHANNEL_ASK);
    assert_int_equal(channel_decode_ask(&frame, &got, &err), 0);
    assert_int_equal(got.ordinal, 999);
    assert_string_equal(got.sha256, sha256);
    assert_int_equal(got.kind_size, 6);
    assert_memory_equal(got.kind, "prices", 6);
    assert_int_equal(got.request_size, 19);
    assert_memory_equal(got.request, sent.request, 19);
}

static void
assert_ask_refused(const struct channel_ask *ask, const char *text)
{
    _cleanup(buf_free) struct buf out = {0};
    struct channel_ask got = {.ordinal = 77};
    struct err err = {0};

    channel_append_ask(&out, ask);
    const struct channel_frame frame = only_frame(&out);
    assert_int_equal(channel_decode_ask(&frame, &got, &err), -1);
    assert_int_equal(err.kind, ERR_REJECT);
    assert_non_null(strstr(err.text, text));
    assert_int_equal(got.ordinal, 77);
}

static void
test_malformed_asks_are_refused_by_field(void **state)
{
    struct channel_ask good = {
        .kind = "prices", .kind_size = 6, .request = "{}", .request_size = 2};
    struct channel_ask ask;
    _cleanup(cleanup_free) char *big = malloc(CHANNEL_REQUEST_MAX_BYTES + 1);

    (void)state;
    memcpy(good.sha256, sha256, sizeof(sha256));
    ask = good;
    ask.ordinal = CHANNEL_ASKS_MAX;
    assert_ask_refused(&ask, "ordinal");
    ask = good;
    ask.sha256[63] = 'G';
    assert_ask_refused(&ask, "sha256");
    ask = good;
    ask.kind = "Prices";
    assert_ask_refused(&ask, "kind");
    ask = good;
    ask.kind_size = 0;
    assert_ask_refused(&ask, "kind");
    ask = good;
    ask.request = "{\"a\":}";
    ask.request_size = 6;
    assert_ask_refused(&ask, "request");
    memset(big, ' ', CHANNEL_REQUEST_MAX_BYTES + 1);
    ask = good;
    ask.request = big;
    ask.request_size = CHANNEL_REQUEST_MAX_BYTES + 1;
    assert_ask_refused(&ask, "262144");
}

static void
test_error_survives_the_round_trip(void **state)
{
    _cleanup(buf_free) struct buf out = {0};
    const struct err sent = {.kind = ERR_RETRY,
                             .code = 429,
                             .after_ms = INT64_C(5000000000),
                             .text = "slow down"};
    struct err got = {0};
    struct err err = {0};

    (void)state;
    channel_append_error(&out, CHANNEL_ERROR, &sent);
    const struct channel_frame frame = only_frame(&out);
    assert_int_equal(channel_decode_error(&frame, &got, &err), 0);
    assert_int_equal(got.kind, ERR_RETRY);
    assert_int_equal(got.code, 429);
    assert_int_equal(got.after_ms, INT64_C(5000000000));
    assert_string_equal(got.text, "slow down");
}

static void
test_error_text_leaves_as_one_line_of_utf8(void **state)
{
    struct channel_frame frame = {.type = CHANNEL_ERROR};
    char payload[13 + 600];
    struct err got = {0};
    struct err err = {0};

    (void)state;
    memset(payload, 0, 13);
    payload[0] = ERR_REJECT;
    memset(payload + 13, 'a', 600);
    memcpy(payload + 13, "x\ny\xffz", 5);
    frame.payload = payload;
    frame.size = sizeof(payload);
    assert_int_equal(channel_decode_error(&frame, &got, &err), 0);
    assert_memory_equal(got.text, "x y z", 5);
    assert_int_equal(strlen(got.text), sizeof(got.text) - 1);
}

static void
test_error_of_unknown_kind_or_cut_short_is_refused(void **state)
{
    char payload[13] = {0};
    struct channel_frame frame = {CHANNEL_ERROR, payload, sizeof(payload)};
    struct err got = {0};
    struct err err = {0};

    (void)state;
    for (int kind = 0; kind < 256; kind++) {
        payload[0] = (char)kind;
        const bool known = kind >= ERR_RETRY && kind <= ERR_FATAL;
        assert_int_equal(channel_decode_error(&frame, &got, &err),
                         known ? 0 : -1);
    }
    payload[0] = ERR_RETRY;
    for (frame.size = 0; frame.size < sizeof(payload); frame.size++) {
        assert_int_equal(channel_decode_error(&frame, &got, &err), -1);
    }
}

static void
append_stored(struct buf *out, uint32_t ordinal, const char *bytes)
{
    channel_put_u32(out, ordinal);
    buf_append(out, sha256, 64);
    channel_put_u32(out, (uint32_t)strlen(bytes));
    buf_puts(out, bytes);
}

static void
test_task_gives_input_and_the_answer_stored_for_this_request(void **state)
{
    _cleanup(buf_free) struct buf out = {0};
    struct channel_answer answer = {0};
    struct channel_task task = {0};
    struct err err = {0};
    char other[65];

    (void)state;
    memset(other, '0', 64);
    other[64] = '\0';
    const size_t begin = channel_begin(&out, CHANNEL_TASK);
    channel_put_u32(&out, 2);
    append_stored(&out, 0, "[0]");
    append_stored(&out, 5, "[55]");
    buf_puts(&out, "{\"x\":1}");
    channel_end(&out, begin);

    const struct channel_frame frame = only_frame(&out);
    assert_int_equal(channel_decode_task(&frame, &task, &err), 0);
    assert_string_equal(task.input, "{\"x\":1}");
    assert_int_equal(task.input_size, 7);
    assert_true(channel_find_answer(&task, 5, sha256, &answer));
    assert_int_equal(answer.size, 4);
    assert_memory_equal(answer.bytes, "[55]", 4);
    assert_false(channel_find_answer(&task, 5, other, &answer));
    assert_false(channel_find_answer(&task, 1, sha256, &answer));
}

static void
test_task_cut_anywhere_in_its_answers_is_refused(void **state)
{
    _cleanup(buf_free) struct buf payload = {0};
    struct channel_frame frame = {.type = CHANNEL_TASK};
    struct channel_task task = {0};
    struct err err = {0};

    (void)state;
    channel_put_u32(&payload, 1);
    append_stored(&payload, 0, "[0]");
    frame.payload = payload.data;
    for (frame.size = 0; frame.size < payload.size; frame.size++) {
        assert_int_equal(channel_decode_task(&frame, &task, &err), -1);
    }
    assert_int_equal(channel_decode_task(&frame, &task, &err), 0);
    assert_int_equal(task.input_size, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frame_is_five_bytes_and_its_payload),
        cmocka_unit_test(test_frame_cut_anywhere_waits_for_more),
        cmocka_unit_test(test_two_frames_come_out_in_order),
        cmocka_unit_test(
            test_impossible_headers_are_refused_before_the_payload),
        cmocka_unit_test(test_ask_survives_the_round_trip),
        cmocka_unit_test(test_malformed_asks_are_refused_by_field),
        cmocka_unit_test(test_error_survives_the_round_trip),
        cmocka_unit_test(test_error_text_leaves_as_one_line_of_utf8),
        cmocka_unit_test(test_error_of_unknown_kind_or_cut_short_is_refused),
        cmocka_unit_test(
            test_task_gives_input_and_the_answer_stored_for_this_request),
        cmocka_unit_test(test_task_cut_anywhere_in_its_answers_is_refused),
    };

    return RUN_TESTS(tests);
}
