/* UTF-8, one sequence at a time. */
#pragma once

#include <stddef.h>

/* Size of the valid sequence that 'bytes' starts with: 1 to 4, or 0 if there
 * is none (cut short, overlong, a surrogate, above U+10FFFF).
 * Source: Unicode 15, table 3-7. */
size_t utf8_size(const char *bytes, size_t size);
/* Code points in valid UTF-8. */
size_t utf8_count(const char *bytes, size_t size);
