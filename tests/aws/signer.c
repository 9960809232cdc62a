/* Signs requests it is told on standard input, one JSON object a line, so that
 * a test can compare with somebody else's signer:
 *     {"method","path","query","headers":[[name,value]],"body","region",
 *      "service","time","access","secret"}
 * Answers one line each: the value for Authorization. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws/sigv4.h"
#include "base/cleanup.h"
#include "base/json.h"

#define HEADERS_MAX 64

static const char *
text(struct json_object *object, const char *key)
{
    return json_object_get_string(json_object_object_get(object, key));
}

static void
answer(struct json_object *asked)
{
    _cleanup(buf_free) struct buf out = {0};
    struct sigv4_header headers[HEADERS_MAX];
    struct json_object *list = json_object_object_get(asked, "headers");
    struct json_object *body = json_object_object_get(asked, "body");
    size_t count = json_object_array_length(list);
    for (size_t i = 0; i < count && i < HEADERS_MAX; i++) {
        struct json_object *pair = json_object_array_get_idx(list, i);
        headers[i].name =
            json_object_get_string(json_object_array_get_idx(pair, 0));
        headers[i].value =
            json_object_get_string(json_object_array_get_idx(pair, 1));
    }
    struct sigv4_request request = {
        .method = text(asked, "method"),
        .path = text(asked, "path"),
        .query = text(asked, "query"),
        .headers = headers,
        .header_count = count,
        .body = json_object_get_string(body),
        .body_size = (size_t)json_object_get_string_len(body),
        .region = text(asked, "region"),
        .service = text(asked, "service"),
        .time = text(asked, "time"),
    };
    struct sigv4_keys keys = {.access_key = text(asked, "access"),
                              .secret_key = text(asked, "secret")};
    sigv4_authorization(&request, &keys, &out);
    puts(out.data);
}

int
main(void)
{
    _cleanup(cleanup_free) char *line = NULL;
    size_t room = 0;
    ssize_t size;
    while ((size = getline(&line, &room, stdin)) > 0) {
        _cleanup(json_put) struct json_object *asked = NULL;
        struct err err = {0};
        if (json_parse(line, (size_t)size, "request", &asked, &err)) {
            fprintf(stderr, "%s\n", err.text);
            return 1;
        }
        answer(asked);
    }
    return 0;
}
