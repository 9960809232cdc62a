/* Connections to PostgreSQL: a bounded pool, and one of its own for each
 * transaction.
 *
 * As on Aurora, nothing of a session outlives a call: a connection is reset
 * before it goes back.  All of it may be called from any thread. */
#pragma once

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "rds-data-local/request.h"
#include "rds-data-local/secrets.h"

struct sessions;

struct session {
    struct session *next;
    PGconn *conn;
    char *key;        /* Secret and database. */
    char id[65];      /* Of the transaction, or "". */
    int64_t began_ms; /* CLOCK_BOOTTIME, transactions. */
    int64_t used_ms;  /* When its last call ended. */
    bool busy;        /* A call is using it. */
    bool aborted;     /* An error ended the transaction. */
    bool leave;       /* Close it: it may still be at work. */
};

struct sessions_options {
    const char *host; /* Where PostgreSQL listens; a folder is a socket's. */
    const char *port;
    const struct secrets *secrets;
    int connections;      /* At most. */
    int64_t idle_ms;      /* Of a transaction: API_TRANSACTION_IDLE_MS. */
    int64_t statement_ms; /* API_STATEMENT_MAX_MS. */
};

void sessions_new(const struct sessions_options *options,
                  struct sessions **ret);
void sessions_free(struct sessions **sessions); /* For _cleanup. */

/* The connection for a call: that of its transaction, or an idle or new one;
 * waits up to 10 s for one to be free.
 * Owner: the caller gives it back with sessions_give().
 * Errors: API_INVALID_SECRET, API_DATABASE_UNAVAILABLE, API_DATABASE_ERROR (a
 *   database that is not there; its transaction is busy),
 *   API_TRANSACTION_NOT_FOUND. */
int sessions_take(struct sessions *sessions, const struct request *request,
                  struct session **ret, struct err *err);
/* Resets or closes it, or keeps it for its transaction. */
void sessions_give(struct sessions *sessions, struct session *session);

/* From now on it belongs to a transaction, whose id is in 'id'. */
void sessions_begin(struct sessions *sessions, struct session *session);
/* The transaction is over, for whatever reason; give it back next. */
void sessions_end(struct sessions *sessions, struct session *session);
/* Ends transactions that are idle or old; call it about every second. */
void sessions_tend(struct sessions *sessions);
int64_t sessions_statement_ms(const struct sessions *sessions);
void sessions_count(struct sessions *sessions, int *ret_open,
                    int *ret_transactions);
