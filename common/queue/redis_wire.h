/* RESP over one socket, with a deadline on every wait.
 *
 * hiredis parses replies; the socket is our own, because hiredis's would be
 * inherited by child processes, raises SIGPIPE, and has no TLS before 1.0. */
#pragma once

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "queue/redis_address.h"

struct redis_wire;

/* Connects, authenticates and selects the database.
 * Errors: ERR_RETRY: unreachable; else as redis_wire_refused(). */
int redis_wire_open(const struct redis_address *address, int64_t deadline_ms,
                    struct redis_wire **ret, struct err *err);
void redis_wire_close(struct redis_wire **wire); /* For _cleanup. */

/* Commands are built here, '*' header first, and go out with the next wait. */
struct buf *redis_wire_out(struct redis_wire *wire);
void redis_write_header(struct buf *out, size_t words);
void redis_write_word(struct buf *out, const char *text, size_t size);
void redis_write_text(struct buf *out, const char *text);
void redis_write_int(struct buf *out, int64_t value);

/* The next reply, or NULL in '*ret' when 'until_ms' passed or 'wake_fd' (-1:
 * none) became readable before.
 * Owner: '*ret' is freed with redis_reply_free().
 * Errors: ERR_RETRY: the connection is broken and must be closed. */
int redis_wire_wait(struct redis_wire *wire, int64_t until_ms, int wake_fd,
                    redisReply **ret, struct err *err);
/* The next reply; ERR_RETRY also when the deadline passes. */
int redis_wire_get(struct redis_wire *wire, int64_t deadline_ms,
                   redisReply **ret, struct err *err);
void redis_reply_free(redisReply **reply); /* For _cleanup. */

/* True for an error reply that begins with 'word'. */
bool redis_reply_is_error(const redisReply *reply, const char *word);
/* Turns an error reply into an error, and returns -1. */
int redis_wire_refused(const redisReply *reply, struct err *err);
