/* From HTTP requests to operations, and back. */
#pragma once

#include <stdbool.h>

#include "http/server.h"
#include "rds-data-local/fault.h"
#include "rds-data-local/sessions.h"
#include "rds-data-local/verify.h"

struct gateway {
    struct sessions *sessions;
    struct faults *faults; /* NULL: no control endpoint. */
    struct verify *verify; /* NULL: signatures are not looked at. */
    const char *resource;  /* The only cluster there is, or "" for any. */
};

/* An http_server_handler; 'context' is a struct gateway. */
void gateway_handle(void *context, const struct http_server_request *request,
                    struct http_server_reply *reply);
/* Adds the gateway's metrics to the process's. */
void gateway_measure(void);
