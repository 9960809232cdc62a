/* The planner: turns a job into tasks, by rule, and refreshes prices first.
 *
 *   node    agent       when                                      required
 *   tag     tagger      a held instrument is not classified       no
 *   report  reporter    always: with nothing held it says so      yes
 *   chart   charter     there are at least two positions          yes
 *   retire  retirement  the user gave years to retirement or an   yes
 *                       income to reach
 *
 * The others need "plan" and, if there is one, "tag"; when tagging fails they
 * go on, and show what is not classified as such.
 *
 * Prices are asked for once for every held symbol ("prices", at most 1,000 a
 * request).  A price that is older than the stored one is not taken.  A
 * provider that can't answer costs the analysis nothing but a note: stored
 * prices are used, what has none is reported as unpriced, and no price is ever
 * made up. */
#pragma once

#include "portfolio/snapshot.h"
#include "runtime/worker.h"

#define PLANNER_SYMBOLS_PER_ASK 1000

extern const struct worker planner_worker;

int planner_handle(struct task *task, const char *input, size_t input_size,
                   struct buf *output, struct err *err);

/* What the asks brought. */
struct planner_prices {
    struct buf changes; /* JSON array: the rows of "prices". */
    const char *source; /* Of the last answer; "none" if there was none. */
    size_t asked;
    size_t changed;
    const char *notes[PORTFOLIO_NOTES_MAX]; /* Sentences for the user. */
    size_t note_count;
};

void planner_prices_free(struct planner_prices *prices); /* For _cleanup. */
/* Asks for the prices of all that 'portfolio' holds.
 * Owner: 'ret' is the caller's to free; its notes live in 'mem'.
 * Errors: ERR_SUSPEND and worse from task_ask; others become notes. */
int planner_prices_ask(struct task *task, const struct portfolio *portfolio,
                       struct arena *mem, struct planner_prices *ret,
                       struct err *err);
