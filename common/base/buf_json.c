#include "base/buf.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

#define BUF_JSON_DEPTH_MAX 63

static void
buf_json_before(struct buf *b)
{
    if (b->json_comma) {
        buf_append(b, ",", 1);
    }
}

/* At depth 0 the next value starts a document of its own. */
static void
buf_json_after(struct buf *b)
{
    b->json_comma = b->json_depth > 0;
}

static void
buf_json_open(struct buf *b, bool array)
{
    buf_json_before(b);
    assert(b->json_depth < BUF_JSON_DEPTH_MAX);
    uint64_t bit = UINT64_C(1) << b->json_depth++;
    b->json_stack = array ? b->json_stack | bit : b->json_stack & ~bit;
    buf_append(b, array ? "[" : "{", 1);
    b->json_comma = false;
}

void
buf_json_object(struct buf *b)
{
    buf_json_open(b, false);
}

void
buf_json_array(struct buf *b)
{
    buf_json_open(b, true);
}

void
buf_json_end(struct buf *b)
{
    assert(b->json_depth > 0);
    uint64_t bit = UINT64_C(1) << --b->json_depth;
    buf_append(b, (b->json_stack & bit) != 0 ? "]" : "}", 1);
    buf_json_after(b);
}

static void
buf_json_escape(struct buf *b, unsigned char c)
{
    static const char letters[] = {
        ['"'] = '"',  ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f',
        ['\n'] = 'n', ['\r'] = 'r',  ['\t'] = 't',
    };

    if (letters[c] != 0) {
        char escape[2] = {'\\', letters[c]};
        buf_append(b, escape, sizeof(escape));
    } else {
        buf_printf(b, "\\u%04x", c);
    }
}

static bool
buf_json_is_plain(char c)
{
    unsigned char byte = (unsigned char)c;

    return byte >= ' ' && byte < 0x7f && c != '"' && c != '\\';
}

static void
buf_json_quote(struct buf *b, const char *text, size_t size)
{
    buf_append(b, "\"", 1);
    for (size_t i = 0; i < size;) {
        size_t run = 0;
        while (i + run < size && buf_json_is_plain(text[i + run])) {
            run++;
        }
        buf_append(b, text + i, run);
        i += run;
        if (i == size) {
            break;
        }
        size_t step = utf8_size(text + i, size - i);
        if (step == 0 || text[i] == '\0') {
            buf_puts(b, "\xef\xbf\xbd");
            step = 1;
        } else if (step > 1 || text[i] == 0x7f) {
            buf_append(b, text + i, step);
        } else {
            buf_json_escape(b, (unsigned char)text[i]);
        }
        i += step;
    }
    buf_append(b, "\"", 1);
}

void
buf_json_key(struct buf *b, const char *key)
{
    buf_json_before(b);
    buf_json_quote(b, key, strlen(key));
    buf_append(b, ":", 1);
    b->json_comma = false;
}

void
buf_json_string_n(struct buf *b, const char *text, size_t size)
{
    buf_json_before(b);
    buf_json_quote(b, text, size);
    buf_json_after(b);
}

void
buf_json_string(struct buf *b, const char *text)
{
    if (text == NULL) {
        buf_json_null(b);
    } else {
        buf_json_string_n(b, text, strlen(text));
    }
}

void
buf_json_raw(struct buf *b, const char *json, size_t size)
{
    buf_json_before(b);
    buf_append(b, json, size);
    buf_json_after(b);
}

void
buf_json_int(struct buf *b, int64_t value)
{
    char text[24];
    int size = snprintf(text, sizeof(text), "%" PRId64, value);

    buf_json_raw(b, text, (size_t)size);
}

void
buf_json_double(struct buf *b, double value)
{
    char text[32];

    if (!isfinite(value)) {
        fprintf(stderr, "bug: JSON cannot hold the number %g\n", value);
        abort();
    }
    int size = snprintf(text, sizeof(text), "%.15g", value);
    if (strtod(text, NULL) != value) {
        size = snprintf(text, sizeof(text), "%.17g", value);
    }
    buf_json_raw(b, text, (size_t)size);
}

void
buf_json_bool(struct buf *b, bool value)
{
    buf_json_raw(b, value ? "true" : "false", value ? 4 : 5);
}

void
buf_json_null(struct buf *b)
{
    buf_json_raw(b, "null", 4);
}
