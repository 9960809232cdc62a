#include "alexctl/markdown.h"

#include <ctype.h>
#include <string.h>

#include "alexctl/term.h"
#include "base/arena.h"
#include "base/cleanup.h"

#define COLUMNS_MAX 12
#define GAP 2 /* Between columns of a table. */
#define BOLD "\x1b[1m"
#define PLAIN "\x1b[0m"

struct page {
    size_t width;
    bool colour;
    bool bold; /* Between two pairs of stars. */
    struct buf *out;
};

/* --- words and paragraphs -------------------------------------------------*/

/* Bytes up to the next "**" or backslash, at least one. */
static size_t
run_size(const char *text, size_t size)
{
    size_t at = 1;
    while (at < size && text[at] != '*' && text[at] != '\\') {
        at++;
    }
    return at;
}

/* A single star that touches a word on one side only: "*so*", not "2*3". */
static bool
is_emphasis(const char *text, size_t size, size_t at)
{
    bool before = at > 0 && text[at - 1] != ' ';
    bool after = at + 1 < size && text[at + 1] != ' ';
    return text[at] == '*' && before != after;
}

/* Appends 'text' without the stars of emphasis and the backslashes of escapes;
 * returns how many columns it takes. */
static size_t
append_inline(struct page *page, const char *text, size_t size, struct buf *out)
{
    size_t columns = 0;
    for (size_t at = 0; at < size;) {
        size_t left = size - at;
        bool stars = left >= 2 && text[at] == '*' && text[at + 1] == '*';
        bool star = !stars && is_emphasis(text, size, at);
        bool escape = left >= 2 && text[at] == '\\' &&
                      ispunct((unsigned char)text[at + 1]);
        if (stars) {
            page->bold = !page->bold;
            buf_puts(out, !page->colour ? "" : page->bold ? BOLD : PLAIN);
            at += 2;
            continue;
        }
        if (star) {
            at++;
            continue;
        }
        at += escape;
        size_t before = out->size;
        size_t run = escape ? 1 : run_size(text + at, left);
        term_escape(out, text + at, run, false);
        columns += term_columns(out->data + before, out->size - before);
        at += run;
    }
    return columns;
}

static size_t
count_spaces(const char *text, size_t size)
{
    size_t spaces = 0;
    while (spaces < size && text[spaces] == ' ') {
        spaces++;
    }
    return spaces;
}

/* One line of text, wrapped; what follows the first line is indented. */
static void
append_wrapped(struct page *page, const char *text, size_t size, size_t column,
               size_t indent)
{
    bool first = true;
    size_t at = count_spaces(text, size);
    while (at < size) {
        const char *space = memchr(text + at, ' ', size - at);
        size_t length = space ? (size_t)(space - text) - at : size - at;
        _cleanup(buf_free) struct buf word = {0};
        size_t columns = append_inline(page, text + at, length, &word);
        if (!first && column + 1 + columns > page->width) {
            buf_printf(page->out, "\n%*s", (int)indent, "");
            column = indent;
        } else if (!first) {
            buf_puts(page->out, " ");
            column++;
        }
        buf_append(page->out, word.data, word.size);
        column += columns;
        first = false;
        at += length;
        at += count_spaces(text + at, size - at);
    }
    buf_puts(page->out, "\n");
}

/* --- tables ---------------------------------------------------------------*/

struct cell {
    char *text;
    size_t columns;
};

struct table {
    struct arena *mem;
    struct cell (*rows)[COLUMNS_MAX];
    size_t row_count;
    size_t widths[COLUMNS_MAX];
    bool right[COLUMNS_MAX];
};

/* The cell at '*at', which moves behind the bar that ends it. */
static void
read_cell(const char **at, const char *end, const char **ret, size_t *ret_size)
{
    const char *p = *at;
    while (p < end && *p != '|') {
        p += *p == '\\' && p + 1 < end ? 2 : 1;
    }
    const char *first = *at;
    const char *last = p;
    while (first < last && *first == ' ') {
        first++;
    }
    while (last > first && last[-1] == ' ') {
        last--;
    }
    *ret = first;
    *ret_size = (size_t)(last - first);
    *at = p < end ? p + 1 : p;
}

/* True for "|---|---:|", whose colons say how columns are aligned. */
static bool
read_rule(struct table *table, const char *line, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (strchr("|-: ", line[i]) == NULL) {
            return false;
        }
    }
    const char *at = line + 1;
    for (size_t i = 0; at < line + size && i < COLUMNS_MAX; i++) {
        const char *cell;
        size_t cell_size;
        read_cell(&at, line + size, &cell, &cell_size);
        table->right[i] = cell_size > 0 && cell[cell_size - 1] == ':';
    }
    return true;
}

