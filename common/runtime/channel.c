#include "runtime/channel.h"

#include <string.h>

#include "base/json.h"

/* A payload being taken apart: what is left of it. */
struct cursor {
    const char *at;
    size_t left;
};

static bool
cursor_take(struct cursor *cursor, size_t size, const char **ret)
{
    if (size > cursor->left) {
        return false;
    }
    *ret = cursor->at;
    cursor->at += size;
    cursor->left -= size;
    return true;
}

static bool
cursor_u32(struct cursor *cursor, uint32_t *ret)
{
    const char *bytes = NULL;

    if (!cursor_take(cursor, 4, &bytes)) {
        return false;
    }
    const unsigned char *b = (const unsigned char *)bytes;
    *ret = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 |
           (uint32_t)b[3];
    return true;
}

/* A u32 size and that many bytes, at most 'max'. */
static bool
cursor_sized(struct cursor *cursor, size_t max, const char **ret,
             size_t *ret_size)
{
    uint32_t size = 0;

    if (!cursor_u32(cursor, &size) || size > max ||
        !cursor_take(cursor, size, ret)) {
        return false;
    }
    *ret_size = size;
    return true;
}

static bool
is_sha256(const char *text)
{
    for (size_t i = 0; i < 64; i++) {
        if (strchr("0123456789abcdef", text[i]) == NULL || text[i] == '\0') {
            return false;
        }
    }
    return true;
}

static bool
is_kind(const char *kind, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        char c = kind[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '_') {
            return false;
        }
    }
    return size > 0;
}

int
channel_next(const struct buf *in, struct channel_frame *ret, struct err *err)
{
    struct cursor cursor = {in->data, in->size};
    uint32_t length = 0;

    if (!cursor_u32(&cursor, &length)) {
        return 0;
    }
    if (length < 1 || length > CHANNEL_FRAME_MAX_BYTES) {
        return err_set(err, ERR_REJECT, 0, "frame of %u bytes, not 1 to %u",
                       length, CHANNEL_FRAME_MAX_BYTES);
    }
    if (cursor.left == 0) {
        return 0;
    }
    unsigned char type = (unsigned char)cursor.at[0];
    if (type < CHANNEL_TASK || type > CHANNEL_READY) {
        return err_set(err, ERR_REJECT, 0, "frame of unknown type %u", type);
    }
    if (cursor.left < length) {
        return 0;
    }
    ret->type = (enum channel_type)type;
    ret->payload = cursor.at + 1;
    ret->size = length - 1;
    return 1;
}

void
channel_put_u32(struct buf *out, uint32_t value)
{
    const unsigned char bytes[4] = {
        (unsigned char)(value >> 24), (unsigned char)(value >> 16),
        (unsigned char)(value >> 8), (unsigned char)value};

    buf_append(out, bytes, sizeof(bytes));
}

size_t
channel_begin(struct buf *out, enum channel_type type)
{
    const size_t begin = out->size;
    const unsigned char byte = (unsigned char)type;

    channel_put_u32(out, 0);
    buf_append(out, &byte, 1);
    return begin;
}

void
channel_end(struct buf *out, size_t begin)
{
    const uint32_t length = (uint32_t)(out->size - begin - 4);
    unsigned char *at = (unsigned char *)out->data + begin;

    at[0] = (unsigned char)(length >> 24);
    at[1] = (unsigned char)(length >> 16);
    at[2] = (unsigned char)(length >> 8);
    at[3] = (unsigned char)length;
}

void
channel_append(struct buf *out, enum channel_type type, const void *payload,
               size_t size)
{
    const size_t begin = channel_begin(out, type);

    buf_append(out, payload, size);
    channel_end(out, begin);
}

/* One stored answer of a TASK. */
static bool
cursor_stored(struct cursor *cursor, struct channel_answer *ret,
              const char **ret_sha256)
{
    return cursor_u32(cursor, &ret->ordinal) &&
           cursor_take(cursor, 64, ret_sha256) && is_sha256(*ret_sha256) &&
           cursor_sized(cursor, CHANNEL_ANSWER_MAX_BYTES, &ret->bytes,
                        &ret->size);
}

int
channel_decode_task(const struct channel_frame *frame, struct channel_task *ret,
                    struct err *err)
{
    struct cursor cursor = {frame->payload, frame->size};
    struct channel_task task = {0};
    struct channel_answer answer = {0};
    const char *sha256 = NULL;

    if (!cursor_u32(&cursor, &task.answer_count) ||
        task.answer_count > CHANNEL_ASKS_MAX) {
        return err_set(err, ERR_REJECT, 0, "task: count of answers not 0 to %u",
                       CHANNEL_ASKS_MAX);
    }
    task.answers = cursor.at;
    for (uint32_t i = 0; i < task.answer_count; i++) {
        if (!cursor_stored(&cursor, &answer, &sha256)) {
            return err_set(err, ERR_REJECT, 0, "task: answer %u is malformed",
                           i);
        }
    }
    task.input = cursor.at;
    task.input_size = cursor.left;
    *ret = task;
    return 0;
}

