/* Command lines: one table is parser, bounds, defaults and --help at once. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

enum args_type {
    ARGS_FLAG, /* bool. */
    ARGS_TEXT, /* const char *, UTF-8; NULL when not given.  With a max:
                  min..max characters. */
    ARGS_INT,  /* int64_t in min..max. */
    ARGS_LIST, /* struct args_list of UTF-8; given ARGS_LIST_MAX times. */
    ARGS_WORD, /* const char *: a word without "--" that must be there. */
};

#define ARGS_LIST_MAX 16

struct args_list {
    const char *items[ARGS_LIST_MAX];
    size_t count;
};

struct args_option {
    enum args_type type;
    const char *name;  /* "user" for --user; "JOB" for a word. */
    const char *value; /* What --help calls the value; NULL for a flag. */
    size_t offset;     /* Of the field in the command's struct. */
    int64_t min;
    int64_t max;
    const char *fallback; /* Default as text; NULL is none (0 for a number). */
    const char *help;
};

/* Fills 'target' (zeroed by the caller) from the words of a command line.
 * Strings are borrowed from 'words' and from the table.
 * '*ret_help' becomes true for --help or -h, whatever else is there.
 * Errors: ERR_REJECT (64) naming the option and what it takes. */
int args_parse(const struct args_option *options, size_t option_count,
               char *const *words, size_t word_count, void *target,
               bool *ret_help, struct err *err);

/* "--user U [--limit N] JOB", and one line an option. */
void args_usage(const struct args_option *options, size_t count, FILE *out);
void args_help(const struct args_option *options, size_t count, FILE *out);
