/* A connection that is made when needed and given up on any failure, to a
 * broker that was checked. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "queue/redis_script.h"

struct redis_session {
    struct redis_address address;
    const char *name;        /* The queue received from; "" for a sender. */
    int64_t call_ms;         /* Bound of one operation, connecting included. */
    struct redis_wire *wire; /* NULL when not connected. */
    bool owed; /* The answer to an XREADGROUP is still to come on 'wire'. */
    char run_id[64]; /* Of the broker last connected to. */
    bool reset;      /* Bells may be lost: the broker started anew, or the
                        group was not there.  The reader clears it. */
};

/* Errors: ERR_FATAL (78) for a broker that may evict; as redis_wire_open(). */
int redis_session_connect(struct redis_session *session, int64_t deadline_ms,
                          struct err *err);
void redis_session_close(struct redis_session *session);
/* Makes the queue's group if it is not there. */
int redis_session_join(struct redis_session *session, int64_t deadline_ms,
                       struct err *err);
/* redis_call_run() on a connected session. */
int redis_session_run(struct redis_session *session,
                      const struct redis_call *call, int64_t deadline_ms,
                      redisReply **ret, struct err *err);
/* Closes the connection, puts the broker's address before '*err', and returns
 * -1: what every failure on the wire ends with. */
int redis_session_fail(struct redis_session *session, struct err *err);
int64_t redis_session_deadline_ms(const struct redis_session *session);
