#include "rds-data-local/execute.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "rds-data-local/lex.h"
#include "rds-data-local/render.h"

/* What the server's own statement_timeout may be late. */
#define LATE_MS 5000
/* Longest a statement with continueAfterTimeout goes on unseen. */
#define CONTINUE_MAX_MS (3600 * 1000)

static void
clear(PGresult **result)
{
    PQclear(*result);
}

/* --- errors of PostgreSQL ------------------------------------------------- */

static void
add_part(char *text, size_t size, const char *label, const char *part)
{
    size_t used = strlen(text);
    if (part) {
        snprintf(text + used, size - used, "%s: %s; ", label, part);
    }
}

static int
fail_result(const PGresult *result, struct err *err)
{
    char text[280] = "";
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    if (!state) {
        return api_fail(err, API_DATABASE_UNAVAILABLE,
                        "The connection to the database was lost.");
    }
    if (strcmp(state, "57014") == 0 && strstr(primary, "statement timeout")) {
        return api_fail(err, API_STATEMENT_TIMEOUT, "Request timed out");
    }
    if (strcmp(state, "42601") == 0 && strstr(primary, "multiple commands")) {
        return api_fail(err, API_VALIDATION,
                        "Multistatements aren't supported");
    }
    snprintf(text, sizeof(text), "%s: %.160s; ",
             PQresultErrorField(result, PG_DIAG_SEVERITY), primary);
    add_part(text, sizeof(text), "Hint",
             PQresultErrorField(result, PG_DIAG_MESSAGE_HINT));
    add_part(text, sizeof(text), "Position",
             PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION));
    return api_fail(err, API_DATABASE_ERROR, "%.260sSQLState: %s", text, state);
}

/* --- one statement -------------------------------------------------------- */

static int
await(PGconn *conn, int64_t deadline_ms)
{
    while (PQisBusy(conn)) {
        struct pollfd fd = {.fd = PQsocket(conn), .events = POLLIN};
        int64_t left_ms = deadline_ms - clock_boot_ms();
        if (left_ms <= 0) {
            return -1;
        }
        poll(&fd, 1, left_ms > 1000 ? 1000 : (int)left_ms);
        if (!PQconsumeInput(conn)) {
            break;
        }
    }
    return 0;
}

static void *
finish_later(void *arg)
{
    PGconn *conn = arg;
    if (await(conn, clock_boot_ms() + CONTINUE_MAX_MS) == 0) {
        PQclear(PQgetResult(conn));
    }
    PQfinish(conn);
    return NULL;
}

/* It runs on without us; the session loses its connection. */
static void
let_go_on(struct session *session)
{
    pthread_t thread;
    PGconn *conn = session->conn;
    session->conn = NULL;
    if (pthread_create(&thread, NULL, finish_later, conn) == 0) {
        pthread_detach(thread);
    } else {
        PQfinish(conn);
    }
}

static int
time_out(struct session *session, bool go_on, struct err *err)
{
    session->leave = true;
    if (go_on) {
        let_go_on(session);
    }
    return api_fail(err, API_STATEMENT_TIMEOUT, "Request timed out");
}

/* Reads to the end what was sent. */
static int
take_result(struct session *session, int64_t limit_ms, bool go_on,
            PGresult **ret, struct err *err)
{
    PGresult *first = NULL;
    int64_t deadline_ms = clock_boot_ms() + limit_ms;
    for (;;) {
        if (await(session->conn, deadline_ms)) {
            PQclear(first);
            return time_out(session, go_on, err);
        }
        PGresult *next = PQgetResult(session->conn);
        if (!next) {
            break;
        }
        ExecStatusType status = PQresultStatus(next);
        if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT ||
            status == PGRES_COPY_BOTH) {
            PQclear(next);
            PQclear(first);
            session->leave = true;
            return api_fail(err, API_UNSUPPORTED_RESULT,
                            "COPY is not supported.");
        }
        if (first) {
            PQclear(next);
        } else {
            first = next;
        }
    }
    *ret = first;
    return 0;
}

