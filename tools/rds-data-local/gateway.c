#include "rds-data-local/gateway.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/uuid.h"
#include "rds-data-local/execute.h"

#define JSON_TYPE "application/json"
#define METRICS_TYPE "text/plain; version=0.0.4"

/* --- metrics -------------------------------------------------------------- */

#define CALLS(operation)                                                       \
    {                                                                          \
        METRIC_HISTOGRAM, "rds_data_local_call_seconds",                       \
            "operation=\"" operation "\"", "Calls, by operation.", 0, {0}, 0   \
    }

enum { MEASURE_FAILED = API_OPERATIONS, MEASURE_OPEN, MEASURE_TRANSACTIONS };

static struct metric measures[] = {
    [API_EXECUTE] = CALLS("ExecuteStatement"),
    [API_BATCH_EXECUTE] = CALLS("BatchExecuteStatement"),
    [API_BEGIN] = CALLS("BeginTransaction"),
    [API_COMMIT] = CALLS("CommitTransaction"),
    [API_ROLLBACK] = CALLS("RollbackTransaction"),
    [MEASURE_FAILED] = {METRIC_COUNTER, "rds_data_local_failures_total", NULL,
                        "Calls that were answered with an error."},
    [MEASURE_OPEN] = {METRIC_GAUGE, "rds_data_local_connections", NULL,
                      "Connections to PostgreSQL."},
    [MEASURE_TRANSACTIONS] = {METRIC_GAUGE, "rds_data_local_transactions", NULL,
                              "Transactions that are open."},
};

void
gateway_measure(void)
{
    metric_add_table(measures, ARRAY_COUNT(measures));
}

/* --- one operation -------------------------------------------------------- */

struct exchange {
    struct gateway *gateway;
    const struct http_server_request *http;
    enum api_operation operation;
    struct request request;
    struct fault fault;
    int pid;
};

static int
check_cluster(const struct exchange *exchange, struct err *err)
{
    const char *resource = exchange->gateway->resource;
    if (resource[0] && strcmp(resource, exchange->request.resource_arn) != 0) {
        return api_fail(err, API_BAD_REQUEST,
                        "HttpEndpoint is not enabled for resource %s",
                        exchange->request.resource_arn);
    }
    return 0;
}

static int
decode(struct exchange *exchange, struct err *err)
{
    size_t size;
    const char *body = http_server_body(exchange->http, &size);
    if (http_server_too_large(exchange->http)) {
        return api_fail(err, API_TOO_LARGE,
                        "The request is larger than 4 MiB.");
    }
    if (exchange->gateway->verify &&
        verify_request(exchange->gateway->verify, exchange->http, err)) {
        return -1;
    }
    return request_decode(exchange->operation, body, size, &exchange->request,
                          err);
}

static int
suffer(struct exchange *exchange, struct err *err)
{
    struct fault *fault = &exchange->fault;
    const char *sql = exchange->request.sql ? exchange->request.sql : "";
    if (!exchange->gateway->faults) {
        return 0;
    }
    *fault = faults_strike(exchange->gateway->faults, sql);
    if (fault->delay_ms > 0) {
        clock_sleep_ms(fault->delay_ms);
    }
    if (fault->error == API_RESUMING) {
        return api_fail(err, API_RESUMING,
                        "The Aurora DB instance %s is resuming after being "
                        "auto-paused. Please wait a few seconds and try again.",
                        exchange->request.resource_arn);
    }
    return fault->error == API_OK
               ? 0
               : api_fail(err, fault->error, "Injected for a test.");
}

static int
perform(struct exchange *exchange, struct buf *out, struct err *err)
{
    if (decode(exchange, err) || check_cluster(exchange, err) ||
        suffer(exchange, err)) {
        return -1;
    }
    if (exchange->fault.drop_before) {
        return 0;
    }
    return execute(exchange->gateway->sessions, &exchange->request, out,
                   &exchange->pid, err);
}

/* --- replies -------------------------------------------------------------- */

static void
add_header(struct http_server_reply *reply, const char *name, const char *value)
{
    size_t i = 0;
    while (reply->names[i]) {
        i++;
    }
    reply->names[i] = name;
    reply->values[i] = value;
}

