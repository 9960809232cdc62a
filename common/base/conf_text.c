#include "base/conf_text.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

static const struct {
    const char *name;
    int64_t ms;
} conf_units[] = {
    {"h", 3600000},
    {"m", 60000},
    {"s", 1000},
    {"ms", 1},
};

/* Decimal digits with a sign, as strtoll() takes them but nothing before. */
static bool
conf_text_digits(const char *text, int64_t *ret, const char **ret_end)
{
    char *end;

    if (!isdigit((unsigned char)text[text[0] == '-'])) {
        return false;
    }
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0) {
        return false;
    }
    *ret = value;
    *ret_end = end;
    return true;
}

bool
conf_text_int(const char *text, int64_t *ret)
{
    const char *end;
    int64_t value;

    if (!conf_text_digits(text, &value, &end) || *end != '\0') {
        return false;
    }
    *ret = value;
    return true;
}

bool
conf_text_span(const char *text, int64_t *ret_ms)
{
    const char *end;
    int64_t value;

    if (!conf_text_digits(text, &value, &end)) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_COUNT(conf_units); i++) {
        if (strcmp(end, conf_units[i].name) == 0) {
            return !__builtin_mul_overflow(value, conf_units[i].ms, ret_ms);
        }
    }
    if (strcmp(text, "0") == 0) {
        *ret_ms = 0;
        return true;
    }
    return false;
}

bool
conf_text_bool(const char *text, int64_t *ret)
{
    static const struct {
        const char *word;
        int64_t value;
    } words[] = {
        {"on", 1}, {"true", 1}, {"1", 1}, {"off", 0}, {"false", 0}, {"0", 0},
    };

    for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
        if (strcmp(text, words[i].word) == 0) {
            *ret = words[i].value;
            return true;
        }
    }
    return false;
}

bool
conf_text_choice(const char *text, const char *choices, int64_t *ret)
{
    size_t size = strlen(text);
    int64_t position = 0;

    for (const char *at = choices; at != NULL; position++) {
        const char *bar = strchr(at, '|');
        size_t word = bar != NULL ? (size_t)(bar - at) : strlen(at);
        if (word == size && memcmp(at, text, size) == 0) {
            *ret = position;
            return true;
        }
        at = bar != NULL ? bar + 1 : NULL;
    }
    return false;
}

void
conf_text_format_span(int64_t ms, char *text, size_t size)
{
    for (size_t i = 0; i < ARRAY_COUNT(conf_units); i++) {
        if (ms != 0 && ms % conf_units[i].ms == 0) {
            snprintf(text, size, "%" PRId64 "%s", ms / conf_units[i].ms,
                     conf_units[i].name);
            return;
        }
    }
    snprintf(text, size, "0s");
}

void
conf_text_range(const struct conf_row *row, char *text, size_t size)
{
    char low[32], high[32];

    switch (row->type) {
    case CONF_STR:
    case CONF_SECRET:
        snprintf(text, size, "text of %" PRId64 " to %" PRId64 " bytes",
                 row->min, row->max);
        break;
    case CONF_INT:
        snprintf(text, size, "%" PRId64 " to %" PRId64, row->min, row->max);
        break;
    case CONF_SPAN:
        conf_text_format_span(row->min, low, sizeof(low));
        conf_text_format_span(row->max, high, sizeof(high));
        snprintf(text, size, "a span from %s to %s, like 250ms, 20s, 5m, 2h",
                 low, high);
        break;
    case CONF_BOOL:
        snprintf(text, size, "on or off");
        break;
    case CONF_CHOICE:
        snprintf(text, size, "one of %s", row->choices);
        break;
    }
}

void
conf_help(const struct conf_row *rows, size_t count, FILE *out)
{
    for (size_t i = 0; i < count; i++) {
        const char *fallback = rows[i].fallback;
        char range[128];

        conf_text_range(&rows[i], range, sizeof(range));
        fprintf(out, "  %s (or %s_FILE)\n      %s\n      %s; ", rows[i].name,
                rows[i].name, rows[i].help, range);
        if (fallback == NULL) {
            fputs("required\n", out);
        } else {
            fprintf(out, "default %s\n", *fallback != '\0' ? fallback : "none");
        }
    }
}
