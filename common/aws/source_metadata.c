/* What a machine or a container answers about itself: credentials of its role,
 * at addresses that only it can reach. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "aws/fetch.h"
#include "aws/source.h"
#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"

#define CONFIG_ERROR 78
#define TRIES 3
#define INSTANCE_TRY_MS 1000
#define CONTAINER_TRY_MS 2000
#define REPLY_MAX_BYTES ((size_t)64 * 1024)
#define ROLE_MAX_BYTES 128

struct question {
    struct http_client *http;
    const char *method;
    const char *url;
    const char *header; /* NULL: none. */
    int64_t try_ms;
    int64_t deadline_ms;
};

static int
ask_once(const struct question *question, struct fetched *ret, struct err *err)
{
    int64_t left_ms = question->deadline_ms - clock_boot_ms();
    int64_t try_ms = question->try_ms;
    const struct http_request request = {
        .method = question->method,
        .url = question->url,
        .headers = &question->header,
        .header_count = question->header ? 1 : 0,
        .body = strcmp(question->method, "PUT") == 0 ? "" : NULL,
        .timeout_ms = left_ms < 1        ? 1
                      : left_ms < try_ms ? left_ms
                                         : try_ms,
        .max_bytes = REPLY_MAX_BYTES,
        .direct = true,
    };
    if (fetch(question->http, &request, -1, ret, err)) {
        return -1;
    }
    buf_puts(&ret->body, "");
    if (ret->status == 200) {
        return 0;
    }
    bool later = ret->status >= 500 || ret->status == 429;
    err_set(err, later ? ERR_RETRY : ERR_FATAL, later ? ret->status : 78,
            "it answers %d", ret->status);
    fetched_free(ret);
    *ret = (struct fetched){0};
    return -1;
}

static int
ask(const struct question *question, struct fetched *ret, struct err *err)
{
    int result = -1;
    for (int i = 0; i < TRIES && result; i++) {
        result = ask_once(question, ret, err);
        if (result && (err->kind != ERR_RETRY ||
                       clock_boot_ms() >= question->deadline_ms)) {
            break;
        }
    }
    return result;
}

/* --- container ----------------------------------------------------------- */

/* The key to the credentials is sent in clear over http: to this machine, or to
 * the agents of ECS and EKS beside it, and nowhere else. */
static bool
is_near(const char *host, size_t size)
{
    char name[64];
    struct in_addr address;
    if (size >= sizeof(name)) {
        return false;
    }
    memcpy(name, host, size);
    name[size] = '\0';
    if (inet_pton(AF_INET, name, &address) == 1) {
        return ntohl(address.s_addr) >> 24 == 127 ||
               strcmp(name, "169.254.170.2") == 0 ||
               strcmp(name, "169.254.170.23") == 0;
    }
    return strcasecmp(name, "localhost") == 0 || strcmp(name, "[::1]") == 0 ||
           strcasecmp(name, "[fd00:ec2::23]") == 0;
}

static bool
is_allowed(const char *url)
{
    if (strncasecmp(url, "https://", 8) == 0) {
        return true;
    }
    if (strncasecmp(url, "http://", 7) != 0) {
        return false;
    }
    const char *host = url + 7;
    size_t size = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/?#");
    size_t authority = strcspn(host, "/?#");
    return size <= authority && !memchr(host, '@', authority) &&
           is_near(host, size);
}

