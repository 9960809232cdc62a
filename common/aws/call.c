#include "aws/call.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "aws/credentials.h"
#include "aws/endpoint.h"
#include "aws/fetch.h"
#include "aws/refusal.h"
#include "aws/sigv4.h"
#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"

#define CONFIG_ERROR 78
#define REGION_SIZE 64
#define HOST_SIZE 256
/* Services accept five minutes (and more); less is no reason for a refusal. */
#define SKEW_MIN_MS (4 * 60 * 1000)

struct aws_client {
    struct http_client *http;
    char *service;
    char *signing;
    char region[REGION_SIZE];
    char *endpoint; /* Without a slash at its end. */
    char host[HOST_SIZE];
    const char *base; /* Path of the endpoint, in 'endpoint'; "" mostly. */
    int wake_fd;
    int64_t skew_ms; /* To be added to our clock. */
};

/* --- where to ------------------------------------------------------------ */

/* 'Host' as it is signed and sent: lower case, the default port left out. */
static int
split_endpoint(struct aws_client *client, struct err *err)
{
    const char *url = client->endpoint;
    bool https = strncasecmp(url, "https://", 8) == 0;
    const char *host = url + (https ? 8 : 7);
    if (!https && strncasecmp(url, "http://", 7) != 0) {
        return err_set(err, ERR_FATAL, CONFIG_ERROR,
                       "endpoint of %s: http:// or https:// expected",
                       client->service);
    }
    size_t size = strcspn(host, "/?#");
    client->base = host + size;
    if (size == 0 || size >= sizeof(client->host) || memchr(host, '@', size) ||
        client->base[strcspn(client->base, "?#")]) {
        return err_set(err, ERR_FATAL, CONFIG_ERROR,
                       "endpoint of %s: a host, a port and a path expected",
                       client->service);
    }
    const char *usual = https ? ":443" : ":80";
    size_t port = strlen(usual);
    if (size > port && memcmp(host + size - port, usual, port) == 0) {
        size -= port;
    }
    for (size_t i = 0; i < size; i++) {
        client->host[i] = (char)tolower((unsigned char)host[i]);
    }
    return 0;
}

static int
find_endpoint(struct aws_client *client, struct err *err)
{
    client->endpoint = endpoint_of(client->service, client->region);
    return split_endpoint(client, err);
}

/* It becomes part of a host's name. */
static int
find_region(const char *given, char ret[REGION_SIZE], struct err *err)
{
    if (given && given[0]) {
        snprintf(ret, REGION_SIZE, "%s", given);
    } else if (!credentials_region(ret, REGION_SIZE)) {
        return err_set(err, ERR_FATAL, CONFIG_ERROR,
                       "no region: set AWS_REGION, for example to eu-west-1");
    }
    if (ret[strspn(ret, "abcdefghijklmnopqrstuvwxyz0123456789-")]) {
        return err_set(err, ERR_FATAL, CONFIG_ERROR,
                       "region '%.40s': a name like eu-west-1 expected", ret);
    }
    return 0;
}

int
aws_client_open(const struct aws_options *options, struct aws_client **ret,
                struct err *err)
{
    _cleanup(aws_client_close) struct aws_client *client =
        xcalloc(1, sizeof(*client));
    client->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (client->wake_fd < 0) {
        return err_errno(err, ERR_RETRY, "eventfd");
    }
    client->service = xstrdup(options->service);
    client->signing =
        xstrdup(options->signing ? options->signing : options->service);
    if (find_region(options->region, client->region, err) ||
        find_endpoint(client, err) || http_client_open(&client->http, err)) {
        return -1;
    }
    *ret = STEAL(client);
    return 0;
}

void
aws_client_close(struct aws_client **client_at)
{
    struct aws_client *client = STEAL(*client_at);
    if (!client) {
        return;
    }
    http_client_close(&client->http);
    cleanup_close(&client->wake_fd);
    free(client->service);
    free(client->signing);
    free(client->endpoint);
    free(client);
}

void
aws_client_wake(struct aws_client *client)
{
    uint64_t one = 1;
    ssize_t ignored = write(client->wake_fd, &one, sizeof(one));
    (void)ignored;
}

const char *
aws_client_region(const struct aws_client *client)
{
    return client->region;
}

/* --- one try ------------------------------------------------------------- */

#define SIGNED_MAX 5

struct attempt {
    char *url;
    char *lines[SIGNED_MAX + 1]; /* "Name: value" */
    size_t count;
};

static void
attempt_free(struct attempt *attempt)
{
    for (size_t i = 0; i < attempt->count; i++) {
        free(attempt->lines[i]);
    }
    free(attempt->url);
}

