#include "base/conf.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/conf_text.h"

#define CONF_FILE_MAX_BYTES ((size_t)64 * 1024)
#define CONF_NAME_MAX_BYTES 128

const char *
conf_env(const char *name)
{
    return getenv(name);
}

static const char *
conf_env_file(const struct conf_row *row)
{
    char name[CONF_NAME_MAX_BYTES];

    snprintf(name, sizeof(name), "%s_FILE", row->name);
    return conf_env(name);
}

/* An empty variable counts as unset: that is what Compose and Kubernetes make
 * of an optional one. */
static bool
conf_is_set(const char *value)
{
    return value != NULL && value[0] != '\0';
}

static int
conf_read_file(const struct conf_row *row, const char *path, char **ret,
               struct err *err)
{
    _cleanup(buf_free) struct buf text = {0};
    _cleanup(cleanup_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = -1;

    if (fd >= 0) {
        do {
            got = read(fd, buf_reserve(&text, 4096), 4096);
            text.size += got > 0 ? (size_t)got : 0;
        } while (got > 0 && text.size <= CONF_FILE_MAX_BYTES);
    }
    if (got < 0) {
        return err_set(err, ERR_FATAL, EX_CONFIG, "%s_FILE: cannot read %s: %s",
                       row->name, path, strerror(errno));
    }
    if (text.size > CONF_FILE_MAX_BYTES) {
        return err_set(err, ERR_FATAL, EX_CONFIG,
                       "%s_FILE: %s is longer than %zu bytes", row->name, path,
                       CONF_FILE_MAX_BYTES);
    }
    while (text.size > 0 && strchr("\r\n", text.data[text.size - 1]) != NULL) {
        text.size--;
    }
    buf_append(&text, "", 0);
    if (text.size > 0 && strlen(text.data) != text.size) {
        return err_set(err, ERR_FATAL, EX_CONFIG,
                       "%s_FILE: %s contains a NUL byte", row->name, path);
    }
    *ret = buf_steal(&text);
    return 0;
}

/* The value as text, malloc'd, from the environment or a file; '*ret' stays
 * NULL if neither has one. */
static int
conf_find(const struct conf_row *row, char **ret, struct err *err)
{
    const char *value = conf_env(row->name);
    const char *path = conf_env_file(row);

    if (conf_is_set(value) && conf_is_set(path)) {
        return err_set(err, ERR_FATAL, EX_CONFIG,
                       "%s and %s_FILE are both set; unset one", row->name,
                       row->name);
    }
    if (conf_is_set(path)) {
        return conf_read_file(row, path, ret, err);
    }
    if (conf_is_set(value)) {
        *ret = xstrdup(value);
    }
    return 0;
}

struct conf_value {
    char *text;     /* STR, SECRET, CHOICE. */
    int64_t number; /* INT, SPAN, BOOL. */
};

static bool
conf_parse(const struct conf_row *row, const char *text, int64_t *ret)
{
    switch (row->type) {
    case CONF_STR:
    case CONF_SECRET:
        *ret = (int64_t)strlen(text);
        return true;
    case CONF_INT:
        return conf_text_int(text, ret);
    case CONF_SPAN:
        return conf_text_span(text, ret);
    case CONF_BOOL:
        return conf_text_bool(text, ret);
    case CONF_CHOICE:
        return conf_text_choice(text, row->choices, ret);
    }
    return false;
}

/* BOOL and CHOICE have no bounds of their own. */
static bool
conf_in_bounds(const struct conf_row *row, int64_t value)
{
    return row->type == CONF_BOOL || row->type == CONF_CHOICE ||
           (value >= row->min && value <= row->max);
}

static int
conf_read_row(const struct conf_row *row, struct conf_value *value,
              struct err *err)
{
    char range[128];
    bool is_text = row->type == CONF_STR || row->type == CONF_SECRET;

    conf_text_range(row, range, sizeof(range));
    if (conf_find(row, &value->text, err) != 0) {
        return -1;
    }
    if (value->text == NULL) {
        if (row->fallback == NULL) {
            return err_set(err, ERR_FATAL, EX_CONFIG, "%s is not set: %s (%s)",
                           row->name, row->help, range);
        }
        value->text = xstrdup(row->fallback);
        bool ok = conf_parse(row, value->text, &value->number) &&
                  (is_text || conf_in_bounds(row, value->number));
        assert(ok && "a default outside its own bounds");
        return 0;
    }
    if (!conf_parse(row, value->text, &value->number) ||
        !conf_in_bounds(row, value->number)) {
        return err_set(err, ERR_FATAL, EX_CONFIG, "%s%s%.60s: expected %s",
                       row->name, is_text ? "" : "=",
                       is_text ? "" : value->text, range);
    }
    return 0;
}

static void
conf_store(const struct conf_row *row, struct conf_value *value, void *target)
{
    void *field = (char *)target + row->offset;

    switch (row->type) {
    case CONF_STR:
    case CONF_SECRET:
    case CONF_CHOICE:
        *(char **)field = STEAL(value->text);
        break;
    case CONF_INT:
    case CONF_SPAN:
        *(int64_t *)field = value->number;
        break;
    case CONF_BOOL:
        *(bool *)field = value->number != 0;
        break;
    }
}

int
conf_load(const struct conf_row *rows, size_t count, void *target,
          struct err *err)
{
    _cleanup(cleanup_free) struct conf_value *values =
        xcalloc(count, sizeof(*values));
    int result = 0;

    for (size_t i = 0; i < count && result == 0; i++) {
        result = conf_read_row(&rows[i], &values[i], err);
    }
    for (size_t i = 0; i < count; i++) {
        if (result == 0) {
            conf_store(&rows[i], &values[i], target);
        }
        free(values[i].text);
    }
    return result;
}

static void
conf_print_value(const struct conf_row *row, const void *source, FILE *out)
{
    const void *field = (const char *)source + row->offset;
    char span[32];

    switch (row->type) {
    case CONF_STR:
    case CONF_CHOICE:
        fprintf(out, "%s", *(char *const *)field);
        break;
    case CONF_SECRET:
        fputs(**(char *const *)field != '\0' ? "(set)" : "(not set)", out);
        break;
    case CONF_INT:
        fprintf(out, "%" PRId64, *(const int64_t *)field);
        break;
    case CONF_SPAN:
        conf_text_format_span(*(const int64_t *)field, span, sizeof(span));
        fputs(span, out);
        break;
    case CONF_BOOL:
        fputs(*(const bool *)field ? "on" : "off", out);
        break;
    }
}

void
conf_print(const struct conf_row *rows, size_t count, const void *source,
           FILE *out)
{
    for (size_t i = 0; i < count; i++) {
        const char *path = conf_env_file(&rows[i]);

        fprintf(out, "%s=", rows[i].name);
        conf_print_value(&rows[i], source, out);
        if (conf_is_set(path)) {
            fprintf(out, "  (from %s)\n", path);
        } else {
            fputs(conf_is_set(conf_env(rows[i].name)) ? "  (environment)\n"
                                                      : "  (default)\n",
                  out);
        }
    }
}

void
conf_wipe_secrets(const struct conf_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char *value = getenv(rows[i].name);

        if (rows[i].type == CONF_SECRET && value != NULL) {
            explicit_bzero(value, strlen(value));
            unsetenv(rows[i].name);
        }
    }
}
