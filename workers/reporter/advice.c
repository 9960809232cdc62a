/* Five to seven recommendations: those that the facts call for, most urgent
 * first, and general ones to fill up. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "reporter/page.h"

enum {
    CANDIDATES_MAX = 16,
    NAMES_SHOWN = 3,
    NAME_CHARS = 24,
    COMPANY_PERMILLE = 100,      /* Of the total in one company: a lot. */
    COMPANY_HIGH_PERMILLE = 200, /* Too much. */
    CASH_HIGH_PERMILLE = 150,
    CASH_LOW_PERMILLE = 10,
    HOME_PERMILLE = 900, /* Of the holdings in North America. */
    NEAR_YEARS = 5,
    FAR_YEARS = 20,
};

#define DRIFT_WIDE (PORTFOLIO_WHOLE / 20) /* 5 points: time to rebalance. */
#define DRIFT_HIGH (PORTFOLIO_WHOLE / 10)

enum priority { PRIORITY_HIGH, PRIORITY_MEDIUM, PRIORITY_LOW };

struct candidate {
    const char *action;
    const char *reasoning;
    enum priority priority;
};

struct adviser {
    const struct page *page;
    struct candidate candidates[CANDIDATES_MAX];
    size_t count;
};

static void
advise(struct adviser *a, enum priority priority, const char *action,
       const char *reasoning)
{
    if (a->count < CANDIDATES_MAX) {
        a->candidates[a->count++] =
            (struct candidate){action, reasoning, priority};
    }
}

static const char *
symbols(const struct adviser *a,
        const struct portfolio_instrument *const *items, size_t count)
{
    const char **names =
        arena_alloc(a->page->mem, (count + 1) * sizeof(*names));

    for (size_t i = 0; i < count; i++) {
        names[i] =
            portfolio_display(items[i]->symbol, NAME_CHARS, a->page->mem);
    }
    return portfolio_list(names, count, NAMES_SHOWN, a->page->mem);
}

static void
on_nothing(struct adviser *a)
{
    if (a->page->portfolio->position_count == 0) {
        advise(a, PRIORITY_HIGH, "Enter your accounts and what they hold.",
               "Without positions there is nothing to analyse.");
    }
}

static void
on_unpriced(struct adviser *a)
{
    const struct portfolio_facts *facts = a->page->facts;

    if (facts->unpriced_count > 0) {
        advise(a, PRIORITY_HIGH,
               arena_printf(a->page->mem, "Get prices for %s.",
                            symbols(a, facts->unpriced, facts->unpriced_count)),
               "What has no price counts as $0.00, so every total and every "
               "share in this report is off by what it is worth.");
    }
}

static void
on_single_company(struct adviser *a)
{
    const struct page *page = a->page;
    const struct portfolio_holding *top = NULL;
    int64_t total = page->portfolio->total_cents;

    for (size_t i = 0; i < page->facts->holding_count && !top; i++) {
        const struct portfolio_holding *holding = &page->facts->holdings[i];

        top = strcmp(holding->instrument->type, "stock") == 0 ? holding : NULL;
    }
    int64_t share = top ? portfolio_permille(top->value_cents, total) : 0;

    if (share > COMPANY_PERMILLE) {
        advise(a,
               share > COMPANY_HIGH_PERMILLE ? PRIORITY_HIGH : PRIORITY_MEDIUM,
               arena_printf(page->mem,
                            "Bring %s below a tenth of the "
                            "portfolio.",
                            portfolio_display(top->instrument->symbol,
                                              NAME_CHARS, page->mem)),
               arena_printf(page->mem,
                            "It is one company and %s of the total; what "
                            "happens to it happens to you.",
                            page_share(page, top->value_cents, total)));
    }
}

/* "fixed income", "international holdings", "holdings in Asia" */
static const char *
moved(const struct page *page, const struct portfolio_drift_row *row,
      bool is_region)
{
    char *lower = arena_strdup(page->mem, row->label);

    lower[0] = (char)tolower((unsigned char)lower[0]);
    if (!is_region) {
        return lower;
    }
    return strcmp(lower, "international") == 0 || strcmp(lower, "global") == 0
               ? arena_printf(page->mem, "%s holdings", lower)
               : arena_printf(page->mem, "holdings in %s", row->label);
}

