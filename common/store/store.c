#include "store/store.h"

#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"
#include "store/driver.h"

static const struct store_driver *const drivers[] = {
    &store_driver_postgres,
    &store_driver_rds_data,
};

static const struct store_driver *
driver_for(const char *url)
{
    const char *end = strstr(url, "://");
    if (!end) {
        return NULL;
    }
    size_t size = (size_t)(end - url);
    for (size_t i = 0; i < ARRAY_COUNT(drivers); i++) {
        for (const char *const *s = drivers[i]->schemes; *s; s++) {
            if (strlen(*s) == size && memcmp(*s, url, size) == 0) {
                return drivers[i];
            }
        }
    }
    return NULL;
}

int
store_open(const char *url, const char *application, struct store **ret,
           struct err *err)
{
    const struct store_driver *driver = driver_for(url);
    if (!driver) {
        return err_set(err, ERR_FATAL, 78,
                       "store URL: unknown scheme, expected "
                       "postgres://user@host:5432/alex or "
                       "rds-data://<cluster ARN>?secret=<secret ARN>"
                       "&database=alex");
    }
    return driver->open(url, application, ret, err);
}

void
store_close(struct store **store)
{
    if (*store) {
        (*store)->driver->close(*store);
        *store = NULL;
    }
}

void
store_reply_free(struct store_reply *reply)
{
    if (reply->release) {
        reply->release(reply->owner);
    }
    *reply = (struct store_reply){0};
}

/* The name becomes part of a statement. */
static bool
function_valid(const char *function)
{
    size_t size = strspn(function, "abcdefghijklmnopqrstuvwxyz_");
    return size >= 1 && size < STORE_FUNCTION_SIZE && function[size] == '\0';
}

int
store_call(struct store *store, const char *function, const char *request,
           size_t request_size, int64_t timeout_ms, struct store_reply *reply,
           struct err *err)
{
    if (!function_valid(function)) {
        return err_set(err, ERR_FATAL, 0,
                       "store: a function's name is 1 to %d of a-z and _",
                       STORE_FUNCTION_SIZE - 1);
    }
    if (request_size > STORE_REQUEST_MAX_BYTES) {
        return err_set(err, ERR_REJECT, 22,
                       "fleet.%s: request of %zu bytes, at most %u allowed",
                       function, request_size, STORE_REQUEST_MAX_BYTES);
    }
    return store->driver->call(store, function, request, request_size,
                               timeout_ms, reply, err);
}

int
store_exec(struct store *store, const char *sql, int64_t timeout_ms,
           struct err *err)
{
    return store->driver->exec(store, sql, timeout_ms, NULL, err);
}

int
store_query(struct store *store, const char *sql, int64_t timeout_ms,
            struct store_reply *reply, struct err *err)
{
    return store->driver->exec(store, sql, timeout_ms, reply, err);
}

int
store_begin(struct store *store, struct err *err)
{
    return store->driver->begin(store, err);
}

int
store_commit(struct store *store, struct err *err)
{
    return store->driver->commit(store, err);
}

int
store_rollback(struct store *store, struct err *err)
{
    return store->driver->rollback(store, err);
}
