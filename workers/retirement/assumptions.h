/* What a projection assumes about markets and plans: versioned files in
 * schemas/assumptions, each number with its source, embedded at build. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define RETIREMENT_CLASSES 6
#define RETIREMENT_ASSUMPTIONS_DEFAULT "alex-2026"

/* Classes are in the order of the portfolio's asset classes; rates are
 * fractions a year (0.05 is 5 %). */
struct retirement_assumptions {
    char name[32];
    double mean[RETIREMENT_CLASSES]; /* Arithmetic, nominal. */
    double sd[RETIREMENT_CLASSES];
    double correlation[RETIREMENT_CLASSES][RETIREMENT_CLASSES];
    double inflation_before; /* Until retirement. */
    double inflation_after;  /* In retirement. */
    double contribution;     /* A year, today's money. */
    int years_to_retirement; /* For users who did not say. */
    int years_in_retirement;
    int current_age;              /* -1: none is assumed. */
    bool cash_inside_funds_earns; /* Else only account cash does. */
    int unclassified_class;       /* Counted as this class; -1 earns nothing. */
};

/* Fills '*ret' from the file of that name.
 * Errors: ERR_REJECT naming those there are. */
int retirement_assumptions_load(const char *name,
                                struct retirement_assumptions *ret,
                                struct err *err);
/* Fills '*ret' from the text of such a file.  Shape: schemas/json/
 * retirement.assumptions.json.
 * Errors: ERR_REJECT naming the field. */
int retirement_assumptions_parse(const char *text,
                                 struct retirement_assumptions *ret,
                                 struct err *err);
/* The text of the file at 'index', NULL past the last; for tests and tools. */
const char *retirement_assumptions_text(size_t index);
