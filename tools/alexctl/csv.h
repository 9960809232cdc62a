/* CSV as brokers write it: RFC 4180, a byte order mark, CR or LF or both,
 * quotes in the middle of a cell, trailing commas, rows of any length. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"

#define CSV_SIZE_MAX_BYTES (10u * 1024 * 1024)
#define CSV_ROWS_MAX 200000
#define CSV_CELLS_MAX 256

struct csv_row {
    char **cells; /* Valid UTF-8 without spaces at either end. */
    size_t count;
    int line; /* Where it begins, from 1. */
};

struct csv {
    struct csv_row *rows; /* Blank lines too: rows of one empty cell. */
    size_t count;
    size_t replaced; /* Bytes that were not UTF-8, read as Latin-1. */
};

/* Owner: everything in '*ret' lives in 'mem'.
 * Errors: ERR_REJECT: too large, a NUL byte, a quote that is never closed, too
 *   many cells or rows; naming line and limit. */
int csv_parse(const char *bytes, size_t size, struct arena *mem,
              struct csv *ret, struct err *err);

/* True for a row without any text. */
bool csv_row_is_blank(const struct csv_row *row);
