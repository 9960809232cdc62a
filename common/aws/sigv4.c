#include "aws/sigv4.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/arena.h"
#include "base/cleanup.h"

#define ALGORITHM "AWS4-HMAC-SHA256"
#define DIGEST_BYTES 32
#define DATE_CHARS 8

/* --- bytes ---------------------------------------------------------------- */

static void
add_hex(struct buf *out, const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        buf_printf(out, "%02x", bytes[i]);
    }
}

static void
add_sha256(struct buf *out, const char *bytes, size_t size)
{
    unsigned char digest[DIGEST_BYTES];
    EVP_Digest(bytes, size, digest, NULL, EVP_sha256(), NULL);
    add_hex(out, digest, sizeof(digest));
}

static void
hmac(const void *key, size_t key_size, const char *text, size_t size,
     unsigned char ret[DIGEST_BYTES])
{
    HMAC(EVP_sha256(), key, (int)key_size, (const unsigned char *)text, size,
         ret, NULL);
}

void
sigv4_time(int64_t wall_ms, char ret[SIGV4_TIME_SIZE])
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    strftime(ret, SIGV4_TIME_SIZE, "%Y%m%dT%H%M%SZ", &tm);
}

/* --- path ---------------------------------------------------------------- */

static void
add_encoded(struct buf *out, const char *bytes, size_t size, bool path)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (isalnum(c) || (c && strchr("-._~", c)) || (path && c == '/')) {
            buf_append(out, &bytes[i], 1);
        } else {
            buf_printf(out, "%%%02X", c);
        }
    }
}

/* The last segment goes, down to the first slash. */
static void
drop_segment(struct buf *path)
{
    while (path->size > 0 && path->data[path->size - 1] != '/') {
        path->size--;
    }
    path->size -= path->size > 0;
}

/* Without empty, '.' and '..' segments; a slash at the end stays one. */
static void
normalise(const char *path, struct buf *out)
{
    size_t all = strlen(path);
    bool slash = all > 0 && path[all - 1] == '/';
    while (*path) {
        path += strspn(path, "/");
        size_t size = strcspn(path, "/");
        if (size == 2 && memcmp(path, "..", 2) == 0) {
            drop_segment(out);
        } else if (size > 0 && !(size == 1 && *path == '.')) {
            buf_puts(out, "/");
            buf_append(out, path, size);
        }
        path += size;
    }
    if (slash || out->size == 0) {
        buf_puts(out, "/");
    }
}

void
sigv4_encode(struct buf *out, const char *bytes, size_t size)
{
    add_encoded(out, bytes, size, false);
}

static void
add_path(struct buf *out, const char *path)
{
    _cleanup(buf_free) struct buf plain = {0};
    normalise(path, &plain);
    add_encoded(out, plain.data, plain.size, true);
}

/* --- query --------------------------------------------------------------- */

struct pair {
    const char *name;
    size_t name_size;
    const char *value;
    size_t value_size;
};

static int
compare_bytes(const char *a, size_t a_size, const char *b, size_t b_size)
{
    int order = memcmp(a, b, a_size < b_size ? a_size : b_size);
    return order ? order : (a_size > b_size) - (a_size < b_size);
}

static int
compare_pairs(const void *a, const void *b)
{
    const struct pair *one = a;
    const struct pair *two = b;
    int order =
        compare_bytes(one->name, one->name_size, two->name, two->name_size);
    return order ? order
                 : compare_bytes(one->value, one->value_size, two->value,
                                 two->value_size);
}

static size_t
split_query(const char *query, struct pair *pairs)
{
    size_t count = 0;
    while (*query) {
        size_t size = strcspn(query, "&");
        size_t name = strcspn(query, "=&");
        bool has_value = name < size;
        if (size > 0) {
            pairs[count++] = (struct pair){
                query, name, query + name + has_value, size - name - has_value};
        }
        query += size + (query[size] == '&');
    }
    return count;
}

static void
add_query(struct buf *out, const char *query)
{
    _cleanup(cleanup_free) struct pair *pairs =
        xcalloc(strlen(query) / 2 + 1, sizeof(*pairs));
    size_t count = split_query(query, pairs);
    qsort(pairs, count, sizeof(*pairs), compare_pairs);
    for (size_t i = 0; i < count; i++) {
        buf_puts(out, i ? "&" : "");
        buf_append(out, pairs[i].name, pairs[i].name_size);
        buf_puts(out, "=");
        buf_append(out, pairs[i].value, pairs[i].value_size);
    }
}

/* --- headers ------------------------------------------------------------- */

/* Sorts by name; equal names keep their order, as qsort() need not. */
static void
sort_headers(const struct sigv4_request *request,
             const struct sigv4_header **sorted)
{
    for (size_t i = 0; i < request->header_count; i++) {
        size_t at = i;
        while (at > 0 &&
               strcasecmp(sorted[at - 1]->name, request->headers[i].name) > 0) {
            sorted[at] = sorted[at - 1];
            at--;
        }
        sorted[at] = &request->headers[i];
    }
}