static void
read_line(struct table *table, const char *line, size_t size)
{
    struct page plain = {0};
    const char *at = line + 1;
    if (read_rule(table, line, size)) {
        return;
    }
    for (size_t i = 0; at < line + size && i < COLUMNS_MAX; i++) {
        const char *cell;
        size_t cell_size;
        _cleanup(buf_free) struct buf text = {0};
        read_cell(&at, line + size, &cell, &cell_size);
        size_t columns = append_inline(&plain, cell, cell_size, &text);
        table->rows[table->row_count][i] = (struct cell){
            arena_strdup(table->mem, text.data ? text.data : ""), columns};
        if (columns > table->widths[i]) {
            table->widths[i] = columns;
        }
    }
    table->row_count++;
}

/* Takes columns from the widest until the table fits. */
static void
fit(struct table *table, size_t width)
{
    for (;;) {
        size_t total = 0;
        size_t widest = 0;
        for (size_t i = 0; i < COLUMNS_MAX; i++) {
            total += table->widths[i] + (table->widths[i] > 0 ? GAP : 0);
            widest = table->widths[i] > table->widths[widest] ? i : widest;
        }
        if (total <= width + GAP || table->widths[widest] <= 4) {
            return;
        }
        table->widths[widest]--;
    }
}

static void
append_row(const struct table *table, size_t row, struct buf *out)
{
    for (size_t i = 0; i < COLUMNS_MAX && table->widths[i] > 0; i++) {
        const struct cell *cell = &table->rows[row][i];
        size_t width = table->widths[i];
        size_t columns = cell->columns < width ? cell->columns : width;
        buf_printf(out, "%*s", i > 0 ? GAP : 0, "");
        if (table->right[i]) {
            buf_printf(out, "%*s", (int)(width - columns), "");
            width = columns;
        }
        term_pad(out, cell->text ? cell->text : "", width);
    }
    while (out->size > 0 && out->data[out->size - 1] == ' ') {
        out->data[--out->size] = '\0';
    }
    buf_puts(out, "\n");
}

static void
append_table(struct page *page, struct table *table)
{
    fit(table, page->width);
    for (size_t i = 0; i < table->row_count; i++) {
        bool head = i == 0 && page->colour;
        buf_puts(page->out, head ? BOLD : "");
        append_row(table, i, page->out);
        buf_puts(page->out, head ? PLAIN : "");
    }
}

/* --- lines ----------------------------------------------------------------*/

static size_t
line_size(const char *text, size_t size)
{
    const char *newline = memchr(text, '\n', size);
    return newline ? (size_t)(newline - text) : size;
}

/* Appends the table that 'text' begins with; returns its bytes. */
static size_t
take_table(struct page *page, const char *text, size_t size)
{
    _cleanup(arena_free) struct arena *mem = arena_new(1 << 14);
    struct table table = {.mem = mem};
    size_t lines = 0;
    for (size_t at = 0; at < size && text[at] == '|'; lines++) {
        at += line_size(text + at, size - at) + 1;
    }
    table.rows = arena_alloc(mem, lines * sizeof(*table.rows));
    size_t at = 0;
    for (; lines > 0; lines--) {
        size_t length = line_size(text + at, size - at);
        read_line(&table, text + at, length);
        at += length + 1;
    }
    append_table(page, &table);
    return at < size ? at : size;
}

static void
append_heading(struct page *page, const char *text, size_t size)
{
    while (size > 0 && (*text == '#' || *text == ' ')) {
        text++;
        size--;
    }
    buf_puts(page->out, page->colour ? BOLD : "");
    append_wrapped(page, text, size, 0, 0);
    buf_puts(page->out, page->colour ? PLAIN : "");
    page->bold = false;
}

/* Columns of the "- " or "12. " that a list's line begins with, with the spaces
 * before it; 0 if it is none. */
static size_t
bullet_size(const char *line, size_t size)
{
    size_t spaces = count_spaces(line, size);
    size_t at = spaces;
    while (at < size && isdigit((unsigned char)line[at])) {
        at++;
    }
    bool number = at > spaces && at < size && line[at] == '.';
    bool dash = at == spaces && at < size && strchr("-*", line[at]) != NULL;
    return (number || dash) && at + 1 < size && line[at + 1] == ' ' ? at + 2
                                                                    : 0;
}

static void
append_line(struct page *page, const char *line, size_t size)
{
    size_t bullet = bullet_size(line, size);
    if (size > 0 && line[0] == '#') {
        append_heading(page, line, size);
    } else if (bullet > 0) {
        buf_append(page->out, line, bullet);
        append_wrapped(page, line + bullet, size - bullet, bullet, bullet);
    } else {
        append_wrapped(page, line, size, 0, 0);
    }
}

void
markdown_render(const char *text, size_t size, size_t width, bool colour,
                struct buf *out)
{
    struct page page = {.width = width, .colour = colour, .out = out};
    for (size_t at = 0; at < size;) {
        if (text[at] == '|') {
            at += take_table(&page, text + at, size - at);
            continue;
        }
        size_t length = line_size(text + at, size - at);
        append_line(&page, text + at, length);
        at += length + 1;
    }
    if (page.bold && colour) {
        buf_puts(out, PLAIN);
    }
}
