/* The parts of a report that are tables, and what stands out in them. */
#include <string.h>

#include "reporter/page.h"

static void
more_rows(struct page *page, size_t shown, size_t all, const char *noun)
{
    if (all > shown) {
        buf_printf(page->out, "\n...and %s more.\n",
                   portfolio_count(all - shown, noun, page->mem));
    }
    buf_puts(page->out, "\n");
}

static size_t
at_most(size_t max, size_t all)
{
    return all < max ? all : max;
}

static void
table_of_accounts(struct page *page)
{
    const struct portfolio *p = page->portfolio;
    size_t shown = at_most(page->rows_max, p->account_count);

    if (p->account_count == 0) {
        return;
    }
    buf_puts(page->out, "| Account | Cash | Holdings | Total | Share |\n"
                        "|---|---:|---:|---:|---:|\n");
    for (size_t i = 0; i < shown; i++) {
        const struct portfolio_account *account = &p->accounts[i];
        int64_t total = account->cash_cents + account->holdings_cents;

        buf_printf(page->out, "| %s | %s | %s | %s | %s |\n",
                   page_name(page, account->label),
                   page_money(page, account->cash_cents),
                   page_money(page, account->holdings_cents),
                   page_money(page, total),
                   page_share(page, total, p->total_cents));
    }
    more_rows(page, shown, p->account_count, "account");
}

static void
table_of_holdings(struct page *page)
{
    const struct portfolio_facts *facts = page->facts;
    size_t shown = at_most(page->rows_max, facts->holding_count);

    if (facts->holding_count == 0) {
        return;
    }
    buf_puts(page->out, "| Holding | Name | Value | Share |\n"
                        "|---|---|---:|---:|\n");
    for (size_t i = 0; i < shown; i++) {
        const struct portfolio_holding *holding = &facts->holdings[i];
        bool is_priced = holding->instrument->price > 0;

        buf_printf(page->out, "| %s | %s | %s | %s |\n",
                   page_name(page, holding->instrument->symbol),
                   page_name(page, holding->instrument->name),
                   is_priced ? page_money(page, holding->value_cents)
                             : "no price",
                   page_share(page, holding->value_cents,
                              page->portfolio->total_cents));
    }
    more_rows(page, shown, facts->holding_count, "holding");
}

static void
table_of_slices(struct page *page, enum portfolio_dimension dimension,
                const char *title)
{
    const struct portfolio_exposure *exposure =
        &page->facts->exposures[dimension];
    size_t order[PORTFOLIO_SLICES];
    size_t all = portfolio_exposure_sort(exposure, order);
    size_t shown = at_most(page->rows_max * 2, all);

    if (all == 0) {
        return;
    }
    buf_printf(page->out, "| %s | Value | Share |\n|---|---:|---:|\n", title);
    for (size_t i = 0; i < shown; i++) {
        int64_t cents = exposure->cents[order[i]];

        buf_printf(page->out, "| %s | %s | %s |\n",
                   portfolio_slice_label(dimension, order[i]),
                   page_money(page, cents),
                   page_share(page, cents, page->portfolio->total_cents));
    }
    more_rows(page, shown, all, "row");
}

static void
table_of_targets(struct page *page, const struct portfolio_drift *drift,
                 const char *title)
{
    if (drift->count == 0) {
        return;
    }
    buf_printf(page->out,
               "| %s | Target | Actual | To buy or sell |\n"
               "|---|---:|---:|---:|\n",
               title);
    for (size_t i = 0; i < drift->count; i++) {
        const struct portfolio_drift_row *row = &drift->rows[i];
        bool has_target = row->target >= 0;

        buf_printf(page->out, "| %s | %s | %s | %s |\n", row->label,
                   has_target ? page_weight(page, row->target) : "none",
                   page_weight(page, row->actual),
                   has_target ? page_money(page, row->gap_cents) : "");
    }
    buf_puts(page->out, "\n");
}

void
page_composition(struct page *page)
{
    if (page->portfolio->account_count == 0) {
        return;
    }
    buf_puts(page->out, "## Composition\n\n");
    table_of_accounts(page);
    table_of_slices(page, PORTFOLIO_ASSET_CLASS, "Asset class");
    table_of_targets(page, &page->facts->class_drift, "Asset class");
    table_of_holdings(page);
}

static void
say_spread(struct page *page)
{
    const struct portfolio_facts *facts = page->facts;
    char equal[32];

    if (facts->holding_count == 1) {
        buf_puts(page->out, "Everything that is invested is in one holding. ");
    } else {
        portfolio_decimal_text((100000 + facts->hhi / 2) / facts->hhi, 1,
                               equal);
        buf_printf(page->out,
                   "By value, the %s are spread as widely as %s equal ones "
                   "would be. ",
                   portfolio_count(facts->holding_count, "holding", page->mem),
                   equal);
    }
    buf_puts(page->out, "A broad fund counts as one holding here, whatever it "
                        "holds itself.\n\n");
}

