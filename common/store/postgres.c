/* PostgreSQL through libpq's non-blocking calls, so that our clock bounds every
 * wait, also on a connection whose other end has vanished.
 *
 * A call that times out closes its connection and cancels nothing itself:
 * PQcancel() of libpq before 17 may block for minutes.  The server notices the
 * closed connection (client_connection_check_interval) and ends the statement;
 * the role's statement_timeout stands behind that. */
#include <libpq-fe.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "store/driver.h"
#include "store/sqlstate.h"

#define TYPE_TEXT 25 /* pg_type.oid */
/* For begin, commit and rollback, which bring no time-out of their own. */
#define TRANSACTION_TIMEOUT_MS 30000
/* A statement has one result; more is a protocol we did not ask for. */
#define RESULTS_MAX 4

struct postgres {
    struct store base;
    char *url;
    char *application;
    PGconn *conn;    /* NULL when not connected. */
    char **prepared; /* Functions prepared on 'conn'. */
    size_t prepared_count;
    bool transaction; /* Between begin and commit or rollback. */
};

static void
result_free(PGresult **result)
{
    PQclear(*result);
}

static void
disconnect(struct postgres *pg)
{
    PQfinish(pg->conn);
    pg->conn = NULL;
    for (size_t i = 0; i < pg->prepared_count; i++) {
        free(pg->prepared[i]);
    }
    pg->prepared_count = 0;
}

/* --- errors -------------------------------------------------------------- */

static int
line_size(const char *text)
{
    return (int)strcspn(text, "\r\n");
}

static int
fail_sqlstate(struct postgres *pg, const char *state, const char *text,
              struct err *err)
{
    const struct sqlstate *s = sqlstate_find(state);
    int code = s->kind == ERR_REJECT ? atoi(s->prefix) : 0;
    if (s->reconnect) {
        disconnect(pg);
    }
    return err_set(err, s->kind, code, "%.*s (SQLSTATE %s)%s", line_size(text),
                   text, state, s->advice);
}

/* libpq itself gave up on the connection. */
static int
fail_connection(struct postgres *pg, struct err *err)
{
    const char *text = PQerrorMessage(pg->conn);
    err_set(err, ERR_RETRY, 0, "connection lost: %.*s", line_size(text), text);
    disconnect(pg);
    return -1;
}

static int
fail_result(struct postgres *pg, const PGresult *result, struct err *err)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    if (!state) {
        return fail_connection(pg, err);
    }
    fail_sqlstate(pg, state, text ? text : "no message", err);
    if (pg->conn && PQstatus(pg->conn) != CONNECTION_OK) {
        disconnect(pg);
    }
    return -1;
}

static int
fail_timeout(struct postgres *pg, const char *what, struct err *err)
{
    disconnect(pg);
    return err_set(err, ERR_RETRY, 0, "time-out while %s", what);
}

/* A refused connection has no PGresult to ask: its message, verbose, tells. */
static int
fail_connect(struct postgres *pg, struct err *err)
{
    char state[SQLSTATE_SIZE] = "";
    const char *message = PQerrorMessage(pg->conn);
    const char *line = sqlstate_scan(message, state);
    enum err_kind kind = ERR_RETRY;
    const char *advice = "";
    if (line) {
        kind = sqlstate_find(state)->kind;
        advice = sqlstate_find(state)->advice;
    } else if (PQconnectionNeedsPassword(pg->conn)) {
        kind = ERR_FATAL;
        advice = "; the URL has no password";
    }
    line = line ? line : message;
    err_set(err, kind, 0, "%.*s%s", line_size(line), line, advice);
    disconnect(pg);
    return -1;
}

/* --- waiting ------------------------------------------------------------- */

/* True when 'events' came before the deadline; errors count as coming, as
 * libpq's next call reports them. */
