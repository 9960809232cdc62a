/* Aurora through the RDS Data API: each call is one signed HTTP request, on a
 * connection that is kept alive.
 *
 *     rds-data://<cluster ARN>?secret=<secret ARN>&database=alex
 *
 * Source: the service model of rds-data (2018-08-01), Execute,
 * BeginTransaction, CommitTransaction, RollbackTransaction.  A lost reply is an
 * unknown outcome; functions of the engine may be repeated, so their callers
 * do. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws/call.h"
#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "store/driver.h"
#include "store/rds_reply.h"

#define CONFIG_ERROR 78
#define ARN_MIN 11
#define ARN_MAX 100
#define DATABASE_MAX 64
/* Of the service. */
#define REQUEST_MAX_BYTES (4u * 1024 * 1024 - 16u * 1024) /* Headers count. */
#define REPLY_MAX_BYTES (2u * 1024 * 1024)
#define STATEMENT_MAX_MS 50000
#define TRANSACTION_TIMEOUT_MS 30000
/* Between tries of what the service did not run. */
#define AGAIN_MIN_MS 50
#define AGAIN_MAX_MS 2000

struct rds {
    struct store base;
    struct aws_client *client;
    char *cluster;
    char *secret;
    char *database;
    char *transaction; /* Its id between begin and commit, else NULL. */
    bool broken;       /* A statement of the transaction failed. */
};

/* --- requests --------------------------------------------------------------
 */

static void
write_text(struct buf *out, const char *key, const char *text)
{
    buf_json_key(out, key);
    buf_json_string(out, text);
}

static void
begin_request(const struct rds *rds, struct buf *out)
{
    buf_json_object(out);
    write_text(out, "resourceArn", rds->cluster);
    write_text(out, "secretArn", rds->secret);
    write_text(out, "database", rds->database);
    if (rds->transaction) {
        write_text(out, "transactionId", rds->transaction);
    }
}

static int
send_once(struct rds *rds, const char *path, const struct buf *body,
          int64_t timeout_ms, struct aws_reply *reply, struct err *err)
{
    struct aws_request request = {
        .path = path,
        .content_type = "application/json",
        .body = body->data,
        .body_size = body->size,
        .timeout_ms =
            timeout_ms < STATEMENT_MAX_MS ? timeout_ms : STATEMENT_MAX_MS,
        .max_bytes = REPLY_MAX_BYTES,
    };
    if (body->size > REQUEST_MAX_BYTES) {
        return err_set(err, ERR_REJECT, 54,
                       "request of %zu bytes, the Data API takes %u",
                       body->size, REQUEST_MAX_BYTES);
    }
    if (aws_client_call(rds->client, &request, reply, err) == 0) {
        return 0;
    }
    rds_reply_explain(reply->code, &reply->body, err);
    return -1;
}

/* Again while the service says that it did not run it: throttled, or the
 * database is resuming from a pause. */
static int
send_request(struct rds *rds, const char *path, const struct buf *body,
             int64_t timeout_ms, struct aws_reply *ret, struct err *err)
{
    int64_t deadline_ms = clock_boot_ms() + timeout_ms;
    int64_t most_ms = AGAIN_MIN_MS;
    for (;;) {
        struct aws_reply reply = {0};
        int64_t left_ms = deadline_ms - clock_boot_ms();
        int result =
            send_once(rds, path, body, left_ms > 1 ? left_ms : 1, &reply, err);
        int64_t wait_ms = clock_jitter_ms(most_ms / 2, most_ms);
        if (result == 0 || !rds_reply_not_run(reply.code) ||
            clock_boot_ms() + wait_ms >= deadline_ms) {
            if (result == 0) {
                *ret = reply;
            } else {
                aws_reply_free(&reply);
            }
            return result;
        }
        aws_reply_free(&reply);
        clock_sleep_ms(wait_ms);
        most_ms = 2 * most_ms < AGAIN_MAX_MS ? 2 * most_ms : AGAIN_MAX_MS;
    }
}