static void
on_drift(struct adviser *a, const struct portfolio_drift *drift, bool is_region)
{
    const struct page *page = a->page;
    const struct portfolio_drift_row *row = page_widest(drift);
    int64_t off = row ? llabs(row->actual - row->target) : 0;

    if (off < DRIFT_WIDE) {
        return;
    }
    advise(a, off >= DRIFT_HIGH ? PRIORITY_HIGH : PRIORITY_MEDIUM,
           arena_printf(page->mem, "%s %s by about %s.",
                        row->gap_cents > 0 ? "Raise" : "Lower",
                        moved(page, row, is_region),
                        page_money(page, llabs(row->gap_cents))),
           arena_printf(page->mem, "The share is %s of %s; your target is %s.",
                        page_weight(page, row->actual),
                        is_region ? "what is invested" : "the portfolio",
                        page_weight(page, row->target)));
}

static void
on_class_drift(struct adviser *a)
{
    on_drift(a, &a->page->facts->class_drift, false);
}

static void
on_region_drift(struct adviser *a)
{
    on_drift(a, &a->page->facts->region_drift, true);
}

static void
on_horizon(struct adviser *a)
{
    const struct page *page = a->page;
    int64_t total = page->portfolio->total_cents;
    int64_t equity = page->facts->exposures[PORTFOLIO_ASSET_CLASS].cents[0];
    int years = page->portfolio->years;
    int64_t share = portfolio_permille(equity, total);

    if (years >= 0 && years <= NEAR_YEARS && share > 700) {
        advise(a, PRIORITY_HIGH,
               "Think about holding fewer shares before you retire.",
               arena_printf(page->mem,
                            "Equity is %s of the portfolio with %s to go, and "
                            "a fall just before or after retirement is the "
                            "hardest to make up for.",
                            page_share(page, equity, total),
                            portfolio_count((size_t)years, "year", page->mem)));
    } else if (years >= FAR_YEARS && total > 0 && share < 400) {
        advise(a, PRIORITY_MEDIUM, "Think about holding more shares.",
               arena_printf(page->mem,
                            "Equity is %s of the portfolio with %s to go: "
                            "time to sit out falls, and inflation to outgrow.",
                            page_share(page, equity, total),
                            portfolio_count((size_t)years, "year", page->mem)));
    }
}

static void
on_cash(struct adviser *a)
{
    const struct page *page = a->page;
    const struct portfolio *p = page->portfolio;
    int64_t share = portfolio_permille(p->cash_cents, p->total_cents);

    if (p->total_cents > 0 && share > CASH_HIGH_PERMILLE) {
        advise(a, PRIORITY_MEDIUM, "Decide what the cash is for.",
               arena_printf(page->mem,
                            "%s, or %s of the portfolio, is in cash: more "
                            "than a reserve needs, unless it is meant for "
                            "something soon.",
                            page_money(page, p->cash_cents),
                            page_share(page, p->cash_cents, p->total_cents)));
    } else if (p->total_cents > 0 && share < CASH_LOW_PERMILLE) {
        advise(a, PRIORITY_LOW, "Keep a reserve in cash.",
               "Three to six months of spending outside the market spare you "
               "from selling at a bad time.");
    }
}

static void
on_home(struct adviser *a)
{
    const struct page *page = a->page;
    int64_t invested = page->portfolio->holdings_cents;
    int64_t home = page->facts->exposures[PORTFOLIO_REGION].cents[0];

    if (page->facts->region_drift.count == 0 &&
        portfolio_permille(home, invested) > HOME_PERMILLE) {
        advise(a, PRIORITY_LOW, "Consider holdings outside North America.",
               arena_printf(page->mem,
                            "%s of what is invested is at home in one region, "
                            "one economy and one currency.",
                            page_share(page, home, invested)));
    }
}

