#include "http/client.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/cleanup.h"

#define CLIENT_EVENTS 64
#define CLIENT_CONNECT_MS 10000
#define CLIENT_CONNECTIONS_MAX 64L
#define CLIENT_IDLE_CONNECTIONS 8L
#define CLIENT_HEADERS_MAX_BYTES ((size_t)256 * 1024)
#define CLIENT_RETRY_AFTER_MAX_S (24 * 3600)

struct call {
    struct call *next;
    struct http_client *client;
    CURL *easy;
    struct curl_slist *headers;
    struct buf body;
    struct buf reply_headers;
    size_t max_bytes;
    bool too_big;
    http_done *done;
    void *context;
    char host[256]; /* For errors: a URL may hold what they must not. */
};

struct http_client {
    CURLM *multi;
    int poll_fd;
    int timer_fd; /* When curl wants to be called anyway. */
    struct call *calls;
};

static void
start_curl(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

static void
set_host(struct call *call, const char *url)
{
    const char *scheme = strstr(url, "://");
    const char *authority = scheme != NULL ? scheme + 3 : url;
    const size_t size = strcspn(authority, "/?#");
    const char *at = memrchr(authority, '@', size);
    const char *host = at != NULL ? at + 1 : authority;
    const size_t host_size = size - (size_t)(host - authority);

    snprintf(call->host, sizeof(call->host), "%.*s",
             (int)(host_size < sizeof(call->host) ? host_size
                                                  : sizeof(call->host) - 1),
             host);
}

static int
on_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *known)
{
    struct http_client *client = context;
    struct epoll_event event = {.data.fd = fd};

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(client->poll_fd, EPOLL_CTL_DEL, fd, NULL);
        return 0;
    }
    event.events = (what & CURL_POLL_IN ? EPOLLIN : 0u) |
                   (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
    curl_multi_assign(client->multi, fd, client);
    return epoll_ctl(client->poll_fd,
                     known != NULL ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
}

static int
on_timer(CURLM *multi, long timeout_ms, void *context)
{
    const struct http_client *client = context;
    struct itimerspec span = {0};

    (void)multi;
    if (timeout_ms >= 0) {
        span.it_value.tv_sec = timeout_ms / 1000;
        span.it_value.tv_nsec = timeout_ms % 1000 * 1000000 + 1; /* 0: off */
    }
    return timerfd_settime(client->timer_fd, 0, &span, NULL);
}

static size_t
on_body(char *bytes, size_t one, size_t size, void *context)
{
    struct call *call = context;

    (void)one;
    if (size > call->max_bytes - call->body.size) {
        call->too_big = true;
        return 0;
    }
    buf_append(&call->body, bytes, size);
    return size;
}

static size_t
on_header(char *bytes, size_t one, size_t size, void *context)
{
    struct call *call = context;

    (void)one;
    buf_append(&call->reply_headers, bytes, size);
    call->too_big |= call->reply_headers.size > CLIENT_HEADERS_MAX_BYTES;
    return call->too_big ? 0 : size;
}

void
http_reply_header(const struct http_reply *reply, const char *name, char *ret,
                  size_t size)
{
    size_t name_size = strlen(name);
    const char *line = reply->headers;

    ret[0] = '\0';
    while (line != NULL && *line != '\0') {
        size_t line_size = strcspn(line, "\r\n");
        if (line_size > name_size && line[name_size] == ':' &&
            strncasecmp(line, name, name_size) == 0) {
            const char *value = line + name_size + 1;
            value += strspn(value, " \t");
            snprintf(ret, size, "%.*s", (int)(line + line_size - value), value);
            return;
        }
        line += line_size;
        line += strspn(line, "\r\n");
    }
}

int
http_client_open(struct http_client **ret, struct err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    _cleanup(http_client_close) struct http_client *client =
        xcalloc(1, sizeof(*client));

    pthread_once(&once, start_curl);
    client->poll_fd = epoll_create1(EPOLL_CLOEXEC);
    client->timer_fd =
        timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    client->multi = curl_multi_init();
    struct epoll_event event = {.events = EPOLLIN, .data.fd = client->timer_fd};
    if (client->multi == NULL || epoll_ctl(client->poll_fd, EPOLL_CTL_ADD,
                                           client->timer_fd, &event) != 0) {
        return err_errno(err, ERR_FATAL, "cannot open an HTTP client");
    }
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS,
                      CLIENT_CONNECTIONS_MAX);
    curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS,
                      CLIENT_IDLE_CONNECTIONS);
    *ret = STEAL(client);
    return 0;
}

