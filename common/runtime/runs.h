/* The loop's runs: queued, in a handler, parked for answers, or waiting for a
 * dropped input; from the receiver's mail to the settler's.
 *
 * Everything here runs on the loop thread and never blocks. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "runtime/mailbox.h"
#include "runtime/supervisor.h"

struct runs;

/* Starts the handlers and opens the providers of asks. */
int runs_open(struct supervisor *sup, struct runs **ret, struct err *err);
void runs_close(struct runs **runs); /* For _cleanup. */

/* Takes over MAIL_RUN, MAIL_STORED, MAIL_LOADED, MAIL_LOST, MAIL_CANCEL. */
void runs_take(struct runs *runs, struct mail *mail);

/* Descriptors that are readable when runs_step() has work. */
int runs_handlers_fd(const struct runs *runs);
int runs_asks_fd(const struct runs *runs);
/* Does all that can be done now; call it before each wait, which may then last
 * '*ret_next_ms' at most (-1: any time).
 * Errors: ERR_FATAL: no handler can be kept alive. */
int runs_step(struct runs *runs, int64_t *ret_next_ms, struct err *err);

/* From now on nothing is started: hands back what is not in a handler. */
void runs_drain(struct runs *runs);
/* Kills what still is in a handler and hands it back. */
void runs_interrupt(struct runs *runs);
/* None is left. */
bool runs_empty(const struct runs *runs);
/* Sets the gauges of metrics.h. */
void runs_measure(const struct runs *runs);
