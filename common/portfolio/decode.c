#include "portfolio/decode.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/utf8.h"

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

int
portfolio_decode_text(struct json_object *object, const char *key,
                      size_t max_chars, const char *fallback, struct arena *mem,
                      const char **ret, struct err *err)
{
    const char *text = NULL;

    if (json_string(object, key, max_chars * 4, fallback, &text, err)) {
        return -1;
    }
    if (utf8_count(text, strlen(text)) > max_chars) {
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
    const char *text = "";

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

bool
portfolio_decode_day(const char *text, int64_t *ret)
{
    if (match(text, "0000-00-00") != 10) {
        return false;
    }
    int64_t year = atoi(text);
    int64_t month = atoi(text + 5);
    /* Years that begin in March have their odd day last. */
    int64_t years = year - (month < 3);
    int64_t months = (month + 9) % 12;

    *ret = years * 365 + years / 4 - years / 100 + years / 400 +
           (months * 153 + 2) / 5 + atoi(text + 8);
    return true;
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

void
portfolio_notes_add(struct json_object *result, struct arena *mem,
                    struct portfolio *portfolio)
{
    struct json_object *detail = json_object_object_get(result, "detail");
    struct json_object *notes = json_object_is_type(detail, json_type_object)
                                    ? json_object_object_get(detail, "notes")
                                    : NULL;
    size_t count = json_object_is_type(notes, json_type_array)
                       ? json_object_array_length(notes)
                       : 0;

    for (size_t i = 0; i < count; i++) {
        struct json_object *note = json_object_array_get_idx(notes, i);
        const char *text = json_object_is_type(note, json_type_string)
                               ? json_object_get_string(note)
                               : "";

        if (portfolio->note_count < PORTFOLIO_NOTES_MAX && text[0] != '\0' &&
            strlen(text) <= PORTFOLIO_NOTE_BYTES) {
            portfolio->notes[portfolio->note_count++] = arena_strdup(mem, text);
        }
    }
}