static bool
await_socket(PGconn *conn, short events, int64_t deadline_ms)
{
    struct pollfd fd = {.fd = PQsocket(conn), .events = events};
    for (;;) {
        int64_t left_ms = deadline_ms - clock_boot_ms();
        if (left_ms <= 0) {
            return false;
        }
        int n = poll(&fd, 1, left_ms > INT32_MAX ? INT32_MAX : (int)left_ms);
        if (n > 0) {
            return true;
        }
    }
}

/* Sends what was queued and reads until PQgetResult() will not block. */
static int
await_answer(struct postgres *pg, int64_t deadline_ms, struct err *err)
{
    for (;;) {
        int unsent = PQflush(pg->conn);
        if (unsent < 0) {
            return fail_connection(pg, err);
        }
        if (unsent == 0 && !PQisBusy(pg->conn)) {
            return 0;
        }
        short events = (short)(unsent ? POLLIN | POLLOUT : POLLIN);
        if (!await_socket(pg->conn, events, deadline_ms)) {
            return fail_timeout(pg, "waiting for an answer", err);
        }
        if (!PQconsumeInput(pg->conn)) {
            return fail_connection(pg, err);
        }
    }
}

/* The result of the statement that was just queued; 'queued' is what the
 * PQsend function said. */
static int
get_result(struct postgres *pg, int queued, int64_t deadline_ms, PGresult **ret,
           struct err *err)
{
    _cleanup(result_free) PGresult *first = NULL;
    if (!queued) {
        return fail_connection(pg, err);
    }
    for (int i = 0; i < RESULTS_MAX; i++) {
        if (await_answer(pg, deadline_ms, err)) {
            return -1;
        }
        _cleanup(result_free) PGresult *next = PQgetResult(pg->conn);
        if (!next) {
            break;
        }
        if (!first) {
            first = STEAL(next);
        }
    }
    switch (PQresultStatus(first)) {
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
    case PGRES_EMPTY_QUERY:
        *ret = STEAL(first);
        return 0;
    case PGRES_FATAL_ERROR:
        return fail_result(pg, first, err);
    default:
        disconnect(pg);
        return err_set(err, ERR_FATAL, 0, "statements like COPY cannot be run");
    }
}

/* --- connecting ---------------------------------------------------------- */

static void
ignore_notice(void *arg, const char *message)
{
    (void)arg;
    (void)message;
}

static PGconn *
connect_start(const struct postgres *pg)
{
    /* What stands after dbname can't be overridden by the URL's options. */
    const char *const options[][2] = {
        {"application_name", pg->application}, {"keepalives_idle", "10"},
        {"keepalives_interval", "5"},          {"keepalives_count", "3"},
        {"tcp_user_timeout", "20000"},         {"dbname", pg->url},
        {"client_encoding", "UTF8"},           {NULL, NULL},
    };
    const char *keys[ARRAY_COUNT(options)];
    const char *values[ARRAY_COUNT(options)];
    for (size_t i = 0; i < ARRAY_COUNT(options); i++) {
        keys[i] = options[i][0];
        values[i] = options[i][1];
    }
    return PQconnectStartParams(keys, values, 1);
}

static int
await_connected(struct postgres *pg, int64_t deadline_ms, struct err *err)
{
    PostgresPollingStatusType state = PGRES_POLLING_WRITING;
    if (PQstatus(pg->conn) == CONNECTION_BAD) {
        return fail_connect(pg, err);
    }
    while (state != PGRES_POLLING_OK) {
        short events = state == PGRES_POLLING_READING ? POLLIN : POLLOUT;
        if (!await_socket(pg->conn, events, deadline_ms)) {
            return fail_timeout(pg, "connecting", err);
        }
        state = PQconnectPoll(pg->conn);
        if (state == PGRES_POLLING_FAILED) {
            return fail_connect(pg, err);
        }
    }
    return 0;
}

/* Makes the server end the statement of a client that has gone.  Servers
 * before 14 can't, and that is no reason not to work with them. */
