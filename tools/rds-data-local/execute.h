/* The five operations. */
#pragma once

#include "rds-data-local/request.h"
#include "rds-data-local/sessions.h"

/* Writes the reply's JSON object.
 * Errors: any of api.h; '*ret_pid' is then the connection's backend, or 0. */
int execute(struct sessions *sessions, const struct request *request,
            struct buf *out, int *ret_pid, struct err *err);
