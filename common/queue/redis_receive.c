/* receive() asks by XREADGROUP in slices of a quarter of a second, between
 * which it promotes delayed messages.  queue_wake() ends the waiting but not
 * the command: its answer is owed, and is read by whatever uses the connection
 * next, so that no delivery is thrown away. */
#include "queue/redis_receive.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "queue/redis_entry.h"

#define PROMOTE_COUNT 100
#define PROMOTE_MIN_MS 200
#define PROMOTE_MAX_MS 300
/* An entry with more than this is dead-lettered without being fetched. */
#define ENTRY_MAX_BYTES (2 * QUEUE_BODY_MAX_BYTES)

static void
drop_batch(struct redis *redis)
{
    redis_reply_free(&redis->batch);
    redis->next = 0;
}

/* Takes '*reply' over if it brought 'entries'. */
static void
take_batch(struct redis *redis, redisReply **reply, const redisReply *entries,
           int64_t asked_boot_ms)
{
    if (redis_element(entries, 0)) {
        redis->batch = STEAL(*reply);
        redis->entries = entries;
        redis->batch_boot_ms = asked_boot_ms;
    }
}

/* --- asking and being answered ------------------------------------------- */

static void
ask(struct redis *redis, size_t max, int64_t deadline_ms)
{
    char stream[128];
    char count[24];
    char block[24];
    int64_t now_ms = clock_boot_ms();
    int64_t until_ms =
        deadline_ms < redis->promote_at_ms ? deadline_ms : redis->promote_at_ms;
    redis->asked_boot_ms = now_ms;
    redis->block_ms = until_ms > now_ms ? until_ms - now_ms : 0;
    redis->session.owed = true;
    snprintf(stream, sizeof(stream), "{%s}:stream", redis->base.name);
    snprintf(count, sizeof(count), "%zu", max);
    snprintf(block, sizeof(block), "%lld", (long long)redis->block_ms);
    const char *const words[] = {
        "XREADGROUP", "GROUP", "fleet", redis->base.consumer,
        "COUNT",      count,   "BLOCK", block,
        "STREAMS",    stream,  ">",
    };
    struct buf *out = redis_wire_out(redis->session.wire);
    bool blocks = redis->block_ms > 0; /* BLOCK 0 would be for ever. */
    redis_write_header(out, ARRAY_COUNT(words) - (blocks ? 0 : 2));
    for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
        if (blocks || (words[i] != block && strcmp(words[i], "BLOCK") != 0)) {
            redis_write_text(out, words[i]);
        }
    }
}

static int
answered(struct redis *redis, redisReply **reply, struct err *err)
{
    struct redis_session *session = &redis->session;
    session->owed = false;
    if (redis_reply_is_error(*reply, "NOGROUP") ||
        redis_reply_is_error(*reply, "UNBLOCKED")) {
        return redis_session_join(session, redis_session_deadline_ms(session),
                                  err);
    }
    if ((*reply)->type == REDIS_REPLY_ERROR) {
        redis_wire_refused(*reply, err);
        return redis_session_fail(session, err);
    }
    const redisReply *stream = redis_element(*reply, 0);
    take_batch(redis, reply, redis_element(stream, 1), redis->asked_boot_ms);
    return 0;
}

/* Waits for the answer to ask(): as long as the broker may take if that ends by
 * the deadline, else until the deadline. */
static int
await_answer(struct redis *redis, int64_t deadline_ms, int wake_fd,
             struct err *err)
{
    _cleanup(redis_reply_free) redisReply *reply = NULL;
    struct redis_session *session = &redis->session;
    int64_t due_ms = redis->asked_boot_ms + redis->block_ms;
    int64_t limit_ms = due_ms + session->call_ms;
    bool in_time = redis->block_ms == 0 || due_ms <= deadline_ms;
    int64_t until_ms = in_time ? limit_ms : deadline_ms;
    if (redis_wire_wait(session->wire, until_ms, wake_fd, &reply, err)) {
        return redis_session_fail(session, err);
    }
    if (reply) {
        return answered(redis, &reply, err);
    }
    if (clock_boot_ms() >= limit_ms) {
        err_set(err, ERR_RETRY, 0, "time-out waiting for messages");
        return redis_session_fail(session, err);
    }
    return 0;
}

int
redis_ready(struct redis *redis, int64_t deadline_ms, struct err *err)
{
    struct redis_session *session = &redis->session;
    if (redis_session_connect(session, deadline_ms, err) ||
        (session->owed && await_answer(redis, deadline_ms, -1, err))) {
        return -1;
    }
    if (session->owed) {
        err_set(err, ERR_RETRY, 0, "time-out waiting for an earlier answer");
        return redis_session_fail(session, err);
    }
    return 0;
}

int
redis_run(struct redis *redis, const struct redis_call *call, redisReply **ret,
          struct err *err)
{
    int64_t deadline_ms = redis_session_deadline_ms(&redis->session);
    if (redis_ready(redis, deadline_ms, err)) {
        return -1;
    }
    return redis_session_run(&redis->session, call, deadline_ms, ret, err);
}

/* --- receiving ----------------------------------------------------------- */

static int
promote(struct redis *redis, struct err *err)
{
    _cleanup(redis_call_free) struct redis_call call = {0};
    _cleanup(redis_reply_free) redisReply *reply = NULL;
    redis_call_start(&call, redis->base.name, "promote");
    redis_call_add_int(&call, PROMOTE_COUNT);
    if (redis_run(redis, &call, &reply, err)) {
        return -1;
    }
    const redisReply *moved = redis_element(reply, 0);
    const redisReply *next = redis_element(reply, 1);
    int64_t in_ms = clock_jitter_ms(PROMOTE_MIN_MS, PROMOTE_MAX_MS);
    if (next && next->integer >= 0 && next->integer < in_ms) {
        in_ms = next->integer;
    }
    if (moved && moved->integer == PROMOTE_COUNT) {
        in_ms = 0;
    }
    redis->promote_at_ms = clock_boot_ms() + in_ms;
    return 0;
}

