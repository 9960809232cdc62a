/* Calls of redis.lua: what must happen at once on the broker. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "queue/redis_wire.h"

/* The words after the script itself, as they go over the wire. Zero-initialised
 * is empty. */
struct redis_call {
    size_t words;
    struct buf resp;
};

/* Begins a call of 'operation' on the keys of queue 'name'. */
void redis_call_start(struct redis_call *call, const char *name,
                      const char *operation);
void redis_call_add(struct redis_call *call, const char *text);
void redis_call_add_bytes(struct redis_call *call, const char *bytes,
                          size_t size);
void redis_call_add_int(struct redis_call *call, int64_t value);
void redis_call_free(struct redis_call *call); /* For _cleanup. */

/* Puts the call on the wire; 'by_text' is for a broker that answered NOSCRIPT,
 * as it does once after each of its starts. */
void redis_call_write(const struct redis_call *call, struct redis_wire *wire,
                      bool by_text);

/* Writes the call and waits for its reply, which is not an error reply.
 * Owner: '*ret' is freed with redis_reply_free(). */
int redis_call_run(const struct redis_call *call, struct redis_wire *wire,
                   int64_t deadline_ms, redisReply **ret, struct err *err);
