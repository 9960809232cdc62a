#include "rds-data-local/api.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

static const char *const paths[API_OPERATIONS] = {
    [API_EXECUTE] = "/Execute",
    [API_BATCH_EXECUTE] = "/BatchExecute",
    [API_BEGIN] = "/BeginTransaction",
    [API_COMMIT] = "/CommitTransaction",
    [API_ROLLBACK] = "/RollbackTransaction",
};

static const struct {
    int status;
    const char *type;
} errors[API_ERRORS] = {
    [API_OK] = {200, ""},
    [API_BAD_REQUEST] = {400, "BadRequestException"},
    [API_VALIDATION] = {400, "ValidationException"},
    [API_TOO_LARGE] = {413, "RequestEntityTooLargeException"},
    [API_DATABASE_ERROR] = {400, "DatabaseErrorException"},
    [API_STATEMENT_TIMEOUT] = {400, "StatementTimeoutException"},
    [API_UNSUPPORTED_RESULT] = {400, "UnsupportedResultException"},
    [API_TRANSACTION_NOT_FOUND] = {404, "TransactionNotFoundException"},
    [API_DATABASE_NOT_FOUND] = {404, "DatabaseNotFoundException"},
    [API_INVALID_SECRET] = {400, "InvalidSecretException"},
    [API_SECRETS_ERROR] = {400, "SecretsErrorException"},
    [API_RESUMING] = {400, "DatabaseResumingException"},
    [API_THROTTLING] = {429, "ThrottlingException"},
    [API_ACCESS_DENIED] = {403, "AccessDeniedException"},
    [API_SIGNATURE] = {403, "InvalidSignatureException"},
    [API_UNKNOWN_KEY] = {403, "UnrecognizedClientException"},
    [API_UNKNOWN_OPERATION] = {404, "UnknownOperationException"},
    [API_INTERNAL] = {500, "InternalServerErrorException"},
    [API_UNAVAILABLE] = {503, "ServiceUnavailableError"},
    [API_DATABASE_UNAVAILABLE] = {504, "DatabaseUnavailableException"},
};

int
api_operation_of(const char *path)
{
    for (int i = 0; i < API_OPERATIONS; i++) {
        if (strcmp(path, paths[i]) == 0) {
            return i;
        }
    }
    return -1;
}

const char *
api_operation_path(enum api_operation operation)
{
    return paths[operation];
}

int
api_status(enum api_error error)
{
    return errors[error].status;
}

const char *
api_type(enum api_error error)
{
    return errors[error].type;
}

enum api_error
api_error_of(const char *type)
{
    int i = API_BAD_REQUEST;
    while (i < API_ERRORS && strcmp(errors[i].type, type) != 0) {
        i++;
    }
    return (enum api_error)i;
}

int
api_fail(struct err *err, enum api_error error, const char *format, ...)
{
    va_list args;
    char text[sizeof(err->text)];
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return err_set(err, ERR_REJECT, (int)error, "%s", text);
}
