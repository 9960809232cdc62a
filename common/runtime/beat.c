#include "runtime/beat.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "runtime/engine.h"
#include "runtime/metrics.h"

/* Progress stays out of a beat that would become too large with it. */
#define BEAT_MAX_BYTES (1024u * 1024)

struct beat {
    struct supervisor *sup;
    struct flight_held *held; /* First those with leases, sorted. */
    size_t count;
    size_t leased;
    int64_t sent_ms;
};

static int
compare_held(const void *a, const void *b)
{
    const struct run *one = ((const struct flight_held *)a)->run;
    const struct run *two = ((const struct flight_held *)b)->run;
    int order = strcmp(one->task, two->task);

    if (order != 0) {
        return order;
    }
    return (one->fence > two->fence) - (one->fence < two->fence);
}

static void
beat_free(struct beat *beat)
{
    flight_beat_end(beat->sup->flight, beat->held, beat->count);
}

static void
write_held(const struct beat *beat, struct buf *request)
{
    buf_json_key(request, "held");
    buf_json_array(request);
    for (size_t i = 0; i < beat->leased; i++) {
        const struct flight_held *held = &beat->held[i];
        buf_json_object(request);
        buf_json_key(request, "task");
        buf_json_string(request, held->run->task);
        buf_json_key(request, "fence");
        buf_json_int(request, held->run->fence);
        if (held->progress != NULL && request->size < BEAT_MAX_BYTES) {
            buf_json_key(request, "progress");
            buf_json_raw(request, held->progress, strlen(held->progress));
        }
        buf_json_end(request);
    }
    buf_json_end(request);
}

static void
write_request(const struct beat *beat, bool last, struct buf *request)
{
    engine_begin(request);
    buf_json_key(request, "owner");
    buf_json_string(request, beat->sup->owner);
    buf_json_key(request, "lease_ms");
    buf_json_int(request, beat->sup->conf.lease_ms);
    write_held(beat, request);
    buf_json_key(request, "flight");
    buf_json_array(request);
    for (size_t i = beat->leased; i < beat->count; i++) {
        if (beat->held[i].claiming) {
            buf_json_string(request, beat->held[i].run->nonce);
        }
    }
    buf_json_end(request);
    if (!last) {
        /* We may give up on this beat and claim more before it is read. */
        buf_json_key(request, "older_ms");
        buf_json_int(request, beat->sup->conf.lease_ms / 2);
    }
    buf_json_end(request);
}

static struct run *
find_held(const struct beat *beat, const char *task, int64_t fence)
{
    struct run run = {.fence = fence};
    struct flight_held key = {.run = &run};

    if (strlen(task) >= sizeof(run.task)) {
        return NULL;
    }
    memcpy(run.task, task, strlen(task) + 1);
    const struct flight_held *found = bsearch(
        &key, beat->held, beat->leased, sizeof(*beat->held), compare_held);
    return found != NULL ? found->run : NULL;
}

/* Tells the loop, unless the settler has come first. */
static void
lose(const struct beat *beat, struct run *run)
{
    if (flight_lose(beat->sup->flight, run)) {
        metrics_add(METRICS_LOST, 1);
        mailbox_post(&beat->sup->to_loop, mail_new(MAIL_LOST, run_ref(run)));
    }
}

static int
take_row(const struct beat *beat, const struct store_row *row, struct err *err)
{
    _cleanup(json_put) struct json_object *head = NULL;
    const char *task;
    const char *verdict;
    int64_t fence;

    if (engine_head(row, &head, err) ||
        json_string_required(head, "task", UUID_SIZE - 1, &task, err) ||
        json_int_required(head, "fence", 0, INT64_MAX, &fence, err) ||
        json_string_required(head, "verdict", 32, &verdict, err)) {
        return -1;
    }
    struct run *run = find_held(beat, task, fence);
    if (run == NULL) {
        return err_set(err, ERR_FATAL, 0, "a task we do not hold");
    }
    if (strcmp(verdict, "lost") == 0) {
        lose(beat, run);
        return 0;
    }
    run_set_lease(run, beat->sent_ms, beat->sup->conf.lease_ms);
    atomic_store(&run->watched, json_flag(head, "watched", false));
    if (strcmp(verdict, "cancel") == 0) {
        mailbox_post(&beat->sup->to_loop, mail_new(MAIL_CANCEL, run_ref(run)));
    }
    return 0;
}

static int
call(struct beat *beat, struct store *store, bool last, struct tail *tail,
     struct err *err)
{
    _cleanup(store_reply_free) struct store_reply reply = {0};
    _cleanup(json_put) struct json_object *head = NULL;
    _cleanup(buf_free) struct buf request = {0};
    struct json_object *ring = NULL;

    write_request(beat, last, &request);
    beat->sent_ms = clock_boot_ms();
    if (engine_call(beat->sup, store, ENGINE_BEAT, &request,
                    beat->sup->conf.lease_ms / 6, &reply, &head, err)) {
        return -1;
    }
    for (size_t i = 1; i < reply.count; i++) {
        if (take_row(beat, &reply.rows[i], err)) {
            err->kind = ERR_FATAL;
            return err_wrap(err, "beat's row");
        }
    }
    if (json_member(head, "ring", json_type_array, &ring, err)) {
        return -1;
    }
    return tail_ring(tail, ring, "", err);
}

static int
extend(const struct beat *beat, struct queue *queue, struct err *err)
{
    struct queue_message messages[QUEUE_BATCH_MAX];
    size_t count = 0;

    for (size_t i = 0; i < beat->count; i++) {
        if (beat->held[i].extend) {
            messages[count++] = beat->held[i].run->message;
        }
        if (count == QUEUE_BATCH_MAX || (i + 1 == beat->count && count > 0)) {
            if (queue_extend(queue, messages, count, NULL, err)) {
                metrics_add(METRICS_QUEUE_FAILURES, 1);
                return -1;
            }
            count = 0;
        }
    }
    return 0;
}

int
beat_all(struct supervisor *sup, const struct links *links, bool last,
         struct tail *tail, struct err *err)
{
    _cleanup(beat_free) struct beat beat = {.sup = sup};

    flight_beat_begin(sup->flight, &beat.held, &beat.count, &beat.leased);
    qsort(beat.held, beat.leased, sizeof(*beat.held), compare_held);
    /* Messages first: the queue may answer also while the store does not. */
    int extended = extend(&beat, links->queue, err);
    if ((beat.leased > 0 || last) &&
        call(&beat, links->store, last, tail, err)) {
        return -1;
    }
    return extended;
}