static void
call_free(struct call *call)
{
    struct call **at = &call->client->calls;

    while (*at != NULL && *at != call) {
        at = &(*at)->next;
    }
    if (*at != NULL) {
        *at = call->next;
    }
    if (call->easy != NULL) {
        curl_multi_remove_handle(call->client->multi, call->easy);
        curl_easy_cleanup(call->easy);
    }
    curl_slist_free_all(call->headers);
    buf_free(&call->body);
    buf_free(&call->reply_headers);
    free(call);
}

void
http_client_close(struct http_client **client_at)
{
    struct http_client *client = STEAL(*client_at);

    if (client == NULL) {
        return;
    }
    while (client->calls != NULL) {
        call_free(client->calls);
    }
    if (client->multi != NULL) {
        curl_multi_cleanup(client->multi);
    }
    cleanup_close(&client->timer_fd);
    cleanup_close(&client->poll_fd);
    free(client);
}

void
http_client_forget(struct http_client *client, const void *context)
{
    for (struct call *call = client->calls; call != NULL;) {
        struct call *next = call->next;
        if (call->context == context) {
            call_free(call);
        }
        call = next;
    }
}

static void
add_header(struct call *call, const char *line)
{
    struct curl_slist *longer = curl_slist_append(call->headers, line);

    if (longer == NULL) {
        abort(); /* Out of memory, as in xmalloc(). */
    }
    call->headers = longer;
}

/* Curl would wait for "100 Continue" before it sends a large body. */
static void
set_headers(struct call *call, const struct http_request *request)
{
    add_header(call, "Expect:");
    for (size_t i = 0; i < request->header_count; i++) {
        add_header(call, request->headers[i]);
    }
    curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->headers);
}

static void
set_body(CURL *easy, const struct http_request *request)
{
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
    if (request->body != NULL) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                         (curl_off_t)request->body_size);
        curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, request->body);
    }
}

static void
set_bounds(CURL *easy, const struct http_request *request)
{
    const int64_t connect_ms = request->timeout_ms < CLIENT_CONNECT_MS
                                   ? request->timeout_ms
                                   : CLIENT_CONNECT_MS;

    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)connect_ms);
    curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE,
                     (curl_off_t)request->max_bytes);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    if (request->direct) {
        curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    }
}

/* Everything curl copies; what is wrong with the request shows here. */
static int
set_all(struct call *call, const struct http_request *request, struct err *err)
{
    CURL *easy = call->easy;

    if (request->timeout_ms <= 0 ||
        curl_easy_setopt(easy, CURLOPT_URL, request->url) != CURLE_OK) {
        return err_set(err, ERR_REJECT, 0, "malformed HTTP request to %s",
                       call->host);
    }
    set_headers(call, request);
    set_body(easy, request);
    set_bounds(easy, request);
    curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "alex-fleet");
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    return 0;
}

