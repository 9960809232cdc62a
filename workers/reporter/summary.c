/* The parts of a report that are said rather than tabulated. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "reporter/page.h"

static const char *
count(const struct page *page, size_t n, const char *noun)
{
    return portfolio_count(n, noun, page->mem);
}

void
page_head(struct page *page)
{
    const struct portfolio *p = page->portfolio;

    buf_puts(page->out, "# Portfolio analysis\n\n");
    if (p->display_name[0] != '\0') {
        buf_printf(page->out, "Prepared for %s from",
                   page_name(page, p->display_name));
    } else {
        buf_puts(page->out, "From");
    }
    buf_printf(page->out, " data as of %.10s.\n\n", p->generated_at);
}

/* " in 3 accounts.", and what is missing from the value before it. */
static void
end_value(struct page *page)
{
    size_t unpriced = page->facts->unpriced_count;

    buf_printf(page->out, " in %s",
               count(page, page->portfolio->account_count, "account"));
    if (unpriced > 0) {
        buf_printf(page->out, ", without %s that %s no price",
                   count(page, unpriced, "holding"),
                   unpriced == 1 ? "has" : "have");
    }
    buf_puts(page->out, ".\n");
}

static void
say_value(struct page *page)
{
    const struct portfolio *p = page->portfolio;
    const char *total = page_money(page, p->total_cents);

    if (p->total_cents == 0 && p->position_count == 0) {
        buf_puts(page->out, "- There is nothing to value yet: no account holds "
                            "cash or a position.\n");
        return;
    }
    if (p->total_cents == 0) {
        buf_printf(page->out,
                   "- The value is **%s**: there is no cash, and nothing held "
                   "in %s has both a price and a quantity.\n",
                   total, count(page, p->account_count, "account"));
        return;
    }
    if (p->holdings_cents == 0) {
        buf_printf(page->out,
                   "- The portfolio is worth **%s**, all of it cash,", total);
    } else {
        buf_printf(page->out,
                   "- The portfolio is worth **%s**: %s in %s and %s in cash,",
                   total, page_money(page, p->holdings_cents),
                   count(page, page->facts->holding_count, "holding"),
                   page_money(page, p->cash_cents));
    }
    end_value(page);
}

/* "; fixed income is 15.4 points below its target of 30.0%" */
static void
say_widest(struct page *page)
{
    const struct portfolio_drift_row *row =
        page_widest(&page->facts->class_drift);
    int64_t off = row ? row->actual - row->target : 0;

    if (row && llabs(off) >= PORTFOLIO_WHOLE / 1000) {
        buf_printf(page->out, "; %c%s is %s %s its target of %s",
                   tolower((unsigned char)row->label[0]), row->label + 1,
                   page_points(page, llabs(off)), off > 0 ? "above" : "below",
                   page_weight(page, row->target));
    }
}

static void
say_allocation(struct page *page)
{
    const struct portfolio_exposure *classes =
        &page->facts->exposures[PORTFOLIO_ASSET_CLASS];
    size_t order[PORTFOLIO_SLICES];
    size_t n = portfolio_exposure_sort(classes, order);
    int64_t total = page->portfolio->total_cents;

    if (n == 0) {
        return;
    }
    buf_printf(page->out, "- By asset class, %s makes up %s",
               page_label(page, PORTFOLIO_ASSET_CLASS, order[0]),
               page_share(page, classes->cents[order[0]], total));
    if (n > 1) {
        buf_printf(page->out, " and %s %s",
                   page_label(page, PORTFOLIO_ASSET_CLASS, order[1]),
                   page_share(page, classes->cents[order[1]], total));
    }
    say_widest(page);
    buf_puts(page->out, ".\n");
}

static void
say_concentration(struct page *page)
{
    const struct portfolio_facts *facts = page->facts;
    int64_t total = page->portfolio->total_cents;

    if (page->portfolio->holdings_cents == 0) {
        return;
    }
    buf_printf(page->out, "- The largest holding is %s with %s of the total",
               page_name(page, facts->holdings[0].instrument->symbol),
               page_share(page, facts->holdings[0].value_cents, total));
    if (facts->holding_count > 5) {
        buf_printf(page->out, "; the five largest make up %s",
                   page_share(page, facts->top5_cents, total));
    }
    buf_puts(page->out, ".\n");
}

