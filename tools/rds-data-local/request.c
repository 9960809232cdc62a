#include "rds-data-local/request.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "rds-data-local/value.h"

#define ARN_MIN 11
#define ARN_MAX 100
#define DATABASE_MAX 64
#define TRANSACTION_MAX 192
#define SETS_MAX 10000

static size_t
characters(const char *text)
{
    size_t count = 0;
    for (; *text; text++) {
        count += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return count;
}

/* A text member with the model's bounds on its length; 'least' 0: optional. */
static int
take_text(struct json_object *body, const char *key, size_t least, size_t most,
          const char **ret, struct err *err)
{
    const char *text = "";
    if (json_string(body, key, API_REQUEST_MAX_BYTES, "", &text, err)) {
        err->code = API_BAD_REQUEST;
        return -1;
    }
    size_t size = characters(text);
    if (size < least || size > most) {
        return api_fail(err, API_VALIDATION,
                        "1 validation error detected: Value at '%s' failed to "
                        "satisfy constraint: Member must %s%s %zu",
                        key, size == 0 ? "not be null and " : "",
                        size < least ? "have length greater than or equal to"
                                     : "have length less than or equal to",
                        size < least ? least : most);
    }
    *ret = text;
    return 0;
}

static int
take_flag(struct json_object *body, const char *key, bool *ret, struct err *err)
{
    struct json_object *member = NULL;
    if (!json_object_object_get_ex(body, key, &member) || !member) {
        return 0;
    }
    if (!json_object_is_type(member, json_type_boolean)) {
        return api_fail(err, API_BAD_REQUEST, "%s: not a boolean", key);
    }
    *ret = json_object_get_boolean(member);
    return 0;
}

/* One of two words; '*ret' is whether it is the second. */
static int
take_choice(struct json_object *object, const char *key, const char *first,
            const char *second, bool *ret, struct err *err)
{
    const char *word = NULL;
    if (json_string(object, key, 64, first, &word, err)) {
        err->code = API_BAD_REQUEST;
        return -1;
    }
    *ret = strcmp(word, second) == 0;
    if (!*ret && strcmp(word, first) != 0) {
        return api_fail(err, API_VALIDATION,
                        "Value '%.40s' at '%s' failed to satisfy constraint: "
                        "Member must satisfy enum value set: [%s, %s]",
                        word, key, first, second);
    }
    return 0;
}

/* --- parameters ---------------------------------------------------------- */

static int
take_set(struct json_object *array, struct request_set *set, struct err *err)
{
    size_t count = json_object_array_length(array);
    set->values = xcalloc(count + 1, sizeof(*set->values));
    for (size_t i = 0; i < count; i++) {
        if (value_decode(json_object_array_get_idx(array, i), &set->values[i],
                         err)) {
            return err_wrap(err, "parameters[%zu]", i);
        }
        set->count++;
    }
    return 0;
}

static int
take_parameters(struct request *request, struct err *err)
{
    struct json_object *array = NULL;
    if (json_member(request->body, "parameters", json_type_array, &array,
                    err)) {
        err->code = API_BAD_REQUEST;
        return -1;
    }
    request->sets = xcalloc(1, sizeof(*request->sets));
    request->set_count = 1;
    return array ? take_set(array, &request->sets[0], err) : 0;
}

/* Absent is one set without parameters; empty is none. */
static int
take_parameter_sets(struct request *request, struct err *err)
{
    struct json_object *array = NULL;
    if (json_member(request->body, "parameterSets", json_type_array, &array,
                    err)) {
        err->code = API_BAD_REQUEST;
        return -1;
    }
    size_t count = array ? json_object_array_length(array) : 1;
    if (count > SETS_MAX) {
        return api_fail(err, API_VALIDATION,
                        "parameterSets: %zu sets, at most %d allowed", count,
                        SETS_MAX);
    }
    request->sets = xcalloc(count + 1, sizeof(*request->sets));
    request->set_count = count;
    for (size_t i = 0; array && i < count; i++) {
        struct json_object *set = json_object_array_get_idx(array, i);
        if (!json_object_is_type(set, json_type_array)) {
            return api_fail(err, API_BAD_REQUEST,
                            "parameterSets[%zu]: not an array", i);
        }
        if (take_set(set, &request->sets[i], err)) {
            return err_wrap(err, "parameterSets[%zu]", i);
        }
    }
    return 0;
}

/* --- operations ---------------------------------------------------------- */

static int
take_options(struct request *request, struct err *err)
{
    struct json_object *body = request->body;
    struct json_object *options = NULL;
    if (take_flag(body, "includeResultMetadata", &request->metadata, err) ||
        take_flag(body, "continueAfterTimeout",
                  &request->continue_after_timeout, err) ||
        take_choice(body, "formatRecordsAs", "NONE", "JSON", &request->as_json,
                    err)) {
        return -1;
    }
    if (json_member(body, "resultSetOptions", json_type_object, &options,
                    err)) {
        err->code = API_BAD_REQUEST;
        return -1;
    }
    if (!options) {
        return 0;
    }
    if (take_choice(options, "decimalReturnType", "STRING", "DOUBLE_OR_LONG",
                    &request->decimal_as_double, err) ||
        take_choice(options, "longReturnType", "LONG", "STRING",
                    &request->long_as_string, err)) {
        return -1;
    }
    return 0;
}

static int
take_statement(struct request *request, struct err *err)
{
    if (take_text(request->body, "sql", 1, API_SQL_MAX_CHARS, &request->sql,
                  err)) {
        return -1;
    }
    if (request->operation == API_BATCH_EXECUTE) {
        return take_parameter_sets(request, err);
    }
    return take_parameters(request, err) || take_options(request, err) ? -1 : 0;
}

static int
decode(struct request *request, struct err *err)
{
    struct json_object *body = request->body;
    enum api_operation operation = request->operation;
    bool ends = operation == API_COMMIT || operation == API_ROLLBACK;
    if (take_text(body, "resourceArn", ARN_MIN, ARN_MAX, &request->resource_arn,
                  err) ||
        take_text(body, "secretArn", ARN_MIN, ARN_MAX, &request->secret_arn,
                  err) ||
        take_text(body, "database", 0, DATABASE_MAX, &request->database, err) ||
        take_text(body, "transactionId", ends ? 1 : 0, TRANSACTION_MAX,
                  &request->transaction, err)) {
        return -1;
    }
    return operation == API_EXECUTE || operation == API_BATCH_EXECUTE
               ? take_statement(request, err)
               : 0;
}

int
request_decode(enum api_operation operation, const char *bytes, size_t size,
               struct request *ret, struct err *err)
{
    _cleanup(request_free) struct request request = {.operation = operation};
    if (json_parse(bytes, size, "request", &request.body, err)) {
        err->code = API_BAD_REQUEST;
        return -1;
    }
    if (!json_object_is_type(request.body, json_type_object)) {
        return api_fail(err, API_BAD_REQUEST, "request: not a JSON object");
    }
    if (decode(&request, err)) {
        return -1;
    }
    *ret = request;
    request = (struct request){0};
    return 0;
}

void
request_free(struct request *request)
{
    for (size_t i = 0; request->sets && i < request->set_count; i++) {
        struct request_set *set = &request->sets[i];
        for (size_t k = 0; k < set->count; k++) {
            value_free(&set->values[k]);
        }
        free(set->values);
    }
    free(request->sets);
    json_put(&request->body);
    *request = (struct request){0};
}
