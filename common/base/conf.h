/* Configuration: environment only; one table is default, bounds, parser and
 * manual at once.
 *
 *     static const struct conf_row rows[] = {
 *         { CONF_SPAN, "ALEX_LEASE", offsetof(struct worker_conf, lease_ms),
 *           "60s", 1000, 3600000, "how long a claimed task stays ours" },
 *     };
 *
 * For every row, NAME_FILE may name a file to read the value from instead
 * (how secrets arrive); both at once are an error.  An empty variable counts
 * as unset.  getenv() appears in conf.c and log.c only. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

enum conf_type {
    CONF_STR,    /* char *: min..max bytes. */
    CONF_SECRET, /* char *, never printed. */
    CONF_INT,    /* int64_t. */
    CONF_SPAN,   /* int64_t ms: "250ms", "20s", "5m", "2h". */
    CONF_BOOL,   /* bool: on, off, true, false, 1, 0. */
    CONF_CHOICE, /* char *: one of the words in 'choices'. */
};

struct conf_row {
    enum conf_type type;
    const char *name;
    size_t offset;        /* Of the field in the module's struct. */
    const char *fallback; /* Default as text; text may be "", whatever 'min' is;
                             NULL is 'required'. */
    int64_t min;          /* Inclusive bounds: value, ms, or bytes of text. */
    int64_t max;
    const char *help;
    const char *choices; /* CONF_CHOICE: "json|text". */
};

/* Fills 'target' from the environment.  Strings are malloc'd once and live as
 * long as the process.
 * Errors: ERR_FATAL with code 78 (EX_CONFIG), naming variable and range. */
int conf_load(const struct conf_row *rows, size_t count, void *target,
              struct err *err);
/* The table as text for --help: name, range, default, meaning. */
void conf_help(const struct conf_row *rows, size_t count, FILE *out);
/* Name, value in force and origin of each row, secrets as "(set)"; --check. */
void conf_print(const struct conf_row *rows, size_t count, const void *source,
                FILE *out);
/* Overwrites the values of the named variables in this process's environment
 * area, so that /proc/PID/environ no longer shows them; call after loading. */
void conf_wipe_secrets(const struct conf_row *rows, size_t count);
/* One variable outside any table (HOME, COLUMNS); NULL when unset. */
const char *conf_env(const char *name);
