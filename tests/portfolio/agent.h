/* Runs an agent as the runtime would: input in, checked output out. */
#pragma once

#include "base/json.h"
#include "input.h"
#include "runtime/worker.h"

/* The output's bytes (malloc'd), or NULL with '*err'.  An output that its
 * schema refuses fails the test.  'answers' as for task_offline_new(). */
static inline char *
agent_output(const struct worker *worker, const char *input,
             const char *answers, struct err *err)
{
    _cleanup(task_offline_free) struct task *task = NULL;
    _cleanup(buf_free) struct buf output = {0};
    _cleanup(json_put) struct json_object *schema = NULL;
    _cleanup(json_put) struct json_object *value = NULL;
    struct err check = {0};

    assert_int_equal(
        task_offline_new(answers, answers ? strlen(answers) : 0, &task, &check),
        0);
    if (worker->handle(task, input, strlen(input), &output, err)) {
        return NULL;
    }
    json_parse(worker->result_schema, strlen(worker->result_schema), "schema",
               &schema, &check);
    json_parse(output.data, output.size, "output", &value, &check);
    if (check.text[0] == '\0') {
        json_validate(schema, value, &check);
    }
    assert_string_equal(check.text, "");
    return buf_steal(&output);
}

/* The output of a run that must succeed; the caller puts it. */
static inline struct json_object *
agent_run(const struct worker *worker, const char *input, const char *answers)
{
    struct err err = {0};
    _cleanup(cleanup_free) char *output =
        agent_output(worker, input, answers, &err);
    struct json_object *value = NULL;

    assert_string_equal(err.text, "");
    assert_int_equal(json_parse(output, strlen(output), "output", &value, &err),
                     0);
    return value;
}

/* Member at "a.b.c"; NULL if there is none. */
static inline struct json_object *
agent_at(struct json_object *value, const char *path)
{
    char key[64];

    while (value && *path != '\0') {
        size_t size = strcspn(path, ".");

        snprintf(key, sizeof(key), "%.*s", (int)size, path);
        value = json_object_object_get(value, key);
        path += size + (path[size] == '.');
    }
    return value;
}

/* A run that must be refused, with a text that names what is wrong. */
static inline void
agent_assert_rejects(const struct worker *worker, const char *input,
                     const char *named)
{
    struct err err = {0};
    _cleanup(cleanup_free) char *output =
        agent_output(worker, input, NULL, &err);

    assert_null(output);
    assert_int_equal(err.kind, ERR_REJECT);
    if (!strstr(err.text, named)) {
        fail_msg("\"%s\" does not name %s", err.text, named);
    }
}
