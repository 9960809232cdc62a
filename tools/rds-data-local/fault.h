/* Failures on demand, for tests of clients: what Aurora does now and then.
 *
 *     PUT /_control/faults
 *     {"rules":[{"do":"resume","ms":20000},
 *               {"do":"error","type":"ServiceUnavailableError","count":2,
 *                "match":"fleet.claim"},
 *               {"do":"delay","ms":250},
 *               {"do":"drop_before"}, {"do":"drop_after","match":"settle",
 *                                      "skip":3,"count":1}]}
 *
 * 'match' is part of the statement ("" matches every call), 'count' how often
 * it strikes (absent: always), 'skip' how many matches pass first, 'percent'
 * how probable it is then.  A new document replaces the old one. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "rds-data-local/api.h"

struct faults;

struct fault { /* What to do to one call. */
    int64_t delay_ms;
    enum api_error error; /* API_OK: none. */
    bool drop_before;     /* Close without doing it... */
    bool drop_after;      /* ... or after it was done. */
};

struct faults *faults_new(void);
void faults_free(struct faults **faults); /* For _cleanup. */
/* Errors: API_BAD_REQUEST, naming the rule. */
int faults_set(struct faults *faults, const char *json, size_t size,
               struct err *err);
/* The rules, each with 'hits'. */
void faults_write(struct faults *faults, struct buf *out);
/* 'sql' is "" for calls without a statement. */
struct fault faults_strike(struct faults *faults, const char *sql);
