/* The words that classify an instrument: upstream's vocabularies, and the two
 * further slices an exposure may have. */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum portfolio_dimension {
    PORTFOLIO_ASSET_CLASS,
    PORTFOLIO_REGION,
    PORTFOLIO_SECTOR,
    PORTFOLIO_DIMENSIONS, /* How many there are. */
};

#define PORTFOLIO_KEYS_MAX 18 /* Words of the largest vocabulary. */

/* A slice is a word of the vocabulary (by its place in it) or one of these. */
enum portfolio_slice {
    PORTFOLIO_UNCLASSIFIED = PORTFOLIO_KEYS_MAX,
    PORTFOLIO_CASH, /* Account cash; among asset classes it is word "cash". */
    PORTFOLIO_SLICES,
};

/* Weights are percentages times 10,000: 100 % is this. */
#define PORTFOLIO_WHOLE INT64_C(1000000)
/* How far a stored map's sum may be off, as upstream: 0.05 percentage points.
 */
#define PORTFOLIO_TOLERANCE INT64_C(500)

/* "asset_class", "region", "sector". */
const char *portfolio_dimension_name(enum portfolio_dimension dimension);
/* The map's column: "allocation_asset_class", ... */
const char *portfolio_dimension_field(enum portfolio_dimension dimension);
size_t portfolio_key_count(enum portfolio_dimension dimension);
/* "fixed_income"; "unclassified" and "cash" for the further slices. */
const char *portfolio_slice_key(enum portfolio_dimension dimension,
                                size_t slice);
/* For people: "Fixed income". */
const char *portfolio_slice_label(enum portfolio_dimension dimension,
                                  size_t slice);
/* Place of 'key' in the vocabulary, or -1. */
int portfolio_key_find(enum portfolio_dimension dimension, const char *key);

/* True for one of upstream's seven instrument types. */
bool portfolio_type_known(const char *type);

/* Reads {"equity": 60, "fixed_income": 40} into weights, one a word.
 * Errors: ERR_REJECT naming the key: not an object, not in the vocabulary, not
 *   a number from 0 to 100.  The sum is the caller's to judge. */
int portfolio_map_read(struct json_object *map,
                       enum portfolio_dimension dimension,
                       int64_t ret[PORTFOLIO_KEYS_MAX], int64_t *ret_sum,
                       struct err *err);
