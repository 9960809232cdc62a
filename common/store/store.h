/* The store: "call this function of schema fleet with this JSON, get rows".
 *
 * The driver is chosen by URL scheme and nothing outside this folder names one:
 *
 *     postgres://user@host:5432/alex      libpq; also postgresql:// and any
 *                                         libpq URI option; of several
 *                                         hosts the first that answers, and
 *                                         a silent one uses up the call
 *
 *     rds-data://CLUSTER-ARN?secret=ARN&database=alex
 *                                         Aurora's Data API, or what answers at
 *                                         AWS_ENDPOINT_URL_RDS_DATA
 *
 * A 'struct store' is one connection, for one thread at a time.  It connects
 * when first used and again after every failure, so open never waits.  Every
 * call is bounded by its own time-out, also on a connection whose other end
 * has vanished.  Functions of the engine may all be repeated (schemas/sql/
 * README.md), so ERR_RETRY with unknown outcome means: call again, same bytes.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct store;

struct store_row {
    const char *head; /* JSON text, NUL-terminated. */
    size_t head_size;
    const char *body; /* NULL, or NUL-terminated bytes. */
    size_t body_size;
};

/* What a call answered.  Zero-initialised is empty; rows are borrowed from it
 * and live until store_reply_free(). */
struct store_reply {
    struct store_row *rows;
    size_t count;
    void *owner; /* The driver's. */
    void (*release)(void *owner);
};

void store_reply_free(struct store_reply *reply); /* For _cleanup. */

/* Longest request: one result of 4 MiB with what goes with it.  Callers end a
 * batch well before, at 2 MiB. */
#define STORE_REQUEST_MAX_BYTES (6u * 1024 * 1024)

/* 'application' names the connection for those who look at the server.
 * Errors: ERR_FATAL (78) for an unknown scheme or a malformed URL; secrets in
 * the URL are never part of the text. */
int store_open(const char *url, const char *application, struct store **ret,
               struct err *err);
void store_close(struct store **store); /* For _cleanup. */

/* Calls fleet.'function' ("claim") with 'request', one JSON document of
 * 'request_size' bytes, which need not end with NUL.
 * Errors: ERR_RETRY: not connected, connection lost, time-out, and what passes
 *   (SQLSTATE classes 40, 53, 57 and others: sqlstate.c).  ERR_REJECT: class
 *   22, 23 or 54 (also in 'code'): some value in the request; halve the batch.
 *   ERR_FATAL: wrong credentials, missing function or permission, FL001,
 *   FL002. */
int store_call(struct store *store, const char *function, const char *request,
               size_t request_size, int64_t timeout_ms,
               struct store_reply *reply, struct err *err);

/* One statement of an administrator (migrations): no parameters, rows dropped.
 * begin and commit bracket several; a connection lost in between is ERR_RETRY
 * for the whole, until commit or rollback. */
int store_exec(struct store *store, const char *sql, int64_t timeout_ms,
               struct err *err);
/* One statement whose first column of each row comes back as 'head'. */
int store_query(struct store *store, const char *sql, int64_t timeout_ms,
                struct store_reply *reply, struct err *err);
int store_begin(struct store *store, struct err *err);
int store_commit(struct store *store, struct err *err);
int store_rollback(struct store *store, struct err *err);
