#include "rds-data-local/sessions.h"

#include <openssl/rand.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"

#define WAIT_S 10
/* Transactions that ended by themselves, remembered to say why. */
#define GONE_MAX 256

struct gone {
    char id[65];
    bool aborted; /* Else it expired. */
};

struct sessions {
    struct sessions_options options;
    pthread_mutex_t lock;
    pthread_cond_t freed;
    struct session *idle;
    struct session *transactions;
    int open;
    int transaction_count;
    struct gone gone[GONE_MAX];
    size_t gone_next;
};

void
sessions_new(const struct sessions_options *options, struct sessions **ret)
{
    struct sessions *sessions = xcalloc(1, sizeof(*sessions));
    pthread_condattr_t attr;
    sessions->options = *options;
    pthread_mutex_init(&sessions->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&sessions->freed, &attr);
    pthread_condattr_destroy(&attr);
    *ret = sessions;
}

static void
session_free(struct session *session)
{
    PQfinish(session->conn);
    free(session->key);
    free(session);
}

static void
free_list(struct session *session)
{
    while (session) {
        struct session *next = session->next;
        session_free(session);
        session = next;
    }
}

void
sessions_free(struct sessions **sessions_at)
{
    struct sessions *sessions = STEAL(*sessions_at);
    if (!sessions) {
        return;
    }
    free_list(sessions->idle);
    free_list(sessions->transactions);
    pthread_cond_destroy(&sessions->freed);
    pthread_mutex_destroy(&sessions->lock);
    free(sessions);
}

/* --- connecting ---------------------------------------------------------- */

static int
fail_connect(PGconn *conn, struct err *err)
{
    const char *text = PQerrorMessage(conn);
    size_t size = strcspn(text, "\r\n");
    const char *fatal = strstr(text, "FATAL:");
    if (!fatal) {
        return api_fail(err, API_DATABASE_UNAVAILABLE,
                        "The database is not reachable: %.*s", (int)size, text);
    }
    size = strcspn(fatal, "\r\n");
    if (strstr(fatal, "authentication failed")) {
        return api_fail(err, API_INVALID_SECRET, "%.*s", (int)size, fatal);
    }
    if (strstr(fatal, "does not exist")) {
        return api_fail(err, API_DATABASE_ERROR, "%.*s; SQLState: 3D000",
                        (int)size, fatal);
    }
    return api_fail(err, API_DATABASE_UNAVAILABLE, "%.*s", (int)size, fatal);
}

/* Start-up options survive DISCARD ALL, as what is SET does not. */
static PGconn *
connect_to(const struct sessions *sessions, const char *user,
           const char *password, const char *database)
{
    char options[160];
    snprintf(options, sizeof(options),
             "-c timezone=UTC -c datestyle=ISO -c bytea_output=hex "
             "-c intervalstyle=postgres -c statement_timeout=%lld",
             (long long)sessions->options.statement_ms);
    const char *const keys[] = {"host",
                                "port",
                                "user",
                                "password",
                                "dbname",
                                "connect_timeout",
                                "options",
                                "client_encoding",
                                "application_name",
                                NULL};
    const char *const values[] = {sessions->options.host,
                                  sessions->options.port,
                                  user,
                                  password,
                                  database[0] ? database : "postgres",
                                  "5",
                                  options,
                                  "UTF8",
                                  "rds-data-local",
                                  NULL};
    return PQconnectdbParams(keys, values, 0);
}

static void
forget_notice(void *context, const PGresult *result)
{
    (void)context;
    (void)result;
}

static int
open_session(struct sessions *sessions, const struct request *request,
             const char *key, struct session **ret, struct err *err)
{
    const char *user;
    const char *password;
    if (secrets_find(sessions->options.secrets, request->secret_arn, &user,
                     &password, err)) {
        return -1;
    }
    PGconn *conn = connect_to(sessions, user, password, request->database);
    if (PQstatus(conn) != CONNECTION_OK) {
        fail_connect(conn, err);
        PQfinish(conn);
        return -1;
    }
    PQsetNoticeReceiver(conn, forget_notice, NULL);
    struct session *session = xcalloc(1, sizeof(*session));
    session->conn = conn;
    session->key = xstrdup(key);
    session->busy = true;
    *ret = session;
    return 0;
}

