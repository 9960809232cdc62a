#include "alexctl/term.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/conf.h"
#include "base/utf8.h"

#define WIDTH_MIN 40
#define WIDTH_MAX 200
#define WIDTH_DEFAULT 80

bool
term_is_terminal(FILE *file)
{
    return isatty(fileno(file)) == 1;
}

bool
term_has_colours(FILE *file)
{
    const char *term = conf_env("TERM");
    return term_is_terminal(file) && term != NULL &&
           strcmp(term, "dumb") != 0 && conf_env("NO_COLOR") == NULL;
}

size_t
term_width(void)
{
    long width = 0;
    const char *columns = conf_env("COLUMNS");
    struct winsize size;
    if (columns != NULL) {
        width = strtol(columns, NULL, 10);
    } else if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) {
        width = size.ws_col;
    }
    if (width <= 0) {
        width = WIDTH_DEFAULT;
    }
    width = width < WIDTH_MIN ? WIDTH_MIN : width;
    return (size_t)(width > WIDTH_MAX ? WIDTH_MAX : width);
}

/* The code point of a valid sequence. */
static uint32_t
decode(const char *bytes, size_t size)
{
    uint32_t point = (unsigned char)bytes[0];
    point &= size == 1 ? 0x7fu : 0x7fu >> size;
    for (size_t i = 1; i < size; i++) {
        point = point << 6 | ((unsigned char)bytes[i] & 0x3f);
    }
    return point;
}

static bool
steers(uint32_t point)
{
    static const struct {
        uint32_t low, high;
    } ranges[] = {
        {0x00, 0x1f},     {0x7f, 0x9f},       {0x200b, 0x200f},
        {0x2028, 0x202e}, {0x2060, 0x2069},   {0xfeff, 0xfeff},
        {0xfff9, 0xfffb}, {0xe0000, 0xe0fff},
    };
    for (size_t i = 0; i < ARRAY_COUNT(ranges); i++) {
        if (point >= ranges[i].low && point <= ranges[i].high) {
            return true;
        }
    }
    return false;
}

void
term_escape(struct buf *out, const char *text, size_t size, bool lines)
{
    size_t at = 0;
    while (at < size) {
        size_t length = utf8_size(text + at, size - at);
        uint32_t point = length > 0 ? decode(text + at, length) : 0;
        bool layout = lines && (point == '\n' || point == '\t');
        if (length == 0) {
            buf_printf(out, "\\x%02x", (unsigned char)text[at]);
            length = 1;
        } else if (!steers(point) || layout) {
            buf_append(out, text + at, length);
        } else if (point < 0x80) {
            buf_printf(out, "\\x%02x", (unsigned)point);
        } else {
            buf_printf(out, "\\u{%x}", (unsigned)point);
        }
        at += length;
    }
}

void
term_print_line(FILE *file, const char *text)
{
    _cleanup(buf_free) struct buf line = {0};
    term_escape(&line, text, strlen(text), false);
    buf_puts(&line, "\n");
    fwrite(line.data, 1, line.size, file);
}

size_t
term_columns(const char *text, size_t size)
{
    size_t columns = 0;
    for (size_t i = 0; i < size; i++) {
        columns += ((unsigned char)text[i] & 0xc0) != 0x80;
    }
    return columns;
}

/* Bytes of the first 'columns' columns of UTF-8 'text'. */
static size_t
cut(const char *text, size_t size, size_t columns)
{
    size_t at = 0;
    while (at < size) {
        bool starts = ((unsigned char)text[at] & 0xc0) != 0x80;
        if (starts && columns-- == 0) {
            break;
        }
        at++;
    }
    return at;
}

void
term_pad(struct buf *out, const char *text, size_t columns)
{
    _cleanup(buf_free) struct buf safe = {0};
    term_escape(&safe, text, strlen(text), false);
    size_t width = term_columns(safe.data ? safe.data : "", safe.size);
    if (width > columns) {
        buf_append(out, safe.data, cut(safe.data, safe.size, columns - 1));
        buf_puts(out, "\xe2\x80\xa6");
        return;
    }
    buf_append(out, safe.data, safe.size);
    buf_printf(out, "%*s", (int)(columns - width), "");
}

void
term_bar(struct buf *out, double part, size_t columns)
{
    static const char *const eighths[] = {
        "",
        "\xe2\x96\x8f",
        "\xe2\x96\x8e",
        "\xe2\x96\x8d",
        "\xe2\x96\x8c",
        "\xe2\x96\x8b",
        "\xe2\x96\x8a",
        "\xe2\x96\x89",
    };
    double bounded = part < 0 ? 0 : part > 1 ? 1 : part;
    size_t length = (size_t)lround(bounded * (double)columns * 8);
    for (size_t i = 0; i < length / 8; i++) {
        buf_puts(out, "\xe2\x96\x88");
    }
    buf_puts(out, eighths[length % 8]);
}
