/* SQL as clients of the Data API write it: ':name', or ':1', where PostgreSQL
 * wants $1.
 *
 * Knows what PostgreSQL's own lexer knows about where a colon is no parameter:
 * string constants with their doubled quotes and, after E, backslashes; quoted
 * identifiers; dollar quotes; nested comments; '::', ':=' and slices '[1:2]'
 * (https://www.postgresql.org/docs/current/sql-syntax-lexical.html).  What is
 * not closed is passed on: PostgreSQL's own error says it best. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

#define LEX_PARAMETERS_MAX 1000
#define LEX_NAME_MAX 128

struct lex {
    struct buf sql; /* With $1, $2, ... */
    char **names;   /* names[0] is $1; each once. */
    size_t name_count;
    bool multiple; /* Something follows the first statement. */
};

/* Owner: the caller frees '*ret' with lex_free().
 * Errors: ERR_REJECT: more than LEX_PARAMETERS_MAX names, or a longer one than
 *   LEX_NAME_MAX. */
int lex_sql(const char *sql, size_t size, struct lex *ret, struct err *err);
void lex_free(struct lex *lex); /* For _cleanup. */
