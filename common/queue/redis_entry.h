/* Stream entries, as XREADGROUP and redis.lua answer them: [id, [field, value,
 * ...]], decoded without trusting their shape. */
#pragma once

#include <hiredis/hiredis.h>
#include <stdbool.h>

#include "queue/queue.h"

/* NULL when 'reply' is not an array or has no element 'i'. */
const redisReply *redis_element(const redisReply *reply, size_t i);
/* "" when the entry has no proper id. */
const char *redis_entry_id(const redisReply *entry);
/* False, with '*ret' untouched, for an entry without a body of an allowed size.
 * 'deliveries' is how often it was delivered if it does not say. */
bool redis_entry_read(const redisReply *entry, int64_t deliveries,
                      struct queue_message *ret);