static void
add_lower(struct buf *out, const char *name)
{
    for (; *name; name++) {
        char c = (char)tolower((unsigned char)*name);
        buf_append(out, &c, 1);
    }
}

/* Trimmed, and each run of white space one space. */
static void
add_value(struct buf *out, const char *value)
{
    const char *spaces = " \t\r\n\v\f";
    value += strspn(value, spaces);
    while (*value) {
        size_t size = strcspn(value, spaces);
        buf_append(out, value, size);
        value += size;
        value += strspn(value, spaces);
        buf_puts(out, *value ? " " : "");
    }
}

static bool
repeats(const struct sigv4_header *const *sorted, size_t i)
{
    return i > 0 && strcasecmp(sorted[i - 1]->name, sorted[i]->name) == 0;
}

static void
add_headers(struct buf *out, const struct sigv4_header *const *sorted,
            size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (repeats(sorted, i)) {
            buf_puts(out, ",");
        } else {
            buf_puts(out, i ? "\n" : "");
            add_lower(out, sorted[i]->name);
            buf_puts(out, ":");
        }
        add_value(out, sorted[i]->value);
    }
    buf_puts(out, "\n");
}

static void
add_names(struct buf *out, const struct sigv4_header *const *sorted,
          size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!repeats(sorted, i)) {
            buf_puts(out, i ? ";" : "");
            add_lower(out, sorted[i]->name);
        }
    }
}

/* --- the whole ----------------------------------------------------------- */

static void
canonical(const struct sigv4_request *request,
          const struct sigv4_header *const *sorted, struct buf *out)
{
    buf_puts(out, request->method);
    buf_puts(out, "\n");
    add_path(out, request->path);
    buf_puts(out, "\n");
    add_query(out, request->query);
    buf_puts(out, "\n");
    add_headers(out, sorted, request->header_count);
    buf_puts(out, "\n");
    add_names(out, sorted, request->header_count);
    buf_puts(out, "\n");
    add_sha256(out, request->body, request->body_size);
}

void
sigv4_canonical(const struct sigv4_request *request, struct buf *out)
{
    _cleanup(cleanup_free) const struct sigv4_header **sorted =
        xcalloc(request->header_count + 1, sizeof(*sorted));
    sort_headers(request, sorted);
    canonical(request, sorted, out);
}

static void
add_scope(const struct sigv4_request *request, struct buf *out)
{
    buf_printf(out, "%.*s/%s/%s/aws4_request", DATE_CHARS, request->time,
               request->region, request->service);
}

static void
derive_key(const struct sigv4_request *request, const char *secret,
           unsigned char key[DIGEST_BYTES])
{
    const char *const steps[] = {request->region, request->service,
                                 "aws4_request"};
    _cleanup(buf_free) struct buf first = {0};
    buf_printf(&first, "AWS4%s", secret);
    hmac(first.data, first.size, request->time, DATE_CHARS, key);
    for (size_t i = 0; i < ARRAY_COUNT(steps); i++) {
        hmac(key, DIGEST_BYTES, steps[i], strlen(steps[i]), key);
    }
    explicit_bzero(first.data, first.size);
}

void
sigv4_signature(const struct sigv4_request *request,
                const struct sigv4_keys *keys, char ret[SIGV4_SIGNATURE_SIZE])
{
    _cleanup(buf_free) struct buf text = {0};
    _cleanup(buf_free) struct buf to_sign = {0};
    _cleanup(buf_free) struct buf hex = {0};
    unsigned char digest[DIGEST_BYTES];
    unsigned char key[DIGEST_BYTES];
    sigv4_canonical(request, &text);
    buf_printf(&to_sign, ALGORITHM "\n%s\n", request->time);
    add_scope(request, &to_sign);
    buf_puts(&to_sign, "\n");
    add_sha256(&to_sign, text.data, text.size);
    derive_key(request, keys->secret_key, key);
    hmac(key, sizeof(key), to_sign.data, to_sign.size, digest);
    explicit_bzero(key, sizeof(key));
    add_hex(&hex, digest, sizeof(digest));
    memcpy(ret, hex.data, SIGV4_SIGNATURE_SIZE);
}

void
sigv4_authorization(const struct sigv4_request *request,
                    const struct sigv4_keys *keys, struct buf *out)
{
    _cleanup(cleanup_free) const struct sigv4_header **sorted =
        xcalloc(request->header_count + 1, sizeof(*sorted));
    char signature[SIGV4_SIGNATURE_SIZE];
    sort_headers(request, sorted);
    sigv4_signature(request, keys, signature);
    buf_printf(out, ALGORITHM " Credential=%s/", keys->access_key);
    add_scope(request, out);
    buf_puts(out, ", SignedHeaders=");
    add_names(out, sorted, request->header_count);
    buf_printf(out, ", Signature=%s", signature);
}
