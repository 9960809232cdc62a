/* The bench agent: does nothing, fans out, asks or misbehaves on command, for
 * measuring the fleet and for testing it.
 *
 * The task's params say what: {"op": "noop"}.  Every operation answers
 * {"detail": {"op": ..., ...}}.
 *
 *   noop                     nothing
 *   fan      width 8, child {"op":"noop"}, join false: that many children
 *            ("NODE.0", ...), and with join one more that needs them all
 *   ask      delay_ms 0, count 1: asks 'delay' that often, one after another
 *   spin     ms 10: uses CPU time           sleep   ms 10: uses none
 *   memory   bytes: allocates and touches   progress  percent, text,
 *                                           and then as sleep
 *   echo     bytes and sha256 of the input
 *   reject   text: ERR_REJECT               retry   after_ms, code, text
 *   crash    signal 11                      exit    status 1
 *   raw      hex: answers exactly these bytes
 *   oversize bytes 5 MiB: answers that many
 *   garbage  hex ffffffff: writes these bytes to the channel
 *   probe    tries everything that a handler must not be able to do */
#pragma once

#include "runtime/worker.h"

extern const struct worker bench_worker;

int bench_handle(struct task *task, const char *input, size_t input_size,
                 struct buf *output, struct err *err);