bool
channel_find_answer(const struct channel_task *task, uint32_t ordinal,
                    const char *sha256, struct channel_answer *ret)
{
    struct cursor cursor = {task->answers,
                            (size_t)(task->input - task->answers)};
    struct channel_answer answer = {0};
    const char *stored = NULL;

    for (uint32_t i = 0; i < task->answer_count; i++) {
        if (!cursor_stored(&cursor, &answer, &stored)) {
            return false;
        }
        if (answer.ordinal == ordinal && memcmp(stored, sha256, 64) == 0) {
            *ret = answer;
            return true;
        }
    }
    return false;
}

int
channel_decode_answer(const struct channel_frame *frame,
                      struct channel_answer *ret, struct err *err)
{
    struct cursor cursor = {frame->payload, frame->size};
    struct channel_answer answer = {0};

    if (!cursor_u32(&cursor, &answer.ordinal) ||
        cursor.left > CHANNEL_ANSWER_MAX_BYTES) {
        return err_set(err, ERR_REJECT, 0, "answer of %zu bytes, not 4 to %u",
                       frame->size, CHANNEL_ANSWER_MAX_BYTES);
    }
    answer.bytes = cursor.at;
    answer.size = cursor.left;
    *ret = answer;
    return 0;
}

int
channel_decode_ask(const struct channel_frame *frame, struct channel_ask *ret,
                   struct err *err)
{
    struct cursor cursor = {frame->payload, frame->size};
    struct channel_ask ask = {0};
    const char *sha256 = NULL;

    if (!cursor_u32(&cursor, &ask.ordinal) || ask.ordinal >= CHANNEL_ASKS_MAX) {
        return err_set(err, ERR_REJECT, 0, "ask: ordinal not 0 to %u",
                       CHANNEL_ASKS_MAX - 1);
    }
    if (!cursor_take(&cursor, 64, &sha256) || !is_sha256(sha256)) {
        return err_set(err, ERR_REJECT, 0, "ask: sha256 is not 64 hex digits");
    }
    if (!cursor_sized(&cursor, CHANNEL_KIND_MAX_BYTES, &ask.kind,
                      &ask.kind_size) ||
        !is_kind(ask.kind, ask.kind_size)) {
        return err_set(err, ERR_REJECT, 0,
                       "ask: kind is not 1 to %u of a-z, 0-9 and _",
                       CHANNEL_KIND_MAX_BYTES);
    }
    if (cursor.left > CHANNEL_REQUEST_MAX_BYTES) {
        return err_set(err, ERR_REJECT, 0, "ask: request of %zu bytes, over %u",
                       cursor.left, CHANNEL_REQUEST_MAX_BYTES);
    }
    if (json_check(cursor.at, cursor.left, err) != 0) {
        return err_wrap(err, "ask: request");
    }
    memcpy(ask.sha256, sha256, 64);
    ask.request = cursor.at;
    ask.request_size = cursor.left;
    *ret = ask;
    return 0;
}

void
channel_append_ask(struct buf *out, const struct channel_ask *ask)
{
    const size_t begin = channel_begin(out, CHANNEL_ASK);

    channel_put_u32(out, ask->ordinal);
    buf_append(out, ask->sha256, 64);
    channel_put_u32(out, (uint32_t)ask->kind_size);
    buf_append(out, ask->kind, ask->kind_size);
    buf_append(out, ask->request, ask->request_size);
    channel_end(out, begin);
}

int
channel_decode_error(const struct channel_frame *frame, struct err *ret,
                     struct err *err)
{
    struct cursor cursor = {frame->payload, frame->size};
    const char *kind = NULL;
    uint32_t code = 0;
    uint32_t after_high = 0;
    uint32_t after_low = 0;

    if (!cursor_take(&cursor, 1, &kind) || !cursor_u32(&cursor, &code) ||
        !cursor_u32(&cursor, &after_high) || !cursor_u32(&cursor, &after_low)) {
        return err_set(err, ERR_REJECT, 0, "error: %zu bytes are too few",
                       frame->size);
    }
    if (kind[0] < ERR_RETRY || kind[0] > ERR_FATAL) {
        return err_set(err, ERR_REJECT, 0, "error: kind %d is unknown",
                       kind[0]);
    }
    if (code > INT32_MAX || after_high > INT32_MAX) {
        return err_set(err, ERR_REJECT, 0, "error: number out of range");
    }
    const size_t room = sizeof(ret->text) - 1;
    const size_t size = cursor.left < room ? cursor.left : room;
    err_set(ret, (enum err_kind)kind[0], (int)code, "%.*s", (int)size,
            cursor.at);
    ret->after_ms = (int64_t)after_high << 32 | (int64_t)after_low;
    return 0;
}

void
channel_append_error(struct buf *out, enum channel_type type,
                     const struct err *what)
{
    const size_t begin = channel_begin(out, type);
    const unsigned char kind = (unsigned char)what->kind;
    const uint64_t after_ms = what->after_ms > 0 ? (uint64_t)what->after_ms : 0;

    buf_append(out, &kind, 1);
    channel_put_u32(out, what->code > 0 ? (uint32_t)what->code : 0);
    channel_put_u32(out, (uint32_t)(after_ms >> 32));
    channel_put_u32(out, (uint32_t)after_ms);
    buf_puts(out, what->text);
    channel_end(out, begin);
}
