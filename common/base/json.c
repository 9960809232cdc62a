#include "base/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"

/* Doubles up to here hold every integer. */
#define JSON_EXACT_MAX 9007199254740992.0

void
json_put(struct json_object **object)
{
    json_object_put(*object);
    *object = NULL;
}

static struct json_object *
json_get(struct json_object *object, const char *key)
{
    struct json_object *value = NULL;

    json_object_object_get_ex(object, key, &value);
    return value;
}

static int
json_missing(const char *key, const char *expected, struct err *err)
{
    return err_set(err, ERR_REJECT, 0, "%s: missing, expected %s", key,
                   expected);
}

static int
json_mistyped(const char *key, const char *expected, struct json_object *value,
              struct err *err)
{
    return err_set(err, ERR_REJECT, 0, "%s: expected %s, not %s", key, expected,
                   json_type_to_name(json_object_get_type(value)));
}

static int
json_read_string(struct json_object *value, const char *key, size_t max_bytes,
                 const char **ret, struct err *err)
{
    if (!json_object_is_type(value, json_type_string)) {
        return json_mistyped(key, "a string", value, err);
    }
    size_t size = (size_t)json_object_get_string_len(value);
    if (size > max_bytes) {
        return err_set(err, ERR_REJECT, 0, "%s: %zu bytes, limit %zu", key,
                       size, max_bytes);
    }
    *ret = json_object_get_string(value);
    return 0;
}

int
json_string_required(struct json_object *object, const char *key,
                     size_t max_bytes, const char **ret, struct err *err)
{
    struct json_object *value = json_get(object, key);

    if (value == NULL) {
        return json_missing(key, "a string", err);
    }
    return json_read_string(value, key, max_bytes, ret, err);
}

int
json_string(struct json_object *object, const char *key, size_t max_bytes,
            const char *fallback, const char **ret, struct err *err)
{
    struct json_object *value = json_get(object, key);

    if (value == NULL) {
        *ret = fallback;
        return 0;
    }
    return json_read_string(value, key, max_bytes, ret, err);
}

/* 1.0 is an integer in JSON Schema, so it is one here. */
static bool
json_to_int(struct json_object *value, int64_t *ret)
{
    if (json_object_is_type(value, json_type_int)) {
        *ret = json_object_get_int64(value);
        /* json-c clamps what only fits unsigned. */
        return *ret < INT64_MAX || json_object_get_uint64(value) == INT64_MAX;
    }
    double number = json_object_get_double(value);
    if (!json_object_is_type(value, json_type_double) ||
        fabs(number) > JSON_EXACT_MAX || number != trunc(number)) {
        return false;
    }
    *ret = (int64_t)number;
    return true;
}

static int
json_read_int(struct json_object *value, const char *key, int64_t min,
              int64_t max, int64_t *ret, struct err *err)
{
    int64_t number;

    if (!json_object_is_type(value, json_type_int) &&
        !json_object_is_type(value, json_type_double)) {
        return json_mistyped(key, "an integer", value, err);
    }
    if (!json_to_int(value, &number) || number < min || number > max) {
        return err_set(err, ERR_REJECT, 0,
                       "%s: expected an integer from %" PRId64 " to %" PRId64
                       ", not %.40s",
                       key, min, max, json_object_get_string(value));
    }
    *ret = number;
    return 0;
}

int
json_int_required(struct json_object *object, const char *key, int64_t min,
                  int64_t max, int64_t *ret, struct err *err)
{
    struct json_object *value = json_get(object, key);

    if (value == NULL) {
        return json_missing(key, "an integer", err);
    }
    return json_read_int(value, key, min, max, ret, err);
}

int
json_int(struct json_object *object, const char *key, int64_t min, int64_t max,
         int64_t fallback, int64_t *ret, struct err *err)
{
    struct json_object *value = json_get(object, key);

    if (value == NULL) {
        *ret = fallback;
        return 0;
    }
    return json_read_int(value, key, min, max, ret, err);
}

