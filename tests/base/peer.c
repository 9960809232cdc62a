/* Answers questions that peers.py asks, one JSON object a line, so that
 * Python's own libraries can check this one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/uuid.h"

#define PEER_LINE_MAX_BYTES (1u << 20)

/* The member as bytes: it comes in hex, to hold any of them. */
static char *
peer_bytes(struct json_object *question, const char *key, size_t *ret_size)
{
    const char *hex = "";
    struct err err;

    if (json_string_required(question, key, PEER_LINE_MAX_BYTES, &hex, &err)) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    size_t size = strlen(hex) / 2;
    char *bytes = xmalloc(size);
    for (size_t i = 0; i < size; i++) {
        char pair[3] = {hex[2 * i], hex[2 * i + 1], 0};
        bytes[i] = (char)strtoul(pair, NULL, 16);
    }
    *ret_size = size;
    return bytes;
}

static void
peer_check(struct json_object *question)
{
    struct err err;
    size_t size;
    _cleanup(cleanup_free) char *bytes = peer_bytes(question, "bytes", &size);

    puts(json_check(bytes, size, &err) == 0 ? "ok" : err.text);
}

static void
peer_validate(struct json_object *question)
{
    struct err err;
    struct json_object *schema;
    struct json_object *value;

    json_object_object_get_ex(question, "schema", &schema);
    json_object_object_get_ex(question, "value", &value);
    if (json_validate(schema, value, &err) == 0) {
        puts("ok");
    } else {
        printf("%s: %s\n", err_kind_name(err.kind), err.text);
    }
}

static void
peer_canonical(struct json_object *question)
{
    struct json_object *value;
    _cleanup(buf_free) struct buf out = {0};

    json_object_object_get_ex(question, "value", &value);
    json_canonical(value, &out);
    puts(out.data);
}

static void
peer_uuid(struct json_object *question)
{
    char id[UUID_SIZE];
    char digest[DIGEST_SHA256_SIZE];
    size_t size;
    struct json_object *name_space;
    _cleanup(cleanup_free) char *bytes = peer_bytes(question, "bytes", &size);

    json_object_object_get_ex(question, "namespace", &name_space);
    uuid_v5(json_object_get_string(name_space), bytes, size, id);
    digest_sha256_hex(bytes, size, digest);
    printf("%s %s\n", id, digest);
}

static const struct {
    const char *name;
    void (*answer)(struct json_object *question);
} peer_ops[] = {
    {"check", peer_check},
    {"validate", peer_validate},
    {"canonical", peer_canonical},
    {"uuid", peer_uuid},
};

static int
peer_answer(const char *line, size_t size, struct err *err)
{
    _cleanup(json_put) struct json_object *question = NULL;
    const char *op;

    if (json_parse(line, size, "question", &question, err) != 0 ||
        json_string_required(question, "op", 20, &op, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < ARRAY_COUNT(peer_ops); i++) {
        if (strcmp(peer_ops[i].name, op) == 0) {
            peer_ops[i].answer(question);
            return 0;
        }
    }
    return err_set(err, ERR_REJECT, 0, "unknown op '%s'", op);
}

int
main(void)
{
    _cleanup(cleanup_free) char *line = NULL;
    size_t room = 0;
    ssize_t size;
    struct err err;

    while ((size = getline(&line, &room, stdin)) > 0) {
        if (peer_answer(line, (size_t)size, &err) != 0) {
            fprintf(stderr, "%s: %s", err.text, line);
            return 1;
        }
    }
    return 0;
}
