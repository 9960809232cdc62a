#include "queue/kafka_holds.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"

static void
item_free(struct kafka_item *item)
{
    free(item->body);
    free(item);
}

/* --- partitions ---------------------------------------------------------- */

struct kafka_partition *
kafka_holds_partition(const struct kafka_holds *holds, bool later, int32_t id)
{
    for (size_t i = 0; i < holds->partition_count; i++) {
        if (holds->partitions[i].later == later &&
            holds->partitions[i].id == id) {
            return &holds->partitions[i];
        }
    }
    return NULL;
}

void
kafka_holds_assign(struct kafka_holds *holds, bool later, int32_t id)
{
    if (kafka_holds_partition(holds, later, id)) {
        return;
    }
    size_t count = holds->partition_count + 1;
    holds->partitions =
        xrealloc(holds->partitions, count * sizeof(*holds->partitions));
    holds->partitions[holds->partition_count++] =
        (struct kafka_partition){.later = later, .id = id};
}

static void
drop_waiting(struct kafka_holds *holds, int32_t id)
{
    struct kafka_item **link = &holds->waiting;
    holds->last_waiting = NULL;
    while (*link) {
        if ((*link)->partition == id) {
            *link = (*link)->next;
            holds->waiting_count--;
        } else {
            holds->last_waiting = *link;
            link = &(*link)->next;
        }
    }
}

void
kafka_holds_revoke(struct kafka_holds *holds, bool later, int32_t id)
{
    struct kafka_partition *partition = kafka_holds_partition(holds, later, id);
    if (!partition) {
        return;
    }
    struct kafka_tracker *tracker = &partition->tracker;
    if (later) {
        kafka_later_drop(&holds->later, id);
    } else {
        drop_waiting(holds, id);
    }
    for (size_t i = 0; i < tracker->count; i++) {
        struct kafka_item *item = tracker->slots[tracker->first + i].item;
        if (item && item->state == KAFKA_ENDING) {
            item->orphan = true;
        } else if (item) {
            item_free(item);
        }
    }
    kafka_tracker_free(tracker);
    *partition = holds->partitions[--holds->partition_count];
}

void
kafka_holds_free(struct kafka_holds *holds)
{
    while (holds->partition_count > 0) {
        kafka_holds_revoke(holds, holds->partitions[0].later,
                           holds->partitions[0].id);
    }
    kafka_later_free(&holds->later);
    free(holds->partitions);
    *holds = (struct kafka_holds){0};
}

struct kafka_held
kafka_holds_count(const struct kafka_partition *partition)
{
    const struct kafka_tracker *tracker = &partition->tracker;
    struct kafka_held held = {.next = tracker->next};
    for (size_t i = 0; i < tracker->count; i++) {
        const struct kafka_item *item = tracker->slots[tracker->first + i].item;
        if (item && item->state == KAFKA_WAITING) {
            held.waiting++;
        } else if (item) {
            held.held++;
        }
    }
    return held;
}

/* --- coming in, going out ------------------------------------------------ */

static void
add_waiting(struct kafka_holds *holds, struct kafka_item *item)
{
    if (holds->last_waiting) {
        holds->last_waiting->next = item;
    } else {
        holds->waiting = item;
    }
    holds->last_waiting = item;
    holds->waiting_count++;
}

void
kafka_holds_add(struct kafka_holds *holds, bool later, int32_t id,
                int64_t offset, const struct kafka_record *record)
{
    struct kafka_partition *partition = kafka_holds_partition(holds, later, id);
    if (!partition || offset < partition->tracker.next) {
        return;
    }
    struct kafka_item *item = xmalloc(sizeof(*item));
    *item = (struct kafka_item){
        .later = later,
        .partition = id,
        .offset = offset,
        .serial = ++holds->serial,
        .body = xmemdup(record->size > 0 ? record->body : "", record->size),
        .record = *record,
    };
    item->record.body = item->body;
    item->record.reason = NULL;
    item->record.taken = -1;
    kafka_tracker_add(&partition->tracker, offset, item);
    if (later) {
        item->state = KAFKA_DELAYED;
        kafka_later_push(&holds->later, item);
    } else if (record->size > QUEUE_BODY_MAX_BYTES) {
        item->state = KAFKA_HELD;
        item->record.reason = "body is too large";
        holds->check_leases_ms = 0;
    } else {
        item->state = KAFKA_WAITING;
        add_waiting(holds, item);
    }
}

