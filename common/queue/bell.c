#include "queue/bell.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "queue/queue.h"

#define BELL_TYPE "alex.bell"
#define BELL_VERSION 1
/* CloudEvents asks for these and we don't use what they say. */
#define ATTRIBUTE_MAX_BYTES 1024

static int
decode_uuid(const char *field, const char *text, char ret[UUID_SIZE],
            struct err *err)
{
    if (!uuid_valid(text, strlen(text))) {
        return err_set(err, ERR_REJECT, 0, "%s: not a UUID", field);
    }
    uuid_normalise(text, ret);
    return 0;
}

/* The agent's name becomes part of a queue's name. */
static int
decode_agent(const char *text, struct bell *bell, struct err *err)
{
    size_t size = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_-");
    if (text[size] != '\0') {
        return err_set(err, ERR_REJECT, 0,
                       "agent: only a-z, 0-9, _ and - are allowed");
    }
    memcpy(bell->agent, text, size + 1);
    return 0;
}

/* W3C Trace Context: a receiver ignores what it can't read, and a bad trace is
 * no reason to lose a bell. */
static void
decode_trace(const char *text, struct bell *bell)
{
    static const char shape[] =
        "00-hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh-hhhhhhhhhhhhhhhh-hh";
    _Static_assert(sizeof(shape) <= sizeof(bell->trace), "trace fits");
    for (size_t i = 0; i < sizeof(shape); i++) {
        bool fits = shape[i] == 'h'
                        ? text[i] && strchr("0123456789abcdef", text[i])
                        : text[i] == shape[i];
        if (!fits) {
            return;
        }
    }
    memcpy(bell->trace, text, sizeof(shape));
}

static int
decode_data(struct json_object *data, struct bell *bell, struct err *err)
{
    int64_t v;
    const char *agent;
    const char *job;
    const char *task;
    if (json_int_required(data, "v", 1, INT32_MAX, &v, err)) {
        return -1;
    }
    if (v != BELL_VERSION) {
        return err_set(err, ERR_REJECT, 426,
                       "v: %d is not known here, only %d is", (int)v,
                       BELL_VERSION);
    }
    if (json_string(data, "agent", sizeof(bell->agent) - 1, "", &agent, err) ||
        json_string_required(data, "job", UUID_SIZE - 1, &job, err) ||
        json_string(data, "task", UUID_SIZE - 1, NULL, &task, err) ||
        decode_agent(agent, bell, err) ||
        decode_uuid("job", job, bell->job, err)) {
        return -1;
    }
    return task ? decode_uuid("task", task, bell->task, err) : 0;
}

static int
decode_event(struct json_object *event, struct bell *bell, struct err *err)
{
    const char *version;
    const char *type;
    const char *ignored;
    const char *trace;
    const char *group;
    struct json_object *data;
    if (json_string_required(event, "specversion", 16, &version, err)) {
        return -1;
    }
    if (strcmp(version, "1.0") != 0) {
        return err_set(err, ERR_REJECT, 426, "specversion: expected \"1.0\"");
    }
    if (json_string_required(event, "type", ATTRIBUTE_MAX_BYTES, &type, err) ||
        json_string_required(event, "source", ATTRIBUTE_MAX_BYTES, &ignored,
                             err) ||
        json_string_required(event, "id", ATTRIBUTE_MAX_BYTES, &ignored, err) ||
        json_string(event, "traceparent", ATTRIBUTE_MAX_BYTES, "", &trace,
                    err) ||
        json_string(event, "partitionkey", ATTRIBUTE_MAX_BYTES, "", &group,
                    err) ||
        json_member(event, "data", json_type_object, &data, err)) {
        return -1;
    }
    if (strcmp(type, BELL_TYPE) != 0) {
        return err_set(err, ERR_REJECT, 0, "type: expected \"" BELL_TYPE "\"");
    }
    if (!data) {
        return err_set(err, ERR_REJECT, 0, "data: missing");
    }
    decode_trace(trace, bell);
    bell_set_group(bell, group);
    return decode_data(data, bell, err);
}

static int
decode_object(struct json_object *object, struct bell *bell, struct err *err)
{
    const char *job;
    if (!json_object_is_type(object, json_type_object)) {
        return err_set(err, ERR_REJECT, 0,
                       "neither a JSON object nor a job id");
    }
    if (json_object_object_get_ex(object, "specversion", NULL)) {
        return decode_event(object, bell, err);
    }
    if (json_string_required(object, "job_id", UUID_SIZE - 1, &job, err)) {
        return -1;
    }
    return decode_uuid("job_id", job, bell->job, err);
}

/* Tools that send the bare id tend to end it with a newline. */
static bool
decode_bare(const char *body, size_t size, struct bell *bell)
{
    while (size > 0 && body[size - 1] && strchr(" \t\r\n", body[size - 1])) {
        size--;
    }
    if (!uuid_valid(body, size)) {
        return false;
    }
    char job[UUID_SIZE] = "";
    memcpy(job, body, UUID_SIZE - 1);
    uuid_normalise(job, bell->job);
    return true;
}

int
bell_decode(const char *body, size_t size, struct bell *ret, struct err *err)
{
    struct bell bell = {0};
    _cleanup(json_put) struct json_object *object = NULL;
    if (size > QUEUE_BODY_MAX_BYTES) {
        return err_set(err, ERR_REJECT, 0,
                       "doorbell: %zu bytes, at most %u allowed", size,
                       QUEUE_BODY_MAX_BYTES);
    }
    if (!decode_bare(body, size, &bell)) {
        if (json_parse(body, size, "doorbell", &object, err)) {
            return -1;
        }
        if (decode_object(object, &bell, err)) {
            return err_wrap(err, "doorbell");
        }
    }
    *ret = bell;
    return 0;
}

void
bell_encode(const struct bell *bell, struct buf *out)
{
    char id[UUID_SIZE];
    uuid_v4(id);
    buf_json_object(out);
    buf_json_key(out, "specversion");
    buf_json_string(out, "1.0");
    buf_json_key(out, "type");
    buf_json_string(out, BELL_TYPE);
    buf_json_key(out, "source");
    buf_json_string(out, "alex");
    buf_json_key(out, "id");
    buf_json_string(out, id);
    if (bell->trace[0]) {
        buf_json_key(out, "traceparent");
        buf_json_string(out, bell->trace);
    }
    if (bell->group[0]) {
        buf_json_key(out, "partitionkey");
        buf_json_string(out, bell->group);
    }
    buf_json_key(out, "data");
    buf_json_object(out);
    buf_json_key(out, "v");
    buf_json_int(out, BELL_VERSION);
    buf_json_key(out, "agent");
    buf_json_string(out, bell->agent);
    buf_json_key(out, "job");
    buf_json_string(out, bell->job);
    if (bell->task[0]) {
        buf_json_key(out, "task");
        buf_json_string(out, bell->task);
    }
    buf_json_end(out);
    buf_json_end(out);
}

void
bell_set_group(struct bell *bell, const char *user)
{
    if (strlen(user) < sizeof(bell->group)) {
        memcpy(bell->group, user, strlen(user) + 1);
    }
}

void
bell_queue_name(const char *agent, char ret[96])
{
    snprintf(ret, 96, "alex-%s", agent);
}
