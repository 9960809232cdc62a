/* One value: from PostgreSQL's text to a member of the Field union, or to plain
 * JSON for formatRecordsAs. */
#pragma once

#include "rds-data-local/request.h"
#include "rds-data-local/types.h"

/* 'text' is NULL for NULL.
 * Errors: API_UNSUPPORTED_RESULT: an array of several dimensions. */
int field_write(const struct type *type, const char *text, size_t size,
                const struct request *options, struct buf *out,
                struct err *err);