/* A statement; 'parameter' (or NULL) is what :request stands for. */
static int
execute(struct rds *rds, const char *sql, const char *parameter, size_t size,
        int64_t timeout_ms, struct store_reply *ret, struct err *err)
{
    _cleanup(aws_reply_free) struct aws_reply reply = {0};
    _cleanup(buf_free) struct buf body = {0};
    begin_request(rds, &body);
    write_text(&body, "sql", sql);
    if (parameter) {
        buf_json_key(&body, "parameters");
        buf_json_array(&body);
        buf_json_object(&body);
        write_text(&body, "name", "request");
        buf_json_key(&body, "value");
        buf_json_object(&body);
        buf_json_key(&body, "stringValue");
        buf_json_string_n(&body, parameter, size);
        buf_json_end(&body);
        buf_json_end(&body);
        buf_json_end(&body);
    }
    buf_json_end(&body);
    if (send_request(rds, "/Execute", &body, timeout_ms, &reply, err)) {
        rds->broken = rds->transaction != NULL;
        return -1;
    }
    return ret ? rds_reply_decode(&reply.body, ret, err) : 0;
}

/* --- the driver ------------------------------------------------------------
 */

/* JSON's writer would replace what is not, silently. */
static bool
is_text(const char *bytes, size_t size)
{
    while (size > 0) {
        size_t one = utf8_size(bytes, size);
        if (one == 0 || *bytes == '\0') {
            return false;
        }
        bytes += one;
        size -= one;
    }
    return true;
}

static int
rds_call(struct store *store, const char *function, const char *request,
         size_t request_size, int64_t timeout_ms, struct store_reply *reply,
         struct err *err)
{
    struct rds *rds = (struct rds *)store;
    char sql[160];
    if (!is_text(request, request_size)) {
        return err_set(err, ERR_REJECT, 22,
                       "fleet.%s: request is not valid UTF-8", function);
    }
    snprintf(sql, sizeof(sql),
             "select head::text, body from fleet.%.*s(:request::jsonb)",
             STORE_FUNCTION_SIZE, function);
    return execute(rds, sql, request, request_size, timeout_ms, reply, err)
               ? err_wrap(err, "fleet.%s", function)
               : 0;
}

static int
rds_exec(struct store *store, const char *sql, int64_t timeout_ms,
         struct store_reply *reply, struct err *err)
{
    struct rds *rds = (struct rds *)store;
    return execute(rds, sql, NULL, 0, timeout_ms, reply, err)
               ? err_wrap(err, "store")
               : 0;
}

static int
transact(struct rds *rds, const char *path, struct aws_reply *reply,
         struct err *err)
{
    _cleanup(buf_free) struct buf body = {0};
    begin_request(rds, &body);
    buf_json_end(&body);
    return send_request(rds, path, &body, TRANSACTION_TIMEOUT_MS, reply, err);
}

static void
forget_transaction(struct rds *rds)
{
    free(rds->transaction);
    rds->transaction = NULL;
    rds->broken = false;
}

static int
rds_begin(struct store *store, struct err *err)
{
    struct rds *rds = (struct rds *)store;
    _cleanup(aws_reply_free) struct aws_reply reply = {0};
    forget_transaction(rds);
    if (transact(rds, "/BeginTransaction", &reply, err)) {
        return err_wrap(err, "begin");
    }
    return rds_reply_transaction(&reply.body, &rds->transaction, err);
}

static int
rds_rollback(struct store *store, struct err *err)
{
    struct rds *rds = (struct rds *)store;
    _cleanup(aws_reply_free) struct aws_reply reply = {0};
    /* A failed statement has rolled back already. */
    int result = rds->transaction && !rds->broken
                     ? transact(rds, "/RollbackTransaction", &reply, err)
                     : 0;
    forget_transaction(rds);
    return result ? err_wrap(err, "rollback") : 0;
}

