#include "alexctl/ctl.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"

#define CALL_TIMEOUT_MS 20000
#define CALL_TRIES 4
#define RING_TRIES 4

void
ctl_close(struct ctl **ctl)
{
    store_close(&(*ctl)->store);
    queue_close(&(*ctl)->queue);
}

static int
not_set(const char *name, struct err *err)
{
    return err_set(err, ERR_FATAL, CTL_EXIT_CONFIG,
                   "%s is not set; for private servers: tools/servers start "
                   "&& eval \"$(tools/servers env)\"",
                   name);
}

int
ctl_store(struct ctl *ctl, bool admin, struct store **ret, struct err *err)
{
    if (ctl->store == NULL) {
        const char *url = ctl->store_url;
        if (admin && ctl->admin_store_url[0] != '\0') {
            url = ctl->admin_store_url;
        }
        if (url[0] == '\0') {
            return not_set("ALEX_STORE_URL", err);
        }
        if (store_open(url, "alexctl", &ctl->store, err) < 0) {
            return -1;
        }
    }
    *ret = ctl->store;
    return 0;
}

int
ctl_queue(struct ctl *ctl, struct queue **ret, struct err *err)
{
    if (ctl->queue == NULL) {
        if (ctl->queue_url[0] == '\0') {
            return not_set("ALEX_QUEUE_URL", err);
        }
        struct queue_options options = {.consumer = "alexctl"};
        if (queue_open(ctl->queue_url, &options, &ctl->queue, err) < 0) {
            return -1;
        }
    }
    *ret = ctl->queue;
    return 0;
}

int
ctl_call(struct ctl *ctl, const char *function, const struct buf *request,
         struct store_reply *reply, struct err *err)
{
    struct store *store = NULL;
    if (ctl_store(ctl, false, &store, err) < 0) {
        return -1;
    }
    for (int try = 1;; try++) {
        if (store_call(store, function, request->data, request->size,
                       CALL_TIMEOUT_MS, reply, err) == 0) {
            return 0;
        }
        if (err->kind != ERR_RETRY || try == CALL_TRIES) {
            return -1;
        }
        clock_sleep_ms(clock_jitter_ms(100, 200) * try);
    }
}

int
ctl_head(const struct store_reply *reply, size_t row, struct json_object **ret,
         struct err *err)
{
    if (row >= reply->count) {
        return err_set(err, ERR_FATAL, 0, "the engine answered %zu rows only",
                       reply->count);
    }
    return json_parse(reply->rows[row].head, reply->rows[row].head_size,
                      "the engine's answer", ret, err);
}

void
ctl_print_items(const struct store_reply *reply)
{
    fputs("[", stdout);
    for (size_t i = 1; i < reply->count; i++) {
        fputs(i > 1 ? "," : "", stdout);
        fputs(reply->rows[i].head, stdout);
    }
    puts("]");
}

struct bodies {
    struct buf items[QUEUE_BATCH_MAX];
};

static void
bodies_free(struct bodies *bodies)
{
    for (size_t i = 0; i < QUEUE_BATCH_MAX; i++) {
        buf_free(&bodies->items[i]);
    }
}

/* At most QUEUE_BATCH_MAX. */
static int
ring_batch(struct queue *queue, const struct bell *bells, size_t count,
           struct err *err)
{
    char names[QUEUE_BATCH_MAX][96];
    struct queue_letter letters[QUEUE_BATCH_MAX] = {0};
    _cleanup(bodies_free) struct bodies bodies = {0};
    for (size_t i = 0; i < count; i++) {
        bell_encode(&bells[i], &bodies.items[i]);
        bell_queue_name(bells[i].agent, names[i]);
        letters[i].queue = names[i];
        letters[i].body = bodies.items[i].data;
        letters[i].body_size = bodies.items[i].size;
        letters[i].delay_ms = bells[i].delay_ms;
        letters[i].group = bells[i].group[0] ? bells[i].group : NULL;
        letters[i].trace = bells[i].trace[0] ? bells[i].trace : NULL;
    }
    for (int try = 1; queue_send(queue, letters, count, err) < 0; try++) {
        if (err->kind != ERR_RETRY || try == RING_TRIES) {
            return err_wrap(err, "sending doorbells");
        }
        clock_sleep_ms(clock_jitter_ms(100, 200) * try);
    }
    return 0;
}

