/* A request's body, decoded once: who, where, what, with which parameters. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"
#include "rds-data-local/api.h"

struct request_value { /* As libpq wants it. */
    const char *name;  /* Borrowed from the request. */
    unsigned int type; /* pg_type.oid, 0: PostgreSQL infers it. */
    char *bytes;       /* NULL is NULL. */
    int size;
    bool binary;
};

struct request_set {
    struct request_value *values;
    size_t count;
};

struct request {
    enum api_operation operation;
    struct json_object *body; /* Owns the texts. */
    const char *resource_arn;
    const char *secret_arn;
    const char *database;    /* "" when absent. */
    const char *transaction; /* "" when absent. */
    const char *sql;
    bool metadata;
    bool continue_after_timeout;
    bool decimal_as_double; /* ... or long. */
    bool long_as_string;
    bool as_json;             /* formatRecordsAs */
    struct request_set *sets; /* Execute: one. */
    size_t set_count;
};

/* Owner: the caller frees '*ret' with request_free().
 * Errors: API_BAD_REQUEST, API_VALIDATION, naming the member. */
int request_decode(enum api_operation operation, const char *bytes, size_t size,
                   struct request *ret, struct err *err);
void request_free(struct request *request); /* For _cleanup. */
