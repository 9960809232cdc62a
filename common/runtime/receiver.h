/* The receiver thread: waits until the loop wants work, receives doorbells,
 * claims their tasks and hands them over with their inputs.
 *
 * It alone ends messages that are not to be run (verdict.h).  While the engine
 * cannot be reached it repeats the claim it is at and receives nothing. */
#pragma once

#include "runtime/supervisor.h"

struct receiver;

int receiver_start(struct supervisor *sup, struct receiver **ret,
                   struct err *err);
/* Ends its waits; MAIL_ENDED follows when it has given back what it had. */
void receiver_stop(struct receiver *receiver);
/* After MAIL_ENDED. */
void receiver_free(struct receiver **receiver);
