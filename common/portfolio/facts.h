/* What there is to say about a portfolio, as numbers: every agent that words or
 * draws something takes it from here, so that no two of them disagree. */
#pragma once

#include "portfolio/exposure.h"

#define PORTFOLIO_ISSUES_MAX 24

/* A sentence about the data's quality.  What it is about matters to those who
 * know better: classification is under way while the planner speaks. */
struct portfolio_issue {
    enum portfolio_issue_about {
        PORTFOLIO_ISSUE_VALUE,          /* Totals are not what they seem. */
        PORTFOLIO_ISSUE_NOTE,           /* From an earlier task. */
        PORTFOLIO_ISSUE_CLASSIFICATION, /* Breakdowns are not. */
        PORTFOLIO_ISSUE_GOALS,          /* The user's targets are odd. */
    } about;
    const char *text; /* Plain, with at most five names. */
};

/* All positions in one instrument, over all accounts. */
struct portfolio_holding {
    const struct portfolio_instrument *instrument;
    int64_t quantity;
    int64_t value_cents;
    size_t account_count;
};

/* A share the user wants and the share there is, both times 10,000. */
struct portfolio_drift_row {
    const char *label;
    int64_t target; /* -1: the user did not say ("everything else"). */
    int64_t actual;
    int64_t actual_cents;
    int64_t gap_cents; /* To buy (above 0) or to sell; 0 without a target. */
};

struct portfolio_drift {
    const struct portfolio_drift_row *rows; /* As the user gave them. */
    size_t count;                           /* 0: no targets, or no value. */
};

struct portfolio_facts {
    struct portfolio_exposure exposures[PORTFOLIO_DIMENSIONS];
    const struct portfolio_holding *holdings; /* Largest first, then symbol. */
    size_t holding_count;
    /* Of the five largest holdings together. */
    int64_t top5_cents;
    /* Herfindahl-Hirschman index of the holdings' shares of what is invested:
     * 10,000 is one holding, 10,000/n is n equal ones; 0 if nothing is. */
    int64_t hhi;
    /* Asset classes: share of the total, cash included.  Regions: share of what
     * is classified by region, where "international" stands for every region
     * that has no target of its own, "global" excepted. */
    struct portfolio_drift class_drift;
    struct portfolio_drift region_drift;
    const struct portfolio_instrument *const *unpriced; /* Held, by symbol. */
    size_t unpriced_count;
    const struct portfolio_instrument *const *unclassified; /* The same. */
    size_t unclassified_count;
    int64_t unclassified_cents;
    struct portfolio_issue issues[PORTFOLIO_ISSUES_MAX]; /* Worst first. */
    size_t issue_count;
};

/* Owner: what '*ret' points to lives in 'mem' and in 'portfolio'. */
void portfolio_facts(const struct portfolio *portfolio, struct arena *mem,
                     struct portfolio_facts *ret);
