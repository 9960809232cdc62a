#include "alexctl/csv.h"

#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/utf8.h"

/* Rows and cells are collected here and copied to the arena when complete. */
struct reader {
    struct arena *mem;
    const char *at;
    const char *end;
    int line;
    struct buf cell;
    char *cells[CSV_CELLS_MAX];
    size_t cell_count;
    struct csv_row *rows;
    size_t room;
    size_t count;
};

static void
reader_free(struct reader *r)
{
    buf_free(&r->cell);
    free(r->rows);
}

/* 'bytes' as UTF-8; what is none is taken for Latin-1, or U+FFFD where that
 * has no printable character. */
static size_t
to_utf8(const char *bytes, size_t size, struct buf *out)
{
    size_t replaced = 0;
    for (size_t at = 0; at < size;) {
        size_t length = utf8_size(bytes + at, size - at);
        if (length > 0) {
            buf_append(out, bytes + at, length);
            at += length;
            continue;
        }
        unsigned char byte = (unsigned char)bytes[at++];
        char latin1[2] = {(char)(0xc0 | byte >> 6), (char)(0x80 | (byte & 63))};
        if (byte >= 0xa0) {
            buf_append(out, latin1, sizeof(latin1));
        } else {
            buf_puts(out, "\xef\xbf\xbd");
        }
        replaced++;
    }
    return replaced;
}

static int
end_cell(struct reader *r, struct err *err)
{
    if (r->cell_count == CSV_CELLS_MAX) {
        return err_set(err, ERR_REJECT, 0,
                       "line %d has more than %d cells: not a table of "
                       "positions",
                       r->line, CSV_CELLS_MAX);
    }
    const char *text = r->cell.data ? r->cell.data : "";
    size_t size = r->cell.size;
    while (size > 0 && strchr(" \t", text[size - 1]) != NULL) {
        size--;
    }
    size_t skip = strspn(text, " \t");
    skip = skip < size ? skip : size;
    r->cells[r->cell_count++] = arena_memdup(r->mem, text + skip, size - skip);
    buf_reset(&r->cell);
    return 0;
}

static int
end_row(struct reader *r, int line, struct err *err)
{
    if (r->count == CSV_ROWS_MAX) {
        return err_set(err, ERR_REJECT, 0, "more than %d lines", CSV_ROWS_MAX);
    }
    if (r->count == r->room) {
        r->room = r->room ? 2 * r->room : 64;
        r->rows = xrealloc(r->rows, r->room * sizeof(*r->rows));
    }
    size_t size = r->cell_count * sizeof(*r->cells);
    struct csv_row row = {.count = r->cell_count, .line = line};
    row.cells = arena_alloc(r->mem, size);
    memcpy(row.cells, r->cells, size);
    r->rows[r->count++] = row;
    r->cell_count = 0;
    return 0;
}

/* Takes a line end off the input: LF, CR LF or CR. */
static bool
take_newline(struct reader *r)
{
    if (r->at == r->end || (*r->at != '\n' && *r->at != '\r')) {
        return false;
    }
    bool pair = *r->at == '\r' && r->at + 1 < r->end && r->at[1] == '\n';
    r->at += pair ? 2 : 1;
    r->line++;
    return true;
}

/* The part of a cell in quotes, from after the first one. */
static int
read_quoted(struct reader *r, struct err *err)
{
    int opened = r->line;
    while (r->at < r->end) {
        if (*r->at == '"') {
            r->at++;
            if (r->at == r->end || *r->at != '"') {
                return 0;
            }
        }
        if (take_newline(r)) {
            buf_append(&r->cell, "\n", 1);
        } else {
            buf_append(&r->cell, r->at++, 1);
        }
    }
    return err_set(err, ERR_REJECT, 0,
                   "the quote in line %d is never closed: is the file whole?",
                   opened);
}

static int
read_cell(struct reader *r, struct err *err)
{
    size_t spaces = strspn(r->at, " \t");
    if (r->at + spaces < r->end && r->at[spaces] == '"') {
        r->at += spaces + 1;
        if (read_quoted(r, err) < 0) {
            return -1;
        }
    }
    size_t rest = strcspn(r->at, ",\r\n");
    buf_append(&r->cell, r->at, rest);
    r->at += rest;
    return end_cell(r, err);
}

static int
read_rows(struct reader *r, struct err *err)
{
    while (r->at < r->end) {
        int line = r->line;
        do {
            if (read_cell(r, err) < 0) {
                return -1;
            }
        } while (r->at < r->end && *r->at == ',' && r->at++);
        take_newline(r);
        if (end_row(r, line, err) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
check_bytes(const char *bytes, size_t size, struct err *err)
{
    if (size > CSV_SIZE_MAX_BYTES) {
        return err_set(err, ERR_REJECT, 0,
                       "%zu bytes, at most %u are read: not an export of "
                       "positions",
                       size, CSV_SIZE_MAX_BYTES);
    }
    const char *nul = memchr(bytes, '\0', size);
    if (nul != NULL) {
        return err_set(err, ERR_REJECT, 0,
                       "byte %zu is NUL: not CSV text (a spreadsheet or "
                       "UTF-16? save it as 'CSV UTF-8')",
                       (size_t)(nul - bytes));
    }
    return 0;
}

int
csv_parse(const char *bytes, size_t size, struct arena *mem, struct csv *ret,
          struct err *err)
{
    static const char mark[] = "\xef\xbb\xbf";
    if (check_bytes(bytes, size, err) < 0) {
        return -1;
    }
    if (size >= 3 && memcmp(bytes, mark, 3) == 0) {
        bytes += 3;
        size -= 3;
    }
    _cleanup(buf_free) struct buf text = {0};
    buf_puts(&text, "");
    size_t replaced = to_utf8(bytes, size, &text);
    _cleanup(reader_free) struct reader r = {
        .mem = mem, .at = text.data, .end = text.data + text.size, .line = 1};
    if (read_rows(&r, err) < 0) {
        return -1;
    }
    size_t bytes_of_rows = r.count * sizeof(*r.rows);
    ret->rows = arena_alloc(mem, bytes_of_rows ? bytes_of_rows : 1);
    if (r.count > 0) {
        memcpy(ret->rows, r.rows, bytes_of_rows);
    }
    ret->count = r.count;
    ret->replaced = replaced;
    return 0;
}

bool
csv_row_is_blank(const struct csv_row *row)
{
    for (size_t i = 0; i < row->count; i++) {
        if (row->cells[i][0] != '\0') {
            return false;
        }
    }
    return true;
}
