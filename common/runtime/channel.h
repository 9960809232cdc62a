/* The channel between a supervisor and one handler: frames on a SOCK_STREAM
 * socket pair (SEQPACKET fails at 256 KB).
 *
 * A frame is a 4-byte big-endian length of what follows, one type byte, and
 * the payload; at most CHANNEL_FRAME_MAX_BYTES.  Numbers inside payloads are
 * big-endian too.  The handler's side blocks; the supervisor's never does.
 *
 *   supervisor -> handler
 *     TASK     u32 count, then per answer: u32 ordinal, 64 bytes sha256 hex,
 *              u32 size, bytes; then the input to the end of the frame
 *     ANSWER   u32 ordinal, bytes           (answers the ASK just sent)
 *     REFUSE   struct err as ERROR          (the ASK failed or must SUSPEND)
 *   handler -> supervisor
 *     READY    text: what the sandbox lacks on this machine, empty if nothing
 *     ASK      u32 ordinal, 64 bytes sha256 hex of "kind\n" and the canonical
 *              request, u32 size of kind, kind, request
 *     PROGRESS JSON {"percent","text"}
 *     RESULT   the output
 *     ERROR    u8 kind, u32 code, u64 after_ms, text
 *
 * READY comes first and once.  A handler that sends anything else, or a frame
 * too long or cut short, is killed; that is a crash.  RESULT or ERROR ends the
 * run. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define CHANNEL_FRAME_MAX_BYTES (8u * 1024 * 1024)
#define CHANNEL_RESULT_MAX_BYTES (4u * 1024 * 1024)
#define CHANNEL_ANSWER_MAX_BYTES (1u * 1024 * 1024)
#define CHANNEL_REQUEST_MAX_BYTES (256u * 1024)
#define CHANNEL_PROGRESS_MAX_BYTES 1024u
#define CHANNEL_KIND_MAX_BYTES 32u
#define CHANNEL_HEADER_BYTES 5u
/* Asks of one run; stored answers of one TASK. */
#define CHANNEL_ASKS_MAX 1000u

enum channel_type {
    CHANNEL_TASK = 1,
    CHANNEL_ANSWER,
    CHANNEL_REFUSE,
    CHANNEL_ASK,
    CHANNEL_PROGRESS,
    CHANNEL_RESULT,
    CHANNEL_ERROR,
    CHANNEL_READY,
};

struct channel_frame {
    enum channel_type type;
    const char *payload; /* Borrowed from the buffer it was taken from. */
    size_t size;
};

/* Takes the first whole frame from 'in' without copying: 1 and '*ret', 0 if
 * more bytes are needed, -1 (ERR_REJECT) if they are not a frame.  The caller
 * then drops 'ret->size + CHANNEL_HEADER_BYTES' bytes with buf_consume(). */
int channel_next(const struct buf *in, struct channel_frame *ret,
                 struct err *err);
/* Appends a frame; begin and end bracket one whose payload is built in place.
 */
void channel_append(struct buf *out, enum channel_type type,
                    const void *payload, size_t size);
size_t channel_begin(struct buf *out, enum channel_type type);
void channel_end(struct buf *out, size_t begin);
void channel_put_u32(struct buf *out, uint32_t value);

struct channel_ask {
    uint32_t ordinal;
    char sha256[65];
    const char *kind; /* Borrowed; not NUL-terminated; [a-z0-9_] only. */
    size_t kind_size;
    const char *request; /* Borrowed; passed json_check(). */
    size_t request_size;
};

struct channel_task {
    const char *input; /* Borrowed, all of these. */
    size_t input_size;
    const char *answers;
    uint32_t answer_count;
};

struct channel_answer {
    uint32_t ordinal;
    const char *bytes;
    size_t size;
};

/* Each decodes the payload of a frame of its type.
 * Errors: ERR_REJECT for a payload that does not have the shape. */
int channel_decode_task(const struct channel_frame *frame,
                        struct channel_task *ret, struct err *err);
int channel_decode_answer(const struct channel_frame *frame,
                          struct channel_answer *ret, struct err *err);
int channel_decode_ask(const struct channel_frame *frame,
                       struct channel_ask *ret, struct err *err);
int channel_decode_error(const struct channel_frame *frame, struct err *ret,
                         struct err *err);

/* The stored answer to this very request: true and '*ret', or false.  Another
 * request under the same ordinal is a miss. */
bool channel_find_answer(const struct channel_task *task, uint32_t ordinal,
                         const char *sha256, struct channel_answer *ret);

void channel_append_ask(struct buf *out, const struct channel_ask *ask);
void channel_append_error(struct buf *out, enum channel_type type,
                          const struct err *what);
