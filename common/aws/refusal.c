#include "aws/refusal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"

#define CONFIG_ERROR 78
#define THROTTLED_MS 1000
#define EXPIRED_MS 30000
#define AFTER_MAX_MS ((int64_t)3600 * 1000)

/* "com.amazonaws.sqs#QueueDoesNotExist", "Name:http://..." and the like. */
static void
take_code(const char *text, char ret[96])
{
    const char *hash = strchr(text, '#');
    const char *name = hash ? hash + 1 : text;
    snprintf(ret, 96, "%.*s", (int)strcspn(name, ":; \r\n"), name);
}

/* For people: one line. */
static void
take_message(const char *text, struct aws_reply *reply)
{
    snprintf(reply->message, sizeof(reply->message), "%s", text);
    for (char *p = reply->message; *p; p++) {
        *p = (unsigned char)*p < ' ' || *p == 0x7f ? ' ' : *p;
    }
}

static void
take_element(const char *body, const char *open, char *ret, size_t size)
{
    const char *at = strstr(body, open);
    if (at) {
        at += strlen(open);
        snprintf(ret, size, "%.*s", (int)strcspn(at, "<"), at);
    }
}

static void
read_json_error(const char *body, size_t size, struct aws_reply *reply)
{
    _cleanup(json_put) struct json_object *object = NULL;
    struct err ignored;
    const char *code = "";
    const char *message = "";
    if (json_parse(body, size, "error", &object, &ignored) ||
        !json_object_is_type(object, json_type_object)) {
        return;
    }
    if (json_string(object, "__type", 1024, "", &code, &ignored) ||
        (!code[0] && json_string(object, "code", 1024, "", &code, &ignored)) ||
        json_string(object, "message", 65536, "", &message, &ignored) ||
        (!message[0] &&
         json_string(object, "Message", 65536, "", &message, &ignored))) {
        return;
    }
    take_code(code, reply->code);
    take_message(message, reply);
}

/* What the service says is wrong: JSON, the XML of the older protocol (also in
 * answer to JSON), or a header. */
void
refusal_read(const struct fetched *fetched, struct aws_reply *reply)
{
    char header[256];
    const char *body = fetched->body.data ? fetched->body.data : "";
    read_json_error(body, fetched->body.size, reply);
    if (!reply->code[0] && strstr(body, "<Code>")) {
        char code[96] = "";
        char message[sizeof(reply->message)] = "";
        take_element(body, "<Code>", code, sizeof(code));
        take_code(code, reply->code);
        take_element(body, "<Message>", message, sizeof(message));
        take_message(message, reply);
    }
    fetched_header(fetched, "x-amzn-errortype", header, sizeof(header));
    if (header[0]) {
        take_code(header, reply->code);
    } else if (!reply->code[0]) {
        fetched_header(fetched, "x-amzn-query-error", header, sizeof(header));
        take_code(header, reply->code);
    }
}

static bool
is_one_of(const char *code, const char *const *list)
{
    while (*list && strcmp(code, *list) != 0) {
        list++;
    }
    return *list != NULL;
}

bool
refusal_is_expired(const char *code)
{
    static const char *const codes[] = {"ExpiredToken", "ExpiredTokenException",
                                        "TokenRefreshRequired", NULL};
    return is_one_of(code, codes);
}

bool
refusal_is_clock(const char *code)
{
    static const char *const codes[] = {"RequestExpired",
                                        "RequestTimeTooSkewed",
                                        "RequestInTheFuture",
                                        "InvalidSignatureException",
                                        "SignatureDoesNotMatch",
                                        "AuthFailure",
                                        NULL};
    return is_one_of(code, codes);
}

static bool
is_throttle(const char *code)
{
    return strstr(code, "Throttl") || strcmp(code, "SlowDown") == 0 ||
           strcmp(code, "TooManyRequestsException") == 0 ||
           strcmp(code, "RequestLimitExceeded") == 0 ||
           strcmp(code, "OverLimit") == 0;
}

/* Another configuration is needed, and no other request will do better. */
static bool
is_hopeless(const char *code)
{
    static const char *const codes[] = {"InvalidSignatureException",
                                        "SignatureDoesNotMatch",
                                        "UnrecognizedClientException",
                                        "InvalidClientTokenId",
                                        "IncompleteSignature",
                                        "IncompleteSignatureException",
                                        "MissingAuthenticationToken",
                                        "MissingAuthenticationTokenException",
                                        "InvalidAccessKeyId",
                                        "AuthFailure",
                                        NULL};
    return is_one_of(code, codes);
}

static int
fail_unreadable(const char *service, const char *host,
                const struct fetched *fetched, struct err *err)
{
    char type[64];
    fetched_header(fetched, "content-type", type, sizeof(type));
    bool later = fetched->status >= 500 || fetched->status == 429;
    return err_set(err, later ? ERR_RETRY : ERR_REJECT, fetched->status,
                   "%s answered %d with %s instead of an error of its own: is "
                   "%s really its endpoint?",
                   service, fetched->status, type[0] ? type : "nothing", host);
}

int
refusal_fail(const char *service, const char *host,
             const struct fetched *fetched, const struct aws_reply *reply,
             struct err *err)
{
    char after[32];
    int status = fetched->status;
    if (!reply->code[0]) {
        return fail_unreadable(service, host, fetched, err);
    }
    bool throttled = status == 429 || is_throttle(reply->code);
    bool expired = refusal_is_expired(reply->code);
    enum err_kind kind = throttled || expired || status >= 500 ? ERR_RETRY
                         : is_hopeless(reply->code)            ? ERR_FATAL
                                                               : ERR_REJECT;
    err_set(err, kind, kind == ERR_FATAL ? CONFIG_ERROR : status,
            "%s: %s: %s%s", service, reply->code,
            reply->message[0] ? reply->message : "no reason given",
            expired ? "; renew the credentials" : "");
    fetched_header(fetched, "x-amz-retry-after", after, sizeof(after));
    int64_t after_ms = strtoll(after, NULL, 10);
    after_ms = after_ms > 0                  ? after_ms
               : fetched->retry_after_ms > 0 ? fetched->retry_after_ms
               : throttled                   ? THROTTLED_MS
               : expired                     ? EXPIRED_MS
                                             : 0;
    err->after_ms = after_ms < AFTER_MAX_MS ? after_ms : AFTER_MAX_MS;
    return -1;
}
