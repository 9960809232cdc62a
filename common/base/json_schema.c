/* A JSON Schema validator: one table of keywords, one function each. */
#include "base/json.h"

#include <ctype.h>
#include <math.h>
#include <regex.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/utf8.h"

/* Levels of document and references together; more is a loop of $refs. */
#define SCHEMA_DEPTH_MAX 128

/* Where in the document we are, as a chain on the stack. */
struct schema_place {
    const struct schema_place *up;
    struct json_object *root;   /* The whole schema, for $ref. */
    struct json_object *schema; /* The part that applies here. */
    const char *key;            /* Member of 'up'; NULL: item 'index'. */
    size_t index;
    int depth;
    bool is_same; /* Another schema at the same place as 'up'. */
};

static int schema_check(const struct schema_place *place,
                        struct json_object *value, struct err *err);

static void
schema_path(const struct schema_place *place, struct buf *out)
{
    if (place->up == NULL) {
        return;
    }
    schema_path(place->up, out);
    if (place->is_same) {
        return;
    }
    if (place->key != NULL) {
        buf_printf(out, "/%s", place->key);
    } else {
        buf_printf(out, "/%zu", place->index);
    }
}

__attribute__((format(printf, 3, 4))) static int
schema_reject(const struct schema_place *place, struct err *err,
              const char *format, ...)
{
    _cleanup(buf_free) struct buf path = {0};
    char text[sizeof(err->text)];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    schema_path(place, &path);
    return err_set(err, ERR_REJECT, 0, "%.200s: %s",
                   path.size > 0 ? path.data : "/", text);
}

__attribute__((format(printf, 2, 3))) static int
schema_broken(struct err *err, const char *format, ...)
{
    char text[sizeof(err->text)];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return err_set(err, ERR_FATAL, 0, "schema: %s", text);
}

static int
schema_descend(const struct schema_place *up, struct json_object *schema,
               const char *key, size_t index, struct json_object *value,
               struct err *err)
{
    struct schema_place place = {
        .up = up,
        .root = up->root,
        .schema = schema,
        .key = key,
        .index = index,
        .depth = up->depth + 1,
    };

    return schema_check(&place, value, err);
}

static int
schema_also(const struct schema_place *up, struct json_object *schema,
            struct json_object *value, struct err *err)
{
    struct schema_place place = {
        .up = up,
        .root = up->root,
        .schema = schema,
        .depth = up->depth + 1,
        .is_same = true,
    };

    return schema_check(&place, value, err);
}

static bool
schema_is_number(struct json_object *value)
{
    return json_object_is_type(value, json_type_int) ||
           json_object_is_type(value, json_type_double);
}

static bool
schema_is_integer(struct json_object *value)
{
    double number = json_object_get_double(value);

    return schema_is_number(value) && number == trunc(number);
}

#define SCHEMA_TYPE(type) (1u << (type))

static const struct schema_type_row {
    const char *name;
    unsigned types;
    bool is_integral;
} schema_types[] = {
    {"object", SCHEMA_TYPE(json_type_object)},
    {"array", SCHEMA_TYPE(json_type_array)},
    {"string", SCHEMA_TYPE(json_type_string)},
    {"boolean", SCHEMA_TYPE(json_type_boolean)},
    {"null", SCHEMA_TYPE(json_type_null)},
    {"number", SCHEMA_TYPE(json_type_int) | SCHEMA_TYPE(json_type_double)},
    {"integer", SCHEMA_TYPE(json_type_int) | SCHEMA_TYPE(json_type_double),
     .is_integral = true},
};

static const struct schema_type_row *
schema_find_type(const char *name)
{
    for (size_t i = 0; i < ARRAY_COUNT(schema_types); i++) {
        if (strcmp(schema_types[i].name, name) == 0) {
            return &schema_types[i];
        }
    }
    return NULL;
}

static bool
schema_is_of(struct json_object *value, unsigned types)
{
    return (types & SCHEMA_TYPE(json_object_get_type(value))) != 0;
}

static int
schema_type(const struct schema_place *place, struct json_object *rule,
            struct json_object *value, struct err *err)
{
    bool is_list = json_object_is_type(rule, json_type_array);
    size_t count = is_list ? json_object_array_length(rule) : 1;

    for (size_t i = 0; i < count; i++) {
        const char *name = json_object_get_string(
            is_list ? json_object_array_get_idx(rule, i) : rule);
        const struct schema_type_row *row = schema_find_type(name);
        if (row == NULL) {
            return schema_broken(err, "unknown type '%s'", name);
        }
        if (schema_is_of(value, row->types) &&
            (!row->is_integral || schema_is_integer(value))) {
            return 0;
        }
    }
    return schema_reject(place, err, "expected %s, not %s",
                         json_object_get_string(rule),
                         json_type_to_name(json_object_get_type(value)));
}

static int
schema_properties(const struct schema_place *place, struct json_object *rule,
                  struct json_object *value, struct err *err)
{
    struct json_object *member;

    json_object_object_foreach (rule, key, schema) {
        if (json_object_object_get_ex(value, key, &member) &&
            schema_descend(place, schema, key, 0, member, err) != 0) {
            return -1;
        }
    }
    return 0;
}