/* Takes messages from consumers that did not extend them for a lease. */
static int
take_over(struct redis *redis, size_t max, struct err *err)
{
    _cleanup(redis_call_free) struct redis_call call = {0};
    _cleanup(redis_reply_free) redisReply *reply = NULL;
    int64_t now_ms = clock_boot_ms();
    redis_call_start(&call, redis->base.name, "take_over");
    redis_call_add(&call, redis->base.consumer);
    redis_call_add_int(&call, redis->base.lease_ms);
    redis_call_add(&call, redis->cursor);
    redis_call_add_int(&call, (int64_t)max);
    redis_call_add_int(&call, ENTRY_MAX_BYTES);
    if (redis_run(redis, &call, &reply, err)) {
        return -1;
    }
    const redisReply *cursor = redis_element(reply, 0);
    bool more = cursor && cursor->type == REDIS_REPLY_STRING &&
                strcmp(cursor->str, "0-0") != 0;
    int64_t quarter_ms = redis->base.lease_ms / 4;
    snprintf(redis->cursor, sizeof(redis->cursor), "%s",
             more ? cursor->str : "0-0");
    redis->take_over_at_ms =
        more ? 0 : now_ms + clock_jitter_ms(quarter_ms / 2, quarter_ms);
    take_batch(redis, &reply, redis_element(reply, 1), now_ms);
    return 0;
}

/* One step towards the next batch. */
static int
advance(struct redis *redis, size_t max, int64_t deadline_ms, struct err *err)
{
    struct redis_session *session = &redis->session;
    int64_t now_ms = clock_boot_ms();
    if (redis_session_connect(session, redis_session_deadline_ms(session),
                              err)) {
        return -1;
    }
    if (!session->owed) {
        if (now_ms >= redis->promote_at_ms && promote(redis, err)) {
            return -1;
        }
        if (now_ms >= redis->take_over_at_ms && take_over(redis, max, err)) {
            return -1;
        }
        if (redis->batch) {
            return 0;
        }
        ask(redis, max, session->reset ? 0 : deadline_ms);
    }
    return await_answer(redis, deadline_ms, redis->wake_fd, err);
}

/* For entries that are no message of ours: kept for people to look at. */
static int
bury(struct redis *redis, const redisReply *entry, struct err *err)
{
    _cleanup(redis_call_free) struct redis_call call = {0};
    _cleanup(redis_reply_free) redisReply *reply = NULL;
    redis_call_start(&call, redis->base.name, "bury");
    redis_call_add(&call, redis->base.consumer);
    redis_call_add(&call, "body missing or too large");
    redis_call_add(&call, redis_entry_id(entry));
    return redis_run(redis, &call, &reply, err);
}

static int
hand_out(struct redis *redis, size_t max, struct queue_message *ret,
         size_t *count, struct err *err)
{
    int64_t age_ms = clock_boot_ms() - redis->batch_boot_ms;
    if (redis->batch && age_ms > redis->base.lease_ms) {
        drop_batch(redis); /* Somebody else may have them by now. */
    }
    while (redis->batch && *count < max) {
        const redisReply *entry = redis_element(redis->entries, redis->next);
        if (redis_entry_read(entry, 1, &ret[*count])) {
            ret[(*count)++].received_boot_ms = redis->batch_boot_ms;
        } else if (bury(redis, entry, err)) {
            return *count > 0 ? 0 : -1;
        }
        if (++redis->next == redis->entries->elements) {
            drop_batch(redis);
        }
    }
    return 0;
}

/* Clears the wake-up, and says if there was one. */
static bool
woken(const struct redis *redis)
{
    uint64_t times;
    return read(redis->wake_fd, &times, sizeof(times)) > 0;
}

int
redis_receive(struct queue *queue, size_t max, int64_t wait_ms,
              struct queue_message *ret, size_t *ret_count, bool *reset,
              struct err *err)
{
    struct redis *redis = (struct redis *)queue;
    int64_t deadline_ms = clock_boot_ms() + wait_ms;
    size_t count = 0;
    do {
        if ((!redis->batch && advance(redis, max, deadline_ms, err)) ||
            hand_out(redis, max, ret, &count, err)) {
            return -1;
        }
    } while (count == 0 && !redis->session.reset && !woken(redis) &&
             clock_boot_ms() < deadline_ms);
    *reset = redis->session.reset;
    redis->session.reset = false;
    *ret_count = count;
    return 0;
}

void
redis_wake(struct queue *queue)
{
    const struct redis *redis = (const struct redis *)queue;
    const uint64_t once = 1;
    /* Fails only when it is already readable. */
    (void)!write(redis->wake_fd, &once, sizeof(once));
}

void
redis_give_back(struct redis *redis)
{
    _cleanup(redis_call_free) struct redis_call call = {0};
    _cleanup(redis_reply_free) redisReply *reply = NULL;
    struct err ignored;
    redis_call_start(&call, redis->base.name, "release");
    redis_call_add(&call, redis->base.consumer);
    redis_call_add(&call, "0");
    if (redis->session.owed &&
        redis_ready(redis, redis_session_deadline_ms(&redis->session),
                    &ignored)) {
        return;
    }
    if (redis->batch) {
        for (; redis->next < redis->entries->elements; redis->next++) {
            const redisReply *entry =
                redis_element(redis->entries, redis->next);
            redis_call_add(&call, redis_entry_id(entry));
        }
        redis_run(redis, &call, &reply, &ignored);
    }
    drop_batch(redis);
}
