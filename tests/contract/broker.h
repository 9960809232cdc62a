/* A Redis of the test's own, and what an operator may do to it. */
#pragma once

#include "test.h"

/* False, after saying SKIP and why, when Redis is not installed. */
bool broker_start(void);
void broker_stop(void);
const char *broker_url(void);
void broker_restart(bool hard);
/* Stops the process where it is, and lets it go on. */
void broker_pause(bool pause);
/* One command, words between spaces; fails the test on an error reply.  Returns
 * an integer reply, or the number of elements of an array. */
int64_t broker_command(const char *command);
