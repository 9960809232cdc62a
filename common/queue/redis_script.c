#include "queue/redis_script.h"

#include <openssl/sha.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

extern const char embed_redis[]; /* redis.lua */

static char script_sha1[2 * SHA_DIGEST_LENGTH + 1];
static pthread_once_t script_once = PTHREAD_ONCE_INIT;

static void
script_hash(void)
{
    unsigned char digest[SHA_DIGEST_LENGTH];
    SHA1((const unsigned char *)embed_redis, strlen(embed_redis), digest);
    for (size_t i = 0; i < sizeof(digest); i++) {
        snprintf(script_sha1 + 2 * i, 3, "%02x", digest[i]);
    }
}

void
redis_call_start(struct redis_call *call, const char *name,
                 const char *operation)
{
    static const char *const keys[] = {"stream", "delayed", "dlq"};
    buf_reset(&call->resp);
    call->words = 0;
    redis_call_add_int(call, ARRAY_COUNT(keys));
    for (size_t i = 0; i < ARRAY_COUNT(keys); i++) {
        char key[128];
        snprintf(key, sizeof(key), "{%s}:%s", name, keys[i]);
        redis_call_add(call, key);
    }
    redis_call_add(call, operation);
}

void
redis_call_add(struct redis_call *call, const char *text)
{
    redis_call_add_bytes(call, text, strlen(text));
}

void
redis_call_add_bytes(struct redis_call *call, const char *bytes, size_t size)
{
    redis_write_word(&call->resp, bytes, size);
    call->words++;
}

void
redis_call_add_int(struct redis_call *call, int64_t value)
{
    redis_write_int(&call->resp, value);
    call->words++;
}

void
redis_call_free(struct redis_call *call)
{
    buf_free(&call->resp);
}

void
redis_call_write(const struct redis_call *call, struct redis_wire *wire,
                 bool by_text)
{
    struct buf *out = redis_wire_out(wire);
    pthread_once(&script_once, script_hash);
    redis_write_header(out, call->words + 2);
    redis_write_text(out, by_text ? "EVAL" : "EVALSHA");
    redis_write_text(out, by_text ? embed_redis : script_sha1);
    buf_append(out, call->resp.data, call->resp.size);
}

int
redis_call_run(const struct redis_call *call, struct redis_wire *wire,
               int64_t deadline_ms, redisReply **ret, struct err *err)
{
    _cleanup(redis_reply_free) redisReply *reply = NULL;
    redis_call_write(call, wire, false);
    if (redis_wire_get(wire, deadline_ms, &reply, err)) {
        return -1;
    }
    if (redis_reply_is_error(reply, "NOSCRIPT")) {
        redis_reply_free(&reply);
        redis_call_write(call, wire, true);
        if (redis_wire_get(wire, deadline_ms, &reply, err)) {
            return -1;
        }
    }
    if (reply->type == REDIS_REPLY_ERROR) {
        return redis_wire_refused(reply, err);
    }
    *ret = STEAL(reply);
    return 0;
}
