/* One HTTP exchange, waited for. */
#pragma once

#include "base/buf.h"
#include "http/client.h"

struct fetched {
    int status;
    struct buf body;
    struct buf headers;
    int64_t retry_after_ms;
};

/* 'wake_fd' (or -1) ends the wait when it becomes readable: ERR_RETRY,
 * ECANCELED.
 * Owner: the caller frees '*ret' with fetched_free().
 * Errors: as http_done. */
int fetch(struct http_client *client, const struct http_request *request,
          int wake_fd, struct fetched *ret, struct err *err);
void fetched_free(struct fetched *fetched); /* For _cleanup. */
/* See http_reply_header(). */
void fetched_header(const struct fetched *fetched, const char *name, char *ret,
                    size_t size);
