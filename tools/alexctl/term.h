/* The terminal: what it can do, and printing text that came from outside.
 *
 * Names and reports come from a database that others write to, so every byte
 * of them that could steer a terminal is printed as an escape instead. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/buf.h"

bool term_is_terminal(FILE *file);
/* A terminal, TERM is not "dumb", and NO_COLOR is not set. */
bool term_has_colours(FILE *file);
/* Columns: COLUMNS, else what the terminal says, else 80; 40..200. */
size_t term_width(void);

/* Appends 'text' with control characters (C0 but for '\n' and '\t' when
 * 'lines', DEL, C1), bidirectional overrides and bytes that are not UTF-8 as
 * \xNN or \u{NNNN}. */
void term_escape(struct buf *out, const char *text, size_t size, bool lines);
/* 'text' escaped, and a newline. */
void term_print_line(FILE *file, const char *text);

/* Columns that 'text' (UTF-8) takes: one a code point. */
size_t term_columns(const char *text, size_t size);
/* Appends 'text' escaped in exactly 'columns' columns: padded, or cut with an
 * ellipsis. */
void term_pad(struct buf *out, const char *text, size_t columns);
/* A bar of 'columns' eighths-of-a-column precision for 'part' of 1. */
void term_bar(struct buf *out, double part, size_t columns);