static int
rds_commit(struct store *store, struct err *err)
{
    struct rds *rds = (struct rds *)store;
    _cleanup(aws_reply_free) struct aws_reply reply = {0};
    if (!rds->transaction || rds->broken) {
        forget_transaction(rds);
        return err_set(err, ERR_REJECT, 0,
                       "commit: a statement had failed, all was rolled back");
    }
    int result = transact(rds, "/CommitTransaction", &reply, err);
    forget_transaction(rds);
    return result ? err_wrap(err, "commit") : 0;
}

static void
rds_close(struct store *store)
{
    struct rds *rds = (struct rds *)store;
    aws_client_close(&rds->client);
    free(rds->cluster);
    free(rds->secret);
    free(rds->database);
    free(rds->transaction);
    free(rds);
}

/* --- the URL ---------------------------------------------------------------
 */

static int
bad_url(const char *what, struct err *err)
{
    return err_set(err, ERR_FATAL, CONFIG_ERROR,
                   "store URL: %s; expected rds-data://<cluster ARN>?secret="
                   "<secret ARN>&database=alex",
                   what);
}

/* "name=" of the query; malloc'd, NULL when absent. */
static char *
query_value(const char *query, const char *name)
{
    size_t size = strlen(name);
    for (const char *at = query; *at; at += strcspn(at, "&")) {
        at += *at == '&';
        if (strncmp(at, name, size) == 0) {
            return xmemdup(at + size, strcspn(at + size, "&"));
        }
    }
    return NULL;
}

static bool
is_arn(const char *text)
{
    size_t size = text ? strlen(text) : 0;
    return size >= ARN_MIN && size <= ARN_MAX && strncmp(text, "arn:", 4) == 0;
}

/* arn:partition:rds:REGION:account:cluster:name */
static char *
region_of(const char *arn)
{
    for (int colons = 0; colons < 3; colons++) {
        arn = strchr(arn, ':');
        if (!arn) {
            return NULL;
        }
        arn++;
    }
    return xmemdup(arn, strcspn(arn, ":"));
}

static int
parse_url(const char *url, struct rds *rds, struct err *err)
{
    const char *arn = strstr(url, "://") + 3;
    size_t size = strcspn(arn, "?");
    const char *query = arn[size] == '?' ? arn + size + 1 : "";
    rds->cluster = xmemdup(arn, size);
    rds->secret = query_value(query, "secret=");
    rds->database = query_value(query, "database=");
    if (!is_arn(rds->cluster)) {
        return bad_url("the cluster is no ARN", err);
    }
    if (!is_arn(rds->secret)) {
        return bad_url("secret= is no ARN", err);
    }
    if (!rds->database || !rds->database[0] ||
        strlen(rds->database) > DATABASE_MAX) {
        return bad_url("database= is missing or too long", err);
    }
    return 0;
}

static void
rds_free(struct rds **rds)
{
    if (*rds) {
        rds_close(&(*rds)->base);
    }
}

static int
rds_open(const char *url, const char *application, struct store **ret,
         struct err *err)
{
    _cleanup(rds_free) struct rds *rds = xcalloc(1, sizeof(*rds));
    (void)application; /* The service says who is connected itself. */
    rds->base.driver = &store_driver_rds_data;
    if (parse_url(url, rds, err)) {
        return -1;
    }
    _cleanup(cleanup_free) char *region = region_of(rds->cluster);
    struct aws_options options = {.service = "rds-data", .region = region};
    if (aws_client_open(&options, &rds->client, err)) {
        return -1;
    }
    *ret = &rds->base;
    rds = NULL;
    return 0;
}

static const char *const schemes[] = {"rds-data", NULL};

const struct store_driver store_driver_rds_data = {
    .schemes = schemes,
    .open = rds_open,
    .close = rds_close,
    .call = rds_call,
    .exec = rds_exec,
    .begin = rds_begin,
    .commit = rds_commit,
    .rollback = rds_rollback,
};
