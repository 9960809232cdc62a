/* Files like ~/.aws/credentials: [section] lines, "key = value" lines, comments
 * that begin with # or ;, and indented lines, which belong to nested settings
 * that nobody asks for here. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

/* Value of 'key' in 'section'; of several the last.  Both names are compared as
 * SDKs do: sections exactly, keys whatever their case.
 * Owner: '*ret' is malloc'd; NULL when there is none. */
char *ini_value(const char *text, const char *section, const char *key);
/* Whether there is such a section. */
bool ini_has(const char *text, const char *section);
/* Errors: ERR_FATAL (78): a line is none of these; names 'path' and the line's
 *   number, and nothing of what it says. */
int ini_check(const char *text, const char *path, struct err *err);
