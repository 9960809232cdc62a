/* Delayed messages that were read from NAME-later, soonest first (a binary
 * heap).  They stay in that topic until they were put into NAME, so that none
 * is lost with the process. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct kafka_item;

struct kafka_later { /* Zeroed is empty. */
    struct kafka_item **items;
    size_t count;
    size_t capacity;
};

void kafka_later_free(struct kafka_later *later); /* Not the items. */
void kafka_later_push(struct kafka_later *later, struct kafka_item *item);
/* The soonest, or NULL. */
struct kafka_item *kafka_later_first(const struct kafka_later *later);
void kafka_later_pop(struct kafka_later *later);
/* Removes those of one partition. */
void kafka_later_drop(struct kafka_later *later, int32_t partition);
