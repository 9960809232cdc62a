/* One beat: all messages extended, all leases beaten in one call. */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "runtime/supervisor.h"
#include "runtime/tail.h"

/* With 'last', calls the engine also when we know of no lease: it then hands
 * back those that a claim without an answer may have left.  Bells go to 'tail'.
 * Errors: of the queue or the engine; both were tried. */
int beat_all(struct supervisor *sup, const struct links *links, bool last,
             struct tail *tail, struct err *err);
