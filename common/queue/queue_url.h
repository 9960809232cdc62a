/* What the URLs of several brokers share. */
#pragma once

#include <stddef.h>

/* "%40" becomes "@"; NULL when a % lacks its two digits or hides a NUL.
 * Owner: the caller frees. */
char *queue_url_decode(const char *text, size_t size);
