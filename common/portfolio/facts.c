#include "portfolio/facts.h"

#include <stdlib.h>
#include <string.h>

#include "portfolio/facts_internal.h"

__extension__ typedef unsigned __int128 wide;

static int
compare_holdings(const void *left, const void *right)
{
    const struct portfolio_holding *a = left;
    const struct portfolio_holding *b = right;

    if (a->value_cents != b->value_cents) {
        return a->value_cents < b->value_cents ? 1 : -1;
    }
    return strcmp(a->instrument->symbol, b->instrument->symbol);
}

/* One holding for each instrument that is held, in the instruments' order. */
static struct portfolio_holding *
merge_positions(const struct portfolio *p, struct arena *mem, size_t *ret_count)
{
    struct portfolio_holding *all =
        arena_alloc(mem, (p->instrument_count + 1) * sizeof(*all));
    size_t count = 0;

    for (size_t a = 0; a < p->account_count; a++) {
        for (size_t i = 0; i < p->accounts[a].count; i++) {
            const struct portfolio_position *position =
                &p->accounts[a].positions[i];
            struct portfolio_holding *holding =
                &all[position->instrument - p->instruments];

            holding->instrument = position->instrument;
            holding->quantity += position->quantity;
            holding->value_cents += position->value_cents;
            holding->account_count++;
        }
    }
    for (size_t i = 0; i < p->instrument_count; i++) {
        if (all[i].instrument) {
            all[count++] = all[i];
        }
    }
    *ret_count = count;
    return all;
}

static void
list_gaps(const struct portfolio_holding *holdings, size_t count,
          struct arena *mem, struct portfolio_facts *facts)
{
    const struct portfolio_instrument **unpriced =
        arena_alloc(mem, (count + 1) * sizeof(*unpriced));
    const struct portfolio_instrument **unclassified =
        arena_alloc(mem, (count + 1) * sizeof(*unclassified));

    for (size_t i = 0; i < count; i++) {
        const struct portfolio_instrument *item = holdings[i].instrument;

        if (item->price == 0) {
            unpriced[facts->unpriced_count++] = item;
        }
        if (!item->classified) {
            unclassified[facts->unclassified_count++] = item;
            facts->unclassified_cents += holdings[i].value_cents;
        }
    }
    facts->unpriced = unpriced;
    facts->unclassified = unclassified;
}

static void
measure_concentration(const struct portfolio *p, struct portfolio_facts *facts)
{
    wide invested = (wide)p->holdings_cents;
    wide squares = 0;

    for (size_t i = 0; i < facts->holding_count; i++) {
        wide value = (wide)facts->holdings[i].value_cents;

        squares += value * value;
        facts->top5_cents += i < 5 ? facts->holdings[i].value_cents : 0;
    }
    if (invested > 0) {
        facts->hhi = (int64_t)((squares * 10000 + invested * invested / 2) /
                               (invested * invested));
    }
}

void
portfolio_facts(const struct portfolio *portfolio, struct arena *mem,
                struct portfolio_facts *ret)
{
    struct portfolio_facts facts = {0};
    struct portfolio_holding *holdings =
        merge_positions(portfolio, mem, &facts.holding_count);

    for (enum portfolio_dimension d = 0; d < PORTFOLIO_DIMENSIONS; d++) {
        portfolio_exposure(portfolio, d, &facts.exposures[d]);
    }
    list_gaps(holdings, facts.holding_count, mem, &facts);
    qsort(holdings, facts.holding_count, sizeof(*holdings), compare_holdings);
    facts.holdings = holdings;
    measure_concentration(portfolio, &facts);
    portfolio_drift(&portfolio->class_targets,
                    &facts.exposures[PORTFOLIO_ASSET_CLASS],
                    portfolio->total_cents, mem, &facts.class_drift);
    portfolio_drift(&portfolio->region_targets,
                    &facts.exposures[PORTFOLIO_REGION],
                    portfolio->holdings_cents - facts.unclassified_cents, mem,
                    &facts.region_drift);
    portfolio_issues(portfolio, mem, &facts);
    *ret = facts;
}
