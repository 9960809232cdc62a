#include "charter/charter.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "portfolio/words.h"

extern const char embed_charter_result[];

struct charter {
    const struct portfolio *portfolio;
    struct portfolio_facts facts;
    struct arena *mem;
};

void
charter_add(struct charter_chart *chart, const char *name, int64_t cents)
{
    assert(chart->count < CHARTER_POINTS_MAX);
    if (cents > 0) {
        chart->points[chart->count++] =
            (struct charter_point){.name = name, .cents = cents};
    }
}

static void
add_slices(const struct charter *c, enum portfolio_dimension dimension,
           struct charter_chart *chart)
{
    const struct portfolio_exposure *exposure = &c->facts.exposures[dimension];
    size_t order[PORTFOLIO_SLICES];
    size_t count = portfolio_exposure_sort(exposure, order);

    for (size_t i = 0; i < count; i++) {
        charter_add(chart, portfolio_slice_label(dimension, order[i]),
                    exposure->cents[order[i]]);
    }
}

static void
draw_classes(const struct charter *c, struct charter_chart *chart)
{
    add_slices(c, PORTFOLIO_ASSET_CLASS, chart);
}

static void
draw_regions(const struct charter *c, struct charter_chart *chart)
{
    if (c->portfolio->holdings_cents > 0) {
        add_slices(c, PORTFOLIO_REGION, chart);
    }
}

static void
draw_sectors(const struct charter *c, struct charter_chart *chart)
{
    if (c->portfolio->holdings_cents > 0) {
        add_slices(c, PORTFOLIO_SECTOR, chart);
    }
}

static void
draw_holdings(const struct charter *c, struct charter_chart *chart)
{
    int64_t others = c->portfolio->holdings_cents;

    if (others == 0) {
        return;
    }
    for (size_t i = 0; i < c->facts.holding_count && i < CHARTER_HOLDINGS_MAX;
         i++) {
        const struct portfolio_holding *holding = &c->facts.holdings[i];

        charter_add(chart,
                    portfolio_display(holding->instrument->symbol,
                                      PORTFOLIO_SYMBOL_CHARS, c->mem),
                    holding->value_cents);
        others -= holding->value_cents;
    }
    charter_add(chart, "Other holdings", others);
    charter_add(chart, "Cash", c->portfolio->cash_cents);
}

static int64_t
account_cents(const struct portfolio_account *account)
{
    return account->cash_cents + account->holdings_cents;
}

static int
compare_accounts(const void *left, const void *right)
{
    const struct portfolio_account *a =
        *(const struct portfolio_account *const *)left;
    const struct portfolio_account *b =
        *(const struct portfolio_account *const *)right;

    if (account_cents(a) != account_cents(b)) {
        return account_cents(a) < account_cents(b) ? 1 : -1;
    }
    return a < b ? -1 : 1; /* Of one array: the older first. */
}

static void
draw_accounts(const struct charter *c, struct charter_chart *chart)
{
    const struct portfolio *p = c->portfolio;
    const struct portfolio_account **order =
        arena_alloc(c->mem, (p->account_count + 1) * sizeof(*order));
    int64_t others = p->total_cents;

    for (size_t i = 0; i < p->account_count; i++) {
        order[i] = &p->accounts[i];
    }
    qsort(order, p->account_count, sizeof(*order), compare_accounts);
    if (p->account_count < 2 || account_cents(order[1]) == 0) {
        return;
    }
    for (size_t i = 0; i < p->account_count && i < CHARTER_ACCOUNTS_MAX; i++) {
        charter_add(chart, order[i]->label, account_cents(order[i]));
        others -= account_cents(order[i]);
    }
    charter_add(chart, "Other accounts", others);
}

static void
draw_taxes(const struct charter *c, struct charter_chart *chart)
{
    int64_t cents[] = {0, 0, 0};

    for (size_t i = 0; i < c->portfolio->account_count; i++) {
        const struct portfolio_account *account = &c->portfolio->accounts[i];

        cents[charter_tax_of(account->name, account->purpose, c->mem)] +=
            account_cents(account);
    }
    charter_add(chart, "Tax-advantaged", cents[CHARTER_TAX_ADVANTAGED]);
    charter_add(chart, "Taxable", cents[CHARTER_TAX_TAXABLE]);
    charter_add(chart, "Not stated", cents[CHARTER_TAX_UNKNOWN]);
    if (chart->count < 2) {
        chart->count = 0;
    }
}

