/* Redis streams, Redis 7 or newer: one consumer group a queue; keys and scripts
 * in redis.lua, receiving in redis_receive.c.  The least a user needs, INFO
 * only so that a broker that evicts is refused:
 *
 *     ACL SETUSER fleet on >PASSWORD resetkeys ~{alex-* -@all +auth +select
 *         +eval +evalsha +@stream +@sortedset +time +info */
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "queue/redis_entry.h"
#include "queue/redis_receive.h"

/* Of one operation, so that it stays below a third of the lease. */
#define CALL_MIN_MS 200
#define CALL_MAX_MS 5000
#define CLOSE_MAX_MS 1000

/* --- ending deliveries --------------------------------------------------- */

/* The four operations on messages of ours, which differ in one word. */
static int
for_messages(struct queue *queue, const char *operation, const char *word,
             const struct queue_message *messages, size_t count,
             size_t *ret_lost, struct err *err)
{
    _cleanup(redis_call_free) struct redis_call call = {0};
    _cleanup(redis_reply_free) redisReply *lost = NULL;
    redis_call_start(&call, queue->name, operation);
    redis_call_add(&call, queue->consumer);
    redis_call_add(&call, word);
    for (size_t i = 0; i < count; i++) {
        redis_call_add(&call, messages[i].handle);
    }
    if (redis_run((struct redis *)queue, &call, &lost, err)) {
        return -1;
    }
    *ret_lost = (size_t)lost->integer;
    return 0;
}

static int
redis_ack(struct queue *queue, const struct queue_message *messages,
          size_t count, size_t *ret_lost, struct err *err)
{
    return for_messages(queue, "ack", "", messages, count, ret_lost, err);
}

static int
redis_release(struct queue *queue, const struct queue_message *messages,
              size_t count, int64_t delay_ms, size_t *ret_lost, struct err *err)
{
    char delay[24];
    snprintf(delay, sizeof(delay), "%lld", (long long)delay_ms);
    return for_messages(queue, "release", delay, messages, count, ret_lost,
                        err);
}

static int
redis_dead_letter(struct queue *queue, const struct queue_message *message,
                  const char *reason, struct err *err)
{
    size_t lost;
    return for_messages(queue, "bury", reason, message, 1, &lost, err);
}

static int
redis_extend(struct queue *queue, const struct queue_message *messages,
             size_t count, size_t *ret_lost, struct err *err)
{
    return for_messages(queue, "extend", "", messages, count, ret_lost, err);
}

/* --- sending ------------------------------------------------------------- */

/* Letters go by queue, all of a queue in one call: this is where one's next
 * unsent batch begins. */
static bool
begins_queue(const struct queue_letter *letters, size_t i)
{
    for (size_t j = 0; j < i; j++) {
        if (!letters[j].sent &&
            strcmp(letters[j].queue, letters[i].queue) == 0) {
            return false;
        }
    }
    return !letters[i].sent;
}

static void
write_letters(struct redis *redis, const struct queue_letter *letters,
              size_t count, bool by_text)
{
    _cleanup(redis_call_free) struct redis_call call = {0};
    redis_call_start(&call, letters[0].queue, "send");
    for (size_t i = 0; i < count; i++) {
        if (!letters[i].sent &&
            strcmp(letters[i].queue, letters[0].queue) == 0) {
            redis_call_add_int(&call, letters[i].delay_ms);
            redis_call_add_bytes(&call, letters[i].body, letters[i].body_size);
        }
    }
    redis_call_write(&call, redis->session.wire, by_text);
}

static void
mark_sent(struct queue_letter *letters, size_t count)
{
    for (size_t i = count; i > 0; i--) {
        if (strcmp(letters[i - 1].queue, letters[0].queue) == 0) {
            letters[i - 1].sent = true;
        }
    }
}

/* One round trip for all queues.  '*ret_unknown' becomes true when the broker
 * does not know the script. */
