/* Classification from what an instrument is called. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "portfolio/words.h"
#include "tagger/clues.h"
#include "tagger/tagger.h"

struct ruling {
    const struct portfolio_instrument *item;
    struct arena *mem;
    const char *name;  /* Without upstream's suffix. */
    const char *type;  /* "" if unknown, or only guessed by upstream. */
    const char *words; /* Of the name. */
    int year;
    enum clues_kind kind;
    int equity_percent; /* Of CLUES_MIXED. */
    const char *why;    /* It is of that kind: a clause. */
};

static bool
is_type(const struct ruling *r, const char *type)
{
    return strcmp(r->type, type) == 0;
}

/* Words that speak of funds say little in the name of a company. */
static bool
may_be_fund(const struct ruling *r)
{
    return !is_type(r, "stock") && !is_type(r, "reit");
}

static const char *
says(const struct ruling *r, const char *words)
{
    return arena_printf(r->mem, "its name says \"%.*s\"",
                        (int)strlen(words) - 2, words + 1);
}

static void
decide(struct ruling *r, enum clues_kind kind, const char *why)
{
    r->kind = kind;
    r->why = why;
}

/* Five letters ending in X are a mutual fund by NASDAQ's convention, in XX a
 * money market fund. */
static bool
is_fund_symbol(const char *symbol)
{
    return strlen(symbol) == 5 && symbol[4] == 'X' &&
           strspn(symbol, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 5;
}

/* Nine letters and digits that begin with a digit: what is known by its CUSIP
 * has no ticker, and is a bond. */
static bool
is_cusip(const char *symbol)
{
    return strlen(symbol) == 9 && isdigit((unsigned char)symbol[0]) &&
           strspn(symbol, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 9;
}

static bool
by_symbol(struct ruling *r)
{
    const char *symbol = r->item->symbol;

    if (!is_fund_symbol(symbol) || symbol[3] != 'X' || !may_be_fund(r)) {
        return false;
    }
    decide(r, CLUES_MONEY_MARKET,
           "its symbol ends in XX, as those of money market funds do");
    return true;
}

/* "Freedom 2045": shares fall from nine tenths, a quarter of a century before
 * that year, to half at it and to three tenths some years after. */
static bool
by_target_date(struct ruling *r)
{
    const char *year = r->words;
    int target = 0;

    while (target == 0 && (year = strstr(year, " 20")) != NULL) {
        bool is_year = isdigit((unsigned char)year[3]) &&
                       isdigit((unsigned char)year[4]) && year[5] == ' ';

        target = is_year ? atoi(year + 1) : 0;
        year++;
    }
    for (size_t i = 0; target > 0 && clues_target_date[i]; i++) {
        if (strstr(r->words, clues_target_date[i])) {
            int left = target - r->year;
            int percent = left > 0 ? 50 + left * 8 / 5 : 50 + left * 3;

            r->equity_percent = percent > 90 ? 90 : percent < 30 ? 30 : percent;
            decide(r, CLUES_MIXED,
                   arena_printf(r->mem, "its name has the target year %d",
                                target));
            return true;
        }
    }
    return false;
}

static bool
by_kind_words(struct ruling *r)
{
    for (size_t i = 0; clues_kinds[i].words; i++) {
        if (strstr(r->words, clues_kinds[i].words) &&
            (!clues_kinds[i].is_for_funds || may_be_fund(r))) {
            decide(r, clues_kinds[i].kind, says(r, clues_kinds[i].words));
            return true;
        }
    }
    return false;
}

static bool
by_mix_words(struct ruling *r)
{
    for (size_t i = 0; clues_mixes[i].words && may_be_fund(r); i++) {
        if (strstr(r->words, clues_mixes[i].words)) {
            r->equity_percent = clues_mixes[i].equity_percent;
            decide(r, CLUES_MIXED, says(r, clues_mixes[i].words));
            return true;
        }
    }
    return false;
}

static bool
by_type(struct ruling *r)
{
    static const struct {
        const char *type;
        enum clues_kind kind;
    } rows[] = {
        {"bond", CLUES_BOND_CORPORATE}, {"bond_fund", CLUES_BOND_ANY},
        {"commodity", CLUES_COMMODITY}, {"reit", CLUES_REAL_ESTATE},
        {"stock", CLUES_EQUITY},        {"etf", CLUES_EQUITY},
        {"mutual_fund", CLUES_EQUITY},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (is_type(r, rows[i].type)) {
            decide(r, rows[i].kind,
                   arena_printf(r->mem, "its type is %s", rows[i].type));
            return true;
        }
    }
    return false;
}

static bool
by_cusip(struct ruling *r)
{
    if (!is_cusip(r->item->symbol)) {
        return false;
    }
    decide(r, CLUES_BOND_CORPORATE, "its symbol is a CUSIP number");
    return true;
}

static bool
by_company_words(struct ruling *r)
{
    for (size_t i = 0; clues_companies[i]; i++) {
        if (strstr(r->words, clues_companies[i])) {
            decide(r, CLUES_EQUITY, says(r, clues_companies[i]));
            return true;
        }
    }
    return false;
}

static bool
by_nothing(struct ruling *r)
{
    decide(r, CLUES_EQUITY, "nothing is known about it");
    return true;
}

static bool (*const deciders[])(struct ruling *) = {
    by_target_date, by_symbol, by_kind_words,    by_mix_words,
    by_type,        by_cusip,  by_company_words, by_nothing,
};

static void
place(enum portfolio_dimension dimension, const struct clues_share *shares,
      struct tagger_class *to)
{
    memset(to->weights[dimension], 0, sizeof(to->weights[dimension]));
    for (; shares->key; shares++) {
        to->weights[dimension][portfolio_key_find(dimension, shares->key)] =
            shares->percent * (PORTFOLIO_WHOLE / 100);
    }
}

static const char *
place_class(const struct ruling *r, struct tagger_class *to)
{
    const struct clues_default *kind = &clues_defaults[r->kind];
    const struct clues_share mix[] = {
        {"equity", r->equity_percent},
        {"fixed_income", 100 - r->equity_percent},
        {NULL, 0},
    };

    if (r->kind == CLUES_MIXED) {
        place(PORTFOLIO_ASSET_CLASS, mix, to);
        return arena_printf(r->mem,
                            "taken for a mix with %d%% shares, because "
                            "%s",
                            r->equity_percent, r->why);
    }
    place(PORTFOLIO_ASSET_CLASS, kind->classes, to);
    return arena_printf(r->mem, "taken for %s, because %s", kind->label,
                        r->why);
}

static const char *
place_region(const struct ruling *r, struct tagger_class *to)
{
    bool has_region = r->kind != CLUES_COMMODITY && r->kind != CLUES_CRYPTO;

    for (size_t i = 0; clues_regions[i].words && has_region; i++) {
        if (strstr(r->words, clues_regions[i].words)) {
            place(PORTFOLIO_REGION, clues_regions[i].shares, to);
            return says(r, clues_regions[i].words);
        }
    }
    place(PORTFOLIO_REGION, clues_defaults[r->kind].regions, to);
    return has_region ? "North America is assumed" : "no region applies";
}

static const char *
place_sector(const struct ruling *r, struct tagger_class *to)
{
    const struct clues_share *sectors = clues_defaults[r->kind].sectors;
    bool is_fund = is_type(r, "etf") || is_type(r, "mutual_fund") ||
                   strcmp(to->type, "stock") != 0;
    const struct clues_share rest[] = {
        {is_fund ? "diversified" : "other", 100},
        {NULL, 0},
    };

    for (size_t i = 0; clues_sectors[i].words && !sectors->key; i++) {
        if (strstr(r->words, clues_sectors[i].words)) {
            const struct clues_share one[] = {{clues_sectors[i].sector, 100},
                                              {NULL, 0}};

            place(PORTFOLIO_SECTOR, one, to);
            return says(r, clues_sectors[i].words);
        }
    }
    place(PORTFOLIO_SECTOR, sectors->key ? sectors : rest, to);
    return sectors->key ? "the usual ones of its kind" : "none is named";
}

static const char *
type_of(const struct ruling *r)
{
    if (portfolio_type_known(r->type)) {
        return r->type;
    }
    bool is_bond = r->kind >= CLUES_BOND_TREASURY && r->kind <= CLUES_BOND_ANY;

    if (is_bond && is_cusip(r->item->symbol)) {
        return "bond";
    }
    if (strstr(r->words, " etf ")) {
        return is_bond ? "bond_fund" : "etf";
    }
    if (r->kind == CLUES_EQUITY &&
        (is_fund_symbol(r->item->symbol) || strstr(r->words, " fund "))) {
        return "mutual_fund";
    }
    return clues_defaults[r->kind].type;
}

/* The name without what upstream's API appends, and whether it did. */
static bool
strip_placeholder(struct ruling *r)
{
    size_t end_size = strlen(PORTFOLIO_PLACEHOLDER_NAME);
    size_t size = strlen(r->item->name);

    r->name = r->item->name;
    if (size <= end_size || strcmp(r->item->name + size - end_size,
                                   PORTFOLIO_PLACEHOLDER_NAME) != 0) {
        return false;
    }
    r->name =
        arena_printf(r->mem, "%.*s", (int)(size - end_size), r->item->name);
    return true;
}

void
tagger_rules(const struct portfolio_instrument *item, int year,
             struct arena *mem, struct tagger_class *ret)
{
    struct ruling r = {.item = item, .mem = mem, .year = year};
    bool is_placeholder = strip_placeholder(&r);
    size_t i = 0;

    r.type = is_placeholder ? "" : item->type;
    r.words = portfolio_words(r.name, mem);
    while (!deciders[i](&r)) {
        i++;
    }
    ret->symbol = item->symbol;
    ret->name = r.name;
    ret->type = type_of(&r);
    ret->source = "rule";
    const char *class_text = place_class(&r, ret);
    const char *region_text = place_region(&r, ret);
    const char *sector_text = place_sector(&r, ret);

    ret->rationale = arena_printf(mem, "By rule: %s; region: %s; sector: %s.",
                                  class_text, region_text, sector_text);
}