static int
set_connection_check(struct postgres *pg, int64_t deadline_ms, struct err *err)
{
    struct err refused;
    _cleanup(result_free) PGresult *result = NULL;
    int queued = PQsendQueryParams(
        pg->conn, "set client_connection_check_interval = '2s'", 0, NULL, NULL,
        NULL, NULL, 0);
    if (get_result(pg, queued, deadline_ms, &result, &refused) && !pg->conn) {
        *err = refused;
        return -1;
    }
    return 0;
}

static int
ensure_connected(struct postgres *pg, int64_t deadline_ms, struct err *err)
{
    if (pg->conn) {
        return 0;
    }
    if (pg->transaction) {
        return err_set(err, ERR_RETRY, 0,
                       "the transaction was lost with its connection");
    }
    pg->conn = connect_start(pg);
    if (!pg->conn) {
        return err_set(err, ERR_FATAL, 0, "libpq: out of memory");
    }
    PQsetErrorVerbosity(pg->conn, PQERRORS_VERBOSE);
    PQsetNoticeProcessor(pg->conn, ignore_notice, NULL);
    if (await_connected(pg, deadline_ms, err)) {
        return -1;
    }
    PQsetnonblocking(pg->conn, 1);
    return set_connection_check(pg, deadline_ms, err);
}

/* --- replies ------------------------------------------------------------- */

struct rows {
    PGresult *result;
    struct store_row row[];
};

static void
rows_release(void *owner)
{
    struct rows *rows = owner;
    PQclear(rows->result);
    free(rows);
}

/* Takes over 'result': column 0 is head, column 1, if any, is body. */
static void
reply_fill(PGresult *result, struct store_reply *reply)
{
    int count = PQntuples(result);
    bool has_body = PQnfields(result) > 1;
    struct rows *rows =
        xcalloc(1, sizeof(*rows) + (size_t)count * sizeof(rows->row[0]));
    rows->result = result;
    for (int i = 0; i < count; i++) {
        rows->row[i] = (struct store_row){
            .head = PQgetvalue(result, i, 0),
            .head_size = (size_t)PQgetlength(result, i, 0),
        };
        if (has_body && !PQgetisnull(result, i, 1)) {
            rows->row[i].body = PQgetvalue(result, i, 1);
            rows->row[i].body_size = (size_t)PQgetlength(result, i, 1);
        }
    }
    *reply = (struct store_reply){
        .rows = rows->row,
        .count = (size_t)count,
        .owner = rows,
        .release = rows_release,
    };
}

/* --- the driver ---------------------------------------------------------- */

static int
ensure_prepared(struct postgres *pg, const char *function, int64_t deadline_ms,
                struct err *err)
{
    _cleanup(result_free) PGresult *result = NULL;
    for (size_t i = 0; i < pg->prepared_count; i++) {
        if (strcmp(pg->prepared[i], function) == 0) {
            return 0;
        }
    }
    /* The request travels as text in binary format: with its length, uncopied,
     * and jsonb's own parser reads it. */
    char sql[128];
    snprintf(sql, sizeof(sql),
             "select head::text, body from fleet.%.*s($1::text::jsonb)",
             STORE_FUNCTION_SIZE, function);
    const Oid type = TYPE_TEXT;
    int queued = PQsendPrepare(pg->conn, function, sql, 1, &type);
    if (get_result(pg, queued, deadline_ms, &result, err)) {
        return -1;
    }
    pg->prepared = xrealloc(pg->prepared,
                            (pg->prepared_count + 1) * sizeof(pg->prepared[0]));
    pg->prepared[pg->prepared_count++] = xstrdup(function);
    return 0;
}

