#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "portfolio/decode.h"
#include "portfolio/facts_internal.h"
#include "portfolio/words.h"

enum {
    STALE_DAYS = 7,  /* A long week-end is not stale. */
    NAMES_SHOWN = 5, /* In one sentence. */
    NAME_CHARS = PORTFOLIO_LABEL_CHARS + 6,
};

/* Names collected for one sentence. */
struct names {
    const char **items;
    size_t count;
};

struct issue_context {
    const struct portfolio *portfolio;
    struct portfolio_facts *facts;
    struct arena *mem;
    struct names names; /* Room for every position. */
    enum portfolio_issue_about about;
};

static void
name_add(struct issue_context *c, const char *name)
{
    c->names.items[c->names.count++] =
        portfolio_display(name, NAME_CHARS, c->mem);
}

static const char *
names_text(const struct issue_context *c)
{
    return portfolio_list(c->names.items, c->names.count, NAMES_SHOWN, c->mem);
}

static void
say(struct issue_context *c, const char *sentence)
{
    if (c->facts->issue_count < PORTFOLIO_ISSUES_MAX) {
        c->facts->issues[c->facts->issue_count++] =
            (struct portfolio_issue){c->about, sentence};
    }
}

static void
say_unpriced(struct issue_context *c)
{
    const struct portfolio_facts *facts = c->facts;

    for (size_t i = 0; i < facts->unpriced_count; i++) {
        name_add(c, facts->unpriced[i]->symbol);
    }
    if (c->names.count > 0) {
        say(c, arena_printf(c->mem, "%s no price and count%s as $0.00: %s.",
                            c->names.count == 1
                                ? "1 holding has"
                                : arena_printf(c->mem, "%zu holdings have",
                                               c->names.count),
                            c->names.count == 1 ? "s" : "", names_text(c)));
    }
}

static void
say_debts(struct issue_context *c)
{
    for (size_t i = 0; i < c->portfolio->account_count; i++) {
        if (c->portfolio->accounts[i].cash_was_negative) {
            name_add(c, c->portfolio->accounts[i].label);
        }
    }
    if (c->names.count > 0) {
        say(c, arena_printf(c->mem,
                            "Negative cash counts as $0.00, because debts are "
                            "not part of this analysis: %s.",
                            names_text(c)));
    }
}

static void
say_shorts(struct issue_context *c)
{
    for (size_t a = 0; a < c->portfolio->account_count; a++) {
        const struct portfolio_account *account = &c->portfolio->accounts[a];

        for (size_t i = 0; i < account->count; i++) {
            if (account->positions[i].was_negative) {
                name_add(c, account->positions[i].instrument->symbol);
            }
        }
    }
    if (c->names.count > 0) {
        say(c, arena_printf(c->mem,
                            "Negative quantities count as $0.00, because short "
                            "sales are not part of this analysis: %s.",
                            names_text(c)));
    }
}

static void
say_unclassified(struct issue_context *c)
{
    const struct portfolio_facts *facts = c->facts;
    char money[40];
    char share[32];

    for (size_t i = 0; i < facts->unclassified_count; i++) {
        name_add(c, facts->unclassified[i]->symbol);
    }
    if (c->names.count == 0) {
        return;
    }
    portfolio_money_text(facts->unclassified_cents, money);
    portfolio_permille_text(portfolio_permille(facts->unclassified_cents,
                                               c->portfolio->total_cents),
                            share);
    say(c,
        arena_printf(c->mem,
                     "%s worth %s (%s of the total) %s not classified by "
                     "asset class, region and sector: %s.",
                     portfolio_count(c->names.count, "holding", c->mem), money,
                     share, c->names.count == 1 ? "is" : "are", names_text(c)));
}

/* A single company is where it is; only a fund's percentages can be rough. */
static bool
is_company(const struct portfolio_instrument *item)
{
    return strcmp(item->type, "stock") == 0;
}

static void
name_classified_by(struct issue_context *c, const char *source,
                   bool with_companies)
{
    for (size_t i = 0; i < c->facts->holding_count; i++) {
        const struct portfolio_instrument *item =
            c->facts->holdings[i].instrument;

        if (item->classified && (with_companies || !is_company(item)) &&
            strncmp(item->classified_by, source, strlen(source)) == 0) {
            name_add(c, item->symbol);
        }
    }
}

static void
say_by_rule(struct issue_context *c)
{
    name_classified_by(c, "rule", true);
    if (c->names.count > 0) {
        say(c, arena_printf(c->mem,
                            "Classified by rule from name and type, and so "
                            "only roughly: %s.",
                            names_text(c)));
    }
}

