/* Asks: what a handler needs from outside, answered by the supervisor.
 *
 * A provider is one file, one exported table, one row in asks.c, chosen by the
 * kind of the ask.  Answers arrive on the loop thread.  A provider that can
 * answer at once is 'free' (a file, a table): its answers cost nothing to get
 * again, so they are recorded with the result and need no checkpoint of their
 * own.  The others are paid: the loop stores the answer as a checkpoint before
 * the handler sees it, and the first stored answer wins. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/conf.h"
#include "base/err.h"

struct asks;

struct asks_request {
    const char *kind;    /* NUL-terminated. */
    const char *request; /* JSON, checked. */
    size_t request_size;
    int64_t timeout_ms; /* What is left of the task's deadline, bounded. */
    void *context;      /* Given back in done(). */
};

struct asks_events {
    /* 'err' NULL: 'answer' is JSON text of at most CHANNEL_ANSWER_MAX_BYTES.
     * 'paid': store it as a checkpoint first. */
    void (*done)(void *loop, void *context, const char *answer, size_t size,
                 bool paid, const struct err *err);
    void *loop;
};

/* Reads the providers' settings (conf_load) and opens them. */
int asks_open(const struct asks_events *events, struct asks **ret,
              struct err *err);
void asks_close(struct asks **asks); /* For _cleanup. */
/* 0: done() was called or will be, exactly once, by time-out at the latest.
 * Errors: ERR_REJECT: unknown kind; ERR_RETRY: too many under way (limits are
 *   per kind: concurrency, rate). */
int asks_start(struct asks *asks, const struct asks_request *request,
               struct err *err);
/* Drops those with this context; their done() is not called. */
void asks_forget(struct asks *asks, void *context);
/* For the loop's poll: a descriptor readable when asks_run() has work. */
int asks_poll_fd(const struct asks *asks);
int asks_run(struct asks *asks, struct err *err);
/* --help and --check. */
void asks_help(FILE *out);
int asks_check(FILE *out, struct err *err);
