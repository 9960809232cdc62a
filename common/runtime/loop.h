/* The loop thread, which is the main thread: waits for everything at once and
 * never blocks on any of it; and the end of the process.
 *
 * SIGTERM, SIGINT and SIGHUP drain: nothing is received any more, what no
 * handler has is handed back at once, what is in a handler may go on for the
 * grace, then it is killed and handed back; nothing of that is charged.  A
 * second signal ends the process at once; its leases lapse. */
#pragma once

#include "base/err.h"
#include "runtime/receiver.h"
#include "runtime/runs.h"
#include "runtime/settler.h"
#include "runtime/supervisor.h"

/* Blocks the signals that loop_run() takes; before any thread starts. */
void loop_block_signals(void);

/* Works until drained; '*ret_code' is the exit code then.  Ends the process
 * itself when another thread does not end in time.
 * Errors: ERR_FATAL: it could not begin. */
int loop_run(struct supervisor *sup, struct runs *runs,
             struct receiver *receiver, int *ret_code, struct err *err);