static int
schema_required(const struct schema_place *place, struct json_object *rule,
                struct json_object *value, struct err *err)
{
    for (size_t i = 0; i < json_object_array_length(rule); i++) {
        const char *key =
            json_object_get_string(json_object_array_get_idx(rule, i));
        if (!json_object_object_get_ex(value, key, NULL)) {
            return schema_reject(place, err, "'%s' is missing", key);
        }
    }
    return 0;
}

static int
schema_additional(const struct schema_place *place, struct json_object *rule,
                  struct json_object *value, struct err *err)
{
    struct json_object *known = NULL;

    json_object_object_get_ex(place->schema, "properties", &known);
    json_object_object_foreach (value, key, member) {
        if (json_object_object_get_ex(known, key, NULL)) {
            continue;
        }
        if (schema_descend(place, rule, key, 0, member, err) != 0) {
            return -1;
        }
    }
    return 0;
}

static int
schema_property_names(const struct schema_place *place,
                      struct json_object *rule, struct json_object *value,
                      struct err *err)
{
    json_object_object_foreach (value, key, member) {
        _cleanup(json_put) struct json_object *name =
            json_object_new_string(key);
        (void)member;
        if (schema_descend(place, rule, key, 0, name, err) != 0) {
            return -1;
        }
    }
    return 0;
}

static int
schema_items(const struct schema_place *place, struct json_object *rule,
             struct json_object *value, struct err *err)
{
    for (size_t i = 0; i < json_object_array_length(value); i++) {
        if (schema_descend(place, rule, NULL, i,
                           json_object_array_get_idx(value, i), err) != 0) {
            return -1;
        }
    }
    return 0;
}

/* Through canonical text, because 1 and 1.0 are the same number. */
static bool
schema_equal(struct json_object *a, struct json_object *b)
{
    _cleanup(buf_free) struct buf left = {0};
    _cleanup(buf_free) struct buf right = {0};

    if (json_object_is_type(a, json_type_string) &&
        json_object_is_type(b, json_type_string)) {
        return json_object_equal(a, b) != 0;
    }
    json_canonical(a, &left);
    json_canonical(b, &right);
    return left.size == right.size &&
           memcmp(left.data, right.data, left.size) == 0;
}

static int
schema_const(const struct schema_place *place, struct json_object *rule,
             struct json_object *value, struct err *err)
{
    if (schema_equal(rule, value)) {
        return 0;
    }
    return schema_reject(place, err, "must be %.80s",
                         json_object_to_json_string(rule));
}

static int
schema_enum(const struct schema_place *place, struct json_object *rule,
            struct json_object *value, struct err *err)
{
    for (size_t i = 0; i < json_object_array_length(rule); i++) {
        if (schema_equal(json_object_array_get_idx(rule, i), value)) {
            return 0;
        }
    }
    return schema_reject(place, err, "must be one of %.120s",
                         json_object_to_json_string(rule));
}

/* What a limit is compared with. */
static double
schema_measure(struct json_object *value)
{
    switch (json_object_get_type(value)) {
    case json_type_string:
        return (double)utf8_count(json_object_get_string(value),
                                  (size_t)json_object_get_string_len(value));
    case json_type_array:
        return (double)json_object_array_length(value);
    case json_type_object:
        return (double)json_object_object_length(value);
    default:
        return json_object_get_double(value);
    }
}

static int
schema_at_least(const struct schema_place *place, struct json_object *rule,
                struct json_object *value, struct err *err)
{
    double limit = json_object_get_double(rule);
    double measure = schema_measure(value);

    if (measure >= limit) {
        return 0;
    }
    return schema_reject(place, err, "%s%.15g, must be at least %.15g",
                         schema_is_number(value) ? "" : "size ", measure,
                         limit);
}

static int
schema_at_most(const struct schema_place *place, struct json_object *rule,
               struct json_object *value, struct err *err)
{
    double limit = json_object_get_double(rule);
    double measure = schema_measure(value);

    if (measure <= limit) {
        return 0;
    }
    return schema_reject(place, err, "%s%.15g, must be at most %.15g",
                         schema_is_number(value) ? "" : "size ", measure,
                         limit);
}

static int
schema_pattern(const struct schema_place *place, struct json_object *rule,
               struct json_object *value, struct err *err)
{
    const char *pattern = json_object_get_string(rule);
    _cleanup(regfree) regex_t regex = {0};

    /* "\d" would silently mean "d". */
    for (const char *at = pattern; (at = strchr(at, '\\')) != NULL; at += 2) {
        if (at[1] == '\0' || isalnum((unsigned char)at[1])) {
            return schema_broken(err, "'%s' is not POSIX extended", pattern);
        }
    }
    if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) != 0) {
        return schema_broken(err, "bad pattern '%s'", pattern);
    }
    if (regexec(&regex, json_object_get_string(value), 0, NULL, 0) != 0) {
        return schema_reject(place, err, "must match %s", pattern);
    }
    return 0;
}