static void
say_curated(struct issue_context *c)
{
    name_classified_by(c, "curated", false);
    if (c->names.count > 0) {
        say(c, arena_printf(c->mem,
                            "Classified from a table of approximate "
                            "allocations: %s.",
                            names_text(c)));
    }
}

static void
say_stale(struct issue_context *c)
{
    const char *oldest = "9999";
    int64_t today = 0;
    int64_t day = 0;

    if (!portfolio_decode_day(c->portfolio->as_of, &today)) {
        return;
    }
    for (size_t i = 0; i < c->facts->holding_count; i++) {
        const struct portfolio_instrument *item =
            c->facts->holdings[i].instrument;

        if (item->price > 0 && portfolio_decode_day(item->price_as_of, &day) &&
            today - day > STALE_DAYS) {
            name_add(c, item->symbol);
            oldest = strcmp(item->price_as_of, oldest) < 0 ? item->price_as_of
                                                           : oldest;
        }
    }
    if (c->names.count > 0) {
        say(c, arena_printf(c->mem,
                            "Priced more than %d days before this analysis "
                            "(oldest: %.10s): %s.",
                            STALE_DAYS, oldest, names_text(c)));
    }
}

static void
say_targets(struct issue_context *c, const struct portfolio_targets *targets,
            enum portfolio_dimension dimension)
{
    const char *what = portfolio_dimension_name(dimension);
    int64_t sum = 0;

    for (size_t i = 0; i < targets->count; i++) {
        sum += targets->items[i].weight;
        if (portfolio_key_find(dimension, targets->items[i].key) < 0) {
            name_add(c, targets->items[i].key);
        }
    }
    if (c->names.count > 0) {
        say(c,
            arena_printf(c->mem,
                         "Not a known %s, so its target is ignored: "
                         "%s.",
                         dimension == PORTFOLIO_REGION ? what : "asset class",
                         names_text(c)));
    }
    if (targets->count > 0 &&
        llabs(sum - PORTFOLIO_WHOLE) > PORTFOLIO_TOLERANCE) {
        char text[32];

        portfolio_permille_text(sum / 1000, text);
        say(c, arena_printf(
                   c->mem, "The %s targets add up to %s, not 100%%.",
                   dimension == PORTFOLIO_REGION ? what : "asset class", text));
    }
}

static void
say_class_targets(struct issue_context *c)
{
    say_targets(c, &c->portfolio->class_targets, PORTFOLIO_ASSET_CLASS);
}

static void
say_region_targets(struct issue_context *c)
{
    say_targets(c, &c->portfolio->region_targets, PORTFOLIO_REGION);
}

static void
say_notes(struct issue_context *c)
{
    for (size_t i = 0; i < c->portfolio->note_count; i++) {
        say(c, portfolio_display(c->portfolio->notes[i], PORTFOLIO_NOTE_BYTES,
                                 c->mem));
    }
}

/* What falsifies totals first, then what blurs their breakdown. */
static const struct {
    void (*say)(struct issue_context *);
    enum portfolio_issue_about about;
} sayers[] = {
    {say_unpriced, PORTFOLIO_ISSUE_VALUE},
    {say_debts, PORTFOLIO_ISSUE_VALUE},
    {say_shorts, PORTFOLIO_ISSUE_VALUE},
    {say_notes, PORTFOLIO_ISSUE_NOTE},
    {say_stale, PORTFOLIO_ISSUE_VALUE},
    {say_unclassified, PORTFOLIO_ISSUE_CLASSIFICATION},
    {say_by_rule, PORTFOLIO_ISSUE_CLASSIFICATION},
    {say_curated, PORTFOLIO_ISSUE_CLASSIFICATION},
    {say_class_targets, PORTFOLIO_ISSUE_GOALS},
    {say_region_targets, PORTFOLIO_ISSUE_GOALS},
};

void
portfolio_issues(const struct portfolio *portfolio, struct arena *mem,
                 struct portfolio_facts *facts)
{
    size_t room = portfolio->position_count + portfolio->account_count +
                  portfolio->class_targets.count +
                  portfolio->region_targets.count;
    struct issue_context c = {
        .portfolio = portfolio,
        .facts = facts,
        .mem = mem,
        .names.items = arena_alloc(mem, (room + 1) * sizeof(const char *)),
    };

    for (size_t i = 0; i < ARRAY_COUNT(sayers); i++) {
        c.names.count = 0;
        c.about = sayers[i].about;
        sayers[i].say(&c);
    }
}
