/* A task behind the API of worker.h: the common part of one that asks over a
 * channel (handler_child.c) and one that is answered from a file (task.c). */
#pragma once

#include <stdint.h>

#include "runtime/channel.h"
#include "runtime/worker.h"

struct task_ops {
    /* Answers 'ask'; see task_ask(). */
    int (*ask)(struct task *task, const struct channel_ask *ask,
               const char **answer, size_t *answer_size, struct err *err);
    void (*progress)(struct task *task, const char *json, size_t size);
};

struct task { /* First member of the real one. */
    const struct task_ops *ops;
    struct arena *arena;
    uint32_t asked; /* Asks so far: the ordinal of the next. */
};

/* Lets an ask without an answer suspend an offline task instead of refusing it,
 * as in a fleet. */
void task_offline_suspends(struct task *task);
/* Appends the ask that was not answered as an entry of an answers file,
 * {"kind","request","answer":null}; false if all were. */
bool task_offline_missing(const struct task *task, struct buf *out);