static int
schema_any_of(const struct schema_place *place, struct json_object *rule,
              struct json_object *value, struct err *err)
{
    for (size_t i = 0; i < json_object_array_length(rule); i++) {
        struct json_object *schema = json_object_array_get_idx(rule, i);
        if (schema_also(place, schema, value, err) == 0) {
            return 0;
        }
        if (err->kind == ERR_FATAL) {
            return -1;
        }
    }
    return err_wrap(err, "none of %zu alternatives fits; the last",
                    json_object_array_length(rule));
}

static int
schema_ref(const struct schema_place *place, struct json_object *rule,
           struct json_object *value, struct err *err)
{
    static const char prefix[] = "#/$defs/";
    const char *ref = json_object_get_string(rule);
    struct json_object *defs = NULL;
    struct json_object *schema = NULL;

    if (strncmp(ref, prefix, strlen(prefix)) == 0) {
        json_object_object_get_ex(place->root, "$defs", &defs);
        json_object_object_get_ex(defs, ref + strlen(prefix), &schema);
    }
    if (schema == NULL) {
        return schema_broken(err, "cannot resolve $ref '%s'", ref);
    }
    return schema_also(place, schema, value, err);
}

#define ANY (~0u)
#define OBJECT SCHEMA_TYPE(json_type_object)
#define ARRAY SCHEMA_TYPE(json_type_array)
#define STRING SCHEMA_TYPE(json_type_string)
#define INT SCHEMA_TYPE(json_type_int)
#define NUMBER (INT | SCHEMA_TYPE(json_type_double))
#define SCHEMA (OBJECT | SCHEMA_TYPE(json_type_boolean))
#define ANNOTATION 0u

static const struct schema_keyword {
    const char *name;
    unsigned rules;  /* Types that the keyword itself may have. */
    unsigned values; /* Types it says something about; others pass. */
    int (*check)(const struct schema_place *place, struct json_object *rule,
                 struct json_object *value, struct err *err);
} schema_keywords[] = {
    {"type", STRING | ARRAY, ANY, schema_type},
    {"properties", OBJECT, OBJECT, schema_properties},
    {"required", ARRAY, OBJECT, schema_required},
    {"additionalProperties", SCHEMA, OBJECT, schema_additional},
    {"propertyNames", SCHEMA, OBJECT, schema_property_names},
    {"minProperties", INT, OBJECT, schema_at_least},
    {"maxProperties", INT, OBJECT, schema_at_most},
    {"items", SCHEMA, ARRAY, schema_items},
    {"minItems", INT, ARRAY, schema_at_least},
    {"maxItems", INT, ARRAY, schema_at_most},
    {"minLength", INT, STRING, schema_at_least},
    {"maxLength", INT, STRING, schema_at_most},
    {"pattern", STRING, STRING, schema_pattern},
    {"minimum", NUMBER, NUMBER, schema_at_least},
    {"maximum", NUMBER, NUMBER, schema_at_most},
    {"enum", ARRAY, ANY, schema_enum},
    {"const", ANY, ANY, schema_const},
    {"anyOf", ARRAY, ANY, schema_any_of},
    {"$ref", STRING, ANY, schema_ref},
    {"$defs", OBJECT, ANNOTATION},
    {"$schema", STRING, ANNOTATION},
    {"$id", STRING, ANNOTATION},
    {"$comment", STRING, ANNOTATION},
    {"title", STRING, ANNOTATION},
    {"description", STRING, ANNOTATION},
    {"examples", ARRAY, ANNOTATION},
    {"default", ANY, ANNOTATION},
};

static int
schema_check_keyword(const struct schema_place *place, const char *name,
                     struct json_object *rule, struct json_object *value,
                     struct err *err)
{
    for (size_t i = 0; i < ARRAY_COUNT(schema_keywords); i++) {
        const struct schema_keyword *keyword = &schema_keywords[i];
        if (strcmp(keyword->name, name) != 0) {
            continue;
        }
        if (!schema_is_of(rule, keyword->rules)) {
            return schema_broken(err, "keyword '%s' has the wrong type", name);
        }
        if (!schema_is_of(value, keyword->values)) {
            return 0;
        }
        return keyword->check(place, rule, value, err);
    }
    return schema_broken(err, "keyword '%s' is not supported", name);
}

static int
schema_check(const struct schema_place *place, struct json_object *value,
             struct err *err)
{
    if (place->depth > SCHEMA_DEPTH_MAX) {
        return schema_broken(err, "deeper than %d levels", SCHEMA_DEPTH_MAX);
    }
    if (json_object_is_type(place->schema, json_type_boolean)) {
        return json_object_get_boolean(place->schema)
                   ? 0
                   : schema_reject(place, err, "is not allowed here");
    }
    if (!json_object_is_type(place->schema, json_type_object)) {
        return schema_broken(err, "a schema must be an object or a boolean");
    }
    json_object_object_foreach (place->schema, name, rule) {
        if (schema_check_keyword(place, name, rule, value, err) != 0) {
            return -1;
        }
    }
    return 0;
}

int
json_validate(struct json_object *schema, struct json_object *value,
              struct err *err)
{
    struct schema_place place = {.root = schema, .schema = schema};

    return schema_check(&place, value, err);
}
