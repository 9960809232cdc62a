/* The Data API's vocabulary: operations, limits, and errors as clients see
 * them.
 *
 * Source: Amazon's service model of rds-data (2018-08-01) and the Aurora user
 * guide, "Using RDS Data API"; what neither says is marked in README.md. */
#pragma once

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

#define API_REQUEST_MAX_BYTES (4u * 1024 * 1024)
#define API_REPLY_MAX_BYTES (1024u * 1024)
#define API_ROW_MAX_BYTES (64u * 1024)
#define API_SQL_MAX_CHARS 65536
#define API_STATEMENT_MAX_MS 45000
#define API_TRANSACTION_IDLE_MS (3 * 60 * 1000)
#define API_TRANSACTION_MAX_MS (24LL * 3600 * 1000)

enum api_operation {
    API_EXECUTE,
    API_BATCH_EXECUTE,
    API_BEGIN,
    API_COMMIT,
    API_ROLLBACK,
    API_OPERATIONS,
};

/* The 'code' of every error here: which exception it becomes. */
enum api_error {
    API_OK,
    API_BAD_REQUEST,
    API_VALIDATION,
    API_TOO_LARGE,
    API_DATABASE_ERROR,
    API_STATEMENT_TIMEOUT,
    API_UNSUPPORTED_RESULT,
    API_TRANSACTION_NOT_FOUND,
    API_DATABASE_NOT_FOUND,
    API_INVALID_SECRET,
    API_SECRETS_ERROR,
    API_RESUMING,
    API_THROTTLING,
    API_ACCESS_DENIED,
    API_SIGNATURE,
    API_UNKNOWN_KEY,
    API_UNKNOWN_OPERATION,
    API_INTERNAL,
    API_UNAVAILABLE,
    API_DATABASE_UNAVAILABLE,
    API_ERRORS,
};

/* "/Execute"; -1 for a path that is none of them. */
int api_operation_of(const char *path);
const char *api_operation_path(enum api_operation operation);
int api_status(enum api_error error);
/* "DatabaseErrorException" */
const char *api_type(enum api_error error);
/* API_ERRORS when there is none of this name. */
enum api_error api_error_of(const char *type);

/* err_set() with an exception for its code. */
int api_fail(struct err *err, enum api_error error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
