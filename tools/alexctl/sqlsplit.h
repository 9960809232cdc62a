/* Splits a file of SQL into its statements, for stores that take one a call.
 *
 * Knows what may hide a semicolon: '' and E'' strings, quoted identifiers,
 * dollar quotes, comments (nested ones too).  Does not know 'begin atomic'
 * bodies and psql's backslash commands; this project uses neither. */
#pragma once

#include <stddef.h>

#include "base/err.h"

struct sqlsplit {
    const char *at; /* What is left of the text. */
    const char *end;
    int line; /* Of 'at', from 1. */
};

struct sqlsplit_statement {
    const char *text; /* Borrowed; without the semicolon. */
    size_t size;
    int line; /* Where it begins. */
};

/* The next statement that is more than comments: 1 and '*ret', 0 at the end.
 * Errors: ERR_REJECT naming the line where an unfinished quote or comment
 *   begins. */
int sqlsplit_next(struct sqlsplit *split, struct sqlsplit_statement *ret,
                  struct err *err);