void
page_diversification(struct page *page)
{
    if (page->portfolio->holdings_cents == 0) {
        return;
    }
    buf_puts(page->out, "## Diversification\n\n");
    say_spread(page);
    table_of_slices(page, PORTFOLIO_REGION, "Region");
    table_of_targets(page, &page->facts->region_drift, "Region (of holdings)");
    table_of_slices(page, PORTFOLIO_SECTOR, "Sector");
}

/* A yardstick with round numbers: shares have fallen by more than this in one
 * bear market after another. */
static void
say_market_risk(struct page *page)
{
    int64_t equity = page->facts->exposures[PORTFOLIO_ASSET_CLASS].cents[0];
    int64_t loss = (equity * 3 + 5) / 10;
    int64_t total = page->portfolio->total_cents;

    if (equity > 0) {
        buf_printf(page->out,
                   "- **Markets.** Equity is %s of the portfolio. If share "
                   "prices fell by 30%%, it would lose about %s, or %s of the "
                   "total.\n",
                   page_share(page, equity, total), page_money(page, loss),
                   page_share(page, loss, total));
    }
}

static void
say_company_risk(struct page *page)
{
    const struct portfolio_facts *facts = page->facts;
    size_t companies = 0;
    int64_t cents = 0;

    for (size_t i = 0; i < facts->holding_count; i++) {
        if (strcmp(facts->holdings[i].instrument->type, "stock") == 0) {
            companies += facts->holdings[i].value_cents > 0;
            cents += facts->holdings[i].value_cents;
        }
    }
    if (companies > 0) {
        buf_printf(page->out,
                   "- **Single companies.** Shares of %zu %s directly are %s "
                   "of the portfolio.\n",
                   companies,
                   companies == 1 ? "company held" : "companies held",
                   page_share(page, cents, page->portfolio->total_cents));
    }
}

static void
say_place_risk(struct page *page)
{
    const struct portfolio_facts *facts = page->facts;
    size_t region = page_largest(page, PORTFOLIO_REGION);
    size_t sector = page_largest(page, PORTFOLIO_SECTOR);

    if (region == PORTFOLIO_SLICES || sector == PORTFOLIO_SLICES) {
        return;
    }
    buf_printf(
        page->out,
        "- **Place and trade.** %s is the largest region with %s of the "
        "portfolio, and %s the largest sector with %s.\n",
        page_label(page, PORTFOLIO_REGION, region),
        page_share(page, facts->exposures[PORTFOLIO_REGION].cents[region],
                   page->portfolio->total_cents),
        page_label(page, PORTFOLIO_SECTOR, sector),
        page_share(page, facts->exposures[PORTFOLIO_SECTOR].cents[sector],
                   page->portfolio->total_cents));
}

static void
say_rate_risk(struct page *page)
{
    int64_t bonds = page->facts->exposures[PORTFOLIO_ASSET_CLASS].cents[1];

    if (bonds > 0) {
        buf_printf(page->out,
                   "- **Interest rates.** Fixed income is %s of the "
                   "portfolio; its price falls when rates rise, most for long "
                   "terms.\n",
                   page_share(page, bonds, page->portfolio->total_cents));
    }
}

/* Of all accounts in a year, in cents. */
static int64_t
interest_cents(const struct portfolio *p)
{
    int64_t sum = 0;

    for (size_t i = 0; i < p->account_count; i++) {
        sum += (p->accounts[i].cash_cents * p->accounts[i].interest + 5000) /
               10000;
    }
    return sum;
}

static void
say_cash_risk(struct page *page)
{
    const struct portfolio *p = page->portfolio;
    int64_t interest = interest_cents(p);

    if (p->cash_cents == 0) {
        buf_puts(page->out, "- **Cash.** There is none, so a withdrawal means "
                            "selling something, whatever the market does.\n");
        return;
    }
    buf_printf(page->out, "- **Cash.** %s is %s of the portfolio; ",
               page_money(page, p->cash_cents),
               page_share(page, p->cash_cents, p->total_cents));
    if (interest > 0) {
        buf_printf(page->out,
                   "it earns about %s a year (%s) before inflation.\n",
                   page_money(page, interest),
                   page_share(page, interest, p->cash_cents));
    } else {
        buf_puts(page->out, "no interest is recorded for it, and what earns "
                            "nothing loses to inflation.\n");
    }
}

void
page_risk(struct page *page)
{
    if (page->portfolio->total_cents == 0) {
        return;
    }
    buf_puts(page->out, "## Risk\n\n");
    say_market_risk(page);
    say_rate_risk(page);
    say_company_risk(page);
    say_place_risk(page);
    say_cash_risk(page);
    buf_puts(page->out, "\n");
}