/* --- transactions -------------------------------------------------------- */

static struct session **
find_transaction(struct sessions *sessions, const char *id)
{
    struct session **at = &sessions->transactions;
    while (*at && strcmp((*at)->id, id) != 0) {
        at = &(*at)->next;
    }
    return at;
}

static int
fail_gone(const struct sessions *sessions, const char *id, struct err *err)
{
    for (size_t i = 0; i < GONE_MAX; i++) {
        if (sessions->gone[i].aborted &&
            strcmp(sessions->gone[i].id, id) == 0) {
            return api_fail(err, API_TRANSACTION_NOT_FOUND,
                            "Transaction %.80s has been aborted due to an "
                            "error from a previous call.",
                            id);
        }
    }
    return api_fail(err, API_TRANSACTION_NOT_FOUND,
                    "Transaction %.80s is not found. Transaction may be "
                    "expired.",
                    id);
}

/* A call may leave out the database that its transaction has. */
static bool
same_place(const char *have, const char *want, const struct request *request)
{
    size_t size =
        request->database[0] ? strlen(want) + 1 : strcspn(want, "\x1f") + 1;
    return strncmp(have, want, size) == 0;
}

static int
take_transaction(struct sessions *sessions, const struct request *request,
                 const char *key, struct session **ret, struct err *err)
{
    pthread_mutex_lock(&sessions->lock);
    struct session *session = *find_transaction(sessions, request->transaction);
    int result = 0;
    if (!session) {
        result = fail_gone(sessions, request->transaction, err);
    } else if (session->busy) {
        result = api_fail(err, API_DATABASE_ERROR,
                          "Transaction %.80s is still running a query.",
                          request->transaction);
    } else if (!same_place(session->key, key, request)) {
        result = api_fail(err, API_BAD_REQUEST,
                          "Database name is not the same as transaction's");
    } else {
        session->busy = true;
        *ret = session;
    }
    pthread_mutex_unlock(&sessions->lock);
    return result;
}

static void
remember(struct sessions *sessions, const char *id, bool aborted)
{
    struct gone *gone = &sessions->gone[sessions->gone_next++ % GONE_MAX];
    snprintf(gone->id, sizeof(gone->id), "%s", id);
    gone->aborted = aborted;
}

static void
unlink_transaction(struct sessions *sessions, struct session *session)
{
    struct session **at = find_transaction(sessions, session->id);
    if (*at) {
        *at = session->next;
        sessions->transaction_count--;
    }
    session->next = NULL;
    session->id[0] = '\0';
}

void
sessions_begin(struct sessions *sessions, struct session *session)
{
    unsigned char random[32];
    RAND_bytes(random, sizeof(random));
    for (size_t i = 0; i < sizeof(random); i++) {
        snprintf(session->id + 2 * i, 3, "%02x", random[i]);
    }
    session->began_ms = clock_boot_ms();
    pthread_mutex_lock(&sessions->lock);
    session->next = sessions->transactions;
    sessions->transactions = session;
    sessions->transaction_count++;
    pthread_mutex_unlock(&sessions->lock);
}

void
sessions_end(struct sessions *sessions, struct session *session)
{
    pthread_mutex_lock(&sessions->lock);
    if (session->id[0]) {
        remember(sessions, session->id, session->aborted);
        unlink_transaction(sessions, session);
    }
    pthread_mutex_unlock(&sessions->lock);
}

/* --- taking and giving ---------------------------------------------------- */

static struct session *
pop_idle(struct sessions *sessions, const char *key)
{
    struct session **at = &sessions->idle;
    while (*at && strcmp((*at)->key, key) != 0) {
        at = &(*at)->next;
    }
    struct session *session = *at;
    if (session) {
        *at = session->next;
        session->next = NULL;
        session->busy = true;
    }
    return session;
}

/* Of another login or database: makes room for one of ours. */
static void
close_one_idle(struct sessions *sessions)
{
    struct session *session = sessions->idle;
    if (session) {
        sessions->idle = session->next;
        sessions->open--;
        session_free(session);
    }
}

/* With the lock: an idle session, or the right to open one (NULL); -1 when the
 * time is up. */