static const struct drawing {
    const char *key;
    const char *title;
    const char *type;
    const char *description;
    void (*draw)(const struct charter *c, struct charter_chart *chart);
} drawings[] = {
    {"asset_allocation", "Asset classes", "pie", "Value by asset class",
     draw_classes},
    {"geographic_exposure", "Regions", "bar", "Value by region", draw_regions},
    {"sector_breakdown", "Sectors", "donut", "Value by sector", draw_sectors},
    {"top_holdings", "Top holdings", "horizontalBar",
     "Value of the largest holdings", draw_holdings},
    {"account_split", "Accounts", "pie", "Value by account", draw_accounts},
    {"tax_advantaged", "Tax treatment", "donut",
     "Value by what the accounts' names and purposes say about taxes",
     draw_taxes},
};

static int
compare_points(const void *left, const void *right)
{
    const struct charter_point *a = left;
    const struct charter_point *b = right;

    if (a->cents != b->cents) {
        return a->cents < b->cents ? 1 : -1;
    }
    return strcmp(a->name, b->name);
}

static void
write_point(const struct charter_point *point, struct buf *output)
{
    char value[32];

    portfolio_decimal_text(point->cents, 2, value);
    buf_json_object(output);
    buf_json_key(output, "name");
    buf_json_string(output, point->name);
    buf_json_key(output, "value");
    buf_json_raw(output, value, strlen(value));
    buf_json_key(output, "color");
    buf_json_string(output, point->color);
    buf_json_end(output);
}

static void
write_chart(const struct charter *c, const struct drawing *drawing,
            struct charter_chart *chart, struct buf *output)
{
    char total[40];

    qsort(chart->points, chart->count, sizeof(chart->points[0]),
          compare_points);
    charter_color(chart);
    portfolio_money_text(c->portfolio->total_cents, total);
    buf_json_key(output, drawing->key);
    buf_json_object(output);
    buf_json_key(output, "title");
    buf_json_string(output, drawing->title);
    buf_json_key(output, "type");
    buf_json_string(output, drawing->type);
    buf_json_key(output, "description");
    buf_json_string(output, arena_printf(c->mem, "%s; %s in total",
                                         drawing->description, total));
    buf_json_key(output, "data");
    buf_json_array(output);
    for (size_t i = 0; i < chart->count; i++) {
        write_point(&chart->points[i], output);
    }
    buf_json_end(output);
    buf_json_end(output);
}

static void
write_charts(const struct charter *c, struct buf *output)
{
    char total[32];
    int64_t count = 0;

    buf_json_object(output);
    buf_json_key(output, "charts_payload");
    buf_json_object(output);
    for (size_t i = 0; i < ARRAY_COUNT(drawings); i++) {
        struct charter_chart chart = {.count = 0};

        drawings[i].draw(c, &chart);
        if (chart.count > 0) {
            write_chart(c, &drawings[i], &chart, output);
            count++;
        }
    }
    buf_json_end(output);
    buf_json_key(output, "detail");
    buf_json_object(output);
    buf_json_key(output, "charts");
    buf_json_int(output, count);
    portfolio_decimal_text(c->portfolio->total_cents, 2, total);
    buf_json_key(output, "total_value");
    buf_json_raw(output, total, strlen(total));
    buf_json_end(output);
    buf_json_end(output);
}

int
charter_handle(struct task *task, const char *input, size_t input_size,
               struct buf *output, struct err *err)
{
    struct charter c = {.mem = task_arena(task)};

    if (portfolio_load(input, input_size, c.mem, &c.portfolio, err)) {
        return -1;
    }
    portfolio_facts(c.portfolio, c.mem, &c.facts);
    write_charts(&c, output);
    return 0;
}

const struct worker charter_worker = {
    .name = "charter",
    .summary = "draws a portfolio's aggregates as charts",
    .handle = charter_handle,
    .result_schema = embed_charter_result,
};
