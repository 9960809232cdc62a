#include "rds-data-local/lex.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"

/* The text and how far it is read. */
struct text {
    const char *at;
    const char *end;
    const char *start;
    int brackets; /* '[' that are open. */
};

static bool
is_name_start(char c)
{
    return isalpha((unsigned char)c) || c == '_' || (c & 0x80);
}

static bool
is_name(char c)
{
    return is_name_start(c) || isdigit((unsigned char)c);
}

static char
peek(const struct text *text, size_t ahead)
{
    return (size_t)(text->end - text->at) > ahead ? text->at[ahead] : '\0';
}

static bool
starts(const struct text *text, const char *word)
{
    size_t size = strlen(word);
    return (size_t)(text->end - text->at) >= size &&
           memcmp(text->at, word, size) == 0;
}

/* --- what is copied as it is --------------------------------------------- */

/* 'E' or 'e' before the quote, and not the end of a name. */
static bool
takes_backslashes(const struct text *text)
{
    const char *e = text->at - 1;
    return e >= text->start && (*e == 'E' || *e == 'e') &&
           (e == text->start || (!is_name(e[-1]) && e[-1] != '$'));
}

static void
skip_quoted(struct text *text)
{
    char quote = *text->at;
    bool backslashes = quote == '\'' && takes_backslashes(text);
    for (text->at++; text->at < text->end; text->at++) {
        if (backslashes && *text->at == '\\' && text->at + 1 < text->end) {
            text->at++;
        } else if (*text->at == quote) {
            text->at++;
            if (peek(text, 0) != quote) {
                return;
            }
        }
    }
}

static void
skip_line(struct text *text)
{
    while (text->at < text->end && *text->at != '\n' && *text->at != '\r') {
        text->at++;
    }
}

static void
skip_comment(struct text *text)
{
    int depth = 0;
    do {
        if (starts(text, "/*")) {
            depth++;
            text->at += 2;
        } else if (starts(text, "*/")) {
            depth--;
            text->at += 2;
        } else {
            text->at++;
        }
    } while (depth > 0 && text->at < text->end);
}

/* Size of the tag with both '$' where a dollar quote begins, else 0. */
static size_t
dollar_tag(const struct text *text)
{
    size_t size = 1;
    if (text->at > text->start &&
        (is_name(text->at[-1]) || text->at[-1] == '$')) {
        return 0;
    }
    if (is_name_start(peek(text, size))) {
        while (is_name(peek(text, size))) {
            size++;
        }
    }
    return peek(text, size) == '$' ? size + 1 : 0;
}

static void
skip_dollar(struct text *text)
{
    const char *tag = text->at;
    size_t size = dollar_tag(text);
    if (size == 0) {
        text->at++;
        return;
    }
    text->at += size;
    const char *close =
        memmem(text->at, (size_t)(text->end - text->at), tag, size);
    text->at = close ? close + size : text->end;
}

/* --- parameters ---------------------------------------------------------- */

/* Clients also call them :1, :2, ..., but not within '[1:2]'. */
static size_t
name_size(const struct text *text)
{
    size_t size = 0;
    char first = peek(text, 1);
    if (!is_name(first) || (text->brackets > 0 && !is_name_start(first))) {
        return 0;
    }
    while (is_name(peek(text, 1 + size))) {
        size++;
    }
    return size;
}

/* The number of a name, from 1; 0 when there are too many. */
static size_t
number(struct lex *lex, const char *name, size_t size)
{
    for (size_t i = 0; i < lex->name_count; i++) {
        if (strlen(lex->names[i]) == size &&
            memcmp(lex->names[i], name, size) == 0) {
            return i + 1;
        }
    }
    if (lex->name_count == LEX_PARAMETERS_MAX) {
        return 0;
    }
    if ((lex->name_count & (lex->name_count - 1)) == 0) {
        size_t room = lex->name_count ? 2 * lex->name_count : 1;
        lex->names = xrealloc(lex->names, room * sizeof(*lex->names));
    }
    lex->names[lex->name_count] = xmemdup(name, size);
    return ++lex->name_count;
}

static int
take_parameter(struct lex *lex, struct text *text, size_t size, struct err *err)
{
    if (size > LEX_NAME_MAX) {
        return err_set(err, ERR_REJECT, 0,
                       "a parameter's name has more than %d characters",
                       LEX_NAME_MAX);
    }
    size_t n = number(lex, text->at + 1, size);
    if (n == 0) {
        return err_set(err, ERR_REJECT, 0, "more than %d parameters",
                       LEX_PARAMETERS_MAX);
    }
    buf_printf(&lex->sql, "$%zu", n);
    text->at += 1 + size;
    return 0;
}

/* --- the whole ----------------------------------------------------------- */

/* Over one token that is no parameter. */
static void
skip(struct text *text)
{
    char c = *text->at;
    if (c == '\'' || c == '"') {
        skip_quoted(text);
    } else if (starts(text, "--")) {
        skip_line(text);
    } else if (starts(text, "/*")) {
        skip_comment(text);
    } else if (c == '$') {
        skip_dollar(text);
    } else if (c == ':' && (peek(text, 1) == ':' || peek(text, 1) == '=')) {
        text->at += 2;
    } else {
        text->brackets += (c == '[') - (c == ']');
        text->at++;
    }
}

static bool
is_blank(const struct text *text)
{
    return isspace((unsigned char)*text->at) || *text->at == ';' ||
           starts(text, "--") || starts(text, "/*");
}

static int
scan(struct lex *lex, struct text *text, struct err *err)
{
    bool ended = false;
    while (text->at < text->end) {
        const char *from = text->at;
        size_t size = *from == ':' ? name_size(text) : 0;
        if (ended && !is_blank(text)) {
            lex->multiple = true;
            return 0;
        }
        ended = ended || *from == ';';
        if (size > 0) {
            if (take_parameter(lex, text, size, err)) {
                return -1;
            }
            continue;
        }
        skip(text);
        if (*from != ';') {
            buf_append(&lex->sql, from, (size_t)(text->at - from));
        }
    }
    return 0;
}

int
lex_sql(const char *sql, size_t size, struct lex *ret, struct err *err)
{
    _cleanup(lex_free) struct lex lex = {0};
    struct text text = {.at = sql, .end = sql + size, .start = sql};
    buf_reserve(&lex.sql, size);
    buf_puts(&lex.sql, "");
    if (scan(&lex, &text, err)) {
        return -1;
    }
    *ret = lex;
    lex = (struct lex){0};
    return 0;
}

void
lex_free(struct lex *lex)
{
    for (size_t i = 0; i < lex->name_count; i++) {
        free(lex->names[i]);
    }
    free(lex->names);
    buf_free(&lex->sql);
    *lex = (struct lex){0};
}
