/* Any bytes: json_check() decides, json-c is the second opinion.
 *
 * - What json_check() accepts, json_parse() reads (or refuses for a number
 *   beyond its types), and its canonical text is accepted and stable.
 * - What json_check() rejects as no JSON at all, json-c's strict mode rejects
 *   too, save for where json-c is known to be laxer. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A condition that failed is a crash, whatever the build's options. */
static void
require(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "fuzz_json: %s\n", what);
        abort();
    }
}

static void
check_canonical(struct json_object *object)
{
    _cleanup(buf_free) struct buf once = {0};
    _cleanup(buf_free) struct buf twice = {0};
    _cleanup(json_put) struct json_object *again = NULL;
    struct err err;

    json_canonical(object, &once);
    require(json_parse(once.data, once.size, "canonical", &again, &err) == 0,
            "canonical text is not accepted");
    json_canonical(again, &twice);
    require(once.size == twice.size &&
                memcmp(once.data, twice.data, once.size) == 0,
            "canonical text is not stable");
}

static void
check_accepted(const char *bytes, size_t size)
{
    _cleanup(json_put) struct json_object *object = NULL;
    struct err err;

    if (json_parse(bytes, size, "input", &object, &err) != 0) {
        require(strstr(err.text, "integer beyond 64 bits") != NULL,
                "accepted bytes cannot be parsed");
        return;
    }
    check_canonical(object);
}

static bool
is_accepted_by_json_c(const char *bytes, size_t size)
{
    struct json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH_MAX + 2);

    json_tokener_set_flags(tokener,
                           JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    struct json_object *object =
        json_tokener_parse_ex(tokener, bytes, (int)size);
    if (json_tokener_get_error(tokener) == json_tokener_continue) {
        object = json_tokener_parse_ex(tokener, "", 1);
    }
    bool accepted = json_tokener_get_error(tokener) == json_tokener_success;
    json_object_put(object);
    json_tokener_free(tokener);
    return accepted;
}

/* Rules that are PostgreSQL's, or that json-c 0.16 does not have. */
static bool
is_our_own_rule(const char *text)
{
    static const char *const rules[] = {
        "U+0000",
        "number out of range",
        "more than 1000 digits",
        "nested deeper",
        "lone surrogate",
        "invalid UTF-8",
        "raw control character",
        "leading zero",
        "decimal point",
        "exponent without digits",
    };

    for (size_t i = 0; i < ARRAY_COUNT(rules); i++) {
        if (strstr(text, rules[i]) != NULL) {
            return true;
        }
    }
    return false;
}

/* json-c reads NaN, Infinity, 'text' and .5 even in strict mode, and takes a
 * NUL for the end. */
static bool
is_json_c_own_word(const char *bytes, size_t size, const char *text)
{
    const char *number = strstr(text, "byte ");
    size_t at =
        number != NULL ? strtoul(number + strlen("byte "), NULL, 10) : 0;

    return at < size && memchr("NI'.", bytes[at], sizeof("NI'.")) != NULL;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;
    struct err err;

    if (size > 1 << 20) {
        return 0;
    }
    if (json_check(bytes, size, &err) == 0) {
        check_accepted(bytes, size);
    } else {
        require(err.kind == ERR_REJECT, "rejected with another kind");
        require(is_our_own_rule(err.text) ||
                    is_json_c_own_word(bytes, size, err.text) ||
                    !is_accepted_by_json_c(bytes, size),
                "json-c accepts what json_check() calls no JSON");
    }
    return 0;
}
