/* Markdown for a terminal: wrapped, with headings, emphasis, lists and tables
 * told apart; the text itself is escaped (term.h). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* Appends 'text' as at most 'width' columns a line; with 'colour' headings and
 * emphasis in bold.  What it does not know is left as it is written. */
void markdown_render(const char *text, size_t size, size_t width, bool colour,
                     struct buf *out);
