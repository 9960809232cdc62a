#include "aws/ini.h"

#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "base/cleanup.h"

#define CONFIG_ERROR 78
#define SPACES " \t\r\f\v"

enum ini_kind { INI_NOTHING, INI_SECTION, INI_SETTING, INI_WRONG };

struct ini_span {
    const char *at;
    size_t size;
};

struct ini_line {
    enum ini_kind kind;
    struct ini_span name; /* Of the section or the setting. */
    struct ini_span value;
};

static struct ini_span
trim(const char *at, size_t size)
{
    while (size > 0 && strchr(SPACES, at[0])) {
        at++;
        size--;
    }
    while (size > 0 && strchr(SPACES, at[size - 1])) {
        size--;
    }
    return (struct ini_span){at, size};
}

/* "[profile "my name"]" is the section of 'profile my name'. */
static struct ini_line
read_section(struct ini_span line)
{
    const char *end = memchr(line.at, ']', line.size);
    if (!end) {
        return (struct ini_line){.kind = INI_WRONG};
    }
    return (struct ini_line){
        .kind = INI_SECTION,
        .name = trim(line.at + 1, (size_t)(end - line.at) - 1)};
}

static struct ini_line
read_line(const char *at, size_t size)
{
    struct ini_span line = trim(at, size);
    if (line.size == 0 || *line.at == '#' || *line.at == ';' || line.at != at) {
        return (struct ini_line){.kind = INI_NOTHING};
    }
    if (*line.at == '[') {
        return read_section(line);
    }
    const char *equals = memchr(line.at, '=', line.size);
    if (!equals || equals == line.at) {
        return (struct ini_line){.kind = INI_WRONG};
    }
    return (struct ini_line){
        .kind = INI_SETTING,
        .name = trim(line.at, (size_t)(equals - line.at)),
        .value = trim(equals + 1, (size_t)(line.at + line.size - equals) - 1)};
}

/* Takes the next line off '*text'; false at the end. */
static bool
next_line(const char **text, struct ini_line *ret)
{
    if (**text == '\0') {
        return false;
    }
    size_t size = strcspn(*text, "\n");
    *ret = read_line(*text, size);
    *text += size + ((*text)[size] == '\n');
    return true;
}

static const char *
skip_mark(const char *text)
{
    return strncmp(text, "\xef\xbb\xbf", 3) == 0 ? text + 3 : text;
}

/* Quotes around the last word are not part of it. */
static bool
is_section(struct ini_span name, const char *wanted)
{
    _cleanup(buf_free) struct buf plain = {0};
    for (size_t i = 0; i < name.size; i++) {
        if (name.at[i] != '"' && name.at[i] != '\'') {
            buf_append(&plain, &name.at[i], 1);
        }
    }
    return plain.data && strcmp(plain.data, wanted) == 0;
}

char *
ini_value(const char *text, const char *section, const char *key)
{
    char *value = NULL;
    bool inside = false;
    struct ini_line line;
    text = skip_mark(text);
    while (next_line(&text, &line)) {
        if (line.kind == INI_SECTION) {
            inside = is_section(line.name, section);
        } else if (inside && line.kind == INI_SETTING &&
                   line.name.size == strlen(key) &&
                   strncasecmp(line.name.at, key, line.name.size) == 0) {
            free(value);
            value = xmemdup(line.value.at, line.value.size);
        }
    }
    return value;
}

bool
ini_has(const char *text, const char *section)
{
    struct ini_line line;
    text = skip_mark(text);
    while (next_line(&text, &line)) {
        if (line.kind == INI_SECTION && is_section(line.name, section)) {
            return true;
        }
    }
    return false;
}

int
ini_check(const char *text, const char *path, struct err *err)
{
    struct ini_line line;
    bool in_section = false;
    text = skip_mark(text);
    for (size_t number = 1; next_line(&text, &line); number++) {
        in_section |= line.kind == INI_SECTION;
        if (line.kind == INI_WRONG ||
            (line.kind == INI_SETTING && !in_section)) {
            return err_set(err, ERR_FATAL, CONFIG_ERROR,
                           "%s line %zu: expected %s", path, number,
                           line.kind == INI_WRONG
                               ? "[profile], key = value or # comment"
                               : "[profile] before the first key = value");
        }
    }
    return 0;
}
