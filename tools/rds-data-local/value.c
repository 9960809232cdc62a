#include "rds-data-local/value.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "rds-data-local/lex.h"

/* pg_type.oid; fixed for ever in pg_type.dat. */
enum {
    TYPE_BOOL = 16,
    TYPE_BYTEA = 17,
    TYPE_INT8 = 20,
    TYPE_TEXT = 25,
    TYPE_JSON = 114,
    TYPE_FLOAT8 = 701,
    TYPE_DATE = 1082,
    TYPE_TIME = 1083,
    TYPE_TIMESTAMP = 1114,
    TYPE_NUMERIC = 1700,
    TYPE_UUID = 2950,
};

/* 9 is a digit, [ an optional fraction from here; NULL: PostgreSQL judges. */
static const struct {
    const char *name;
    unsigned int type;
    const char *shape;
} hints[] = {
    {"DATE", TYPE_DATE, "9999-99-99"},
    {"TIME", TYPE_TIME, "99:99:99["},
    {"TIMESTAMP", TYPE_TIMESTAMP, "9999-99-99 99:99:99["},
    {"DECIMAL", TYPE_NUMERIC, NULL},
    {"JSON", TYPE_JSON, NULL},
    {"UUID", TYPE_UUID, NULL},
};

static bool
has_shape(const char *text, const char *shape)
{
    for (; *shape && *shape != '['; shape++, text++) {
        if (*shape == '9' ? !isdigit((unsigned char)*text) : *text != *shape) {
            return false;
        }
    }
    if (*shape == '[' && *text == '.') {
        text += 1 + strspn(text + 1, "0123456789");
    }
    return *text == '\0';
}

/* --- the members of the union -------------------------------------------- */

static int
wrong_type(const char *member, struct err *err)
{
    return api_fail(err, API_BAD_REQUEST, "%s: wrong type", member);
}

static void
set_text(struct request_value *value, unsigned int type, const char *text,
         size_t size)
{
    value->type = type;
    value->bytes = xmemdup(text, size);
    value->size = (int)size;
}

static int
take_null(struct json_object *field, struct request_value *value,
          struct err *err)
{
    (void)value;
    if (!json_object_is_type(field, json_type_boolean) ||
        !json_object_get_boolean(field)) {
        return api_fail(err, API_BAD_REQUEST, "isNull: only true is a value");
    }
    return 0;
}

static int
take_boolean(struct json_object *field, struct request_value *value,
             struct err *err)
{
    if (!json_object_is_type(field, json_type_boolean)) {
        return wrong_type("booleanValue", err);
    }
    const char *text = json_object_get_boolean(field) ? "true" : "false";
    set_text(value, TYPE_BOOL, text, strlen(text));
    return 0;
}

static int
take_long(struct json_object *field, struct request_value *value,
          struct err *err)
{
    char text[32];
    if (!json_object_is_type(field, json_type_int)) {
        return wrong_type("longValue", err);
    }
    int size =
        snprintf(text, sizeof(text), "%" PRId64, json_object_get_int64(field));
    set_text(value, TYPE_INT8, text, (size_t)size);
    return 0;
}

static int
take_double(struct json_object *field, struct request_value *value,
            struct err *err)
{
    char text[64];
    if (!json_object_is_type(field, json_type_double) &&
        !json_object_is_type(field, json_type_int)) {
        return wrong_type("doubleValue", err);
    }
    int size =
        snprintf(text, sizeof(text), "%.17g", json_object_get_double(field));
    set_text(value, TYPE_FLOAT8, text, (size_t)size);
    return 0;
}

static int
take_string(struct json_object *field, struct request_value *value,
            struct err *err)
{
    if (!json_object_is_type(field, json_type_string)) {
        return wrong_type("stringValue", err);
    }
    set_text(value, TYPE_TEXT, json_object_get_string(field),
             (size_t)json_object_get_string_len(field));
    return 0;
}

