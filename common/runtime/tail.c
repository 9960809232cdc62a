#include "runtime/tail.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/fault.h"
#include "base/log.h"
#include "queue/bell.h"
#include "runtime/metrics.h"

/* Of an agent's name, as every queue takes it. */
#define AGENT_CHARACTERS "abcdefghijklmnopqrstuvwxyz0123456789_-"
/* Longest delay the engine may ask for. */
#define DELAY_MAX_MS (30LL * 24 * 3600 * 1000)

enum tail_end { TAIL_ACK, TAIL_RELEASE, TAIL_DEAD_LETTER, TAIL_NO_MESSAGE };

struct tail_item {
    struct run *run;
    enum tail_end end;
    int64_t delay_ms;
    char *reason; /* DEAD_LETTER. */
};

static void
drop_letters(struct tail *tail)
{
    for (size_t i = 0; i < tail->letter_count; i++) {
        free((char *)tail->letters[i].queue);
        free((char *)tail->letters[i].body);
        free((char *)tail->letters[i].group);
        free((char *)tail->letters[i].trace);
    }
    free(tail->letters);
    tail->letters = NULL;
    tail->letter_count = 0;
}

void
tail_free(struct tail *tail)
{
    drop_letters(tail);
    for (size_t i = 0; i < tail->item_count; i++) {
        free(tail->items[i].reason);
    }
    free(tail->items);
    *tail = (struct tail){0};
}

bool
tail_empty(const struct tail *tail)
{
    return tail->letter_count == 0 && tail->item_count == 0;
}

/* An array whose room is the next power of two. */
static void *
grow(void *array, size_t count, size_t size)
{
    if ((count & (count - 1)) != 0) {
        return array;
    }
    return xrealloc(array, (count == 0 ? 1 : 2 * count) * size);
}

static int
copy_field(struct json_object *object, const char *key, size_t size, char *ret,
           struct err *err)
{
    const char *text;

    if (json_string(object, key, size - 1, "", &text, err)) {
        return -1;
    }
    memcpy(ret, text, strlen(text) + 1);
    return 0;
}

static int
decode_bell(struct json_object *object, struct bell *ret, struct err *err)
{
    const char *agent;

    if (json_string_required(object, "agent", sizeof(ret->agent) - 1, &agent,
                             err) ||
        copy_field(object, "job", sizeof(ret->job), ret->job, err) ||
        copy_field(object, "task", sizeof(ret->task), ret->task, err) ||
        copy_field(object, "trace", sizeof(ret->trace), ret->trace, err) ||
        json_int(object, "delay_ms", 0, DELAY_MAX_MS, 0, &ret->delay_ms, err)) {
        return err_wrap(err, "engine's bell");
    }
    memcpy(ret->agent, agent, strlen(agent) + 1);
    return 0;
}

static char *
copy_unless_empty(const char *text)
{
    return text[0] != '\0' ? xstrdup(text) : NULL;
}

static void
add_letter(struct tail *tail, const struct bell *bell)
{
    _cleanup(buf_free) struct buf body = {0};
    char queue[96];

    bell_encode(bell, &body);
    bell_queue_name(bell->agent, queue);
    tail->letters =
        grow(tail->letters, tail->letter_count, sizeof(*tail->letters));
    size_t size = body.size;
    tail->letters[tail->letter_count++] = (struct queue_letter){
        .queue = xstrdup(queue),
        .body = buf_steal(&body),
        .body_size = size,
        .group = copy_unless_empty(bell->group),
        .trace = copy_unless_empty(bell->trace),
        .delay_ms = bell->delay_ms,
    };
}

static int
ring_one(struct tail *tail, struct json_object *object, const char *group,
         struct err *err)
{
    struct bell bell = {0};

    if (decode_bell(object, &bell, err)) {
        return -1;
    }
    /* One that no queue takes would stand before all others for ever. */
    if (bell.agent[strspn(bell.agent, AGENT_CHARACTERS)] != '\0') {
        log_error("bell for an impossible queue, dropping it",
                  "job=%s task=%s agent=%s", bell.job, bell.task, bell.agent);
        return 0;
    }
    bell_set_group(&bell, group);
    add_letter(tail, &bell);
    return 0;
}

int
tail_ring(struct tail *tail, struct json_object *bells, const char *group,
          struct err *err)
{
    if (bells == NULL || json_object_is_type(bells, json_type_object)) {
        return bells == NULL ? 0 : ring_one(tail, bells, group, err);
    }
    if (!json_object_is_type(bells, json_type_array)) {
        return err_set(err, ERR_REJECT, 0, "ring: not an array");
    }
    for (size_t i = 0; i < json_object_array_length(bells); i++) {
        if (ring_one(tail, json_object_array_get_idx(bells, i), group, err)) {
            return -1;
        }
    }
    return 0;
}