struct binding {
    Oid *types;
    const char **values;
    int *sizes;
    int *formats;
};

static void
binding_free(struct binding *binding)
{
    free(binding->types);
    free(binding->values);
    free(binding->sizes);
    free(binding->formats);
}

static const struct request_value *
find_value(const struct request_set *set, const char *name)
{
    for (size_t i = 0; i < set->count; i++) {
        if (strcmp(set->values[i].name, name) == 0) {
            return &set->values[i];
        }
    }
    return NULL;
}

/* Parameters that the statement does not name are ignored. */
static int
bind(const struct lex *lex, const struct request_set *set,
     struct binding *binding, struct err *err)
{
    size_t count = lex->name_count;
    binding->types = xcalloc(count + 1, sizeof(*binding->types));
    binding->values = xcalloc(count + 1, sizeof(*binding->values));
    binding->sizes = xcalloc(count + 1, sizeof(*binding->sizes));
    binding->formats = xcalloc(count + 1, sizeof(*binding->formats));
    for (size_t i = 0; i < count; i++) {
        const struct request_value *value = find_value(set, lex->names[i]);
        if (!value) {
            return api_fail(err, API_BAD_REQUEST,
                            "Cannot find parameter: %.128s", lex->names[i]);
        }
        binding->types[i] = value->type;
        binding->values[i] = value->bytes;
        binding->sizes[i] = value->size;
        binding->formats[i] = value->binary;
    }
    return 0;
}

static int
run(struct session *session, const struct lex *lex,
    const struct request_set *set, int64_t limit_ms, bool go_on, PGresult **ret,
    struct err *err)
{
    _cleanup(binding_free) struct binding binding = {0};
    if (bind(lex, set, &binding, err)) {
        return -1;
    }
    if (!PQsendQueryParams(session->conn, lex->sql.data, (int)lex->name_count,
                           binding.types, binding.values, binding.sizes,
                           binding.formats, 0)) {
        return api_fail(err, API_DATABASE_UNAVAILABLE,
                        "The connection to the database was lost.");
    }
    if (take_result(session, limit_ms, go_on, ret, err)) {
        return -1;
    }
    ExecStatusType status = PQresultStatus(*ret);
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) {
        return 0;
    }
    if (status == PGRES_EMPTY_QUERY) {
        return api_fail(err, API_BAD_REQUEST, "SQL is empty");
    }
    return fail_result(*ret, err);
}

static int
command(struct session *session, const char *sql, int64_t limit_ms,
        struct err *err)
{
    _cleanup(clear) PGresult *result = NULL;
    _cleanup(lex_free) struct lex lex = {0};
    static const struct request_set none = {0};
    buf_puts(&lex.sql, sql);
    return run(session, &lex, &none, limit_ms, false, &result, err);
}

/* --- operations ----------------------------------------------------------- */

struct call {
    struct sessions *sessions;
    const struct request *request;
    struct session *session;
    int64_t limit_ms;
    struct buf *out;
};

static int
lex_request(const struct request *request, struct lex *ret, struct err *err)
{
    if (lex_sql(request->sql, strlen(request->sql), ret, err)) {
        err->code = API_BAD_REQUEST;
        return -1;
    }
    return ret->multiple ? api_fail(err, API_VALIDATION,
                                    "Multistatements aren't supported")
                         : 0;
}

static int
do_execute(const struct call *call, struct err *err)
{
    _cleanup(lex_free) struct lex lex = {0};
    _cleanup(clear) PGresult *result = NULL;
    const struct request *request = call->request;
    bool go_on = request->continue_after_timeout;
    int64_t limit_ms = go_on ? call->limit_ms : call->limit_ms + LATE_MS;
    if (lex_request(request, &lex, err)) {
        return -1;
    }
    if (go_on &&
        command(call->session, "set statement_timeout = 0", LATE_MS, err)) {
        return -1;
    }
    if (run(call->session, &lex, &request->sets[0], limit_ms, go_on, &result,
            err)) {
        return -1;
    }
    return render_result(call->session->conn, result, request, call->out, err);
}

