/* What the Data API answers, decoded: rows and errors. */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "store/store.h"

/* Column 1 as heads, column 2, if there is one, as bodies; takes over 'body'.
 * Errors: ERR_FATAL for another shape. */
int rds_reply_decode(struct buf *body, struct store_reply *ret,
                     struct err *err);
/* "transactionId"; malloc'd.  Errors: ERR_FATAL. */
int rds_reply_transaction(const struct buf *body, char **ret, struct err *err);

/* Says of an exception what the caller is to do: 'code' is its name, 'body' the
 * reply, with PostgreSQL's SQLSTATE if there is one.  'err' has what the HTTP
 * call made of it. */
void rds_reply_explain(const char *code, const struct buf *body,
                       struct err *err);
/* The statement was not run, and will be if it is sent again soon. */
bool rds_reply_not_run(const char *code);
