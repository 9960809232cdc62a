/* Any bytes from a handler, as its supervisor reads them: frame by frame until
 * one is malformed, each decoded as whatever it says it is.
 *
 * - A frame never reaches beyond the bytes that are there.
 * - What is decoded, encoded again, gives the frame that was read. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "runtime/channel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "fuzz_channel: %s\n", what);
        abort();
    }
}

static void
require_same(const struct channel_frame *frame, const struct buf *out)
{
    require(out->size == frame->size + CHANNEL_HEADER_BYTES &&
                memcmp(out->data + CHANNEL_HEADER_BYTES, frame->payload,
                       frame->size) == 0,
            "what was decoded does not encode to the same");
}

static void
check_ask(const struct channel_frame *frame)
{
    _cleanup(buf_free) struct buf out = {0};
    struct channel_ask ask;
    struct err err;

    if (channel_decode_ask(frame, &ask, &err) == 0) {
        channel_append_ask(&out, &ask);
        require_same(frame, &out);
    }
}

static void
check_error(const struct channel_frame *frame)
{
    _cleanup(buf_free) struct buf out = {0};
    struct channel_frame again = {0};
    struct err first = {0};
    struct err second = {0};
    struct err err;

    if (channel_decode_error(frame, &first, &err) == 0) {
        channel_append_error(&out, CHANNEL_ERROR, &first);
        require(channel_next(&out, &again, &err) == 1 &&
                    channel_decode_error(&again, &second, &err) == 0 &&
                    first.kind == second.kind && first.code == second.code &&
                    first.after_ms == second.after_ms &&
                    strcmp(first.text, second.text) == 0,
                "an error changes on its way");
    }
}

static void
check_task(const struct channel_frame *frame)
{
    struct channel_answer answer = {0};
    struct channel_task task;
    struct err err;
    char sha256[65];

    if (channel_decode_task(frame, &task, &err) != 0) {
        return;
    }
    require(task.input + task.input_size == frame->payload + frame->size,
            "the input does not end with its frame");
    if (task.answer_count > 0) {
        memcpy(sha256, task.answers + 4, 64);
        sha256[64] = '\0';
        const unsigned char *b = (const unsigned char *)task.answers;
        const uint32_t ordinal = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 |
                                 (uint32_t)b[2] << 8 | (uint32_t)b[3];
        require(channel_find_answer(&task, ordinal, sha256, &answer) &&
                    answer.bytes + answer.size <= task.input,
                "the first answer cannot be found");
    }
}

static void
check_answer(const struct channel_frame *frame)
{
    struct channel_answer answer = {0};
    struct err err;

    if (channel_decode_answer(frame, &answer, &err) == 0) {
        require(answer.size + 4 == frame->size, "an answer lost bytes");
    }
}

static void
check_frame(const struct channel_frame *frame)
{
    switch (frame->type) {
    case CHANNEL_TASK:
        check_task(frame);
        break;
    case CHANNEL_ANSWER:
        check_answer(frame);
        break;
    case CHANNEL_ASK:
        check_ask(frame);
        break;
    case CHANNEL_REFUSE:
    case CHANNEL_ERROR:
        check_error(frame);
        break;
    case CHANNEL_PROGRESS:
    case CHANNEL_RESULT:
    case CHANNEL_READY:
        break;
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup(buf_free) struct buf in = {0};
    struct channel_frame frame = {0};
    struct err err;

    buf_append(&in, data, size);
    while (channel_next(&in, &frame, &err) == 1) {
        require(frame.size + CHANNEL_HEADER_BYTES <= in.size,
                "a frame is longer than what was read");
        check_frame(&frame);
        buf_consume(&in, frame.size + CHANNEL_HEADER_BYTES);
    }
    return 0;
}
