/* The tagger: says what an instrument is, in upstream's vocabularies.
 *
 * Its params name the symbols: {"symbols": ["ARKK"]}; without them it takes
 * all that the snapshot holds unclassified.  Each is classified by the first
 * that knows it:
 *
 *   source             from
 *   seed               schemas/instruments.json
 *   curated 2026-11    schemas/instruments.known.json: approximate, by hand
 *   rule               words of its name, its type, the form of its symbol
 *
 * A language model's answer, checked by tagger_check_classification(), belongs
 * before the rules.  The percentages of each map add up to exactly 100. */
#pragma once

#include "portfolio/snapshot.h"
#include "runtime/worker.h"

extern const struct worker tagger_worker;

int tagger_handle(struct task *task, const char *input, size_t input_size,
                  struct buf *output, struct err *err);

struct tagger_class {
    const char *symbol;
    const char *name;
    const char *type; /* One of the seven. */
    const char *source;
    const char *rationale; /* For people: why. */
    /* Each adds up to PORTFOLIO_WHOLE. */
    int64_t weights[PORTFOLIO_DIMENSIONS][PORTFOLIO_KEYS_MAX];
};

/* The tables inside the program. */
struct tagger_known;

/* Errors: ERR_FATAL if they are not what they should be: a bug. */
int tagger_known_open(struct tagger_known **ret, struct err *err);
void tagger_known_close(struct tagger_known **known); /* For _cleanup. */
/* False if no table has 'symbol' ("BRK-B" and "BRK/B" find BRK.B).
 * Owner: '*ret' lives in 'mem'. */
bool tagger_known_find(const struct tagger_known *known, const char *symbol,
                       struct arena *mem, struct tagger_class *ret);
/* The 'i'th row of all tables, for tests; false past the last. */
bool tagger_known_row(const struct tagger_known *known, size_t i,
                      struct arena *mem, struct tagger_class *ret,
                      struct err *err);

/* Never fails: what nothing is known about is taken for a share, and the
 * rationale says so.  'year' is today's, for funds with a target date.
 * Owner: '*ret' lives in 'mem' and in 'item'. */
void tagger_rules(const struct portfolio_instrument *item, int year,
                  struct arena *mem, struct tagger_class *ret);

/* Accepts a model's answer about 'symbol':
 *     {"rationale", "symbol", "name", "instrument_type",
 *      "allocation_asset_class", "allocation_regions", "allocation_sectors",
 *      "current_price": ignored}
 * Sums from 50 to 150 are scaled to 100.
 * Owner: '*ret' lives in 'mem'.
 * Errors: ERR_REJECT naming the member: not exactly one JSON object, another
 *   symbol, a type or word outside the vocabulary, a percentage outside 0 to
 *   100, a sum outside 50 to 150, a price that is not above 0, a member that
 *   is unknown or missing. */
int tagger_check_classification(const char *answer, size_t size,
                                const char *symbol, struct arena *mem,
                                struct tagger_class *ret, struct err *err);

/* Scales a map to exactly 100. */
void tagger_scale(int64_t weights[PORTFOLIO_KEYS_MAX]);
