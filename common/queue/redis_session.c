#include "queue/redis_session.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"

void
redis_session_close(struct redis_session *session)
{
    redis_wire_close(&session->wire);
    session->owed = false;
}

int
redis_session_fail(struct redis_session *session, struct err *err)
{
    redis_session_close(session);
    return err_wrap(err, "redis %s:%s", session->address.host,
                    session->address.port);
}

int64_t
redis_session_deadline_ms(const struct redis_session *session)
{
    return clock_boot_ms() + session->call_ms;
}

int
redis_session_run(struct redis_session *session, const struct redis_call *call,
                  int64_t deadline_ms, redisReply **ret, struct err *err)
{
    if (redis_call_run(call, session->wire, deadline_ms, ret, err)) {
        return redis_session_fail(session, err);
    }
    return 0;
}

/* "\nkey:value\r\n"; leaves 'ret' alone when there is no such line. */
static void
info_field(const char *info, const char *key, char *ret, size_t size)
{
    const char *line = strstr(info, key);
    if (line) {
        line += strlen(key);
        snprintf(ret, size, "%.*s", (int)strcspn(line, "\r\n"), line);
    }
}

/* A broker that evicts would lose bells silently; one that started anew may
 * have lost its last second of them.  One that won't tell is trusted. */
static int
check_broker(struct redis_session *session, int64_t deadline_ms,
             struct err *err)
{
    _cleanup(redis_reply_free) redisReply *reply = NULL;
    char policy[64] = "noeviction";
    char run_id[sizeof(session->run_id)] = "";
    redis_write_header(redis_wire_out(session->wire), 1);
    redis_write_text(redis_wire_out(session->wire), "INFO");
    if (redis_wire_get(session->wire, deadline_ms, &reply, err)) {
        return redis_session_fail(session, err);
    }
    if (reply->type == REDIS_REPLY_STRING) {
        info_field(reply->str, "\nmaxmemory_policy:", policy, sizeof(policy));
        info_field(reply->str, "\nrun_id:", run_id, sizeof(run_id));
    }
    if (strcmp(policy, "noeviction") != 0) {
        err_set(err, ERR_FATAL, 78,
                "maxmemory-policy is %s, which loses doorbells; set it to "
                "noeviction",
                policy);
        return redis_session_fail(session, err);
    }
    session->reset |=
        session->run_id[0] && strcmp(session->run_id, run_id) != 0;
    memcpy(session->run_id, run_id, sizeof(run_id));
    return 0;
}

int
redis_session_join(struct redis_session *session, int64_t deadline_ms,
                   struct err *err)
{
    _cleanup(redis_call_free) struct redis_call call = {0};
    _cleanup(redis_reply_free) redisReply *made = NULL;
    redis_call_start(&call, session->name, "join");
    if (redis_session_run(session, &call, deadline_ms, &made, err)) {
        return -1;
    }
    session->reset |= made->integer != 0;
    return 0;
}

int
redis_session_connect(struct redis_session *session, int64_t deadline_ms,
                      struct err *err)
{
    if (session->wire) {
        return 0;
    }
    if (redis_wire_open(&session->address, deadline_ms, &session->wire, err)) {
        return redis_session_fail(session, err);
    }
    if (check_broker(session, deadline_ms, err)) {
        return -1;
    }
    return session->name[0] ? redis_session_join(session, deadline_ms, err) : 0;
}
