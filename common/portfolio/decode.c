#include "portfolio/decode.h"

#include <ctype.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"

int
portfolio_decode_amount(struct json_object *object, const char *key, int scale,
                        int64_t max, int64_t fallback, int64_t *ret,
                        struct err *err)
{
    struct json_object *value = json_object_object_get(object, key);

    switch (json_object_get_type(value)) {
    case json_type_null:
        *ret = fallback;
        return 0;
    case json_type_string:
    case json_type_int:
    case json_type_double:
        /* json-c keeps the digits a number was written with. */
        return portfolio_decimal(json_object_get_string(value), scale, max, ret,
                                 err)
                   ? err_wrap(err, "%s", key)
                   : 0;
    default:
        return err_set(err, ERR_REJECT, 0, "%s: neither text nor a number",
                       key);
    }
}

static size_t
count_chars(const char *text)
{
    size_t count = 0;

    for (const char *p = text; *p != '\0'; p++) {
        count += ((unsigned char)*p & 0xc0) != 0x80;
    }
    return count;
}

int
portfolio_decode_text(struct json_object *object, const char *key,
                      size_t max_chars, const char *fallback, struct arena *mem,
                      const char **ret, struct err *err)
{
    const char *text = NULL;

    if (json_string(object, key, max_chars * 4, fallback, &text, err)) {
        return -1;
    }
    if (count_chars(text) > max_chars) {
        return err_set(err, ERR_REJECT, 0, "%s: over %zu characters", key,
                       max_chars);
    }
    *ret = arena_strdup(mem, text);
    return 0;
}

const char *
portfolio_decode_upper(const char *text, struct arena *mem)
{
    char *upper = arena_strdup(mem, text);

    for (char *p = upper; *p != '\0'; p++) {
        if (*p >= 'a' && *p <= 'z') {
            *p = (char)(*p - 'a' + 'A');
        }
    }
    return upper;
}

int
portfolio_decode_symbol(struct json_object *object, struct arena *mem,
                        const char **ret, struct err *err)
{
    const char *text = NULL;

    if (portfolio_decode_text(object, "symbol", PORTFOLIO_SYMBOL_CHARS, "", mem,
                              &text, err)) {
        return -1;
    }
    if (text[0] == '\0') {
        return err_set(err, ERR_REJECT, 0, "symbol: missing or empty");
    }
    *ret = portfolio_decode_upper(text, mem);
    return 0;
}

/* Copies what 'pattern' allows: 0 is any digit, other characters themselves.
 * Returns how much matched. */
static size_t
match(const char *text, const char *pattern)
{
    size_t i = 0;

    while (pattern[i] != '\0' &&
           (pattern[i] == '0' ? isdigit((unsigned char)text[i]) != 0
                              : text[i] == pattern[i])) {
        i++;
    }
    return i;
}

int
portfolio_decode_time(const char *text, struct arena *mem, const char **ret,
                      struct err *err)
{
    static const char *const zones[] = {"", "Z", "+00", "+00:00"};
    char micros[] = "000000";
    const char *rest = text + 19;

    if (match(text, "0000-00-00") != 10 ||
        (text[10] != 'T' && text[10] != ' ') ||
        match(text + 11, "00:00:00") != 8) {
        return err_set(err, ERR_REJECT, 0, "\"%.40s\" is not a UTC time", text);
    }
    if (*rest == '.') {
        size_t digits = strspn(rest + 1, "0123456789");

        memcpy(micros, rest + 1, digits < 6 ? digits : 6);
        rest += 1 + digits;
    }
    for (size_t i = 0; i < ARRAY_COUNT(zones); i++) {
        if (strcmp(rest, zones[i]) == 0) {
            *ret = arena_printf(mem, "%.10sT%.8s.%s", text, text + 11, micros);
            return 0;
        }
    }
    return err_set(err, ERR_REJECT, 0, "\"%.40s\" is not a UTC time", text);
}
