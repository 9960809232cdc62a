/* Inside the reporter: a report under construction, and its parts.
 *
 * What a user may have written goes through page_escape(); figures come from
 * the facts.  Texts returned live in the page's memory. */
#pragma once

#include "base/buf.h"
#include "portfolio/facts.h"
#include "portfolio/words.h"

#define PAGE_ADVICE_MIN 5 /* As upstream: five to seven. */
#define PAGE_ADVICE_MAX 7
#define PAGE_NAME_CHARS 40

struct page_advice {
    const char *action; /* Plain text: escaped when it is written. */
    const char *reasoning;
    const char *priority; /* "high", "medium", "low". */
};

struct page {
    const struct portfolio *portfolio;
    const struct portfolio_facts *facts;
    struct arena *mem;
    struct buf *out;
    size_t rows_max; /* Of a table; the rest is "and N more". */
    struct page_advice advice[PAGE_ADVICE_MAX]; /* Most urgent first. */
    size_t advice_count;
};

/* 'text' so that it shows as it is, in a line, a list or a table: no markup,
 * no HTML, no link. */
const char *page_escape(const struct page *page, const char *text);
/* A user's name for something: one line, cut, escaped. */
const char *page_name(const struct page *page, const char *text);

const char *page_money(const struct page *page, int64_t cents);
/* "71.9%" */
const char *page_share(const struct page *page, int64_t part, int64_t whole);
/* "1.9 points": the difference of two shares times 10,000. */
const char *page_points(const struct page *page, int64_t weight);
/* "71.9%" of a share times 10,000. */
const char *page_weight(const struct page *page, int64_t weight);
/* "fixed income": a label inside a sentence; regions keep their capitals. */
const char *page_label(const struct page *page,
                       enum portfolio_dimension dimension, size_t slice);

/* The largest of a vocabulary's slices; PORTFOLIO_SLICES if all are empty. */
size_t page_largest(const struct page *page,
                    enum portfolio_dimension dimension);
/* Target and actual that are furthest apart; NULL without targets. */
const struct portfolio_drift_row *
page_widest(const struct portfolio_drift *drift);

/* One yearly withdrawal at the four per cent rule, in cents. */
int64_t page_four_percent(const struct page *page);

/* Fills page->advice. */
void page_advise(struct page *page);

/* The sections, in the order they stand in. */
void page_head(struct page *page);
void page_summary(struct page *page);
void page_composition(struct page *page);
void page_diversification(struct page *page);
void page_risk(struct page *page);
void page_readiness(struct page *page);
void page_recommendations(struct page *page);
void page_quality(struct page *page);
void page_conclusion(struct page *page);