static void
on_goals(struct adviser *a)
{
    const struct page *page = a->page;
    const struct portfolio *p = page->portfolio;
    int64_t pays = page_four_percent(page);

    if (p->income_cents < 0) {
        advise(a, PRIORITY_MEDIUM, "Set the yearly income you want to reach.",
               "A projection can only say how likely it is to be enough if it "
               "knows what enough is.");
    } else if (pays < p->income_cents) {
        advise(a, PRIORITY_MEDIUM,
               "See in the projection what saving more or retiring later "
               "would do.",
               arena_printf(page->mem,
                            "Today's value would pay %s a year at the 4%% "
                            "rule, %s short of the goal.",
                            page_money(page, pays),
                            page_money(page, p->income_cents - pays)));
    }
    if (p->years < 0) {
        advise(a, PRIORITY_MEDIUM, "Set the years until you retire.",
               "How much risk makes sense depends on it more than on anything "
               "else.");
    }
}

static void
on_targets(struct adviser *a)
{
    if (a->page->portfolio->class_targets.count == 0) {
        advise(a, PRIORITY_LOW, "Set target percentages for asset classes.",
               "With them, every analysis says what to buy or sell to get "
               "back to your plan.");
    }
}

static void
on_unclassified(struct adviser *a)
{
    const struct portfolio_facts *facts = a->page->facts;

    if (facts->unclassified_cents > 0) {
        advise(a, PRIORITY_MEDIUM,
               arena_printf(
                   a->page->mem, "Look up what %s %s.",
                   symbols(a, facts->unclassified, facts->unclassified_count),
                   facts->unclassified_count == 1 ? "is" : "are"),
               arena_printf(a->page->mem,
                            "%s of the portfolio has no known asset class, "
                            "region or sector.",
                            page_share(a->page, facts->unclassified_cents,
                                       a->page->portfolio->total_cents)));
    }
}

static void (*const advisers[])(struct adviser *) = {
    on_nothing, on_unpriced,     on_single_company, on_class_drift,
    on_horizon, on_region_drift, on_goals,          on_unclassified,
    on_cash,    on_targets,      on_home,
};

static const struct candidate general[] = {
    {"Check what your funds cost.",
     "Costs are not part of the data here, are certain, and add up every year.",
     PRIORITY_LOW},
    {"Look at the portfolio once a year.",
     "Rebalance when a share is more than five points off its target, and "
     "leave it alone otherwise.",
     PRIORITY_LOW},
    {"Use tax-advantaged accounts first for new savings.",
     "The same investment leaves more where gains are not taxed every year.",
     PRIORITY_LOW},
    {"Keep balances and positions up to date.",
     "Every figure in this report is as good as what is stored.", PRIORITY_LOW},
    {"Check who is named to inherit each account.",
     "That is settled account by account, and easily forgotten.", PRIORITY_LOW},
};

static const char *
priority_word(enum priority priority)
{
    static const char *const words[] = {"high", "medium", "low"};

    return words[priority];
}

static void
keep(struct page *page, const struct candidate *candidate)
{
    page->advice[page->advice_count++] = (struct page_advice){
        .action = candidate->action,
        .reasoning = candidate->reasoning,
        .priority = priority_word(candidate->priority),
    };
}

void
page_advise(struct page *page)
{
    struct adviser a = {.page = page};

    page->advice_count = 0;
    for (size_t i = 0; i < ARRAY_COUNT(advisers); i++) {
        advisers[i](&a);
    }
    for (int priority = PRIORITY_HIGH; priority <= PRIORITY_LOW; priority++) {
        for (size_t i = 0; i < a.count; i++) {
            if ((int)a.candidates[i].priority == priority &&
                page->advice_count < PAGE_ADVICE_MAX) {
                keep(page, &a.candidates[i]);
            }
        }
    }
    for (size_t i = 0;
         i < ARRAY_COUNT(general) && page->advice_count < PAGE_ADVICE_MIN;
         i++) {
        keep(page, &general[i]);
    }
}
