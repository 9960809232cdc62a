#include "queue/kafka_later.h"

#include <stdlib.h>

#include "base/arena.h"
#include "queue/kafka_holds.h"

void
kafka_later_free(struct kafka_later *later)
{
    free(later->items);
    *later = (struct kafka_later){0};
}

static int64_t
due_ms(const struct kafka_later *later, size_t i)
{
    return later->items[i]->record.due_wall_ms;
}

static void
swap(struct kafka_later *later, size_t i, size_t j)
{
    struct kafka_item *item = later->items[i];
    later->items[i] = later->items[j];
    later->items[j] = item;
}

void
kafka_later_push(struct kafka_later *later, struct kafka_item *item)
{
    if (later->count == later->capacity) {
        later->capacity = later->capacity ? later->capacity * 2 : 64;
        later->items = xrealloc(later->items,
                                later->capacity * sizeof(struct kafka_item *));
    }
    size_t i = later->count++;
    later->items[i] = item;
    for (; i > 0 && due_ms(later, i) < due_ms(later, (i - 1) / 2);
         i = (i - 1) / 2) {
        swap(later, i, (i - 1) / 2);
    }
}

struct kafka_item *
kafka_later_first(const struct kafka_later *later)
{
    return later->count > 0 ? later->items[0] : NULL;
}

void
kafka_later_pop(struct kafka_later *later)
{
    size_t i = 0;
    later->items[0] = later->items[--later->count];
    for (;;) {
        size_t child = 2 * i + 1;
        if (child + 1 < later->count &&
            due_ms(later, child + 1) < due_ms(later, child)) {
            child++;
        }
        if (child >= later->count || due_ms(later, i) <= due_ms(later, child)) {
            return;
        }
        swap(later, i, child);
        i = child;
    }
}

void
kafka_later_drop(struct kafka_later *later, int32_t partition)
{
    size_t count = later->count;
    later->count = 0;
    /* Never writes beyond what it has read. */
    for (size_t i = 0; i < count; i++) {
        struct kafka_item *item = later->items[i];
        if (item->partition != partition) {
            kafka_later_push(later, item);
        }
    }
}
