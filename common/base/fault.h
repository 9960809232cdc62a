/* Crash points: where tests/chaos kills a process on purpose.
 *
 * Only a build with -Dfaults=true has them; in any other these macros leave
 * nothing behind.  ALEX_FAULTS names a file that the harness and all processes
 * map: for each point how many deaths are still due, and how many there were.
 * A process that passes a point takes one if it can, and with it its life; no
 * system call is needed, so this works inside a handler's sandbox, too. */
#pragma once

#include <stdbool.h>

/* tests/chaos/world.py has the same list in the same order. */
enum fault_point {
    FAULT_AFTER_RECEIVE,
    FAULT_AFTER_CLAIM,
    FAULT_MID_HANDLER,
    FAULT_AFTER_CHECKPOINT,
    FAULT_BEFORE_COMMIT,
    FAULT_AFTER_COMMIT,
    FAULT_BEFORE_RING,
    FAULT_AFTER_RING,
    FAULT_BEFORE_ACK,
    FAULT_SUBMITTER_INSURED,
    FAULT_SUBMITTER_COMMITTED,
    /* Nobody dies: */
    FAULT_STOP_HOLDING,  /* SIGSTOP with leases in hand. */
    FAULT_STOP_SETTLING, /* SIGSTOP with results in hand. */
    FAULT_SEND_TWICE,    /* A message is sent once more. */
    FAULT_POINTS,
};

#ifdef ALEX_WITH_FAULTS

/* True when it is this pass's turn. */
bool fault_take(enum fault_point point);
/* kill -9 of this process when it is. */
void fault_pass(enum fault_point point);
/* kill -STOP, and on after a -CONT. */
void fault_stop(enum fault_point point);
/* The environment of a handler, which has none otherwise. */
char *const *fault_environment(char *const *otherwise);

#define FAULT_TAKEN(point) fault_take(point)
#define FAULT_POINT(point) fault_pass(point)
#define FAULT_STOP(point) fault_stop(point)
#define FAULT_ENVIRONMENT(otherwise) fault_environment(otherwise)

#else

#define FAULT_TAKEN(point) false
#define FAULT_POINT(point) ((void)0)
#define FAULT_STOP(point) ((void)0)
#define FAULT_ENVIRONMENT(otherwise) (otherwise)

#endif