static int
take_blob(struct json_object *field, struct request_value *value,
          struct err *err)
{
    if (!json_object_is_type(field, json_type_string)) {
        return wrong_type("blobValue", err);
    }
    const char *text = json_object_get_string(field);
    size_t size = strlen(text);
    _cleanup(cleanup_free) char *bytes = xmalloc(size / 4 * 3 + 1);
    int decoded = size % 4 == 0
                      ? EVP_DecodeBlock((unsigned char *)bytes,
                                        (const unsigned char *)text, (int)size)
                      : -1;
    if (decoded < 0) {
        return api_fail(err, API_BAD_REQUEST, "blobValue: not base64");
    }
    /* What EVP_DecodeBlock() counts for padding. */
    size_t padding = size >= 2 ? (size_t)(text[size - 1] == '=') +
                                     (size_t)(text[size - 2] == '=')
                               : 0;
    set_text(value, TYPE_BYTEA, bytes, (size_t)decoded - padding);
    value->binary = true;
    return 0;
}

static int
take_array(struct json_object *field, struct request_value *value,
           struct err *err)
{
    (void)field;
    (void)value;
    return api_fail(err, API_BAD_REQUEST,
                    "Array parameters are not supported.");
}

static const struct {
    const char *name;
    int (*take)(struct json_object *field, struct request_value *value,
                struct err *err);
} members[] = {
    {"isNull", take_null},        {"booleanValue", take_boolean},
    {"longValue", take_long},     {"doubleValue", take_double},
    {"stringValue", take_string}, {"blobValue", take_blob},
    {"arrayValue", take_array},
};

/* --- the whole ----------------------------------------------------------- */

static int
take_union(struct json_object *field, struct request_value *value,
           struct err *err)
{
    size_t found = ARRAY_COUNT(members);
    struct json_object *member = NULL;
    for (size_t i = 0; i < ARRAY_COUNT(members); i++) {
        struct json_object *one;
        if (!json_object_object_get_ex(field, members[i].name, &one) || !one) {
            continue;
        }
        if (found < ARRAY_COUNT(members)) {
            return api_fail(err, API_BAD_REQUEST,
                            "value: has both %s and %s, one is allowed",
                            members[found].name, members[i].name);
        }
        found = i;
        member = one;
    }
    if (found == ARRAY_COUNT(members)) {
        return api_fail(err, API_BAD_REQUEST, "value: is empty");
    }
    return members[found].take(member, value, err);
}

static int
apply_hint(const char *hint, struct request_value *value, struct err *err)
{
    for (size_t i = 0; i < ARRAY_COUNT(hints); i++) {
        if (strcmp(hint, hints[i].name) != 0) {
            continue;
        }
        if (value->bytes && value->type != TYPE_TEXT) {
            return api_fail(err, API_BAD_REQUEST,
                            "typeHint %s wants a stringValue", hint);
        }
        if (value->bytes && hints[i].shape &&
            !has_shape(value->bytes, hints[i].shape)) {
            return api_fail(err, API_BAD_REQUEST,
                            "stringValue: does not have the format of %s",
                            hint);
        }
        value->type = hints[i].type;
        return 0;
    }
    return api_fail(err, API_VALIDATION,
                    "Value '%.40s' at 'typeHint' failed to satisfy constraint: "
                    "Member must satisfy enum value set: [JSON, UUID, "
                    "TIMESTAMP, DATE, TIME, DECIMAL]",
                    hint);
}

static int
decode(struct json_object *parameter, struct request_value *value,
       struct err *err)
{
    struct json_object *field = NULL;
    const char *hint = NULL;
    if (json_string_required(parameter, "name", LEX_NAME_MAX, &value->name,
                             err) ||
        json_member(parameter, "value", json_type_object, &field, err) ||
        json_string(parameter, "typeHint", 64, NULL, &hint, err)) {
        err->code = API_BAD_REQUEST;
        return -1;
    }
    if (!field) {
        return api_fail(err, API_BAD_REQUEST, "value: missing");
    }
    if (take_union(field, value, err)) {
        return -1;
    }
    return hint ? apply_hint(hint, value, err) : 0;
}

int
value_decode(struct json_object *parameter, struct request_value *ret,
             struct err *err)
{
    struct request_value value = {0};
    if (!json_object_is_type(parameter, json_type_object)) {
        return api_fail(err, API_BAD_REQUEST, "not an object");
    }
    if (decode(parameter, &value, err)) {
        value_free(&value);
        return value.name ? err_wrap(err, "parameter '%.40s'", value.name) : -1;
    }
    *ret = value;
    return 0;
}

void
value_free(struct request_value *value)
{
    free(value->bytes);
    value->bytes = NULL;
}