static void
hold(struct kafka_item *item, int64_t now_ms, int64_t lease_ms,
     struct queue_message *ret)
{
    item->state = KAFKA_HELD;
    item->lease_until_ms = now_ms + lease_ms;
    item->record.deliveries++;
    *ret = (struct queue_message){
        .body = xmemdup(item->body, item->record.size),
        .body_size = item->record.size,
        .received_boot_ms = now_ms,
        .sent_wall_ms = item->record.sent_wall_ms,
        .deliveries = item->record.deliveries,
    };
    snprintf(ret->handle, sizeof(ret->handle),
             "%" PRId32 ":%" PRId64 ":%" PRId64, item->partition, item->offset,
             item->serial);
}

size_t
kafka_holds_hand_out(struct kafka_holds *holds, size_t max, int64_t lease_ms,
                     struct queue_message *ret)
{
    int64_t now_ms = clock_boot_ms();
    size_t count = 0;
    for (; count < max && holds->waiting; count++) {
        struct kafka_item *item = holds->waiting;
        holds->waiting = item->next;
        holds->waiting_count--;
        hold(item, now_ms, lease_ms, &ret[count]);
    }
    if (!holds->waiting) {
        holds->last_waiting = NULL;
    }
    if (now_ms + lease_ms < holds->check_leases_ms) {
        holds->check_leases_ms = now_ms + lease_ms;
    }
    return count;
}

struct kafka_item *
kafka_holds_find(const struct kafka_holds *holds, const char *handle)
{
    int32_t id;
    int64_t offset;
    int64_t serial;
    if (sscanf(handle, "%" SCNd32 ":%" SCNd64 ":%" SCNd64, &id, &offset,
               &serial) != 3) {
        return NULL;
    }
    const struct kafka_partition *partition =
        kafka_holds_partition(holds, false, id);
    struct kafka_item *item =
        partition ? kafka_tracker_find(&partition->tracker, offset) : NULL;
    bool ours = item && item->serial == serial && item->state == KAFKA_HELD;
    return ours ? item : NULL;
}

/* --- ending -------------------------------------------------------------- */

/* Of one partition; '*soonest_ms' becomes the end of the first lease that goes
 * on. */
static size_t
take_of_partition(const struct kafka_tracker *tracker, int64_t boot_ms,
                  size_t max, struct kafka_item **ret, int64_t *soonest_ms)
{
    size_t count = 0;
    for (size_t i = 0; i < tracker->count; i++) {
        struct kafka_item *item = tracker->slots[tracker->first + i].item;
        if (!item || item->state != KAFKA_HELD) {
            continue;
        }
        if (item->lease_until_ms <= boot_ms && count < max) {
            item->state = KAFKA_ENDING;
            ret[count++] = item;
        } else if (item->lease_until_ms < *soonest_ms) {
            *soonest_ms = item->lease_until_ms;
        }
    }
    return count;
}

size_t
kafka_holds_take_expired(struct kafka_holds *holds, int64_t boot_ms, size_t max,
                         struct kafka_item **ret)
{
    size_t count = 0;
    int64_t soonest_ms = INT64_MAX;
    if (boot_ms < holds->check_leases_ms) {
        return 0;
    }
    for (size_t i = 0; i < holds->partition_count; i++) {
        if (!holds->partitions[i].later) {
            count += take_of_partition(&holds->partitions[i].tracker, boot_ms,
                                       max - count, ret + count, &soonest_ms);
        }
    }
    holds->check_leases_ms = soonest_ms;
    return count;
}

size_t
kafka_holds_take_due(struct kafka_holds *holds, int64_t wall_ms, size_t max,
                     struct kafka_item **ret)
{
    size_t count = 0;
    struct kafka_item *item;
    while (count < max && (item = kafka_later_first(&holds->later)) != NULL &&
           item->record.due_wall_ms <= wall_ms) {
        kafka_later_pop(&holds->later);
        item->state = KAFKA_ENDING;
        ret[count++] = item;
    }
    return count;
}

static void
go_on(struct kafka_holds *holds, struct kafka_item *item)
{
    item->state = item->later ? KAFKA_DELAYED : KAFKA_HELD;
    holds->check_leases_ms = 0;
    if (item->later) {
        kafka_later_push(&holds->later, item);
    }
}

void
kafka_holds_end(struct kafka_holds *holds, struct kafka_item *item, bool done)
{
    if (!item->orphan && !done) {
        go_on(holds, item);
        return;
    }
    if (!item->orphan) {
        struct kafka_partition *partition =
            kafka_holds_partition(holds, item->later, item->partition);
        kafka_tracker_done(&partition->tracker, item->offset);
    }
    item_free(item);
}
