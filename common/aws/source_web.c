/* Web identity: a token that the platform signs, for keys of a role, by STS. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "aws/endpoint.h"
#include "aws/fetch.h"
#include "aws/refusal.h"
#include "aws/sigv4.h"
#include "aws/source.h"
#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"

#define CONFIG_ERROR 78
#define TRIES 3
#define TRY_MS 2000
#define REPLY_MAX_BYTES ((size_t)64 * 1024)

static void
add_field(struct buf *form, const char *name, const char *value)
{
    buf_printf(form, "%s%s=", form->size ? "&" : "", name);
    sigv4_encode(form, value, strlen(value));
}

static void
make_form(const char *role, const char *token, struct buf *form)
{
    const char *session = source_env("AWS_ROLE_SESSION_NAME");
    add_field(form, "Action", "AssumeRoleWithWebIdentity");
    add_field(form, "Version", "2011-06-15");
    add_field(form, "RoleArn", role);
    add_field(form, "RoleSessionName", session ? session : "alex-fleet");
    add_field(form, "WebIdentityToken", token);
}

/* What STS refuses stays refused until somebody changes the role; only its view
 * of whoever signed the token may be clouded. */
static int
refused(const struct fetched *fetched, const char *host, struct err *err)
{
    _cleanup(aws_reply_free) struct aws_reply reply = {0};
    refusal_read(fetched, &reply);
    refusal_fail("sts", host, fetched, &reply, err);
    if (strcmp(reply.code, "IDPCommunicationError") == 0) {
        err->kind = ERR_RETRY;
    } else if (err->kind == ERR_REJECT) {
        err->kind = ERR_FATAL;
        err->code = CONFIG_ERROR;
    }
    return -1;
}

static int
ask_once(struct http_client *http, const char *url, const struct buf *form,
         int64_t deadline_ms, struct credentials *ret, struct err *err)
{
    static const char *const headers[] = {
        "Content-Type: application/x-www-form-urlencoded"};
    _cleanup(fetched_free) struct fetched fetched = {0};
    int64_t left_ms = deadline_ms - clock_boot_ms();
    const struct http_request request = {
        .method = "POST",
        .url = url,
        .headers = headers,
        .header_count = ARRAY_COUNT(headers),
        .body = form->data,
        .body_size = form->size,
        .timeout_ms = left_ms < 1        ? 1
                      : left_ms < TRY_MS ? left_ms
                                         : TRY_MS,
        .max_bytes = REPLY_MAX_BYTES,
    };
    if (fetch(http, &request, -1, &fetched, err)) {
        return err_wrap(err, "sts");
    }
    return fetched.status == 200
               ? source_decode_xml(fetched.body.data, fetched.body.size, ret,
                                   err)
               : refused(&fetched, url, err);
}

static int
ask(const struct buf *form, int64_t deadline_ms, struct credentials *ret,
    struct err *err)
{
    _cleanup(http_client_close) struct http_client *http = NULL;
    char region[64];
    /* Where nobody says, the first region does for all of them. */
    bool known = credentials_region(region, sizeof(region));
    _cleanup(cleanup_free) char *url =
        endpoint_of("sts", known ? region : "us-east-1");
    if (http_client_open(&http, err)) {
        return -1;
    }
    int result = -1;
    for (int i = 0; i < TRIES && result; i++) {
        result = ask_once(http, url, form, deadline_ms, ret, err);
        if (result && (err->kind != ERR_RETRY || err->after_ms ||
                       clock_boot_ms() >= deadline_ms)) {
            break;
        }
    }
    return result;
}

static void
trim_end(struct buf *text)
{
    while (text->size > 0 && strchr(" \t\r\n", text->data[text->size - 1])) {
        text->data[--text->size] = '\0';
    }
}

int
source_web(int64_t deadline_ms, struct credentials *ret, struct err *err)
{
    _cleanup(buf_free) struct buf token = {0};
    _cleanup(buf_free) struct buf form = {0};
    const char *role = source_env("AWS_ROLE_ARN");
    const char *path = source_env("AWS_WEB_IDENTITY_TOKEN_FILE");
    if (!path) {
        return source_absent(err, "no AWS_WEB_IDENTITY_TOKEN_FILE");
    }
    if (!role) {
        err_set(err, ERR_FATAL, CONFIG_ERROR,
                "AWS_WEB_IDENTITY_TOKEN_FILE is set and AWS_ROLE_ARN is not");
        return SOURCE_FAILED;
    }
    if (source_read_file(path, SOURCE_TEXT_MAX_BYTES, &token, err) !=
        SOURCE_FOUND) {
        return SOURCE_FAILED;
    }
    trim_end(&token);
    make_form(role, token.data, &form);
    int result = ask(&form, deadline_ms, ret, err);
    explicit_bzero(form.data, form.size);
    return result ? SOURCE_FAILED : SOURCE_FOUND;
}
