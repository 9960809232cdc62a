/* Inputs and stored answers that were too large for a claim's reply, page by
 * page. */
#pragma once

#include "base/err.h"
#include "runtime/flight.h"
#include "runtime/supervisor.h"

/* Reads what 'run' lacks: its input, if that is NULL, and its stored answers,
 * if it has none.  Repeat it after ERR_RETRY.
 * Errors: ERR_LOST: the fence is not ours any more; ERR_REJECT: larger than a
 *   handler can be given. */
int pages_read(struct supervisor *sup, struct store *store, struct run *run,
               struct err *err);
