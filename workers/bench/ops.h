/* The operations of bench.h.  Each writes members into the open "detail" object
 * of 'output', or replaces 'output' altogether. */
#pragma once

#include "base/buf.h"
#include "base/json.h"
#include "runtime/worker.h"

struct ops_call {
    struct task *task;
    const char *node;           /* Of this task in its job's plan. */
    struct json_object *params; /* An object. */
    const char *input;
    size_t input_size;
};

int ops_echo(const struct ops_call *call, struct buf *output, struct err *err);
int ops_spin(const struct ops_call *call, struct buf *output, struct err *err);
int ops_sleep(const struct ops_call *call, struct buf *output, struct err *err);
int ops_memory(const struct ops_call *call, struct buf *output,
               struct err *err);
int ops_reject(const struct ops_call *call, struct buf *output,
               struct err *err);
int ops_retry(const struct ops_call *call, struct buf *output, struct err *err);
int ops_crash(const struct ops_call *call, struct buf *output, struct err *err);
int ops_exit(const struct ops_call *call, struct buf *output, struct err *err);
int ops_raw(const struct ops_call *call, struct buf *output, struct err *err);
int ops_oversize(const struct ops_call *call, struct buf *output,
                 struct err *err);
int ops_garbage(const struct ops_call *call, struct buf *output,
                struct err *err);
int ops_probe(const struct ops_call *call, struct buf *output, struct err *err);