static void
say_retirement(struct page *page)
{
    const struct portfolio *p = page->portfolio;

    if (p->income_cents >= 0) {
        buf_printf(page->out,
                   "- Withdrawing 4%% of today's value a year would pay %s, "
                   "against the %s a year that is wanted in retirement.\n",
                   page_money(page, page_four_percent(page)),
                   page_money(page, p->income_cents));
    } else if (p->years >= 0) {
        buf_printf(page->out,
                   "- Retirement is %s away; without an income to reach, "
                   "readiness can not be judged.\n",
                   count(page, (size_t)p->years, "year"));
    } else {
        buf_puts(page->out, "- No retirement goals are set, so readiness can "
                            "not be judged.\n");
    }
}

void
page_summary(struct page *page)
{
    buf_puts(page->out, "## Executive summary\n\n");
    say_value(page);
    say_allocation(page);
    say_concentration(page);
    say_retirement(page);
    if (page->portfolio->holdings_cents == 0) {
        buf_printf(page->out, "- The first step: %s\n",
                   page_escape(page, page->advice[0].action));
    }
    buf_puts(page->out, "\n");
}

static void
say_years(struct page *page)
{
    int years = page->portfolio->years;

    if (years > 0) {
        buf_printf(page->out, "Retirement is %s away. ",
                   count(page, (size_t)years, "year"));
    } else if (years == 0) {
        buf_puts(page->out, "Retirement is now. ");
    } else {
        buf_puts(page->out, "The years until retirement are not set. ");
    }
}

static void
say_income(struct page *page)
{
    const struct portfolio *p = page->portfolio;
    int64_t pays = page_four_percent(page);

    buf_printf(page->out,
               "As a first yardstick, a yearly withdrawal of 4%% of today's "
               "value is %s. ",
               page_money(page, pays));
    if (p->income_cents < 0) {
        buf_puts(page->out, "No income to reach is set, so there is nothing to "
                            "hold that against.");
    } else if (pays >= p->income_cents) {
        buf_printf(page->out, "That covers the %s a year that is wanted.",
                   page_money(page, p->income_cents));
    } else {
        buf_printf(page->out,
                   "That is %s short of the %s a year that is wanted, for "
                   "which the same rule asks for %s; today's value is %s of "
                   "that.",
                   page_money(page, p->income_cents - pays),
                   page_money(page, p->income_cents),
                   page_money(page, p->income_cents * 25),
                   page_share(page, p->total_cents, p->income_cents * 25));
    }
}

void
page_readiness(struct page *page)
{
    const struct portfolio *p = page->portfolio;

    buf_puts(page->out, "## Retirement readiness\n\n");
    if (p->years < 0 && p->income_cents < 0) {
        buf_puts(page->out,
                 "Neither the years until retirement nor an income to reach "
                 "are set, so there is no projection. ");
    } else {
        say_years(page);
    }
    say_income(page);
    if (p->years >= 0 || p->income_cents >= 0) {
        buf_puts(page->out,
                 " The yardstick leaves out growth, saving and inflation; the "
                 "projection on the retirement page includes them.");
    }
    buf_puts(page->out, "\n\n");
}

void
page_recommendations(struct page *page)
{
    buf_puts(page->out, "## Recommendations\n\n");
    for (size_t i = 0; i < page->advice_count; i++) {
        const struct page_advice *advice = &page->advice[i];

        buf_printf(page->out, "%zu. **%s** %s *Priority: %s.*\n", i + 1,
                   page_escape(page, advice->action),
                   page_escape(page, advice->reasoning), advice->priority);
    }
    buf_puts(page->out, "\n");
}

void
page_quality(struct page *page)
{
    buf_puts(page->out, "## Data quality\n\n");
    if (page->facts->holding_count == 0) {
        buf_puts(page->out, "There are no holdings to price or classify.\n\n");
    } else if (page->facts->issue_count == 0) {
        buf_printf(page->out, "%s priced and classified.\n\n",
                   page->facts->holding_count == 1 ? "The one holding is"
                                                   : "All holdings are");
    }
    for (size_t i = 0; i < page->facts->issue_count; i++) {
        buf_printf(page->out, "- %s\n",
                   page_escape(page, page->facts->issues[i].text));
    }
    buf_puts(page->out, page->facts->issue_count > 0 ? "\n" : "");
}

void
page_conclusion(struct page *page)
{
    const struct page_advice *first = &page->advice[0];

    buf_puts(page->out, "## Conclusion\n\n");
    buf_printf(page->out,
               "The first thing to look at: %s The figures above are "
               "computed from the accounts as they are stored, and change "
               "with prices and balances.\n\n",
               page_escape(page, first->action));
    buf_puts(page->out,
             "*This analysis is generated automatically, has not been vetted "
             "by a financial adviser, and is for information only. It is not "
             "investment, tax or legal advice.*\n");
}
