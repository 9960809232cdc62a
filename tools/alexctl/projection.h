/* A retirement projection for a terminal: its bands as a fan of bars, a line
 * every few years, and what they come to. */
#pragma once

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"

/* Appends what the stored result of the retirement agent says, 'width' columns
 * wide; nothing if it has no bands.
 * Errors: ERR_REJECT for another shape. */
int projection_render(struct json_object *output, size_t width, struct buf *out,
                      struct err *err);
