#include "rds-data-local/fault.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"

#define RULES_MAX 32
#define MATCH_SIZE 128

enum deed { DEED_RESUME, DEED_ERROR, DEED_DELAY, DEED_BEFORE, DEED_AFTER };

static const char *const deeds[] = {
    [DEED_RESUME] = "resume",    [DEED_ERROR] = "error",
    [DEED_DELAY] = "delay",      [DEED_BEFORE] = "drop_before",
    [DEED_AFTER] = "drop_after",
};

struct rule {
    enum deed deed;
    enum api_error error;
    int64_t ms;
    int64_t count; /* -1: always. */
    int64_t skip;
    int64_t percent;
    int64_t hits;
    int64_t until_ms; /* DEED_RESUME: CLOCK_BOOTTIME. */
    char match[MATCH_SIZE];
};

struct faults {
    pthread_mutex_t lock;
    struct rule rules[RULES_MAX];
    size_t count;
};

struct faults *
faults_new(void)
{
    struct faults *faults = xcalloc(1, sizeof(*faults));
    pthread_mutex_init(&faults->lock, NULL);
    return faults;
}

void
faults_free(struct faults **faults)
{
    if (*faults) {
        pthread_mutex_destroy(&(*faults)->lock);
        free(*faults);
        *faults = NULL;
    }
}

/* --- the document --------------------------------------------------------- */

static int
decode_deed(const char *word, enum deed *ret, struct err *err)
{
    for (size_t i = 0; i < ARRAY_COUNT(deeds); i++) {
        if (strcmp(word, deeds[i]) == 0) {
            *ret = (enum deed)i;
            return 0;
        }
    }
    return api_fail(err, API_BAD_REQUEST,
                    "do: one of resume, error, delay, drop_before, drop_after "
                    "expected");
}

static int
decode_rule(struct json_object *object, struct rule *rule, struct err *err)
{
    const char *deed;
    const char *type;
    const char *match;
    if (!json_object_is_type(object, json_type_object)) {
        return api_fail(err, API_BAD_REQUEST, "not an object");
    }
    if (json_string_required(object, "do", 32, &deed, err) ||
        json_string(object, "type", 64, "", &type, err) ||
        json_string(object, "match", MATCH_SIZE - 1, "", &match, err) ||
        json_int(object, "ms", 0, 3600000, 0, &rule->ms, err) ||
        json_int(object, "count", 0, 1000000000, -1, &rule->count, err) ||
        json_int(object, "skip", 0, 1000000000, 0, &rule->skip, err) ||
        json_int(object, "percent", 1, 100, 100, &rule->percent, err) ||
        decode_deed(deed, &rule->deed, err)) {
        err->code = API_BAD_REQUEST;
        return -1;
    }
    snprintf(rule->match, sizeof(rule->match), "%s", match);
    rule->error = api_error_of(type);
    rule->until_ms = clock_boot_ms() + rule->ms;
    if (rule->deed == DEED_ERROR && rule->error == API_ERRORS) {
        return api_fail(err, API_BAD_REQUEST,
                        "type: the name of an exception expected, for example "
                        "ServiceUnavailableError");
    }
    return 0;
}

static int
decode_rules(struct json_object *object, struct rule *rules, size_t *ret_count,
             struct err *err)
{
    struct json_object *array = NULL;
    if (!json_object_is_type(object, json_type_object) ||
        json_member(object, "rules", json_type_array, &array, err) || !array) {
        return api_fail(err, API_BAD_REQUEST, "rules: an array expected");
    }
    size_t count = json_object_array_length(array);
    if (count > RULES_MAX) {
        return api_fail(err, API_BAD_REQUEST, "rules: at most %d", RULES_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        if (decode_rule(json_object_array_get_idx(array, i), &rules[i], err)) {
            return err_wrap(err, "rules[%zu]", i);
        }
    }
    *ret_count = count;
    return 0;
}

int
faults_set(struct faults *faults, const char *json, size_t size,
           struct err *err)
{
    _cleanup(json_put) struct json_object *object = NULL;
    struct rule rules[RULES_MAX] = {0};
    size_t count = 0;
    if (json_parse(json, size, "faults", &object, err)) {
        err->code = API_BAD_REQUEST;
        return -1;
    }
    if (decode_rules(object, rules, &count, err)) {
        return -1;
    }
    pthread_mutex_lock(&faults->lock);
    memcpy(faults->rules, rules, sizeof(rules));
    faults->count = count;
    pthread_mutex_unlock(&faults->lock);
    return 0;
}

void
faults_write(struct faults *faults, struct buf *out)
{
    buf_json_object(out);
    buf_json_key(out, "rules");
    buf_json_array(out);
    pthread_mutex_lock(&faults->lock);
    for (size_t i = 0; i < faults->count; i++) {
        const struct rule *rule = &faults->rules[i];
        buf_json_object(out);
        buf_json_key(out, "do");
        buf_json_string(out, deeds[rule->deed]);
        buf_json_key(out, "match");
        buf_json_string(out, rule->match);
        buf_json_key(out, "hits");
        buf_json_int(out, rule->hits);
        buf_json_end(out);
    }
    pthread_mutex_unlock(&faults->lock);
    buf_json_end(out);
    buf_json_end(out);
}

/* --- striking ------------------------------------------------------------- */

static bool
strikes(struct rule *rule, const char *sql)
{
    if (rule->count == 0 || !strstr(sql, rule->match) ||
        (rule->deed == DEED_RESUME && clock_boot_ms() >= rule->until_ms)) {
        return false;
    }
    if (rule->skip > 0) {
        rule->skip--;
        return false;
    }
    if (clock_jitter_ms(1, 100) > rule->percent) {
        return false;
    }
    rule->count -= rule->count > 0;
    rule->hits++;
    return true;
}

static void
add(const struct rule *rule, struct fault *fault)
{
    switch (rule->deed) {
    case DEED_RESUME:
        fault->error = API_RESUMING;
        break;
    case DEED_ERROR:
        fault->error = rule->error;
        break;
    case DEED_DELAY:
        fault->delay_ms += rule->ms;
        break;
    case DEED_BEFORE:
        fault->drop_before = true;
        break;
    case DEED_AFTER:
        fault->drop_after = true;
        break;
    }
}

struct fault
faults_strike(struct faults *faults, const char *sql)
{
    struct fault fault = {.error = API_OK};
    pthread_mutex_lock(&faults->lock);
    for (size_t i = 0; i < faults->count; i++) {
        if (strikes(&faults->rules[i], sql)) {
            add(&faults->rules[i], &fault);
        }
    }
    pthread_mutex_unlock(&faults->lock);
    return fault;
}
