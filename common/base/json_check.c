#include "base/json.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/utf8.h"

#define JSON_DIGITS_MAX 1000
#define JSON_EXPONENT_MAX 1000
#define JSON_EXPONENT_DIGITS_MAX 4

/* A cursor over the bytes; a scan function that fails says why in 'rule'. */
struct json_scan {
    const char *at;
    const char *end;
    const char *rule;
    const char *wide; /* An integer that 64 bits do not hold, or NULL. */
    int depth;
};

static bool json_scan_value(struct json_scan *s);

static bool
json_scan_fail(struct json_scan *s, const char *rule)
{
    s->rule = rule;
    return false;
}

static bool
json_scan_is(const struct json_scan *s, char c)
{
    return s->at < s->end && *s->at == c;
}

static bool
json_scan_skip(struct json_scan *s, char c)
{
    if (!json_scan_is(s, c)) {
        return false;
    }
    s->at++;
    return true;
}

static void
json_scan_space(struct json_scan *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' ||
                              *s->at == '\n' || *s->at == '\r')) {
        s->at++;
    }
}

static bool
json_scan_word(struct json_scan *s, const char *word)
{
    size_t size = strlen(word);

    if ((size_t)(s->end - s->at) < size || memcmp(s->at, word, size) != 0) {
        return json_scan_fail(s, "not a JSON value");
    }
    s->at += size;
    return true;
}

static size_t
json_scan_digits(struct json_scan *s)
{
    const char *start = s->at;

    while (s->at < s->end && isdigit((unsigned char)*s->at)) {
        s->at++;
    }
    return (size_t)(s->at - start);
}

static bool
json_scan_exponent(struct json_scan *s)
{
    int exponent = 0;

    if (!json_scan_skip(s, '+')) {
        json_scan_skip(s, '-');
    }
    const char *start = s->at;
    size_t count = json_scan_digits(s);
    if (count == 0) {
        return json_scan_fail(s, "exponent without digits");
    }
    if (count <= JSON_EXPONENT_DIGITS_MAX) {
        for (const char *digit = start; digit < s->at; digit++) {
            exponent = 10 * exponent + (*digit - '0');
        }
    }
    if (count > JSON_EXPONENT_DIGITS_MAX || exponent > JSON_EXPONENT_MAX) {
        s->at = start;
        return json_scan_fail(s, "number out of range (exponent over 1000)");
    }
    return true;
}

/* json-c would clamp it silently. */
static bool
json_is_wide(const char *digits, size_t size, bool negative)
{
    char text[24];

    if (size >= sizeof(text)) {
        return true;
    }
    memcpy(text, digits, size);
    text[size] = '\0';
    errno = 0;
    unsigned long long value = strtoull(text, NULL, 10);
    return errno != 0 || (negative && value > (uint64_t)INT64_MAX + 1);
}

static bool
json_scan_number(struct json_scan *s)
{
    const char *start = s->at;

    bool negative = json_scan_skip(s, '-');
    bool zero = json_scan_is(s, '0');
    size_t digits = json_scan_digits(s);
    if (digits == 0) {
        return json_scan_fail(s, "not a JSON value");
    }
    if (zero && digits > 1) {
        return json_scan_fail(s, "number with a leading zero");
    }
    const char *whole_end = s->at;
    if (json_scan_skip(s, '.')) {
        size_t fraction = json_scan_digits(s);
        if (fraction == 0) {
            return json_scan_fail(s, "no digit after the decimal point");
        }
        digits += fraction;
    }
    if (digits > JSON_DIGITS_MAX) {
        s->at = start;
        return json_scan_fail(s, "number with more than 1000 digits");
    }
    if (json_scan_skip(s, 'e') || json_scan_skip(s, 'E')) {
        return json_scan_exponent(s);
    }
    if (s->at == whole_end &&
        json_is_wide(start + negative, digits, negative)) {
        s->wide = start;
    }
    return true;
}

static bool
json_scan_hex4(struct json_scan *s, unsigned *ret)
{
    unsigned value = 0;

    if (s->end - s->at < 4) {
        return json_scan_fail(s, "\\u without four hex digits");
    }
    for (int i = 0; i < 4; i++, s->at++) {
        unsigned char c = (unsigned char)*s->at;
        if (!isxdigit(c)) {
            return json_scan_fail(s, "\\u without four hex digits");
        }
        value = value << 4 |
                (unsigned)(isdigit(c) ? c - '0' : tolower(c) - 'a' + 10);
    }
    *ret = value;
    return true;
}

/* After "\u". */
static bool
json_scan_code_point(struct json_scan *s)
{
    unsigned high, low;

    if (!json_scan_hex4(s, &high)) {
        return false;
    }
    if (high == 0) {
        return json_scan_fail(s, "U+0000, which the database cannot hold");
    }
    if (high < 0xd800 || high > 0xdfff) {
        return true;
    }
    if (high > 0xdbff || !json_scan_skip(s, '\\') || !json_scan_skip(s, 'u')) {
        return json_scan_fail(s, "lone surrogate");
    }
    if (!json_scan_hex4(s, &low)) {
        return false;
    }
    if (low < 0xdc00 || low > 0xdfff) {
        return json_scan_fail(s, "lone surrogate");
    }
    return true;
}