static int
send_round(struct redis *redis, struct queue_letter *letters, size_t count,
           bool by_text, bool *ret_unknown, struct err *err)
{
    struct redis_session *session = &redis->session;
    int64_t deadline_ms = redis_session_deadline_ms(session);
    int result = 0;
    if (redis_ready(redis, deadline_ms, err)) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        if (begins_queue(letters, i)) {
            write_letters(redis, letters + i, count - i, by_text);
        }
    }
    for (size_t i = 0; i < count; i++) {
        _cleanup(redis_reply_free) redisReply *reply = NULL;
        if (!begins_queue(letters, i)) {
            continue;
        }
        if (redis_wire_get(session->wire, deadline_ms, &reply, err)) {
            return redis_session_fail(session, err);
        }
        if (redis_reply_is_error(reply, "NOSCRIPT")) {
            *ret_unknown = true;
        } else if (reply->type == REDIS_REPLY_ERROR) {
            result = redis_wire_refused(reply, err);
        } else {
            mark_sent(letters + i, count - i);
        }
    }
    return result ? redis_session_fail(session, err) : 0;
}

static int
redis_send(struct queue *queue, struct queue_letter *letters, size_t count,
           struct err *err)
{
    struct redis *redis = (struct redis *)queue;
    bool unknown = false;
    if (send_round(redis, letters, count, false, &unknown, err)) {
        return -1;
    }
    return unknown ? send_round(redis, letters, count, true, &unknown, err) : 0;
}

/* --- looking ------------------------------------------------------------- */

static int
redis_depth(struct queue *queue, const char *name, struct queue_depth *ret,
            struct err *err)
{
    _cleanup(redis_call_free) struct redis_call call = {0};
    _cleanup(redis_reply_free) redisReply *reply = NULL;
    redis_call_start(&call, name, "depth");
    if (redis_run((struct redis *)queue, &call, &reply, err)) {
        return -1;
    }
    struct queue_depth depth = {0};
    int64_t *const counts[] = {&depth.waiting, &depth.in_flight, &depth.delayed,
                               &depth.dead};
    for (size_t i = 0; i < ARRAY_COUNT(counts); i++) {
        const redisReply *count = redis_element(reply, i);
        *counts[i] = count ? count->integer : 0;
    }
    *ret = depth;
    return 0;
}

/* Handles of dead letters come from people. */
static int
check_id(const char *id, struct err *err)
{
    size_t ms = strspn(id, "0123456789");
    size_t seq = id[ms] == '-' ? strspn(id + ms + 1, "0123456789") : 0;
    if (ms < 1 || ms > 19 || seq < 1 || seq > 19 || id[ms + 1 + seq]) {
        return err_set(err, ERR_REJECT, 0,
                       "dead letter: not an id like 1795473125123-0");
    }
    return 0;
}

static int
redis_dead_peek(struct queue *queue, const char *name, const char *after,
                size_t max, struct queue_message *ret, size_t *ret_count,
                char ret_next[QUEUE_HANDLE_SIZE], struct err *err)
{
    _cleanup(redis_call_free) struct redis_call call = {0};
    _cleanup(redis_reply_free) redisReply *reply = NULL;
    char from[QUEUE_HANDLE_SIZE + 1];
    if (after[0] && check_id(after, err)) {
        return -1;
    }
    snprintf(from, sizeof(from), "%s%s", after[0] ? "(" : "-", after);
    redis_call_start(&call, name, "peek");
    redis_call_add(&call, from);
    redis_call_add_int(&call, (int64_t)max);
    redis_call_add_int(&call, QUEUE_BODY_MAX_BYTES);
    if (redis_run((struct redis *)queue, &call, &reply, err)) {
        return -1;
    }
    size_t count = 0;
    const redisReply *entry = NULL;
    for (size_t i = 0; i < max && redis_element(reply, i); i++) {
        entry = redis_element(reply, i);
        count += redis_entry_read(entry, 0, &ret[count]);
    }
    bool more = reply->elements == max;
    snprintf(ret_next, QUEUE_HANDLE_SIZE, "%s",
             more ? redis_entry_id(entry) : "");
    *ret_count = count;
    return 0;
}

