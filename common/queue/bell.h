/* A doorbell on the wire: a CloudEvents 1.0 JSON message (structured mode).
 *
 *     {"specversion":"1.0","type":"alex.bell","source":"alex","id":UUID,
 *      "traceparent":"00-...","partitionkey":"user_1",
 *      "data":{"v":1,"agent":"reporter","job":UUID,"task":UUID}}
 *
 * 'partitionkey' is whose job it is, for brokers that share fairly.
 *
 * Also understood, as upstream's API sends them: {"job_id":UUID, ...} and the
 * bare job id. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/uuid.h"

#define BELL_GROUP_SIZE 129

struct bell {
    char agent[64]; /* "" when the message does not say. */
    char job[UUID_SIZE];
    char task[UUID_SIZE];        /* "" for the job's root task. */
    char trace[64];              /* W3C traceparent or "". */
    char group[BELL_GROUP_SIZE]; /* The user, or "" if that is longer. */
    int64_t delay_ms;            /* Sending only. */
};

/* Errors: ERR_REJECT, naming the field, for anything that is not a bell; code
 * 426 when it is one of a version this program does not know. */
int bell_decode(const char *body, size_t size, struct bell *ret,
                struct err *err);
void bell_encode(const struct bell *bell, struct buf *out);
/* Leaves it as it is when 'user' is too long: fairness is not worth a failure.
 */
void bell_set_group(struct bell *bell, const char *user);
/* "alex-" and the agent. */
void bell_queue_name(const char *agent, char ret[96]);
