/* The retirement agent: how long the portfolio would pay the income wanted, in
 * many simulated futures; as numbers and as a text made from them.
 *
 * Options of the request (job.request.options), all optional:
 *     assumptions          "alex-2026" (default) or "upstream-v1"
 *     annual_contribution  dollars, 0 to 10,000,000
 *     retirement_years     0 to 100
 *     current_age          0 to 120
 *     paths                10,000 (default) to 100,000
 * Output: schemas/json/retirement.result.json.
 *
 * The same input gives the same bytes: the seed is the snapshot's, the time is
 * its as_of. */
#pragma once

#include "runtime/worker.h"

extern const struct worker retirement_worker;

/* Errors: ERR_REJECT naming the field or option and its limit. */
int retirement_handle(struct task *task, const char *input, size_t size,
                      struct buf *output, struct err *err);
