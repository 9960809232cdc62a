/* The settler thread: tells the engine how runs ended and stores answers that
 * cost something, then rings, then acks.
 *
 * It takes what has piled up while its last call was under way, so that batches
 * grow with the load and an idle fleet waits for nothing.  A call without an
 * answer is repeated with the same bytes; a batch that the engine refuses as
 * data is halved until the culprit stands alone. */
#pragma once

#include "runtime/supervisor.h"

struct settler;

int settler_start(struct supervisor *sup, struct settler **ret,
                  struct err *err);
/* After MAIL_STOP was answered with MAIL_ENDED. */
void settler_free(struct settler **settler);
