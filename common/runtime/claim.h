/* One claim: doorbells in, a verdict each. */
#pragma once

#include <stddef.h>

#include "base/err.h"
#include "runtime/supervisor.h"
#include "runtime/tail.h"

/* Claims the tasks of at most QUEUE_BATCH_MAX runs.  On success each either is
 * leased (its fence is set; input and answers as far as they came) or is in
 * 'tail', not to be run.  After ERR_RETRY the same runs may be claimed again.
 */
int claim_runs(struct supervisor *sup, struct store *store,
               struct run *const *runs, size_t count, struct tail *tail,
               struct err *err);
