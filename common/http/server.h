/* An HTTP/1.1 server with bounds: libmicrohttpd, a thread a connection.
 *
 * The handler gets each request whole and answers it whole, and may block: it
 * holds up its own connection only.  Connections, the size of a body, the time
 * a client may take to send one and to stay silent are bounded, so that slow
 * and hostile clients cannot stop others for long. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct http_server;
struct http_server_request;

#define HTTP_SERVER_HEADERS_MAX 8

struct http_server_reply {
    int status;
    struct buf body;                            /* Freed by the server. */
    const char *content_type;                   /* Constant. */
    const char *names[HTTP_SERVER_HEADERS_MAX]; /* More headers, constant. */
    const char *values[HTTP_SERVER_HEADERS_MAX];
    bool drop; /* Close the connection instead, without a word. */
};

typedef void http_server_handler(void *context,
                                 const struct http_server_request *request,
                                 struct http_server_reply *reply);

struct http_server_options {
    const char *bind; /* "127.0.0.1", "::" */
    int port;         /* 0: any free one. */
    int connections_max;
    size_t body_max_bytes; /* Beyond: 413, and the rest is not read. */
    int64_t idle_ms;       /* Silence before a connection is closed. */
    int64_t upload_ms;     /* For a whole request to arrive. */
    http_server_handler *handler;
    void *context;
};

/* Errors: ERR_FATAL: no such address, the port is taken. */
int http_server_start(const struct http_server_options *options,
                      struct http_server **ret, struct err *err);
/* Waits for requests under way, their handlers being bounded. */
void http_server_stop(struct http_server **server); /* For _cleanup. */
int http_server_port(const struct http_server *server);

const char *http_server_method(const struct http_server_request *request);
const char *http_server_path(const struct http_server_request *request);
/* As sent after '?', or "". */
const char *http_server_query(const struct http_server_request *request);
const char *http_server_body(const struct http_server_request *request,
                             size_t *ret_size);
/* The body was over body_max_bytes and is not there. */
bool http_server_too_large(const struct http_server_request *request);
/* By name, whatever its case; NULL when absent. */
const char *http_server_header(const struct http_server_request *request,
                               const char *name);
