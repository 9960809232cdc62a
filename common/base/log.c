#include "base/log.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"

#define LOG_FIELDS_MAX_BYTES 4096

static const char *const log_level_names[] = {
    [LOG_DEBUG] = "debug",
    [LOG_INFO] = "info",
    [LOG_WARN] = "warn",
    [LOG_ERROR] = "error",
};

static struct {
    const char *service;
    enum log_level level;
    bool text;
} log_state = {.service = NULL, .level = LOG_INFO};

void
log_start(const char *service)
{
    const char *format = getenv("ALEX_LOG");
    const char *level = getenv("ALEX_LOG_LEVEL");

    log_state.service = service;
    log_state.text = format != NULL && strcmp(format, "text") == 0;
    log_state.level = LOG_INFO;
    for (size_t i = 0; level != NULL && i < ARRAY_COUNT(log_level_names); i++) {
        if (strcmp(level, log_level_names[i]) == 0) {
            log_state.level = (enum log_level)i;
        }
    }
}

bool
log_enabled(enum log_level level)
{
    return level >= log_state.level;
}

/* One key of the format and where its value starts and ends in the text. */
struct log_field {
    const char *key; /* In the format. */
    size_t key_size;
    bool is_number;
    const char *value; /* In the text. */
    size_t value_size;
};

static size_t
log_key_size(const char *at)
{
    size_t size = 0;

    while (isalnum((unsigned char)at[size]) || at[size] == '_') {
        size++;
    }
    return at[size] == '=' ? size : 0;
}

/* A value is a number if its whole format is one numeric conversion. */
static bool
log_is_number(const char *format)
{
    if (*format++ != '%') {
        return false;
    }
    format += strspn(format, "0123456789.lhjzt");
    return *format != '\0' && strchr("diufg", *format) != NULL &&
           (format[1] == '\0' || format[1] == ' ');
}

/* The keys are read from the format, which we wrote, not from the text, parts
 * of which others wrote: a value cannot add a field. */
static bool
log_next_key(const char **format, struct log_field *ret)
{
    for (const char *at = *format; at != NULL && *at != '\0';) {
        size_t size = log_key_size(at);
        const char *space = strchr(at, ' ');
        const char *next = space != NULL ? space + 1 : NULL;
        if (size > 0) {
            *ret = (struct log_field){
                .key = at,
                .key_size = size,
                .is_number = log_is_number(at + size + 1),
            };
            *format = next;
            return true;
        }
        at = next;
    }
    return false;
}

/* Where " key=" of the next field starts in 'text', or the end. */
static const char *
log_value_end(const char *text, const struct log_field *next)
{
    const char *at = text - 1;

    while (next != NULL && (at = strchr(at + 1, ' ')) != NULL) {
        if (strncmp(at + 1, next->key, next->key_size) == 0 &&
            at[1 + next->key_size] == '=') {
            return at;
        }
    }
    return text + strlen(text);
}

static void
log_write_field(struct buf *line, const struct log_field *field)
{
    char key[64];

    snprintf(key, sizeof(key), "%.*s", (int)field->key_size, field->key);
    buf_json_key(line, key);
    /* "nan" and "inf" start with a letter or a sign and one. */
    const char *digit = field->value + (field->value[0] == '-');
    if (field->is_number && isdigit((unsigned char)*digit)) {
        buf_json_raw(line, field->value, field->value_size);
    } else {
        buf_json_string_n(line, field->value, field->value_size);
    }
}

static void
log_write_fields(struct buf *line, const char *format, const char *text)
{
    struct log_field field, next;
    bool more = log_next_key(&format, &field);

    while (more) {
        size_t skip = field.key_size + 1;
        if (strlen(text) < skip) {
            return; /* The text was cut here. */
        }
        more = log_next_key(&format, &next);
        const char *end = log_value_end(text + skip, more ? &next : NULL);
        field.value = text + skip;
        field.value_size = (size_t)(end - field.value);
        log_write_field(line, &field);
        text = *end == ' ' ? end + 1 : end;
        field = next;
    }
}

static void
log_json(struct buf *line, enum log_level level, const char *now,
         const char *message, const char *format, const char *text)
{
    buf_json_object(line);
    buf_json_key(line, "time");
    buf_json_string(line, now);
    buf_json_key(line, "level");
    buf_json_string(line, log_level_names[level]);
    buf_json_key(line, "service");
    buf_json_string(line, log_state.service != NULL
                              ? log_state.service
                              : program_invocation_short_name);
    buf_json_key(line, "message");
    buf_json_string(line, message);
    log_write_fields(line, format, text);
    buf_json_end(line);
}

/* "10:11:12.345 info  task settled job=..."; control bytes could fake lines. */
static void
log_text(struct buf *line, enum log_level level, const char *now,
         const char *message, const char *text)
{
    buf_printf(line, "%.12s %-5s %s %s", now + strlen("2026-11-23T"),
               log_level_names[level], message, text);
    for (size_t i = 0; i < line->size; i++) {
        if (iscntrl((unsigned char)line->data[i])) {
            line->data[i] = '?';
        }
    }
}

void
log_line(enum log_level level, const char *message, const char *fields, ...)
{
    _cleanup(buf_free) struct buf line = {0};
    int saved_errno = errno;
    char text[LOG_FIELDS_MAX_BYTES];
    char now[32];
    va_list args;

    if (!log_enabled(level)) {
        return;
    }
    va_start(args, fields);
    vsnprintf(text, sizeof(text), fields, args);
    va_end(args);
    clock_format_utc(clock_wall_ms(), now, sizeof(now));
    if (log_state.text) {
        log_text(&line, level, now, message, text);
    } else {
        log_json(&line, level, now, message, fields, text);
    }
    buf_append(&line, "\n", 1);
    /* Nowhere to report a failure to log. */
    ssize_t ignored = write(STDERR_FILENO, line.data, line.size);
    (void)ignored;
    errno = saved_errno;
}
