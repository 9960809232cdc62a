#include "http/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"

#define CONNECTION_MEMORY_BYTES ((size_t)64 * 1024)

struct http_server {
    struct http_server_options options;
    struct MHD_Daemon *daemon;
    int port;
};

struct http_server_request {
    struct MHD_Connection *connection;
    const char *method;
    const char *path;
    char *target; /* As sent, with its query. */
    struct buf body;
    int64_t began_ms;
    bool too_large;
    bool too_slow;
};

/* --- the handler's view --------------------------------------------------- */

const char *
http_server_method(const struct http_server_request *request)
{
    return request->method;
}

const char *
http_server_path(const struct http_server_request *request)
{
    return request->path;
}

const char *
http_server_query(const struct http_server_request *request)
{
    const char *mark = strchr(request->target, '?');
    return mark ? mark + 1 : "";
}

const char *
http_server_body(const struct http_server_request *request, size_t *ret_size)
{
    *ret_size = request->body.size;
    return request->body.data ? request->body.data : "";
}

bool
http_server_too_large(const struct http_server_request *request)
{
    return request->too_large;
}

const char *
http_server_header(const struct http_server_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND,
                                       name);
}

/* --- libmicrohttpd's view --------------------------------------------------
 */

/* Called first of all, with the target as it was sent. */
static void *
on_target(void *context, const char *target, struct MHD_Connection *connection)
{
    struct http_server_request *request = xcalloc(1, sizeof(*request));
    (void)context;
    (void)connection;
    request->target = xstrdup(target);
    request->began_ms = clock_boot_ms();
    return request;
}

static void
on_completed(void *context, struct MHD_Connection *connection, void **state,
             enum MHD_RequestTerminationCode code)
{
    struct http_server_request *request = *state;
    (void)context;
    (void)connection;
    (void)code;
    if (request) {
        free(request->target);
        buf_free(&request->body);
        free(request);
        *state = NULL;
    }
}

static void
take_chunk(const struct http_server *server,
           struct http_server_request *request, const char *bytes, size_t size)
{
    const struct http_server_options *options = &server->options;
    request->too_slow =
        clock_boot_ms() - request->began_ms > options->upload_ms;
    if (size > options->body_max_bytes - request->body.size) {
        request->too_large = true;
        buf_free(&request->body);
    }
    if (!request->too_large) {
        buf_append(&request->body, bytes, size);
    }
}

static enum MHD_Result
send_reply(struct MHD_Connection *connection, struct http_server_reply *reply)
{
    size_t size = reply->body.size;
    struct MHD_Response *response = MHD_create_response_from_buffer(
        size, buf_steal(&reply->body), MHD_RESPMEM_MUST_FREE);
    if (reply->content_type) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
                                reply->content_type);
    }
    for (size_t i = 0; i < HTTP_SERVER_HEADERS_MAX && reply->names[i]; i++) {
        MHD_add_response_header(response, reply->names[i], reply->values[i]);
    }
    enum MHD_Result result =
        MHD_queue_response(connection, (unsigned)reply->status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result
answer(const struct http_server *server, struct http_server_request *request)
{
    struct http_server_reply reply = {.status = 500};
    server->options.handler(server->options.context, request, &reply);
    if (reply.drop) {
        buf_free(&reply.body);
        return MHD_NO;
    }
    return send_reply(request->connection, &reply);
}

static enum MHD_Result
on_request(void *context, struct MHD_Connection *connection, const char *path,
           const char *method, const char *version, const char *bytes,
           size_t *size, void **state)
{
    const struct http_server *server = context;
    struct http_server_request *request = *state;
    (void)version;
    if (!request->method) { /* Headers only: ask for the body. */
        request->connection = connection;
        request->method = method;
        request->path = path;
        return MHD_YES;
    }
    if (*size > 0) {
        take_chunk(server, request, bytes, *size);
        *size = 0;
        return request->too_slow ? MHD_NO : MHD_YES;
    }
    return answer(server, request);
}

/* --- starting and stopping -------------------------------------------------
 */

static int
parse_address(const struct http_server_options *options,
              struct sockaddr_storage *ret, socklen_t *ret_size,
              struct err *err)
{
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)options->port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6,
                               .sin6_port = htons((uint16_t)options->port)};
    memset(ret, 0, sizeof(*ret));
    if (inet_pton(AF_INET, options->bind, &in.sin_addr) == 1) {
        memcpy(ret, &in, sizeof(in));
        *ret_size = sizeof(in);
        return 0;
    }
    if (inet_pton(AF_INET6, options->bind, &in6.sin6_addr) == 1) {
        memcpy(ret, &in6, sizeof(in6));
        *ret_size = sizeof(in6);
        return 0;
    }
    return err_set(err, ERR_FATAL, 78, "address to listen on: not an IP: %.60s",
                   options->bind);
}

/* Ours, so that the reason of a failure is known. */
static int
listen_on(const struct http_server_options *options, int *ret, int *ret_port,
          struct err *err)
{
    struct sockaddr_storage address;
    socklen_t size;
    int on = 1;
    if (parse_address(options, &address, &size, err)) {
        return -1;
    }
    _cleanup(cleanup_close) int fd =
        socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return err_errno(err, ERR_FATAL, "socket");
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&address, size) || listen(fd, SOMAXCONN)) {
        return err_errno(err, ERR_FATAL, "listening on %s port %d",
                         options->bind, options->port);
    }
    getsockname(fd, (struct sockaddr *)&address, &size);
    *ret_port = ntohs(address.ss_family == AF_INET
                          ? ((struct sockaddr_in *)&address)->sin_port
                          : ((struct sockaddr_in6 *)&address)->sin6_port);
    *ret = fd;
    fd = -1;
    return 0;
}

int
http_server_start(const struct http_server_options *options,
                  struct http_server **ret, struct err *err)
{
    _cleanup(http_server_stop) struct http_server *server =
        xcalloc(1, sizeof(*server));
    int fd = -1;
    server->options = *options;
    if (listen_on(options, &fd, &server->port, err)) {
        return -1;
    }
    server->daemon = MHD_start_daemon(
        MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
            MHD_USE_POLL,
        0, NULL, NULL, on_request, server, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)options->connections_max,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)(options->idle_ms / 1000),
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY_BYTES,
        MHD_OPTION_URI_LOG_CALLBACK, on_target, NULL,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_END);
    if (!server->daemon) {
        cleanup_close(&fd);
        return err_errno(err, ERR_FATAL, "HTTP server");
    }
    *ret = STEAL(server);
    return 0;
}

void
http_server_stop(struct http_server **server)
{
    if (*server) {
        if ((*server)->daemon) {
            MHD_stop_daemon((*server)->daemon);
        }
        free(*server);
        *server = NULL;
    }
}

int
http_server_port(const struct http_server *server)
{
    return server->port;
}