static bool
json_to_number(struct json_object *value, double *ret)
{
    if (!json_object_is_type(value, json_type_string)) {
        *ret = json_object_get_double(value);
        return true;
    }
    /* What strtod() takes beyond this (hex, "inf", spaces) is no number. */
    const char *text = json_object_get_string(value);
    char *end;
    if (text[0] == '\0' || text[strspn(text, "0123456789+-.eE")] != '\0') {
        return false;
    }
    *ret = strtod(text, &end);
    return *end == '\0';
}

static int
json_read_number(struct json_object *value, const char *key, double min,
                 double max, double *ret, struct err *err)
{
    enum json_type type = json_object_get_type(value);
    double number;

    if ((type != json_type_int && type != json_type_double &&
         type != json_type_string) ||
        !json_to_number(value, &number)) {
        return json_mistyped(key, "a number", value, err);
    }
    if (!isfinite(number) || number < min || number > max) {
        return err_set(err, ERR_REJECT, 0,
                       "%s: expected a number from %g to %g, not %.40s", key,
                       min, max, json_object_get_string(value));
    }
    *ret = number;
    return 0;
}

int
json_number_required(struct json_object *object, const char *key, double min,
                     double max, double *ret, struct err *err)
{
    struct json_object *value = json_get(object, key);

    if (value == NULL) {
        return json_missing(key, "a number", err);
    }
    return json_read_number(value, key, min, max, ret, err);
}

int
json_number(struct json_object *object, const char *key, double min, double max,
            double fallback, double *ret, struct err *err)
{
    struct json_object *value = json_get(object, key);

    if (value == NULL) {
        *ret = fallback;
        return 0;
    }
    return json_read_number(value, key, min, max, ret, err);
}

int
json_member(struct json_object *object, const char *key, enum json_type type,
            struct json_object **ret, struct err *err)
{
    struct json_object *value = json_get(object, key);

    if (value != NULL && !json_object_is_type(value, type)) {
        return json_mistyped(key, json_type_to_name(type), value, err);
    }
    *ret = value;
    return 0;
}

bool
json_flag(struct json_object *object, const char *key, bool fallback)
{
    struct json_object *value = json_get(object, key);

    if (!json_object_is_type(value, json_type_boolean)) {
        return fallback;
    }
    return json_object_get_boolean(value) != 0;
}

static int
json_compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void
json_canonical_object(struct json_object *value, struct buf *out)
{
    size_t count = (size_t)json_object_object_length(value);
    _cleanup(cleanup_free) const char **keys = xcalloc(count, sizeof(*keys));
    size_t used = 0;

    json_object_object_foreach (value, key, member) {
        (void)member;
        keys[used++] = key;
    }
    qsort(keys, count, sizeof(*keys), json_compare_keys);
    buf_json_object(out);
    for (size_t i = 0; i < count; i++) {
        buf_json_key(out, keys[i]);
        json_canonical(json_get(value, keys[i]), out);
    }
    buf_json_end(out);
}

static void
json_canonical_number(struct json_object *value, struct buf *out)
{
    int64_t integer;
    double number = json_object_get_double(value);

    if (json_to_int(value, &integer)) {
        buf_json_int(out, integer);
    } else if (json_object_is_type(value, json_type_int) || isinf(number)) {
        /* Beyond our types: as it was written. */
        const char *text = json_object_get_string(value);
        buf_json_raw(out, text, strlen(text));
    } else {
        buf_json_double(out, number);
    }
}

void
json_canonical(struct json_object *value, struct buf *out)
{
    switch (json_object_get_type(value)) {
    case json_type_object:
        json_canonical_object(value, out);
        break;
    case json_type_array:
        buf_json_array(out);
        for (size_t i = 0; i < json_object_array_length(value); i++) {
            json_canonical(json_object_array_get_idx(value, i), out);
        }
        buf_json_end(out);
        break;
    case json_type_string:
        buf_json_string_n(out, json_object_get_string(value),
                          (size_t)json_object_get_string_len(value));
        break;
    case json_type_int:
    case json_type_double:
        json_canonical_number(value, out);
        break;
    case json_type_boolean:
        buf_json_bool(out, json_object_get_boolean(value) != 0);
        break;
    case json_type_null:
        buf_json_null(out);
        break;
    }
}