static int
run_sets(const struct call *call, const struct lex *lex, struct err *err)
{
    const struct request *request = call->request;
    int64_t deadline_ms = clock_boot_ms() + call->limit_ms;
    for (size_t i = 0; i < request->set_count; i++) {
        _cleanup(clear) PGresult *result = NULL;
        int64_t left_ms = deadline_ms - clock_boot_ms();
        if (run(call->session, lex, &request->sets[i],
                left_ms > 1 ? left_ms : 1, false, &result, err)) {
            return -1;
        }
    }
    return 0;
}

/* All sets or none, also without a transaction of the client's. */
static int
do_batch(const struct call *call, struct err *err)
{
    _cleanup(lex_free) struct lex lex = {0};
    bool ours = call->request->transaction[0] == '\0';
    if (lex_request(call->request, &lex, err) ||
        (ours && command(call->session, "begin", LATE_MS, err)) ||
        run_sets(call, &lex, err) ||
        (ours && command(call->session, "commit", call->limit_ms, err))) {
        return -1;
    }
    buf_json_key(call->out, "updateResults");
    buf_json_array(call->out);
    for (size_t i = 0; i < call->request->set_count; i++) {
        buf_json_object(call->out);
        buf_json_key(call->out, "generatedFields");
        buf_json_array(call->out);
        buf_json_end(call->out);
        buf_json_end(call->out);
    }
    buf_json_end(call->out);
    return 0;
}

static int
do_begin(const struct call *call, struct err *err)
{
    if (command(call->session, "begin", LATE_MS, err)) {
        return -1;
    }
    sessions_begin(call->sessions, call->session);
    buf_json_key(call->out, "transactionId");
    buf_json_string(call->out, call->session->id);
    return 0;
}

static int
end(const struct call *call, const char *sql, const char *status,
    struct err *err)
{
    int result = command(call->session, sql, call->limit_ms, err);
    sessions_end(call->sessions, call->session);
    buf_json_key(call->out, "transactionStatus");
    buf_json_string(call->out, status);
    return result;
}

static int
do_commit(const struct call *call, struct err *err)
{
    return end(call, "commit", "Transaction Committed", err);
}

static int
do_rollback(const struct call *call, struct err *err)
{
    return end(call, "rollback", "Rollback Complete", err);
}

static int (*const operations[])(const struct call *call, struct err *err) = {
    [API_EXECUTE] = do_execute,   [API_BATCH_EXECUTE] = do_batch,
    [API_BEGIN] = do_begin,       [API_COMMIT] = do_commit,
    [API_ROLLBACK] = do_rollback,
};

/* An error inside a transaction ends it, as does a statement that did. */
static void
settle_transaction(struct sessions *sessions, struct session *session,
                   int result)
{
    if (!session->id[0]) {
        return;
    }
    if (result || session->leave ||
        PQtransactionStatus(session->conn) != PQTRANS_INTRANS) {
        session->aborted = result != 0;
        sessions_end(sessions, session);
    }
}

int
execute(struct sessions *sessions, const struct request *request,
        struct buf *out, int *ret_pid, struct err *err)
{
    struct call call = {.sessions = sessions,
                        .request = request,
                        .limit_ms = sessions_statement_ms(sessions),
                        .out = out};
    *ret_pid = 0;
    if (sessions_take(sessions, request, &call.session, err)) {
        return -1;
    }
    *ret_pid = PQbackendPID(call.session->conn);
    buf_json_object(out);
    int result = operations[request->operation](&call, err);
    buf_json_end(out);
    settle_transaction(sessions, call.session, result);
    sessions_give(sessions, call.session);
    return result;
}
