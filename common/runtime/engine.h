/* One call of an engine function, as every thread makes it: timed, counted, and
 * its 'wake_ms' passed on to the heartbeat. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "runtime/supervisor.h"
#include "store/store.h"

enum engine_function {
    ENGINE_CLAIM,
    ENGINE_READ,
    ENGINE_BEAT,
    ENGINE_CHECKPOINT,
    ENGINE_SETTLE,
    ENGINE_REAP,
};

/* A reply without its first row; '*ret_head' (may be NULL) is that row.
 * Errors: as store_call(); ERR_FATAL for a reply that is not the contract's. */
int engine_call(struct supervisor *sup, struct store *store,
                enum engine_function function, const struct buf *request,
                int64_t timeout_ms, struct store_reply *reply,
                struct json_object **ret_head, struct err *err);

/* Opens a request: {"v":1. */
void engine_begin(struct buf *request);

/* Decodes the head of a row.
 * Errors: ERR_FATAL: the engine is not the one we were built for. */
int engine_head(const struct store_row *row, struct json_object **ret,
                struct err *err);