static bool
json_scan_escape(struct json_scan *s)
{
    if (json_scan_skip(s, 'u')) {
        return json_scan_code_point(s);
    }
    if (s->at == s->end || *s->at == '\0' ||
        strchr("\"\\/bfnrt", *s->at) == NULL) {
        return json_scan_fail(s, "unknown escape");
    }
    s->at++;
    return true;
}

static bool
json_scan_string(struct json_scan *s)
{
    if (!json_scan_skip(s, '"')) {
        return json_scan_fail(s, "expected a string");
    }
    while (!json_scan_skip(s, '"')) {
        if (s->at == s->end) {
            return json_scan_fail(s, "string without end");
        }
        if ((unsigned char)*s->at < ' ') {
            return json_scan_fail(s, "raw control character in a string");
        }
        if (json_scan_skip(s, '\\')) {
            if (!json_scan_escape(s)) {
                return false;
            }
            continue;
        }
        size_t step = utf8_size(s->at, (size_t)(s->end - s->at));
        if (step == 0) {
            return json_scan_fail(s, "invalid UTF-8");
        }
        s->at += step;
    }
    return true;
}

static bool
json_scan_pair(struct json_scan *s)
{
    json_scan_space(s);
    if (!json_scan_string(s)) {
        return false;
    }
    json_scan_space(s);
    if (!json_scan_skip(s, ':')) {
        return json_scan_fail(s, "expected ':'");
    }
    return json_scan_value(s);
}

/* After the opening bracket; 'item' scans one member. */
static bool
json_scan_members(struct json_scan *s, char close,
                  bool (*item)(struct json_scan *s))
{
    if (++s->depth > JSON_DEPTH_MAX) {
        s->at--;
        return json_scan_fail(s, "nested deeper than 48 levels");
    }
    json_scan_space(s);
    if (!json_scan_skip(s, close)) {
        do {
            if (!item(s)) {
                return false;
            }
            json_scan_space(s);
        } while (json_scan_skip(s, ','));
        if (!json_scan_skip(s, close)) {
            return json_scan_fail(s, close == '}' ? "expected ',' or '}'"
                                                  : "expected ',' or ']'");
        }
    }
    s->depth--;
    return true;
}

static bool
json_scan_value(struct json_scan *s)
{
    json_scan_space(s);
    if (s->at == s->end) {
        return json_scan_fail(s, "ends where a value should be");
    }
    switch (*s->at) {
    case '{':
        s->at++;
        return json_scan_members(s, '}', json_scan_pair);
    case '[':
        s->at++;
        return json_scan_members(s, ']', json_scan_value);
    case '"':
        return json_scan_string(s);
    case 't':
        return json_scan_word(s, "true");
    case 'f':
        return json_scan_word(s, "false");
    case 'n':
        return json_scan_word(s, "null");
    default:
        return json_scan_number(s);
    }
}

static int
json_scan_document(struct json_scan *s, size_t size, struct err *err)
{
    const char *bytes = s->at;

    s->end = bytes + size;
    if (json_scan_value(s)) {
        json_scan_space(s);
        if (s->at == s->end) {
            return 0;
        }
        s->rule = "more after the value";
    }
    return err_set(err, ERR_REJECT, 0, "invalid JSON at byte %zu: %s",
                   (size_t)(s->at - bytes), s->rule);
}

int
json_check(const char *bytes, size_t size, struct err *err)
{
    struct json_scan s = {.at = bytes};

    return json_scan_document(&s, size, err);
}

static void
json_free_tokener(struct json_tokener **tokener)
{
    if (*tokener != NULL) {
        json_tokener_free(*tokener);
    }
}

/* Of bytes that are known to be JSON: json-c need not be strict, and in its
 * 0.17 and 0.18 strictness refuses all that is not ASCII. */
static int
json_read(const char *bytes, size_t size, struct json_object **ret,
          struct err *err)
{
    _cleanup(json_free_tokener) struct json_tokener *tokener =
        json_tokener_new_ex(JSON_DEPTH_MAX + 1);

    if (tokener == NULL) {
        return err_set(err, ERR_FATAL, 0, "out of memory");
    }
    struct json_object *object =
        json_tokener_parse_ex(tokener, bytes, (int)size);
    enum json_tokener_error error = json_tokener_get_error(tokener);
    if (error == json_tokener_continue) {
        /* A number may go on; the NUL says that it does not. */
        object = json_tokener_parse_ex(tokener, "", 1);
        error = json_tokener_get_error(tokener);
    }
    if (error != json_tokener_success) {
        return err_set(err, ERR_REJECT, 0, "invalid JSON: %s",
                       json_tokener_error_desc(error));
    }
    *ret = object;
    return 0;
}

int
json_parse(const char *bytes, size_t size, const char *what,
           struct json_object **ret, struct err *err)
{
    struct json_scan s = {.at = bytes};

    if (size > INT_MAX) {
        return err_set(err, ERR_REJECT, 0, "%s: %zu bytes, limit %d", what,
                       size, INT_MAX);
    }
    if (json_scan_document(&s, size, err) != 0) {
        return err_wrap(err, "%s", what);
    }
    if (s.wide != NULL) {
        return err_set(err, ERR_REJECT, 0,
                       "%s: integer beyond 64 bits at byte %zu", what,
                       (size_t)(s.wide - bytes));
    }
    if (json_read(bytes, size, ret, err) != 0) {
        return err_wrap(err, "%s", what);
    }
    return 0;
}
