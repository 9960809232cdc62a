/* Calls of settle and checkpoint, in batches within the engine's bounds. */
#pragma once

#include "base/err.h"
#include "runtime/outcome.h"
#include "runtime/supervisor.h"
#include "runtime/tail.h"

#define SETTLE_BATCH_MAX 100
/* Batches end here; one alone may be larger. */
#define SETTLE_BATCH_BYTES (2u * 1024 * 1024)
#define SETTLE_CHILDREN_MAX 2000

/* Settles 'count' outcomes; their bells and messages go to 'tail'.
 * Errors: ERR_RETRY: the outcome of the call is not known: repeat it.
 *   ERR_REJECT: some value in it. */
int settle_outcomes(struct supervisor *sup, struct store *store,
                    struct outcome *const *outcomes, size_t count,
                    struct tail *tail, struct err *err);

/* Stores the answers of 'count' MAIL_CHECKPOINTs and sends each to the loop, as
 * MAIL_STORED (with the answer that counts) or as MAIL_LOST.
 * Errors: as above; the mail is then still the caller's. */
int settle_answers(struct supervisor *sup, struct store *store,
                   struct mail **mail, size_t count, struct err *err);
