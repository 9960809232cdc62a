#include "portfolio/words.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/utf8.h"

/* What can't be seen, or changes how its neighbours are seen. */
static const struct {
    uint32_t first;
    uint32_t last;
} hidden[] = {
    {0x00, 0x20},     {0x7f, 0xa0},     {0x061c, 0x061c}, {0x200b, 0x200b},
    {0x200e, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x2069}, {0xfeff, 0xfeff},
};

static bool
is_hidden(uint32_t point)
{
    for (size_t i = 0; i < ARRAY_COUNT(hidden); i++) {
        if (point >= hidden[i].first && point <= hidden[i].last) {
            return true;
        }
    }
    return false;
}

/* The code point of a valid sequence of 'size' bytes. */
static uint32_t
code_point(const char *bytes, size_t size)
{
    static const unsigned char lead[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t point = (unsigned char)bytes[0] & lead[size];

    for (size_t i = 1; i < size; i++) {
        point = point << 6 | ((unsigned char)bytes[i] & 0x3f);
    }
    return point;
}

const char *
portfolio_display(const char *text, size_t max_chars, struct arena *mem)
{
    _cleanup(buf_free) struct buf out = {0};
    size_t left = strlen(text);
    size_t chars = 0;
    size_t cut = 0; /* Where the last character allowed begins. */
    bool gap = false;

    buf_puts(&out, "");
    while (left > 0) {
        size_t valid = utf8_size(text, left);
        size_t size = valid > 0 ? valid : 1;

        if (valid == 0 || is_hidden(code_point(text, size))) {
            gap = out.size > 0;
        } else {
            if (gap) {
                chars++;
                cut = chars <= max_chars ? out.size : cut;
                buf_puts(&out, " ");
                gap = false;
            }
            chars++;
            cut = chars <= max_chars ? out.size : cut;
            buf_append(&out, text, size);
        }
        text += size;
        left -= size;
    }
    return chars <= max_chars
               ? arena_strdup(mem, out.data)
               : arena_printf(mem, "%.*s\u2026", (int)cut, out.data);
}

const char *
portfolio_count(size_t count, const char *noun, struct arena *mem)
{
    return arena_printf(mem, "%zu %s%s", count, noun, count == 1 ? "" : "s");
}

const char *
portfolio_list(const char *const *items, size_t count, size_t shown_max,
               struct arena *mem)
{
    _cleanup(buf_free) struct buf out = {0};
    size_t shown = count < shown_max ? count : shown_max;

    buf_puts(&out, "");
    for (size_t i = 0; i < shown; i++) {
        bool is_last = i + 1 == count;

        buf_puts(&out, i == 0 ? "" : is_last ? " and " : ", ");
        buf_puts(&out, items[i]);
    }
    if (count > shown) {
        buf_printf(&out, " and %zu more", count - shown);
    }
    return arena_strdup(mem, out.data);
}

const char *
portfolio_words(const char *text, struct arena *mem)
{
    _cleanup(buf_free) struct buf words = {0};

    buf_puts(&words, " ");
    for (const char *p = text; *p != '\0'; p++) {
        bool is_word = isalnum((unsigned char)*p) || (unsigned char)*p >= 0x80;

        if (is_word) {
            char c = (char)tolower((unsigned char)*p);

            buf_append(&words, &c, 1);
        } else if (*p != '(' && *p != ')' &&
                   words.data[words.size - 1] != ' ') {
            buf_puts(&words, " ");
        }
    }
    if (words.size > 1 && words.data[words.size - 1] != ' ') {
        buf_puts(&words, " ");
    }
    return arena_strdup(mem, words.data);
}
