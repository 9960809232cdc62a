/* What PostgreSQL's error codes tell the caller to do. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define SQLSTATE_SIZE 6 /* Five characters and NUL. */

struct sqlstate {
    const char *prefix; /* The state, or the beginning of several. */
    enum err_kind kind;
    bool reconnect;     /* Another connection may fare better. */
    const char *advice; /* "; " and what a person should do, or "". */
};

/* Never NULL: what is not listed is ERR_FATAL, a bug of the engine or of its
 * caller. */
const struct sqlstate *sqlstate_find(const char *state);

/* Finds the last SQLSTATE in the (verbose) message of a refused connection,
 * which may be of several lines, one for each address tried.  Returns the line
 * that has it, or NULL when the server sent none. */
const char *sqlstate_scan(const char *message, char ret[SQLSTATE_SIZE]);
