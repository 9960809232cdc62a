#include "rds-data-local/field.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"

/* --- scalars ------------------------------------------------------------- */

/* NaN and Infinity are no JSON numbers. */
static bool
is_number(const char *text, size_t size)
{
    return size > 0 && strspn(text, "+-0123456789.eE") == size;
}

static void
write_text(const char *member, const char *text, size_t size, bool plain,
           struct buf *out)
{
    if (!plain) {
        buf_json_object(out);
        buf_json_key(out, member);
    }
    buf_json_string_n(out, text, size);
    if (!plain) {
        buf_json_end(out);
    }
}

static void
write_raw(const char *member, const char *text, size_t size, bool plain,
          struct buf *out)
{
    if (!plain) {
        buf_json_object(out);
        buf_json_key(out, member);
    }
    buf_json_raw(out, text, size);
    if (!plain) {
        buf_json_end(out);
    }
}

static void
write_number(const char *member, const char *text, size_t size, bool plain,
             struct buf *out)
{
    if (is_number(text, size)) {
        write_raw(member, text, size, plain, out);
    } else {
        write_text("stringValue", text, size, plain, out);
    }
}

static int
digit(char c)
{
    return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* bytea_output = hex: "\x00ff". */
static void
write_blob(const char *text, size_t size, bool plain, struct buf *out)
{
    size_t bytes = size >= 2 ? size / 2 - 1 : 0;
    _cleanup(cleanup_free) unsigned char *raw = xmalloc(bytes + 1);
    _cleanup(cleanup_free) unsigned char *coded = xmalloc(bytes * 4 / 3 + 8);
    for (size_t i = 0; i < bytes; i++) {
        raw[i] = (unsigned char)(digit(text[2 + 2 * i]) * 16 +
                                 digit(text[3 + 2 * i]));
    }
    int coded_size = EVP_EncodeBlock(coded, raw, (int)bytes);
    write_text("blobValue", (char *)coded, (size_t)coded_size, plain, out);
}

static void
write_decimal(const char *text, size_t size, const struct request *options,
              struct buf *out)
{
    if (!options->decimal_as_double) {
        write_text("stringValue", text, size, options->as_json, out);
        return;
    }
    bool whole = !memchr(text, '.', size) && size <= 18;
    write_number(whole ? "longValue" : "doubleValue", text, size,
                 options->as_json, out);
}

static size_t
without_zone(const char *text, size_t size)
{
    return size > 3 && memcmp(text + size - 3, "+00", 3) == 0 ? size - 3 : size;
}

static void
write_scalar(enum type_field field, const char *text, size_t size,
             const struct request *options, struct buf *out)
{
    bool plain = options->as_json;
    switch (field) {
    case TYPE_BOOLEAN:
        write_raw("booleanValue", *text == 't' ? "true" : "false",
                  *text == 't' ? 4 : 5, plain, out);
        break;
    case TYPE_LONG:
        if (options->long_as_string) {
            write_text("stringValue", text, size, plain, out);
        } else {
            write_raw("longValue", text, size, plain, out);
        }
        break;
    case TYPE_DOUBLE:
        write_number("doubleValue", text, size, plain, out);
        break;
    case TYPE_DECIMAL:
        write_decimal(text, size, options, out);
        break;
    case TYPE_BLOB:
        write_blob(text, size, plain, out);
        break;
    case TYPE_INSTANT:
        write_text("stringValue", text, without_zone(text, size), plain, out);
        break;
    case TYPE_STRING:
    case TYPE_UNSUPPORTED:
        write_text("stringValue", text, size, plain, out);
        break;
    }
}

/* --- arrays -------------------------------------------------------------- */

static const char *
array_member(enum type_field field, const struct request *options)
{
    switch (field) {
    case TYPE_BOOLEAN:
        return "booleanValues";
    case TYPE_LONG:
        return options->long_as_string ? "stringValues" : "longValues";
    case TYPE_DOUBLE:
        return "doubleValues";
    default:
        return "stringValues";
    }
}

/* The next element of "{a,\"b\",NULL}" into 'item'; false at the end. */
static bool
next_element(const char **at, struct buf *item, bool *ret_null)
{
    const char *p = *at;
    bool quoted = *p == '"';
    buf_reset(item);
    buf_puts(item, "");
    for (p += quoted; quoted ? *p != '"' : *p != ',' && *p != '}'; p++) {
        p += *p == '\\';
        buf_append(item, p, 1);
    }
    p += quoted;
    *ret_null = !quoted && strcmp(item->data, "NULL") == 0;
    bool more = *p == ',';
    *at = p + 1;
    return more;
}

static int
write_array(const struct type *type, const char *text,
            const struct request *options, struct buf *out, struct err *err)
{
    /* Only the elements' values differ from those of formatted records. */
    struct request plain = *options;
    _cleanup(buf_free) struct buf item = {0};
    const char *at = text + 1;
    bool more = text[1] != '}';
    if (text[0] != '{' || text[1] == '{') {
        return api_fail(err, API_UNSUPPORTED_RESULT,
                        "The result contains a multidimensional array.");
    }
    plain.as_json = true;
    if (!options->as_json) {
        buf_json_object(out);
        buf_json_key(out, "arrayValue");
        buf_json_object(out);
        buf_json_key(out, array_member(type->field, options));
    }
    buf_json_array(out);
    while (more) {
        bool null;
        more = next_element(&at, &item, &null);
        if (null) {
            buf_json_null(out);
        } else {
            write_scalar(type->field, item.data, item.size, &plain, out);
        }
    }
    buf_json_end(out);
    if (!options->as_json) {
        buf_json_end(out);
        buf_json_end(out);
    }
    return 0;
}

int
field_write(const struct type *type, const char *text, size_t size,
            const struct request *options, struct buf *out, struct err *err)
{
    if (!text && options->as_json) {
        buf_json_null(out);
        return 0;
    }
    if (!text) {
        write_raw("isNull", "true", 4, false, out);
        return 0;
    }
    if (type->array) {
        return write_array(type, text, options, out, err);
    }
    write_scalar(type->field, text, size, options, out);
    return 0;
}
