/* Parameters of a statement: the Data API's Field union, bound with a type, so
 * that what needs a cast on Aurora needs it here.
 *
 * Source: service model, Field and SqlParameter. */
#pragma once

#include "rds-data-local/request.h"

/* One element of 'parameters'.
 * Owner: the caller frees '*ret' with value_free().
 * Errors: API_BAD_REQUEST, naming the parameter. */
int value_decode(struct json_object *parameter, struct request_value *ret,
                 struct err *err);
void value_free(struct request_value *value);
