#include "queue/redis_entry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

const redisReply *
redis_element(const redisReply *reply, size_t i)
{
    bool has = reply && reply->type == REDIS_REPLY_ARRAY && i < reply->elements;
    return has ? reply->element[i] : NULL;
}

const char *
redis_entry_id(const redisReply *entry)
{
    const redisReply *id = redis_element(entry, 0);
    bool valid = id && id->type == REDIS_REPLY_STRING &&
                 strlen(id->str) < QUEUE_HANDLE_SIZE;
    return valid ? id->str : "";
}

/* The last one counts: redis.lua appends to what an entry brought along. */
static const redisReply *
find(const redisReply *entry, const char *name)
{
    const redisReply *fields = redis_element(entry, 1);
    const redisReply *key;
    const redisReply *found = NULL;
    for (size_t i = 0; (key = redis_element(fields, i)) != NULL; i += 2) {
        if (key->type == REDIS_REPLY_STRING && strcmp(key->str, name) == 0) {
            found = redis_element(fields, i + 1);
        }
    }
    return found && found->type == REDIS_REPLY_STRING ? found : NULL;
}

static int64_t
find_int(const redisReply *entry, const char *name, int64_t fallback)
{
    const redisReply *value = find(entry, name);
    return value ? strtoll(value->str, NULL, 10) : fallback;
}

bool
redis_entry_read(const redisReply *entry, int64_t deliveries,
                 struct queue_message *ret)
{
    const char *id = redis_entry_id(entry);
    const redisReply *body = find(entry, "b");
    const redisReply *reason = find(entry, "reason");
    if (!id[0] || !body || (size_t)body->len > QUEUE_BODY_MAX_BYTES) {
        return false;
    }
    *ret = (struct queue_message){
        .body = xmalloc((size_t)body->len + 1),
        .body_size = (size_t)body->len,
        .reason = reason ? xstrdup(reason->str) : NULL,
        .sent_wall_ms = find_int(entry, "t", strtoll(id, NULL, 10)),
        .deliveries =
            find_int(entry, "n", 0) + find_int(entry, "d", deliveries),
    };
    memcpy(ret->body, body->str, ret->body_size);
    ret->body[ret->body_size] = '\0';
    snprintf(ret->handle, sizeof(ret->handle), "%s", id);
    return true;
}
