/* The replies of polygon.io, as untrusted text: read object by object, because
 * a day's market is megabytes of it and many times that when parsed as a whole.
 */
#pragma once

#include <stddef.h>

#include "base/err.h"
#include "runtime/quotes.h"

/* {"results":[{"T":"SPY","c":450.25,"t":1700168400000}]}: closes, with the UTC
 * date of 't'.  Rows that are not prices are left out; sorted.
 * Errors: ERR_RETRY: not one price in it. */
int polygon_parse_bars(const char *text, size_t size, struct quotes *ret,
                       struct err *err);

/* {"tickers":[{"ticker":"SPY","min":{"c":450.3,"t":...},"prevDay":{"c":450.1}}]}:
 * what each traded at in its last minute, else the previous close, of which the
 * reply does not say the day.  Adds to 'quotes', which the caller sorts; may be
 * none.
 * Errors: ERR_RETRY: not a reply of that shape. */
int polygon_parse_snapshots(const char *text, size_t size,
                            struct quotes *quotes, struct err *err);