static int
redis_dead_take(struct queue *queue, const char *name, const char *handle,
                bool resend, struct err *err)
{
    _cleanup(redis_call_free) struct redis_call call = {0};
    _cleanup(redis_reply_free) redisReply *found = NULL;
    if (check_id(handle, err)) {
        return -1;
    }
    redis_call_start(&call, name, "take");
    redis_call_add(&call, handle);
    redis_call_add(&call, resend ? "1" : "0");
    if (redis_run((struct redis *)queue, &call, &found, err)) {
        return -1;
    }
    if (found->integer == 0) {
        return err_set(err, ERR_REJECT, 404, "no dead letter %s of %s", handle,
                       name);
    }
    return 0;
}

/* --- opening and closing ------------------------------------------------- */

/* So that others need not wait a lease for what this consumer held. */
static void
say_goodbye(struct redis *redis)
{
    _cleanup(redis_call_free) struct redis_call call = {0};
    _cleanup(redis_reply_free) redisReply *reply = NULL;
    struct err ignored;
    if (redis->session.call_ms > CLOSE_MAX_MS) {
        redis->session.call_ms = CLOSE_MAX_MS;
    }
    redis_give_back(redis);
    redis_call_start(&call, redis->base.name, "leave");
    redis_call_add(&call, redis->base.consumer);
    if (redis->session.wire) {
        redis_run(redis, &call, &reply, &ignored);
    }
}

static void
redis_close(struct queue *queue)
{
    struct redis *redis = (struct redis *)queue;
    if (redis->session.wire && queue->name[0]) {
        say_goodbye(redis);
    }
    redis_session_close(&redis->session);
    redis_reply_free(&redis->batch);
    redis_address_free(&redis->session.address);
    cleanup_close(&redis->wake_fd);
    free(redis);
}

static int64_t
call_ms(const struct queue_options *options)
{
    int64_t ms = options->name ? options->lease_ms / 6 : CALL_MAX_MS;
    return ms > CALL_MAX_MS ? CALL_MAX_MS : ms < CALL_MIN_MS ? CALL_MIN_MS : ms;
}

static int
redis_open(const char *url, const struct queue_options *options,
           struct queue **ret, struct err *err)
{
    struct redis_address address;
    if (redis_address_parse(url, &address, err)) {
        return -1;
    }
    int wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (wake_fd < 0) {
        redis_address_free(&address);
        return err_errno(err, ERR_RETRY, "eventfd");
    }
    struct redis *redis = xcalloc(1, sizeof(*redis));
    redis->base.driver = &queue_driver_redis;
    redis->base.lease_ms = options->lease_ms;
    snprintf(redis->base.name, sizeof(redis->base.name), "%s",
             options->name ? options->name : "");
    snprintf(redis->base.consumer, sizeof(redis->base.consumer), "%s",
             options->consumer);
    redis->session.address = address;
    redis->session.name = redis->base.name;
    redis->session.call_ms = call_ms(options);
    redis->wake_fd = wake_fd;
    snprintf(redis->cursor, sizeof(redis->cursor), "0-0");
    *ret = &redis->base;
    return 0;
}

static const char *const schemes[] = {"redis", "rediss", NULL};

const struct queue_driver queue_driver_redis = {
    .schemes = schemes,
    .open = redis_open,
    .close = redis_close,
    .receive = redis_receive,
    .wake = redis_wake,
    .ack = redis_ack,
    .release = redis_release,
    .dead_letter = redis_dead_letter,
    .extend = redis_extend,
    .send = redis_send,
    .depth = redis_depth,
    .dead_peek = redis_dead_peek,
    .dead_take = redis_dead_take,
};
