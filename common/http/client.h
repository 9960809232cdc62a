/* HTTP requests that never block their caller: curl's multi interface behind
 * one descriptor.
 *
 *     http_client_start(client, &request, on_done, context, &err);
 *     ... poll http_client_poll_fd(client), then http_client_run(client, &err)
 *
 * A client belongs to one thread.  Redirects are not followed (a signature or a
 * key must not travel to another host), only http and https are spoken,
 * certificates are checked against the system's list, and the size and the time
 * of every reply are bounded. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct http_client;

struct http_request {
    const char *method; /* "GET", "POST", ... */
    const char *url;
    const char *const *headers; /* "Name: value"; copied, as is all of this. */
    size_t header_count;
    const char *body; /* NULL: none. */
    size_t body_size;
    int64_t timeout_ms; /* For the whole exchange. */
    size_t max_bytes;   /* Of the reply's body, after decompression. */
    bool direct; /* Through no proxy: for services of this very machine. */
};

struct http_reply {
    int status;
    const char *body; /* Borrowed, NUL-terminated. */
    size_t size;
    int64_t retry_after_ms; /* Retry-After, 0 if there was none. */
    const char *headers;    /* As received; borrowed. */
};

/* The value of the first header of this name, whatever its case, cut off at
 * 'size'; "" when there is none. */
void http_reply_header(const struct http_reply *reply, const char *name,
                       char *ret, size_t size);

/* One of 'reply' and 'err' is NULL.  Any HTTP status is a reply.
 * Errors: ERR_RETRY: no connection, cut, timed out; ERR_REJECT: bad URL, reply
 *   over the limit. */
typedef void http_done(void *context, const struct http_reply *reply,
                       const struct err *err);

int http_client_open(struct http_client **ret, struct err *err);
void http_client_close(struct http_client **client); /* For _cleanup. */

/* 0: 'done' will be called from http_client_run(), once, by time-out at the
 * latest.  Errors: ERR_REJECT: the request itself is malformed. */
int http_client_start(struct http_client *client,
                      const struct http_request *request, http_done *done,
                      void *context, struct err *err);
/* Drops the requests with this context; their done() is not called. */
void http_client_forget(struct http_client *client, const void *context);

/* Readable when http_client_run() has work. */
int http_client_poll_fd(const struct http_client *client);
/* Moves everything on that can move.
 * Errors: ERR_FATAL. */
int http_client_run(struct http_client *client, struct err *err);