int
ctl_ring(struct ctl *ctl, const struct bell *bells, size_t count,
         struct err *err)
{
    struct queue *queue = NULL;
    if (ctl_queue(ctl, &queue, err) < 0) {
        return -1;
    }
    for (size_t i = 0; i < count; i += QUEUE_BATCH_MAX) {
        size_t left = count - i;
        size_t some = left < QUEUE_BATCH_MAX ? left : QUEUE_BATCH_MAX;
        if (ring_batch(queue, bells + i, some, err) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
decode_bell(struct json_object *object, struct bell *ret, struct err *err)
{
    const struct {
        const char *key;
        char *text;
        size_t size;
    } fields[] = {
        {"agent", ret->agent, sizeof(ret->agent)},
        {"job", ret->job, sizeof(ret->job)},
        {"task", ret->task, sizeof(ret->task)},
        {"trace", ret->trace, sizeof(ret->trace)},
        {"group", ret->group, sizeof(ret->group)},
    };
    for (size_t i = 0; i < ARRAY_COUNT(fields); i++) {
        const char *text = NULL;
        if (json_string(object, fields[i].key, fields[i].size - 1, "", &text,
                        err) < 0) {
            return -1;
        }
        snprintf(fields[i].text, fields[i].size, "%s", text);
    }
    return json_int(object, "delay_ms", 0, INT64_MAX, 0, &ret->delay_ms, err);
}

int
ctl_ring_json(struct ctl *ctl, struct json_object *bells, size_t *ret_count,
              struct err *err)
{
    size_t count = bells ? json_object_array_length(bells) : 0;
    _cleanup(cleanup_free) struct bell *decoded =
        xcalloc(count, sizeof(*decoded));
    for (size_t i = 0; i < count; i++) {
        if (decode_bell(json_object_array_get_idx(bells, i), &decoded[i], err) <
            0) {
            return -1;
        }
    }
    if (ret_count != NULL) {
        *ret_count = count;
    }
    return ctl_ring(ctl, decoded, count, err);
}

int
ctl_user(struct ctl *ctl, const char *user, char **ret, struct err *err)
{
    if (user != NULL) {
        *ret = xstrdup(user);
        return 0;
    }
    struct store *store = NULL;
    _cleanup(store_reply_free) struct store_reply reply = {0};
    if (ctl_store(ctl, false, &store, err) < 0) {
        return -1;
    }
    if (store_query(store, "select clerk_user_id from public.users limit 2",
                    CALL_TIMEOUT_MS, &reply, err) < 0) {
        return err->kind == ERR_RETRY ? -1
                                      : err_set(err, ERR_REJECT, CTL_EXIT_USAGE,
                                                "say which user: --user U");
    }
    if (reply.count != 1) {
        return err_set(err, ERR_REJECT, CTL_EXIT_USAGE,
                       reply.count == 0 ? "there is no user yet: import a "
                                          "portfolio first, with --user U"
                                        : "there are several users: say which "
                                          "with --user U");
    }
    *ret = xstrdup(reply.rows[0].head);
    return 0;
}

int
ctl_job_id(const char *job, char ret[UUID_SIZE], struct err *err)
{
    if (!uuid_valid(job, strlen(job))) {
        return err_set(err, ERR_REJECT, CTL_EXIT_USAGE,
                       "'%.60s' is not a job id (36 characters, as 'alexctl "
                       "jobs' and 'alexctl submit' print them)",
                       job);
    }
    uuid_normalise(job, ret);
    return 0;
}

void
ctl_say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

bool
ctl_next_agent(const char **at, char ret[64])
{
    *at += strspn(*at, ",");
    size_t size = strcspn(*at, ",");
    if (size == 0) {
        return false;
    }
    snprintf(ret, 64, "%.*s", (int)size, *at);
    *at += size;
    return true;
}
