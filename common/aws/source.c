#include "aws/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/conf.h"
#include "base/json.h"

#define CONFIG_ERROR 78

const char *
source_env(const char *name)
{
    const char *value = conf_env(name);
    return value && value[0] ? value : NULL;
}

enum source_result
source_absent(struct err *err, const char *format, ...)
{
    char text[sizeof(err->text)];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    err_set(err, ERR_FATAL, CONFIG_ERROR, "%s", text);
    return SOURCE_ABSENT;
}

/* --- making them --------------------------------------------------------- */

/* It becomes part of a header: a line break would begin another one. */
static bool
is_key(const char *text)
{
    size_t size = 0;
    while (text[size] > ' ' && text[size] < 0x7f &&
           size <= SOURCE_TEXT_MAX_BYTES) {
        size++;
    }
    return size > 0 && text[size] == '\0';
}

int
source_make(const char *access_key, const char *secret_key, const char *token,
            const char *where, struct credentials *ret, struct err *err)
{
    bool session = token && token[0];
    const char *wrong = !is_key(access_key)         ? "access key id"
                        : !is_key(secret_key)       ? "secret access key"
                        : session && !is_key(token) ? "session token"
                                                    : NULL;
    if (wrong) {
        return err_set(err, ERR_FATAL, CONFIG_ERROR,
                       "%s: the %s is empty, too long or has a character that "
                       "none has",
                       where, wrong);
    }
    *ret = (struct credentials){.access_key = xstrdup(access_key),
                                .secret_key = xstrdup(secret_key),
                                .token = session ? xstrdup(token) : NULL,
                                .source = xstrdup(where)};
    return 0;
}

