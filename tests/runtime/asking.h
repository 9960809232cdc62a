/* Asks for tests: opened with an environment, served until answered. */
#pragma once

#include "test.h"

#include "base/buf.h"
#include "runtime/asks.h"

struct answer { /* What one ask came to. */
    int count;
    struct buf text;
    bool paid;
    struct err err;
};

void answer_free(struct answer *answer); /* For _cleanup. */

/* Opens asks with these settings and no others: "NAME=VALUE", NULL at the end.
 */
struct asks *asking_open(const char *const settings[]);
/* The error of opening with these. */
struct err asking_refused(const char *const settings[]);
/* Starts one and expects that to work. */
void asking_start(struct asks *asks, const char *kind, const char *request,
                  int64_t timeout_ms, struct answer *answer);
/* Serves until 'answer' is there, at most 'ms'. */
void asking_serve(struct asks *asks, const struct answer *answer, int64_t ms);
/* All of it. */
void asking_get(struct asks *asks, const char *kind, const char *request,
                struct answer *answer);
