/* Text of configuration values: what conf.c reads and what --help prints. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/conf.h"

/* True and '*ret' if 'text' is one; "250ms", "20s", "5m", "2h" and "0" are
 * spans. */
bool conf_text_int(const char *text, int64_t *ret);
bool conf_text_span(const char *text, int64_t *ret_ms);
bool conf_text_bool(const char *text, int64_t *ret);
/* '*ret' is the position in 'choices'. */
bool conf_text_choice(const char *text, const char *choices, int64_t *ret);
/* In the largest unit that divides it. */
void conf_text_format_span(int64_t ms, char *text, size_t size);
/* "1s to 1h", "json|text", "up to 200 bytes". */
void conf_text_range(const struct conf_row *row, char *text, size_t size);