int
source_environment(int64_t deadline_ms, struct credentials *ret,
                   struct err *err)
{
    const char *access = source_env("AWS_ACCESS_KEY_ID");
    const char *secret = source_env("AWS_SECRET_ACCESS_KEY");
    (void)deadline_ms;
    if (!access && !secret) {
        return source_absent(err, "no AWS_ACCESS_KEY_ID");
    }
    if (!access || !secret) {
        err_set(err, ERR_FATAL, CONFIG_ERROR,
                "%s is set and %s is not: set both or none",
                access ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY",
                access ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
        return SOURCE_FAILED;
    }
    return source_make(access, secret, source_env("AWS_SESSION_TOKEN"),
                       "environment", ret, err)
               ? SOURCE_FAILED
               : SOURCE_FOUND;
}

/* --- files and times ----------------------------------------------------- */

static int
read_all(int fd, const char *path, size_t max_bytes, struct buf *out,
         struct err *err)
{
    ssize_t got;
    do {
        got = read(fd, buf_reserve(out, 4096), 4096);
        out->size += got > 0 ? (size_t)got : 0;
    } while (got > 0 && out->size <= max_bytes);
    buf_puts(out, "");
    if (got < 0) {
        return err_errno(err, ERR_FATAL, "cannot read %s", path);
    }
    if (out->size > max_bytes || strlen(out->data) != out->size) {
        return err_set(err, ERR_FATAL, CONFIG_ERROR,
                       "%s: text of at most %zu bytes expected", path,
                       max_bytes);
    }
    return 0;
}

enum source_result
source_read_file(const char *path, size_t max_bytes, struct buf *out,
                 struct err *err)
{
    _cleanup(cleanup_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) {
        return source_absent(err, "no file %s", path);
    }
    if (fd < 0) {
        err_errno(err, ERR_FATAL, "cannot open %s", path);
        err->code = CONFIG_ERROR;
        return SOURCE_FAILED;
    }
    return read_all(fd, path, max_bytes, out, err) ? SOURCE_FAILED
                                                   : SOURCE_FOUND;
}

static const char *
skip_fraction(const char *text)
{
    return *text == '.' ? text + 1 + strspn(text + 1, "0123456789") : text;
}

int
source_time(const char *text, int64_t *ret_wall_ms, struct err *err)
{
    struct tm tm = {0};
    struct tm offset = {0};
    const char *zone = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    zone = zone ? skip_fraction(zone) : "";
    int64_t seconds = (int64_t)timegm(&tm);
    const char *end = zone + 1;
    if (*zone == '+' || *zone == '-') {
        end = strptime(zone + 1, "%H:%M", &offset);
        int64_t ahead = offset.tm_hour * 3600 + offset.tm_min * 60;
        seconds += *zone == '+' ? -ahead : ahead;
    } else if (*zone != 'Z') {
        end = NULL;
    }
    if (!end || *end || tm.tm_year < 100 || tm.tm_year > 300) {
        return err_set(err, ERR_RETRY, 0,
                       "expiration: a time like 2026-11-24T03:00:00Z expected");
    }
    *ret_wall_ms = seconds * 1000;
    return 0;
}

/* --- replies ------------------------------------------------------------- */

static int
make_until(const char *access_key, const char *secret_key, const char *token,
           const char *until, struct credentials *ret, struct err *err)
{
    int64_t expires_wall_ms = 0;
    if ((until[0] && source_time(until, &expires_wall_ms, err)) ||
        source_make(access_key, secret_key, token, "reply", ret, err)) {
        return err_set(err, ERR_RETRY, 0, "%s", err->text);
    }
    ret->expires_wall_ms = expires_wall_ms;
    return 0;
}

int
source_decode_json(const char *bytes, size_t size, struct credentials *ret,
                   struct err *err)
{
    _cleanup(json_put) struct json_object *object = NULL;
    const size_t most = SOURCE_TEXT_MAX_BYTES;
    const char *code;
    const char *access;
    const char *secret;
    const char *token;
    const char *until;
    if (json_parse(bytes, size, "credentials", &object, err) ||
        json_string(object, "Code", 100, "Success", &code, err)) {
        err->kind = ERR_RETRY;
        return -1;
    }
    if (strcmp(code, "Success") != 0) {
        return err_set(err, ERR_RETRY, 0, "it answers %s", code);
    }
    if (json_string_required(object, "AccessKeyId", most, &access, err) ||
        json_string_required(object, "SecretAccessKey", most, &secret, err) ||
        json_string(object, "Token", most, "", &token, err) ||
        json_string(object, "Expiration", 64, "", &until, err)) {
        err->kind = ERR_RETRY;
        return -1;
    }
    return make_until(access, secret, token, until, ret, err);
}

/* Text of the first element 'name', as it stands: what keys and times are made
 * of needs no escaping in XML but for '&', which none of them has. */
static int
xml_text(const char *xml, const char *name, struct buf *out, struct err *err)
{
    _cleanup(cleanup_free) char *open = xasprintf("<%s>", name);
    _cleanup(cleanup_free) char *close = xasprintf("</%s>", name);
    const char *at = strstr(xml, open);
    const char *end = at ? strstr(at, close) : NULL;
    if (!end) {
        return err_set(err, ERR_RETRY, 0, "%s is missing in the reply", name);
    }
    at += strlen(open);
    buf_append(out, at, (size_t)(end - at));
    if (strpbrk(out->data, "<&") || out->size > SOURCE_TEXT_MAX_BYTES) {
        return err_set(err, ERR_RETRY, 0, "%s in the reply is no plain text",
                       name);
    }
    return 0;
}

int
source_decode_xml(const char *bytes, size_t size, struct credentials *ret,
                  struct err *err)
{
    _cleanup(buf_free) struct buf access = {0};
    _cleanup(buf_free) struct buf secret = {0};
    _cleanup(buf_free) struct buf token = {0};
    _cleanup(buf_free) struct buf until = {0};
    _cleanup(cleanup_free) char *xml = xmemdup(bytes, size);
    const char *inner = strstr(xml, "<Credentials>");
    if (!inner) {
        return err_set(err, ERR_RETRY, 0, "no credentials in the reply");
    }
    if (xml_text(inner, "AccessKeyId", &access, err) ||
        xml_text(inner, "SecretAccessKey", &secret, err) ||
        xml_text(inner, "SessionToken", &token, err) ||
        xml_text(inner, "Expiration", &until, err)) {
        return -1;
    }
    return make_until(access.data, secret.data, token.data, until.data, ret,
                      err);
}
