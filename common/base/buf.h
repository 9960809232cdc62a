/* A growing byte buffer, always NUL-terminated; also the JSON writer.
 *
 * Zero-initialised is empty.  The JSON calls write one value or key each and
 * place commas themselves, so building a document reads like the document:
 *
 *     buf_json_object(&b);
 *     buf_json_key(&b, "v");
 *     buf_json_int(&b, 1);
 *     buf_json_end(&b);          // {"v":1}
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    char *data;          /* NULL or NUL-terminated at data[size]. */
    size_t size;         /* Bytes used. */
    size_t room;         /* Bytes allocated. */
    uint64_t json_stack; /* One bit a level: 1 array, 0 object; 63 levels. */
    unsigned char json_depth;
    bool json_comma; /* The next value needs a comma before it. */
};

void buf_free(struct buf *b);   /* For _cleanup; leaves 'b' empty. */
void buf_reset(struct buf *b);  /* Empties, keeps the memory. */
char *buf_steal(struct buf *b); /* malloc'd text, never NULL; empties 'b'. */
/* Room for 'size' more bytes and a NUL; returns where to write them.  The
 * caller adds what it wrote to 'size' (and writes the NUL, if it reads text).
 */
char *buf_reserve(struct buf *b, size_t size);
void buf_append(struct buf *b, const void *bytes, size_t size);
void buf_puts(struct buf *b, const char *text);
void buf_printf(struct buf *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Drops 'size' bytes from the front. */
void buf_consume(struct buf *b, size_t size);

void buf_json_object(struct buf *b); /* { */
void buf_json_array(struct buf *b);  /* [ */
void buf_json_end(struct buf *b);    /* the } or ] that fits */
void buf_json_key(struct buf *b, const char *key);
/* Bytes that JSON or the database cannot hold (NUL, bad UTF-8) become U+FFFD:
 * what is written here, json_check() accepts.  NULL writes null. */
void buf_json_string(struct buf *b, const char *text);
void buf_json_string_n(struct buf *b, const char *text, size_t size);
void buf_json_int(struct buf *b, int64_t value);
/* Shortest text that reads back as the same double ("%.15g", else "%.17g");
 * aborts on NaN and infinities, which are bugs here. */
void buf_json_double(struct buf *b, double value);
void buf_json_bool(struct buf *b, bool value);
void buf_json_null(struct buf *b);
/* Bytes that are already one JSON value. */
void buf_json_raw(struct buf *b, const char *json, size_t size);
