/* One handler process: this binary executed again, with nothing but a socket.
 *
 * argv is {name, "--handler", our pid, memory}; the environment is empty,
 * signals are default, descriptor 3 is the channel and 0 the executable itself,
 * which the handler closes together with 1 and 2 once it runs. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define LAUNCH_CHANNEL_FD 3

/* Opens the running executable, so that a binary replaced on disk (an upgrade
 * under a running worker) does not give this supervisor foreign handlers.
 * Owner: the caller closes '*ret'.
 * Errors: ERR_FATAL: /proc is not mounted. */
int launch_open_self(int *ret, struct err *err);

/* Executes 'exe_fd' as a handler; '*ret_fd' is our end of its channel,
 * non-blocking.  Owner: the caller closes it and reaps '*ret_pid'.
 * Errors: ERR_RETRY: no process to be had now. */
int launch_handler(int exe_fd, const char *name, int64_t memory_bytes,
                   pid_t *ret_pid, int *ret_fd, struct err *err);