static void
add_item(struct tail *tail, struct run *run, enum tail_end end,
         int64_t delay_ms, const char *reason)
{
    tail->items = grow(tail->items, tail->item_count, sizeof(*tail->items));
    tail->items[tail->item_count++] = (struct tail_item){
        .run = run,
        .end = run->acked ? TAIL_NO_MESSAGE : end,
        .delay_ms = delay_ms,
        .reason = reason != NULL ? xstrdup(reason) : NULL,
    };
}

void
tail_ack(struct tail *tail, struct run *run)
{
    add_item(tail, run, TAIL_ACK, 0, NULL);
}

void
tail_release(struct tail *tail, struct run *run, const char *agent,
             int64_t delay_ms)
{
    if (run->acked) {
        struct bell bell = {.delay_ms = delay_ms};
        snprintf(bell.agent, sizeof(bell.agent), "%s", agent);
        memcpy(bell.job, run->job, sizeof(bell.job));
        memcpy(bell.task, run->task, sizeof(bell.task));
        memcpy(bell.trace, run->trace, sizeof(bell.trace));
        memcpy(bell.group, run->group, sizeof(bell.group));
        add_letter(tail, &bell);
        delay_ms = 0;
    }
    add_item(tail, run, TAIL_RELEASE, delay_ms, NULL);
}

void
tail_dead_letter(struct tail *tail, struct run *run, const char *reason)
{
    add_item(tail, run, TAIL_DEAD_LETTER, 0, reason);
}

static int
flush_letters(struct tail *tail, struct queue *queue, struct err *err)
{
    if (tail->letter_count == 0) {
        return 0;
    }
    FAULT_POINT(FAULT_BEFORE_RING);
    if (queue_send(queue, tail->letters, tail->letter_count, err)) {
        return err_wrap(err, "ring");
    }
    FAULT_POINT(FAULT_AFTER_RING);
    metrics_add(METRICS_BELLS, (int64_t)tail->letter_count);
    drop_letters(tail);
    return 0;
}

static bool
alike(const struct tail_item *a, const struct tail_item *b)
{
    return a->end == b->end && a->delay_ms == b->delay_ms;
}

/* Moves those like the first to the front, at most a batch; returns how many.
 */
static size_t
gather(struct tail *tail)
{
    size_t count = 1;

    if (tail->items[0].end == TAIL_DEAD_LETTER) {
        return 1;
    }
    for (size_t i = 1; i < tail->item_count && count < QUEUE_BATCH_MAX; i++) {
        if (alike(&tail->items[i], &tail->items[0])) {
            struct tail_item item = tail->items[i];
            tail->items[i] = tail->items[count];
            tail->items[count++] = item;
        }
    }
    return count;
}

static int
end_messages(struct tail *tail, size_t count, struct queue *queue,
             struct err *err)
{
    struct queue_message messages[QUEUE_BATCH_MAX];
    const struct tail_item *first = &tail->items[0];

    for (size_t i = 0; i < count; i++) {
        messages[i] = tail->items[i].run->message;
    }
    switch (first->end) {
    case TAIL_ACK:
        FAULT_POINT(FAULT_BEFORE_ACK);
        return queue_ack(queue, messages, count, NULL, err);
    case TAIL_RELEASE:
        return queue_release(queue, messages, count, first->delay_ms, NULL,
                             err);
    case TAIL_DEAD_LETTER:
        return queue_dead_letter(queue, messages, first->reason, err);
    case TAIL_NO_MESSAGE:
        break;
    }
    return 0;
}

static void
drop_items(struct tail *tail, size_t count, struct flight *flight)
{
    static const enum metrics_id ids[] = {
        [TAIL_ACK] = METRICS_ACKED,
        [TAIL_RELEASE] = METRICS_RELEASED,
        [TAIL_DEAD_LETTER] = METRICS_DEAD_LETTERS,
    };

    if (tail->items[0].end != TAIL_NO_MESSAGE) {
        metrics_add(ids[tail->items[0].end], (int64_t)count);
    }
    for (size_t i = 0; i < count; i++) {
        flight_remove(flight, tail->items[i].run);
        free(tail->items[i].reason);
    }
    tail->item_count -= count;
    memmove(tail->items, tail->items + count,
            tail->item_count * sizeof(*tail->items));
}

int
tail_flush(struct tail *tail, struct queue *queue, struct flight *flight,
           struct err *err)
{
    if (flush_letters(tail, queue, err)) {
        metrics_add(METRICS_QUEUE_FAILURES, 1);
        return -1;
    }
    while (tail->item_count > 0) {
        size_t count = gather(tail);
        if (end_messages(tail, count, queue, err)) {
            metrics_add(METRICS_QUEUE_FAILURES, 1);
            return -1;
        }
        drop_items(tail, count, flight);
    }
    free(tail->items);
    tail->items = NULL;
    return 0;
}
