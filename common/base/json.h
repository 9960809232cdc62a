/* JSON at the edges: a strict check of outside bytes, reading of fields with
 * errors that name them, canonical text, and validation against a schema.
 * Writing is base/buf.h. */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* Nesting that json_check() accepts. */
#define JSON_DEPTH_MAX 48

/* Accepts 'bytes' only if they are exactly one RFC 8259 value that PostgreSQL
 * can hold as jsonb: valid UTF-8, no U+0000 (raw or escaped), no lone
 * surrogate, numbers within numeric's range (exponent at most 4 digits and
 * within +-1000, at most 1000 digits), no duplicate-sensitive reading needed,
 * depth at most JSON_DEPTH_MAX.  Allocates nothing.
 * Errors: ERR_REJECT naming the byte offset and the rule. */
int json_check(const char *bytes, size_t size, struct err *err);

/* json_check() and then json-c.  'what' opens the error text ("doorbell").
 * Owner: the caller puts '*ret' (NULL is JSON's null); use _cleanup(json_put).
 * Errors: ERR_REJECT, also for an integer beyond 64 bits, which would be
 *   changed silently. */
int json_parse(const char *bytes, size_t size, const char *what,
               struct json_object **ret, struct err *err);
void json_put(struct json_object **object); /* For _cleanup. */

/* Fields of an object.  The _required forms fail with ERR_REJECT naming 'key'
 * and what was expected; the plain ones give 'fallback' when the key is absent
 * or null, and fail only on another type.
 * Owner: strings and objects are borrowed from 'object'. */
int json_string_required(struct json_object *object, const char *key,
                         size_t max_bytes, const char **ret, struct err *err);
int json_string(struct json_object *object, const char *key, size_t max_bytes,
                const char *fallback, const char **ret, struct err *err);
int json_int_required(struct json_object *object, const char *key, int64_t min,
                      int64_t max, int64_t *ret, struct err *err);
int json_int(struct json_object *object, const char *key, int64_t min,
             int64_t max, int64_t fallback, int64_t *ret, struct err *err);
/* Numbers and numeric strings ("450.2500", as upstream's API writes money). */
int json_number_required(struct json_object *object, const char *key,
                         double min, double max, double *ret, struct err *err);
int json_number(struct json_object *object, const char *key, double min,
                double max, double fallback, double *ret, struct err *err);
/* Object or array member; NULL in '*ret' when absent or null. */
int json_member(struct json_object *object, const char *key,
                enum json_type type, struct json_object **ret, struct err *err);
bool json_flag(struct json_object *object, const char *key, bool fallback);

/* Appends 'value' with object keys sorted by bytes and no white space: equal
 * values give equal bytes (what checkpoint keys are hashed over). */
void json_canonical(struct json_object *value, struct buf *out);

/* Validates 'value' against 'schema', a JSON Schema (2020-12) document that
 * uses only: type, properties, required, additionalProperties, items, enum,
 * const, minimum, maximum, minLength, maxLength, minItems, maxItems, pattern
 * (POSIX extended), minProperties, maxProperties, propertyNames, anyOf,
 * $ref to #/$defs/NAME.  Annotations ($schema, $id, title, description,
 * examples, default, $comment) are skipped; any other keyword is ERR_FATAL, so
 * that no rule is silently not checked.
 * Errors: ERR_REJECT naming the path ("/charts/0/data/3/value: ..."). */
int json_validate(struct json_object *schema, struct json_object *value,
                  struct err *err);