static int
postgres_call(struct store *store, const char *function, const char *request,
              size_t request_size, int64_t timeout_ms,
              struct store_reply *reply, struct err *err)
{
    struct postgres *pg = (struct postgres *)store;
    _cleanup(result_free) PGresult *result = NULL;
    int64_t deadline_ms = clock_boot_ms() + timeout_ms;
    const int size = (int)request_size;
    const int binary = 1;
    if (ensure_connected(pg, deadline_ms, err) ||
        ensure_prepared(pg, function, deadline_ms, err)) {
        return err_wrap(err, "fleet.%s", function);
    }
    int queued =
        PQsendQueryPrepared(pg->conn, function, 1, &request, &size, &binary, 0);
    if (get_result(pg, queued, deadline_ms, &result, err)) {
        return err_wrap(err, "fleet.%s", function);
    }
    reply_fill(STEAL(result), reply);
    return 0;
}

static int
execute(struct postgres *pg, const char *sql, int64_t timeout_ms,
        PGresult **ret, struct err *err)
{
    int64_t deadline_ms = clock_boot_ms() + timeout_ms;
    if (ensure_connected(pg, deadline_ms, err)) {
        return -1;
    }
    int queued = PQsendQueryParams(pg->conn, sql, 0, NULL, NULL, NULL, NULL, 0);
    return get_result(pg, queued, deadline_ms, ret, err);
}

static int
postgres_exec(struct store *store, const char *sql, int64_t timeout_ms,
              struct store_reply *reply, struct err *err)
{
    struct postgres *pg = (struct postgres *)store;
    _cleanup(result_free) PGresult *result = NULL;
    if (execute(pg, sql, timeout_ms, &result, err)) {
        return err_wrap(err, "store");
    }
    if (reply) {
        reply_fill(STEAL(result), reply);
    }
    return 0;
}

static int
postgres_begin(struct store *store, struct err *err)
{
    struct postgres *pg = (struct postgres *)store;
    int failed =
        postgres_exec(store, "begin", TRANSACTION_TIMEOUT_MS, NULL, err);
    pg->transaction = !failed;
    return failed;
}

static int
postgres_commit(struct store *store, struct err *err)
{
    struct postgres *pg = (struct postgres *)store;
    _cleanup(result_free) PGresult *result = NULL;
    int failed = execute(pg, "commit", TRANSACTION_TIMEOUT_MS, &result, err);
    pg->transaction = false;
    if (failed) {
        return err_wrap(err, "commit");
    }
    /* The server ends a failed transaction without calling it an error. */
    if (strcmp(PQcmdStatus(result), "COMMIT") != 0) {
        return err_set(err, ERR_REJECT, 0,
                       "commit: a statement had failed, all was rolled back");
    }
    return 0;
}

static int
postgres_rollback(struct store *store, struct err *err)
{
    struct postgres *pg = (struct postgres *)store;
    pg->transaction = false;
    if (!pg->conn) { /* Closing it rolled back. */
        return 0;
    }
    return postgres_exec(store, "rollback", TRANSACTION_TIMEOUT_MS, NULL, err);
}

static void
postgres_close(struct store *store)
{
    struct postgres *pg = (struct postgres *)store;
    disconnect(pg);
    free(pg->prepared);
    free(pg->application);
    free(pg->url);
    free(pg);
}

static int
postgres_open(const char *url, const char *application, struct store **ret,
              struct err *err)
{
    /* Its own message would quote the URL. */
    PQconninfoOption *options = PQconninfoParse(url, NULL);
    if (!options) {
        return err_set(err, ERR_FATAL, 78,
                       "store URL: malformed, expected "
                       "postgres://user:password@host:5432/database?option="
                       "value with special characters as %%XX");
    }
    PQconninfoFree(options);
    struct postgres *pg = xcalloc(1, sizeof(*pg));
    pg->base.driver = &store_driver_postgres;
    pg->url = xstrdup(url);
    pg->application = xstrdup(application);
    *ret = &pg->base;
    return 0;
}

static const char *const schemes[] = {"postgres", "postgresql", NULL};

const struct store_driver store_driver_postgres = {
    .schemes = schemes,
    .open = postgres_open,
    .close = postgres_close,
    .call = postgres_call,
    .exec = postgres_exec,
    .begin = postgres_begin,
    .commit = postgres_commit,
    .rollback = postgres_rollback,
};
