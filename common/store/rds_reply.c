#include "store/rds_reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "store/sqlstate.h"

#define ROWS_MAX 100000
#define TRANSACTION_MAX 192
#define RESUMING_MS 2000

/* --- rows ------------------------------------------------------------------
 */

struct rows {
    struct json_object *reply; /* Owns the texts. */
    struct store_row row[];
};

static void
rows_release(void *owner)
{
    struct rows *rows = owner;
    json_put(&rows->reply);
    free(rows);
}

static int
strange(const char *what, struct err *err)
{
    return err_set(err, ERR_FATAL, 0, "Data API: %s", what);
}

/* As libpq would have it: {"stringValue":"..."}, or what administrators'
 * queries may answer besides. */
static int
take_field(struct json_object *row, size_t column, const char **ret,
           size_t *ret_size, struct err *err)
{
    struct json_object *field = json_object_array_get_idx(row, column);
    struct json_object *value = NULL;
    *ret = NULL;
    *ret_size = 0;
    if (json_flag(field, "isNull", false)) {
        return 0;
    }
    if (json_object_object_get_ex(field, "stringValue", &value)) {
        *ret = json_object_get_string(value);
    } else if (json_object_object_get_ex(field, "booleanValue", &value)) {
        *ret = json_object_get_boolean(value) ? "t" : "f";
    } else if (json_object_object_get_ex(field, "longValue", &value) ||
               json_object_object_get_ex(field, "doubleValue", &value)) {
        *ret = json_object_to_json_string(value);
    }
    if (!*ret) {
        return strange("a column of another type than text", err);
    }
    *ret_size = strlen(*ret);
    return 0;
}

static int
take_row(struct json_object *record, struct store_row *row, struct err *err)
{
    if (!json_object_is_type(record, json_type_array) ||
        json_object_array_length(record) < 1) {
        return strange("a record that is no list of fields", err);
    }
    if (take_field(record, 0, &row->head, &row->head_size, err)) {
        return -1;
    }
    return json_object_array_length(record) > 1
               ? take_field(record, 1, &row->body, &row->body_size, err)
               : 0;
}

static int
parse(const struct buf *body, struct json_object **ret, struct err *err)
{
    if (json_parse(body->data, body->size, "reply", ret, err)) {
        err->kind = ERR_FATAL;
        return err_wrap(err, "Data API");
    }
    return json_object_is_type(*ret, json_type_object)
               ? 0
               : strange("a reply that is no object", err);
}

static void
rows_free(struct rows **rows)
{
    if (*rows) {
        rows_release(*rows);
    }
}

int
rds_reply_decode(struct buf *body, struct store_reply *ret, struct err *err)
{
    _cleanup(json_put) struct json_object *reply = NULL;
    struct json_object *records = NULL;
    if (parse(body, &reply, err) ||
        json_member(reply, "records", json_type_array, &records, err)) {
        err->kind = ERR_FATAL;
        return -1;
    }
    size_t count = records ? json_object_array_length(records) : 0;
    if (count > ROWS_MAX) {
        return strange("more rows than anybody asked for", err);
    }
    _cleanup(rows_free) struct rows *rows =
        xcalloc(1, sizeof(*rows) + count * sizeof(rows->row[0]));
    rows->reply = STEAL(reply);
    for (size_t i = 0; i < count; i++) {
        if (take_row(json_object_array_get_idx(records, i), &rows->row[i],
                     err)) {
            return -1;
        }
    }
    *ret = (struct store_reply){rows->row, count, rows, rows_release};
    rows = NULL;
    return 0;
}

int
rds_reply_transaction(const struct buf *body, char **ret, struct err *err)
{
    _cleanup(json_put) struct json_object *reply = NULL;
    const char *id;
    if (parse(body, &reply, err) ||
        json_string_required(reply, "transactionId", TRANSACTION_MAX, &id,
                             err)) {
        err->kind = ERR_FATAL;
        return -1;
    }
    *ret = xstrdup(id);
    return 0;
}

/* --- errors ----------------------------------------------------------------
 */

static const struct {
    const char *code;
    enum err_kind kind;
    const char *advice;
} exceptions[] = {
    {"DatabaseResumingException", ERR_RETRY, ""},
    {"DatabaseUnavailableException", ERR_RETRY, ""},
    {"ServiceUnavailableError", ERR_RETRY, ""},
    {"InternalServerErrorException", ERR_RETRY, ""},
    {"StatementTimeoutException", ERR_RETRY, ""},
    {"TransactionNotFoundException", ERR_RETRY, ""},
    {"InvalidResourceStateException", ERR_RETRY, ""},
    {"ValidationException", ERR_FATAL, ""},
    {"UnsupportedResultException", ERR_FATAL, ""},
    {"DatabaseNotFoundException", ERR_FATAL, "; check the cluster's ARN"},
    {"HttpEndpointNotEnabledException", ERR_FATAL,
     "; enable the cluster's Data API"},
    {"InvalidSecretException", ERR_FATAL, "; check the secret's ARN and login"},
    {"SecretsErrorException", ERR_FATAL, "; may this role read the secret?"},
    {"AccessDeniedException", ERR_FATAL, "; check this role's permissions"},
    {"ForbiddenException", ERR_FATAL, "; check this role's permissions"},
};

/* The last "SQLState: 42P01" of the text: a message may quote another. */
static const char *
find_state(const struct buf *body, char ret[SQLSTATE_SIZE])
{
    static const char mark[] = "SQLState: ";
    const char *found = NULL;
    for (const char *at = body->data; at && (at = strstr(at, mark)) != NULL;) {
        at += sizeof(mark) - 1;
        found = at;
    }
    if (!found || strspn(found, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") < 5) {
        return NULL;
    }
    snprintf(ret, SQLSTATE_SIZE, "%.5s", found);
    return ret;
}

static void
explain_state(const char *state, struct err *err)
{
    const struct sqlstate *s = sqlstate_find(state);
    char text[sizeof(err->text)];
    snprintf(text, sizeof(text), "%.200s", err->text);
    text[strcspn(text, "\r\n")] = '\0';
    err_set(err, s->kind, s->kind == ERR_REJECT ? atoi(s->prefix) : 0,
            "%s (SQLSTATE %s)%s", text, state, s->advice);
}

void
rds_reply_explain(const char *code, const struct buf *body, struct err *err)
{
    char state[SQLSTATE_SIZE];
    if (strcmp(code, "DatabaseErrorException") == 0 &&
        find_state(body, state)) {
        explain_state(state, err);
        return;
    }
    for (size_t i = 0; i < ARRAY_COUNT(exceptions); i++) {
        if (strcmp(code, exceptions[i].code) == 0) {
            char text[sizeof(err->text)];
            snprintf(text, sizeof(text), "%.240s", err->text);
            err_set(err, exceptions[i].kind, 0, "%s%s", text,
                    exceptions[i].advice);
        }
    }
    if (strcmp(code, "DatabaseResumingException") == 0) {
        err->after_ms = RESUMING_MS;
    }
}

bool
rds_reply_not_run(const char *code)
{
    return strcmp(code, "DatabaseResumingException") == 0 ||
           strcmp(code, "ServiceUnavailableError") == 0 ||
           strstr(code, "Throttl") != NULL;
}