int
http_client_start(struct http_client *client,
                  const struct http_request *request, http_done *done,
                  void *context, struct err *err)
{
    struct call *call = xcalloc(1, sizeof(*call));

    call->client = client;
    call->next = client->calls;
    client->calls = call;
    call->max_bytes = request->max_bytes;
    call->done = done;
    call->context = context;
    set_host(call, request->url);
    call->easy = curl_easy_init();
    if (call->easy == NULL) {
        call_free(call);
        return err_set(err, ERR_FATAL, 0, "cannot start an HTTP request");
    }
    if (set_all(call, request, err) != 0) {
        call_free(call);
        return -1;
    }
    const CURLMcode code = curl_multi_add_handle(client->multi, call->easy);
    if (code != CURLM_OK) {
        call_free(call);
        return err_set(err, ERR_FATAL, 0, "cannot start an HTTP request: %s",
                       curl_multi_strerror(code));
    }
    return 0;
}

static void
set_failure(const struct call *call, CURLcode code, struct err *ret)
{
    if (call->too_big || code == CURLE_FILESIZE_EXCEEDED) {
        err_set(ret, ERR_REJECT, 0, "reply of %s is over %zu bytes", call->host,
                call->max_bytes);
        return;
    }
    const bool hopeless =
        code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL;
    err_set(ret, hopeless ? ERR_REJECT : ERR_RETRY, 0,
            "HTTP request to %s failed: %s", call->host,
            curl_easy_strerror(code));
}

static int64_t
retry_after_ms(CURL *easy)
{
    curl_off_t seconds = 0;

    curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &seconds);
    if (seconds <= 0) {
        return 0;
    }
    return 1000 * (seconds < CLIENT_RETRY_AFTER_MAX_S
                       ? (int64_t)seconds
                       : (int64_t)CLIENT_RETRY_AFTER_MAX_S);
}

/* The receiver may start and forget other calls; this one is out of reach. */
static void
finish(struct call *call, CURLcode code)
{
    struct http_reply reply = {0};
    struct err failure = {0};
    long status = 0;
    http_done *done = call->done;
    void *context = call->context;

    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    reply.retry_after_ms = retry_after_ms(call->easy);
    set_failure(call, code, &failure);
    _cleanup(buf_free) struct buf body = call->body;
    _cleanup(buf_free) struct buf headers = call->reply_headers;
    call->body = call->reply_headers = (struct buf){0};
    call_free(call);
    if (code != CURLE_OK) {
        done(context, NULL, &failure);
        return;
    }
    buf_append(&body, "", 0);
    reply.status = (int)status;
    reply.body = body.data;
    reply.size = body.size;
    reply.headers = headers.data;
    done(context, &reply, NULL);
}

static void
finish_all(struct http_client *client)
{
    CURLMsg *message;
    int left = 0;

    while ((message = curl_multi_info_read(client->multi, &left)) != NULL) {
        struct call *call = NULL;
        const CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call);
        finish(call, code);
    }
}

int
http_client_poll_fd(const struct http_client *client)
{
    return client->poll_fd;
}

/* What curl is told about one ready descriptor. */
static CURLMcode
act(struct http_client *client, const struct epoll_event *event)
{
    const int what =
        (event->events & EPOLLIN ? CURL_CSELECT_IN : 0) |
        (event->events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
        (event->events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
    uint64_t expirations = 0;
    int running = 0;

    if (event->data.fd != client->timer_fd) {
        return curl_multi_socket_action(client->multi, event->data.fd, what,
                                        &running);
    }
    /* Nothing to read: it was set anew meanwhile. */
    return read(client->timer_fd, &expirations, sizeof(expirations)) < 0
               ? CURLM_OK
               : curl_multi_socket_action(client->multi, CURL_SOCKET_TIMEOUT, 0,
                                          &running);
}

int
http_client_run(struct http_client *client, struct err *err)
{
    struct epoll_event events[CLIENT_EVENTS];

    const int count = epoll_wait(client->poll_fd, events, CLIENT_EVENTS, 0);
    for (int i = 0; i < count; i++) {
        const CURLMcode code = act(client, &events[i]);
        if (code != CURLM_OK) {
            return err_set(err, ERR_FATAL, 0, "HTTP client: %s",
                           curl_multi_strerror(code));
        }
    }
    finish_all(client);
    return 0;
}