static int
wait_for_one(struct sessions *sessions, const char *key, struct session **ret,
             struct err *err)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += WAIT_S;
    for (;;) {
        *ret = pop_idle(sessions, key);
        if (*ret) {
            return 0;
        }
        if (sessions->open >= sessions->options.connections) {
            close_one_idle(sessions);
        }
        if (sessions->open < sessions->options.connections) {
            sessions->open++;
            return 0;
        }
        if (pthread_cond_timedwait(&sessions->freed, &sessions->lock, &until)) {
            return api_fail(err, API_DATABASE_UNAVAILABLE,
                            "All %d connections to the database are in use.",
                            sessions->options.connections);
        }
    }
}

static void
drop(struct sessions *sessions)
{
    pthread_mutex_lock(&sessions->lock);
    sessions->open--;
    pthread_cond_signal(&sessions->freed);
    pthread_mutex_unlock(&sessions->lock);
}

static int
take_idle(struct sessions *sessions, const struct request *request,
          const char *key, struct session **ret, struct err *err)
{
    struct session *session = NULL;
    pthread_mutex_lock(&sessions->lock);
    int result = wait_for_one(sessions, key, &session, err);
    pthread_mutex_unlock(&sessions->lock);
    if (result) {
        return -1;
    }
    if (!session && open_session(sessions, request, key, &session, err)) {
        drop(sessions);
        return -1;
    }
    *ret = session;
    return 0;
}

int
sessions_take(struct sessions *sessions, const struct request *request,
              struct session **ret, struct err *err)
{
    /* By secret, not by user: another secret may have another password. */
    _cleanup(cleanup_free) char *key =
        xasprintf("%s\x1f%s", request->secret_arn, request->database);
    return request->transaction[0]
               ? take_transaction(sessions, request, key, ret, err)
               : take_idle(sessions, request, key, ret, err);
}

/* True when the connection is as new. */
static bool
reset(struct session *session)
{
    if (session->leave || PQstatus(session->conn) != CONNECTION_OK) {
        return false;
    }
    if (PQtransactionStatus(session->conn) != PQTRANS_IDLE) {
        PQclear(PQexec(session->conn, "rollback"));
    }
    PGresult *result = PQexec(session->conn, "discard all");
    bool clean = PQresultStatus(result) == PGRES_COMMAND_OK &&
                 PQtransactionStatus(session->conn) == PQTRANS_IDLE;
    PQclear(result);
    return clean;
}

void
sessions_give(struct sessions *sessions, struct session *session)
{
    if (session->id[0]) {
        pthread_mutex_lock(&sessions->lock);
        session->used_ms = clock_boot_ms();
        session->busy = false;
        pthread_mutex_unlock(&sessions->lock);
        return;
    }
    if (!reset(session)) {
        session_free(session);
        drop(sessions);
        return;
    }
    pthread_mutex_lock(&sessions->lock);
    session->busy = false;
    session->next = sessions->idle;
    sessions->idle = session;
    pthread_cond_signal(&sessions->freed);
    pthread_mutex_unlock(&sessions->lock);
}

/* --- tending ------------------------------------------------------------- */

static bool
is_over(const struct sessions *sessions, const struct session *session)
{
    int64_t now_ms = clock_boot_ms();
    return !session->busy &&
           (now_ms - session->used_ms >= sessions->options.idle_ms ||
            now_ms - session->began_ms >= API_TRANSACTION_MAX_MS);
}

static struct session *
pop_over(struct sessions *sessions)
{
    pthread_mutex_lock(&sessions->lock);
    struct session *session = sessions->transactions;
    while (session && !is_over(sessions, session)) {
        session = session->next;
    }
    if (session) {
        session->busy = true;
        remember(sessions, session->id, false);
        unlink_transaction(sessions, session);
    }
    pthread_mutex_unlock(&sessions->lock);
    return session;
}

void
sessions_tend(struct sessions *sessions)
{
    struct session *session;
    while ((session = pop_over(sessions)) != NULL) {
        sessions_give(sessions, session);
    }
}

int64_t
sessions_statement_ms(const struct sessions *sessions)
{
    return sessions->options.statement_ms;
}

void
sessions_count(struct sessions *sessions, int *ret_open, int *ret_transactions)
{
    pthread_mutex_lock(&sessions->lock);
    *ret_open = sessions->open;
    *ret_transactions = sessions->transaction_count;
    pthread_mutex_unlock(&sessions->lock);
}
