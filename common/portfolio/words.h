/* Text for people, out of text from people.  Results live in 'mem'. */
#pragma once

#include <stddef.h>

#include "base/arena.h"

/* 'text' as one line that shows what it says: control characters, line breaks
 * and marks that reorder text become spaces, runs of spaces one; cut to
 * 'max_chars' characters, the last then being an ellipsis. */
const char *portfolio_display(const char *text, size_t max_chars,
                              struct arena *mem);

/* "1 holding", "2 holdings": the plural takes an s. */
const char *portfolio_count(size_t count, const char *noun, struct arena *mem);

/* "A", "A and B", "A, B and C", "A, B and 3 more": at most 'shown_max' items
 * by name. */
const char *portfolio_list(const char *const *items, size_t count,
                           size_t shown_max, struct arena *mem);

/* 'text' for the search of whole words with strstr(): lower case, one space
 * between words, before the first and after the last; parentheses vanish, all
 * else that is no letter or digit separates.  "My 401(k), tax-free" is
 * " my 401k tax free ". */
const char *portfolio_words(const char *text, struct arena *mem);
