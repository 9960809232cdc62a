/* /metrics, /live and /ready over HTTP, served by the loop itself: a loop that
 * hangs answers nothing.
 *
 *   /metrics  Prometheus text, runtime/metrics.h
 *   /live     200 while something goes on: a claim, a beat, an answer of the
 *             queue (if only that it is empty); else 503
 *   /ready    200 while it receives; 503 before, and when it drains */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "runtime/runs.h"
#include "runtime/supervisor.h"

struct health;

/* '*ret' stays NULL when no port is configured; the other calls accept that.
 * Errors: ERR_FATAL: the address cannot be bound. */
int health_open(struct supervisor *sup, const struct runs *runs,
                struct health **ret, struct err *err);
void health_close(struct health **health); /* For _cleanup. */
/* -1 when there is none. */
int health_fd(const struct health *health);
/* Answers what has come in; '*ret_next_ms' as in runs_step(). */
void health_run(struct health *health, int64_t *ret_next_ms);
