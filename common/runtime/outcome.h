/* How a run ended, in the engine's words: the one place where kinds of errors
 * become outcomes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/json.h"
#include "runtime/mailbox.h"
#include "runtime/metrics.h"

struct outcome {
    struct outcome *next;
    struct run *run;      /* A reference. */
    enum metrics_id word; /* METRICS_SUCCEEDED .. METRICS_CANCELLED. */
    struct buf text;      /* One element of settle's 'outcomes'. */
    size_t children;      /* Of the plan in it. */
    size_t bytes;         /* Of the handler's answer, for the backlog. */
    bool buried;          /* outcome_make_dead() was called. */
    char error[300];      /* For the log; "" if none. */
};

/* Decides what MAIL_OUTCOME means, checking a result against 'schema' (or
 * NULL), and takes over 'mail'. */
struct outcome *outcome_new(struct mail *mail, struct json_object *schema);
/* The engine refuses this one as data: it becomes 'dead', saying so. */
void outcome_make_dead(struct outcome *outcome, const struct err *err);
void outcome_free(struct outcome **outcome); /* For _cleanup. */
/* "succeeded", "retry", ... */
const char *outcome_word(const struct outcome *outcome);