/* Read again each time: the platform replaces what is in the file. */
static int
authorization(struct buf *out, struct err *err)
{
    const char *path = source_env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    const char *text = source_env("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    _cleanup(buf_free) struct buf file = {0};
    if (path) {
        if (source_read_file(path, SOURCE_TEXT_MAX_BYTES, &file, err) !=
            SOURCE_FOUND) {
            return -1;
        }
        text = file.data;
    }
    if (!text) {
        return 0;
    }
    size_t size = strcspn(text, "\r\n");
    if (text[size + strspn(text + size, "\r\n")]) {
        return err_set(err, ERR_FATAL, CONFIG_ERROR,
                       "%s holds more than one line",
                       path ? path : "AWS_CONTAINER_AUTHORIZATION_TOKEN");
    }
    buf_printf(out, "Authorization: %.*s", (int)size, text);
    return 0;
}

static char *
container_url(struct err *err)
{
    const char *relative = source_env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = source_env("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    if (relative && relative[0] == '/') {
        return xasprintf("http://169.254.170.2%s", relative);
    }
    if (!relative && full && is_allowed(full)) {
        return xstrdup(full);
    }
    err_set(err, ERR_FATAL, CONFIG_ERROR,
            relative ? "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: a path expected"
                     : "AWS_CONTAINER_CREDENTIALS_FULL_URI: https:// expected, "
                       "or http:// to this machine");
    return NULL;
}

static int
name_source(const char *name, struct credentials *ret)
{
    free(ret->source);
    ret->source = xstrdup(name);
    return SOURCE_FOUND;
}

int
source_container(int64_t deadline_ms, struct credentials *ret, struct err *err)
{
    _cleanup(http_client_close) struct http_client *http = NULL;
    _cleanup(cleanup_free) char *url = NULL;
    _cleanup(buf_free) struct buf header = {0};
    _cleanup(fetched_free) struct fetched fetched = {0};
    if (!source_env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") &&
        !source_env("AWS_CONTAINER_CREDENTIALS_FULL_URI")) {
        return source_absent(err, "no AWS_CONTAINER_CREDENTIALS_FULL_URI");
    }
    url = container_url(err);
    if (!url || authorization(&header, err) || http_client_open(&http, err)) {
        return SOURCE_FAILED;
    }
    const struct question question = {
        http, "GET", url, header.data, CONTAINER_TRY_MS, deadline_ms};
    if (ask(&question, &fetched, err) ||
        source_decode_json(fetched.body.data, fetched.body.size, ret, err)) {
        return SOURCE_FAILED;
    }
    return name_source("container", ret);
}

/* --- instance ------------------------------------------------------------ */

struct instance {
    struct http_client *http;
    const char *base;
    char *header; /* The session's token. */
    int64_t deadline_ms;
};

static void
instance_free(struct instance *instance)
{
    http_client_close(&instance->http);
    free(instance->header);
}

/* Text of one line that can be part of a header or a path. */
static bool
is_word(const struct buf *text, size_t max_bytes)
{
    return text->size > 0 && text->size <= max_bytes &&
           strspn(text->data, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                              "abcdefghijklmnopqrstuvwxyz"
                              "0123456789-_.+=,@/") == text->size;
}

static int
instance_ask(struct instance *instance, const char *method, const char *path,
             const char *header, struct fetched *ret, struct err *err)
{
    _cleanup(cleanup_free) char *url = xasprintf("%s%s", instance->base, path);
    const struct question question = {
        instance->http, method,          url,
        header,         INSTANCE_TRY_MS, instance->deadline_ms};
    return ask(&question, ret, err);
}

static int
open_session(struct instance *instance, struct err *err)
{
    _cleanup(fetched_free) struct fetched token = {0};
    if (instance_ask(instance, "PUT", "/latest/api/token",
                     "X-aws-ec2-metadata-token-ttl-seconds: 21600", &token,
                     err)) {
        return -1;
    }
    if (!is_word(&token.body, SOURCE_TEXT_MAX_BYTES)) {
        return err_set(err, ERR_RETRY, 0, "its session token is none");
    }
    instance->header =
        xasprintf("X-aws-ec2-metadata-token: %s", token.body.data);
    return 0;
}

static int
ask_role(struct instance *instance, struct credentials *ret, struct err *err)
{
    static const char folder[] = "/latest/meta-data/iam/security-credentials/";
    _cleanup(fetched_free) struct fetched role = {0};
    _cleanup(fetched_free) struct fetched keys = {0};
    if (instance_ask(instance, "GET", folder, instance->header, &role, err)) {
        return -1;
    }
    role.body.size = strcspn(role.body.data, "\r\n");
    role.body.data[role.body.size] = '\0';
    if (!is_word(&role.body, ROLE_MAX_BYTES)) {
        return err_set(err, ERR_RETRY, 0, "it names no role");
    }
    _cleanup(cleanup_free) char *path =
        xasprintf("%s%s", folder, role.body.data);
    return instance_ask(instance, "GET", path, instance->header, &keys, err)
               ? -1
               : source_decode_json(keys.body.data, keys.body.size, ret, err);
}

/* Not being on such a machine and one that does not answer look alike: both are
 * told as absence, and whoever had credentials goes on with them. */
int
source_instance(int64_t deadline_ms, struct credentials *ret, struct err *err)
{
    const char *off = source_env("AWS_EC2_METADATA_DISABLED");
    const char *base = source_env("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    _cleanup(instance_free) struct instance instance = {
        .base = base ? base : "http://169.254.169.254",
        .deadline_ms = deadline_ms};
    if (off && strcasecmp(off, "true") == 0) {
        return source_absent(err, "AWS_EC2_METADATA_DISABLED");
    }
    if (http_client_open(&instance.http, err)) {
        return SOURCE_FAILED;
    }
    if (open_session(&instance, err) || ask_role(&instance, ret, err)) {
        return err->kind == ERR_RETRY && err->code >= 429 ? SOURCE_FAILED
                                                          : SOURCE_ABSENT;
    }
    return name_source("instance", ret);
}
