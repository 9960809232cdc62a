/* The reporter: what there is to say about a portfolio, as markdown.
 *
 *     {"report_payload": {"content", "generated_at", "agent": "reporter"}}
 *
 * Facts first: every figure is computed, and the sentences around them are
 * templates, so that the same portfolio always gives the same report.  Text
 * from users is escaped wherever it stands.  A language model may only reword
 * what is here; reporter_check_prose() is what its words have to pass. */
#pragma once

#include "runtime/worker.h"

/* The four payloads of a job share 40 KB; this is the report's part of it. */
#define REPORTER_PAYLOAD_BYTES_MAX 18000

extern const struct worker reporter_worker;

int reporter_handle(struct task *task, const char *input, size_t input_size,
                    struct buf *output, struct err *err);

/* Accepts 'prose' if each number in it is one of 'facts', another text, in the
 * same unit (dollars, per cent, neither), rounded at most to the digits it is
 * written with: "72%" and "$99.4K" may stand for 71.9% and $99,437.50.  Number
 * words count as numbers, and words for fractions and multiples ("half",
 * "double") must stand in 'facts' themselves; digits of other scripts are
 * refused.  It can't see whether a number is said of the right thing.
 * Errors: ERR_REJECT naming the number. */
int reporter_check_prose(const char *facts, const char *prose, struct err *err);
