/* Following one job to its end. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "alexctl/ctl.h"

/* Shows each task of 'job' as it goes: redrawn in place on a terminal, a line a
 * change otherwise, a JSON object a change with 'json'.
 * Returns CTL_EXIT_OK when it completed, CTL_EXIT_FAILED when it failed or was
 * cancelled, saying why.
 * Errors: ERR_RETRY (CTL_TIMED_OUT) after 'timeout_s'; ERR_REJECT when there is
 *   no such job. */
int watcher_watch(struct ctl *ctl, const char *job, int64_t timeout_s,
                  bool json, struct err *err);
