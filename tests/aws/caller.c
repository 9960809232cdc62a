/* Makes the calls it is told on standard input, one JSON object a line, all by
 * one client, so that a test can be the service:
 *     {"service","region","path","target","body","timeout_ms","wake_after_ms"}
 * Answers one line each:
 *     {"kind","err","after_ms","text","status","code","message","body"}
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "aws/call.h"
#include "base/cleanup.h"
#include "base/json.h"

static const char *
text(struct json_object *object, const char *key)
{
    return json_object_get_string(json_object_object_get(object, key));
}

static void
add_text(struct buf *out, const char *key, const char *value)
{
    buf_json_key(out, key);
    buf_json_string(out, value);
}

static void
add_int(struct buf *out, const char *key, int64_t value)
{
    buf_json_key(out, key);
    buf_json_int(out, value);
}

static void
print(const struct err *err, const struct aws_reply *reply)
{
    _cleanup(buf_free) struct buf out = {0};
    buf_json_object(&out);
    add_text(&out, "kind", err_kind_name(err->kind));
    add_int(&out, "err", err->code);
    add_int(&out, "after_ms", err->after_ms);
    add_text(&out, "text", err->text);
    add_int(&out, "status", reply->status);
    add_text(&out, "code", reply->code);
    add_text(&out, "message", reply->message);
    add_text(&out, "body", reply->body.data ? reply->body.data : "");
    buf_json_end(&out);
    puts(out.data);
    fflush(stdout);
}

struct waker {
    struct aws_client *client;
    int64_t after_ms;
};

static void *
wake(void *context)
{
    const struct waker *waker = context;
    usleep((useconds_t)waker->after_ms * 1000);
    aws_client_wake(waker->client);
    return NULL;
}

static int
call(struct aws_client *client, const struct aws_request *request,
     struct json_object *asked, struct aws_reply *reply, struct err *err)
{
    struct json_object *after = json_object_object_get(asked, "wake_after_ms");
    struct waker waker = {client, json_object_get_int64(after)};
    pthread_t thread;
    if (!after) {
        return aws_client_call(client, request, reply, err);
    }
    if (waker.after_ms == 0) {
        wake(&waker);
        return aws_client_call(client, request, reply, err);
    }
    pthread_create(&thread, NULL, wake, &waker);
    int result = aws_client_call(client, request, reply, err);
    pthread_join(thread, NULL);
    return result;
}

static int
run(struct aws_client **client, struct json_object *asked, struct err *err,
    struct aws_reply *reply)
{
    struct json_object *body = json_object_object_get(asked, "body");
    struct json_object *ms = json_object_object_get(asked, "timeout_ms");
    const struct aws_options options = {.service = text(asked, "service"),
                                        .region = text(asked, "region")};
    const struct aws_request request = {
        .path = text(asked, "path"),
        .target = text(asked, "target"),
        .content_type = "application/x-amz-json-1.0",
        .body = json_object_get_string(body),
        .body_size = (size_t)json_object_get_string_len(body),
        .timeout_ms = json_object_get_int64(ms),
        .max_bytes = 65536,
    };
    return (!*client && aws_client_open(&options, client, err)) ||
                   call(*client, &request, asked, reply, err)
               ? -1
               : 0;
}

int
main(void)
{
    _cleanup(aws_client_close) struct aws_client *client = NULL;
    _cleanup(cleanup_free) char *line = NULL;
    size_t room = 0;
    ssize_t size;
    while ((size = getline(&line, &room, stdin)) > 0) {
        _cleanup(json_put) struct json_object *asked = NULL;
        _cleanup(aws_reply_free) struct aws_reply reply = {0};
        struct err err = {0};
        if (json_parse(line, (size_t)size, "call", &asked, &err)) {
            fprintf(stderr, "%s\n", err.text);
            return 1;
        }
        if (run(&client, asked, &err, &reply) == 0) {
            err = (struct err){0};
        }
        print(&err, &reply);
    }
    return 0;
}
