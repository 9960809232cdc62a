#include "queue/kafka_tracker.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

void
kafka_tracker_free(struct kafka_tracker *tracker)
{
    free(tracker->slots);
    *tracker = (struct kafka_tracker){0};
}

/* Moves what is in use to the front, and doubles when that gains too little. */
static void
make_room(struct kafka_tracker *tracker)
{
    if (tracker->first + tracker->count < tracker->capacity) {
        return;
    }
    if (tracker->first > 0) {
        memmove(tracker->slots, tracker->slots + tracker->first,
                tracker->count * sizeof(*tracker->slots));
        tracker->first = 0;
    }
    if (tracker->count * 2 >= tracker->capacity) {
        tracker->capacity = tracker->capacity ? tracker->capacity * 2 : 64;
        tracker->slots = xrealloc(tracker->slots,
                                  tracker->capacity * sizeof(*tracker->slots));
    }
}

bool
kafka_tracker_add(struct kafka_tracker *tracker, int64_t offset, void *item)
{
    if (offset < tracker->next) {
        return false;
    }
    make_room(tracker);
    tracker->slots[tracker->first + tracker->count++] =
        (struct kafka_slot){offset, item};
    tracker->next = offset + 1;
    return true;
}

static struct kafka_slot *
find(const struct kafka_tracker *tracker, int64_t offset)
{
    size_t low = tracker->first;
    size_t high = tracker->first + tracker->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (tracker->slots[middle].offset < offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    bool found = low < tracker->first + tracker->count &&
                 tracker->slots[low].offset == offset;
    return found ? &tracker->slots[low] : NULL;
}

void *
kafka_tracker_find(const struct kafka_tracker *tracker, int64_t offset)
{
    const struct kafka_slot *slot = find(tracker, offset);
    return slot ? slot->item : NULL;
}

void
kafka_tracker_done(struct kafka_tracker *tracker, int64_t offset)
{
    struct kafka_slot *slot = find(tracker, offset);
    if (slot) {
        slot->item = NULL;
    }
    while (tracker->count > 0 && !tracker->slots[tracker->first].item) {
        tracker->first++;
        tracker->count--;
    }
}

int64_t
kafka_tracker_watermark(const struct kafka_tracker *tracker)
{
    return tracker->count > 0 ? tracker->slots[tracker->first].offset
                              : tracker->next;
}
