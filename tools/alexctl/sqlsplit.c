#include "alexctl/sqlsplit.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

/* Each skip_* function gets the text at the construct's first byte and returns
 * the byte after its last, or NULL if it has no end. */

static const char *
skip_quoted(const char *at, const char *end, char quote, bool backslashes)
{
    for (at++; at < end; at++) {
        if (backslashes && *at == '\\') {
            at++;
        } else if (*at == quote) {
            if (at + 1 == end || at[1] != quote) {
                return at + 1;
            }
            at++;
        }
    }
    return NULL;
}

static const char *
skip_line_comment(const char *at, const char *end)
{
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    return newline ? newline : end;
}

static const char *
skip_block_comment(const char *at, const char *end)
{
    int depth = 0;
    while (at + 1 < end) {
        if (at[0] == '/' && at[1] == '*') {
            depth++;
            at += 2;
        } else if (at[0] == '*' && at[1] == '/') {
            at += 2;
            if (--depth == 0) {
                return at;
            }
        } else {
            at++;
        }
    }
    return NULL;
}

static bool
is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

/* Bytes of the "$$" or "$tag$" at 'at', or 0. */
static size_t
dollar_tag(const char *at, const char *end)
{
    const char *p = at + 1;
    if (p < end && isdigit((unsigned char)*p)) {
        return 0; /* $1 is a parameter. */
    }
    while (p < end && is_word(*p)) {
        p++;
    }
    return p < end && *p == '$' ? (size_t)(p + 1 - at) : 0;
}

static const char *
skip_dollar_quote(const char *at, const char *end, size_t tag)
{
    const char *close = memmem(at + tag, (size_t)(end - at) - tag, at, tag);
    return close ? close + tag : NULL;
}

/* The byte after the construct at 'at', which is one byte for most. */
static const char *
skip(const char *at, const char *begin, const char *end)
{
    char next = at + 1 < end ? at[1] : '\0';
    bool in_word = at > begin && is_word(at[-1]);
    if (*at == '\'') {
        bool escapes = at > begin && (at[-1] == 'E' || at[-1] == 'e') &&
                       (at - 1 == begin || !is_word(at[-2]));
        return skip_quoted(at, end, '\'', escapes);
    }
    if (*at == '"') {
        return skip_quoted(at, end, '"', false);
    }
    if (*at == '-' && next == '-') {
        return skip_line_comment(at, end);
    }
    if (*at == '/' && next == '*') {
        return skip_block_comment(at, end);
    }
    size_t tag = *at == '$' && !in_word ? dollar_tag(at, end) : 0;
    return tag > 0 ? skip_dollar_quote(at, end, tag) : at + 1;
}

static int
count_lines(const char *from, const char *to)
{
    int lines = 0;
    for (const char *p = from; p < to; p++) {
        lines += *p == '\n';
    }
    return lines;
}

static bool
is_comment(const char *at, const char *end)
{
    return at + 1 < end &&
           ((at[0] == '-' && at[1] == '-') || (at[0] == '/' && at[1] == '*'));
}

int
sqlsplit_next(struct sqlsplit *split, struct sqlsplit_statement *ret,
              struct err *err)
{
    const char *begin = NULL; /* First byte that is no comment or space. */
    const char *at = split->at;
    while (at < split->end && (begin == NULL || *at != ';')) {
        const char *after = skip(at, split->at, split->end);
        if (after == NULL) {
            return err_set(err, ERR_REJECT, 0,
                           "line %d: a quote or comment without its end",
                           split->line + count_lines(split->at, at));
        }
        bool blank = isspace((unsigned char)*at) || *at == ';' ||
                     is_comment(at, split->end);
        if (begin == NULL && !blank) {
            begin = at;
        }
        at = after;
    }
    int line = split->line;
    split->line += count_lines(split->at, at);
    if (begin == NULL) {
        split->at = split->end;
        return 0;
    }
    ret->text = begin;
    ret->size = (size_t)(at - begin);
    ret->line = line + count_lines(split->at, begin);
    split->at = at < split->end ? at + 1 : at;
    return 1;
}