static void
write_error(const struct err *err, int pid, struct http_server_reply *reply)
{
    buf_reset(&reply->body);
    reply->body.json_depth = 0;
    reply->body.json_comma = false;
    buf_json_object(&reply->body);
    buf_json_key(&reply->body, "message");
    buf_json_string(&reply->body, err->text);
    if (err->code == API_STATEMENT_TIMEOUT) {
        buf_json_key(&reply->body, "dbConnectionId");
        buf_json_int(&reply->body, pid);
    }
    buf_json_end(&reply->body);
    reply->status = api_status((enum api_error)err->code);
    add_header(reply, "x-amzn-ErrorType", api_type((enum api_error)err->code));
}

static void
log_call(const struct exchange *exchange, const struct http_server_reply *reply,
         const struct err *err, int64_t took_us)
{
    const char *sql = exchange->request.sql ? exchange->request.sql : "";
    log_line(reply->status < 500 ? LOG_INFO : LOG_WARN, "call",
             "operation=%s status=%d type=%s took_ms=%" PRId64
             " bytes=%zu transaction=%.12s error=%s",
             api_operation_path(exchange->operation) + 1, reply->status,
             reply->status == 200 ? "" : api_type((enum api_error)err->code),
             took_us / 1000, reply->body.size,
             exchange->request.transaction ? exchange->request.transaction : "",
             reply->status == 200 ? "" : err->text);
    log_debug("statement", "sql=%.200s", sql);
}

static void
handle_operation(struct gateway *gateway, enum api_operation operation,
                 const struct http_server_request *http,
                 struct http_server_reply *reply)
{
    struct err err = {0};
    struct exchange exchange = {
        .gateway = gateway, .http = http, .operation = operation};
    int64_t began_us = clock_boot_us();
    reply->content_type = JSON_TYPE;
    reply->status = 200;
    if (perform(&exchange, &reply->body, &err)) {
        write_error(&err, exchange.pid, reply);
        metric_inc(&measures[MEASURE_FAILED], 1);
    }
    reply->drop = exchange.fault.drop_before || exchange.fault.drop_after;
    int64_t took_us = clock_boot_us() - began_us;
    metric_observe_us(&measures[operation], took_us);
    log_call(&exchange, reply, &err, took_us);
    request_free(&exchange.request);
}

/* --- what is not the Data API --------------------------------------------- */

static void
handle_metrics(struct gateway *gateway, struct http_server_reply *reply)
{
    int open;
    int transactions;
    sessions_count(gateway->sessions, &open, &transactions);
    metric_set(&measures[MEASURE_OPEN], open);
    metric_set(&measures[MEASURE_TRANSACTIONS], transactions);
    metric_render(&reply->body);
    reply->status = 200;
    reply->content_type = METRICS_TYPE;
}

static void
handle_faults(struct gateway *gateway, const struct http_server_request *http,
              struct http_server_reply *reply)
{
    struct err err = {0};
    size_t size;
    const char *body = http_server_body(http, &size);
    reply->content_type = JSON_TYPE;
    reply->status = 200;
    if (strcmp(http_server_method(http), "PUT") == 0 &&
        faults_set(gateway->faults, body, size, &err)) {
        write_error(&err, 0, reply);
        return;
    }
    faults_write(gateway->faults, &reply->body);
}

static void
handle_unknown(struct http_server_reply *reply)
{
    struct err err = {0};
    api_fail(&err, API_UNKNOWN_OPERATION, "No such operation.");
    reply->content_type = JSON_TYPE;
    write_error(&err, 0, reply);
}

void
gateway_handle(void *context, const struct http_server_request *request,
               struct http_server_reply *reply)
{
    struct gateway *gateway = context;
    const char *path = http_server_path(request);
    bool posts = strcmp(http_server_method(request), "POST") == 0;
    int operation = posts ? api_operation_of(path) : -1;
    if (operation >= 0) {
        handle_operation(gateway, (enum api_operation)operation, request,
                         reply);
    } else if (strcmp(path, "/metrics") == 0) {
        handle_metrics(gateway, reply);
    } else if (strcmp(path, "/health") == 0) {
        reply->status = 200;
        buf_puts(&reply->body, "ok\n");
    } else if (gateway->faults && strcmp(path, "/_control/faults") == 0) {
        handle_faults(gateway, request, reply);
    } else {
        handle_unknown(reply);
    }
}