static void
sign(const struct aws_client *client, const struct aws_request *request,
     const struct credentials *credentials, struct attempt *attempt)
{
    char time[SIGV4_TIME_SIZE];
    struct sigv4_header headers[SIGNED_MAX] = {{"host", client->host}};
    size_t count = 1;
    _cleanup(buf_free) struct buf authorization = {0};
    _cleanup(cleanup_free) char *path =
        xasprintf("%s%s", client->base, request->path);
    struct sigv4_keys keys = {credentials->access_key, credentials->secret_key,
                              credentials->token};
    sigv4_time(clock_wall_ms() + client->skew_ms, time);
    headers[count++] =
        (struct sigv4_header){"content-type", request->content_type};
    headers[count++] = (struct sigv4_header){"x-amz-date", time};
    if (credentials->token) {
        headers[count++] =
            (struct sigv4_header){"x-amz-security-token", credentials->token};
    }
    if (request->target) {
        headers[count++] =
            (struct sigv4_header){"x-amz-target", request->target};
    }
    sigv4_authorization(&(struct sigv4_request){.method = "POST",
                                                .path = path,
                                                .query = "",
                                                .headers = headers,
                                                .header_count = count,
                                                .body = request->body,
                                                .body_size = request->body_size,
                                                .region = client->region,
                                                .service = client->signing,
                                                .time = time},
                        &keys, &authorization);
    for (size_t i = 1; i < count; i++) { /* Curl sends the host itself. */
        attempt->lines[attempt->count++] =
            xasprintf("%s: %s", headers[i].name, headers[i].value);
    }
    attempt->lines[attempt->count++] =
        xasprintf("authorization: %s", authorization.data);
    attempt->url = xasprintf("%s%s", client->endpoint, request->path);
}

static int
try(struct aws_client *client, const struct aws_request *request,
    const struct credentials *credentials, int64_t timeout_ms,
    struct fetched *ret, struct err *err)
{
    _cleanup(attempt_free) struct attempt attempt = {0};
    uint64_t woken;
    sign(client, request, credentials, &attempt);
    struct http_request http = {
        .method = "POST",
        .url = attempt.url,
        .headers = (const char *const *)attempt.lines,
        .header_count = attempt.count,
        .body = request->body,
        .body_size = request->body_size,
        .timeout_ms = timeout_ms,
        .max_bytes = request->max_bytes,
    };
    if (fetch(client->http, &http, client->wake_fd, ret, err)) {
        if (err->code == ECANCELED) {
            ssize_t ignored = read(client->wake_fd, &woken, sizeof(woken));
            (void)ignored;
        }
        return err_wrap(err, "%s", client->service);
    }
    return 0;
}

/* --- the whole ----------------------------------------------------------- */

/* A call with its repeats. */
struct exchange {
    struct aws_client *client;
    const struct aws_request *request;
    struct aws_reply *reply;
    int64_t deadline_ms;
    bool renewed;   /* The credentials. */
    bool corrected; /* The clock. */
};

/* By how much our clock differs from the service's, if that is the trouble. */
static bool
correct_clock(struct aws_client *client, const struct fetched *fetched)
{
    char date[64];
    struct tm tm = {0};
    fetched_header(fetched, "date", date, sizeof(date));
    if (!strptime(date, "%a, %d %b %Y %H:%M:%S GMT", &tm)) {
        return false;
    }
    int64_t skew_ms = (int64_t)timegm(&tm) * 1000 - clock_wall_ms();
    int64_t change_ms = skew_ms - client->skew_ms;
    if (change_ms > -SKEW_MIN_MS && change_ms < SKEW_MIN_MS) {
        return false;
    }
    client->skew_ms = skew_ms;
    return true;
}

/* True when it may go well now, for a reason that it is not yet tried for. */
static bool
mend(struct exchange *exchange, const struct credentials *used,
     const struct fetched *fetched, struct err *err)
{
    const char *code = exchange->reply->code;
    struct err why;
    if (refusal_is_expired(code) && !exchange->renewed) {
        exchange->renewed = true;
        if (credentials_renew(used, exchange->deadline_ms, &why) == 0) {
            return true;
        }
        err_wrap(&why, "%s", exchange->client->service);
        memcpy(err->text, why.text, sizeof(err->text));
    } else if (refusal_is_clock(code) && !exchange->corrected) {
        exchange->corrected = true;
        return correct_clock(exchange->client, fetched);
    }
    return false;
}

/* True: once more. */
static bool
call_once(struct exchange *exchange, int *ret, struct err *err)
{
    _cleanup(credentials_free) struct credentials credentials = {0};
    _cleanup(fetched_free) struct fetched fetched = {0};
    struct aws_client *client = exchange->client;
    struct aws_reply *reply = exchange->reply;
    *ret = -1;
    if (credentials_get(exchange->deadline_ms, &credentials, err)) {
        err_wrap(err, "%s", client->service);
        return false;
    }
    int64_t left_ms = exchange->deadline_ms - clock_boot_ms();
    if (try(client, exchange->request, &credentials, left_ms > 1 ? left_ms : 1,
            &fetched, err)) {
        return false;
    }
    aws_reply_free(reply);
    buf_puts(&fetched.body, "");
    reply->status = fetched.status;
    bool again = false;
    if (fetched.status >= 200 && fetched.status <= 299) {
        *ret = 0;
    } else {
        refusal_read(&fetched, reply);
        refusal_fail(client->service, client->host, &fetched, reply, err);
        again = mend(exchange, &credentials, &fetched, err);
    }
    reply->body = fetched.body;
    fetched.body = (struct buf){0};
    return again;
}

int
aws_client_call(struct aws_client *client, const struct aws_request *request,
                struct aws_reply *ret, struct err *err)
{
    struct exchange exchange = {
        .client = client,
        .request = request,
        .reply = ret,
        .deadline_ms = clock_boot_ms() + request->timeout_ms,
    };
    int result;
    *ret = (struct aws_reply){0};
    while (call_once(&exchange, &result, err)) {
        /* Bounded: each mend happens once. */
    }
    return result;
}

void
aws_reply_free(struct aws_reply *reply)
{
    buf_free(&reply->body);
    *reply = (struct aws_reply){0};
}
