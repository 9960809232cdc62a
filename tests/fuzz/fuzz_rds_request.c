/* Any body a client of the Data API may send, to each operation; and any reply
 * that the store driver may get. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "rds-data-local/fault.h"
#include "rds-data-local/request.h"
#include "store/rds_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "fuzz_rds_request: %s\n", what);
        abort();
    }
}

static void
require_sound(const struct request *request)
{
    require(strlen(request->resource_arn) >= 11, "no resource");
    for (size_t i = 0; i < request->set_count; i++) {
        for (size_t k = 0; k < request->sets[i].count; k++) {
            const struct request_value *value = &request->sets[i].values[k];
            require(value->name != NULL, "no name");
            require(value->bytes == NULL || value->size >= 0, "no size");
            require(value->binary || value->bytes == NULL ||
                        strlen(value->bytes) == (size_t)value->size,
                    "text with a NUL");
        }
    }
}

static void
try_requests(const char *bytes, size_t size)
{
    for (int i = 0; i < API_OPERATIONS; i++) {
        _cleanup(request_free) struct request request = {0};
        struct err err = {0};
        if (request_decode((enum api_operation)i, bytes, size, &request,
                           &err)) {
            require(err.code > API_OK && err.code < API_ERRORS && err.text[0],
                    "refused without an exception");
        } else {
            require_sound(&request);
        }
    }
}

static void
try_faults(const char *bytes, size_t size)
{
    _cleanup(faults_free) struct faults *faults = faults_new();
    struct err err = {0};
    if (faults_set(faults, bytes, size, &err) == 0) {
        faults_strike(faults, "select 1");
    }
}

static void
try_reply(const char *bytes, size_t size)
{
    _cleanup(buf_free) struct buf body = {0};
    _cleanup(store_reply_free) struct store_reply reply = {0};
    struct err err = {0};
    buf_append(&body, bytes, size);
    if (rds_reply_decode(&body, &reply, &err)) {
        require(err.kind == ERR_FATAL, "a strange reply is nobody's data");
    }
    err_set(&err, ERR_REJECT, 400, "refused");
    rds_reply_explain("DatabaseErrorException", &body, &err);
    require(err.kind != ERR_NONE && err.text[0], "no reason");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;
    try_requests(bytes, size);
    try_faults(bytes, size);
    try_reply(bytes, size);
    return 0;
}
