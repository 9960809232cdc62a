/* What a store driver implements: one file, one exported table, one row in
 * store.c.  Members are as in store.h; base state is embedded first. */
#pragma once

#include "store/store.h"

/* Function names, NUL included (PostgreSQL's NAMEDATALEN). */
#define STORE_FUNCTION_SIZE 64

struct store_driver {
    const char *const *schemes; /* NULL-terminated: "postgres", "postgresql". */
    /* Parses 'url' and allocates; does not connect. */
    int (*open)(const char *url, const char *application, struct store **ret,
                struct err *err);
    void (*close)(struct store *store);
    int (*call)(struct store *store, const char *function, const char *request,
                size_t request_size, int64_t timeout_ms,
                struct store_reply *reply, struct err *err);
    int (*exec)(struct store *store, const char *sql, int64_t timeout_ms,
                struct store_reply *reply, struct err *err); /* reply or NULL */
    int (*begin)(struct store *store, struct err *err);
    int (*commit)(struct store *store, struct err *err);
    int (*rollback)(struct store *store, struct err *err);
};

struct store {
    const struct store_driver *driver;
};

extern const struct store_driver store_driver_postgres;
extern const struct store_driver store_driver_rds_data;
