/* A statement's result as the Data API's JSON. */
#pragma once

#include <libpq-fe.h>

#include "rds-data-local/request.h"

/* Appends the members of an ExecuteStatement reply.
 * Errors: API_UNSUPPORTED_RESULT: a type, an array of several dimensions, a row
 *   over 64 KB, a reply over 1 MiB; API_VALIDATION: JSON of equal labels. */
int render_result(PGconn *conn, const PGresult *result,
                  const struct request *request, struct buf *out,
                  struct err *err);
