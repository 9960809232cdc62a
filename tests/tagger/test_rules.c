#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "tagger/tagger.h"

/* The map as text: "equity 60 fixed_income 40". */
static const char *
map_text(const struct tagger_class *class, enum portfolio_dimension dimension,
         struct arena *mem)
{
    const char *text = "";

    for (size_t i = 0; i < portfolio_key_count(dimension); i++) {
        int64_t weight = class->weights[dimension][i];

        if (weight > 0) {
            text = arena_printf(mem, "%s%s%s %d", text, *text ? " " : "",
                                portfolio_slice_key(dimension, i),
                                (int)(weight / 10000));
        }
    }
    return text;
}

static const struct {
    const char *symbol;
    const char *name;
    const char *type;
    const char *type_out;
    const char *class;
    const char *region;
    const char *sector;
} names[] = {
    {"T1", "Acme Treasury Bond ETF", "bond_fund", "bond_fund",
     "fixed_income 100", "north_america 100", "treasury 100"},
    {"T2", "Acme Municipal Income Fund", "", "bond_fund", "fixed_income 100",
     "north_america 100", "government_related 100"},
    {"T3", "Acme High Yield Fund", "mutual_fund", "mutual_fund",
     "fixed_income 100", "north_america 100", "corporate 100"},
    {"T4", "Acme High Dividend Yield ETF", "etf", "etf", "equity 100",
     "north_america 100", "diversified 100"},
    {"T5", "Acme International Bond ETF", "", "bond_fund", "fixed_income 100",
     "international 100",
     "treasury 45 corporate 24 mortgage 26 government_related 5"},
    {"T6", "Acme World ex-U.S. Index", "etf", "etf", "equity 100",
     "international 100", "diversified 100"},
    {"T7", "Acme Emerging Markets Technology ETF", "", "etf", "equity 100",
     "europe 7 asia 75 latin_america 10 africa 8", "technology 100"},
    {"T8", "Acme Physical Gold Trust", "etf", "etf", "commodities 100",
     "global 100", "commodities 100"},
    {"T9", "Barrick Gold Corporation", "stock", "stock", "equity 100",
     "north_america 100", "materials 100"},
    {"T10", "Acme Gold Miners ETF", "etf", "etf", "equity 100",
     "north_america 100", "materials 100"},
    {"T11", "Acme Realty Trust", "stock", "stock", "real_estate 100",
     "north_america 100", "real_estate 100"},
    {"T12", "Acme Bitcoin Trust", "", "etf", "alternatives 100", "global 100",
     "other 100"},
    {"T13", "Acme Government Money Market Fund", "", "mutual_fund", "cash 100",
     "north_america 100", "treasury 40 government_related 60"},
    {"ACMXX", "ACMXX", "", "mutual_fund", "cash 100", "north_america 100",
     "treasury 40 government_related 60"},
    {"ACMEX", "ACMEX", "", "mutual_fund", "equity 100", "north_america 100",
     "diversified 100"},
    /* At 2026: 24 years to go, 50 + 24 x 1.6. */
    {"T14", "Acme Target Retirement 2050 Fund", "mutual_fund", "mutual_fund",
     "equity 88 fixed_income 12", "north_america 65 international 35",
     "diversified 100"},
    {"T15", "Acme Freedom 2070", "", "mutual_fund", "equity 90 fixed_income 10",
     "north_america 65 international 35", "diversified 100"},
    {"T16", "Acme Retirement 2024 Trust", "", "mutual_fund",
     "equity 44 fixed_income 56", "north_america 65 international 35",
     "diversified 100"},
    {"T17", "Acme Retirement 2010 Trust", "", "mutual_fund",
     "equity 30 fixed_income 70", "north_america 65 international 35",
     "diversified 100"},
    {"T18", "Acme Conservative Allocation", "mutual_fund", "mutual_fund",
     "equity 40 fixed_income 60", "north_america 65 international 35",
     "diversified 100"},
    /* The name of a company, not of a fund. */
    {"T19", "Target Corporation", "stock", "stock", "equity 100",
     "north_america 100", "other 100"},
    {"T20", "Silver Lake Software Inc", "stock", "stock", "equity 100",
     "north_america 100", "technology 100"},
    {"T21", "Acme Foil Products", "stock", "stock", "equity 100",
     "north_america 100", "other 100"},
    {"912828ZT6", "912828ZT6", "", "bond", "fixed_income 100",
     "north_america 100", "corporate 100"},
    {"ZZZZ", "ZZZZ - User Added", "stock", "stock", "equity 100",
     "north_america 100", "other 100"},
    {"VALUEX", "VALUEX - User Added", "etf", "stock", "equity 100",
     "north_america 100", "other 100"},
    {"C1", "Acme Commodity", "commodity", "commodity", "commodities 100",
     "global 100", "commodities 100"},
    {"R1", "Acme", "reit", "reit", "real_estate 100", "north_america 100",
     "real_estate 100"},
    {"B1", "ACME 5.25% 2031", "bond", "bond", "fixed_income 100",
     "north_america 100", "corporate 100"},
    {"B2", "ACME INC 5.25% 2031", "bond", "bond", "fixed_income 100",
     "north_america 100", "corporate 100"},
    {"00206RDH2", "ACME INC 4% 2031", "", "bond", "fixed_income 100",
     "north_america 100", "corporate 100"},
    {"K1", "Acme Balanced Holdings Fund", "", "mutual_fund",
     "equity 60 fixed_income 40", "north_america 65 international 35",
     "diversified 100"},
    {"W1", "Weird", "spaceship", "stock", "equity 100", "north_america 100",
     "other 100"},
};

static void
test_names_and_types_are_understood(void **state)
{
    _cleanup(arena_free) struct arena *mem = arena_new(4096);

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        struct portfolio_instrument item = {
            .symbol = names[i].symbol,
            .name = names[i].name,
            .type = names[i].type,
        };
        struct tagger_class class = {0};

        tagger_rules(&item, 2026, mem, &class);
        assert_string_equal(class.symbol, names[i].symbol);
        assert_string_equal(class.source, "rule");
        assert_string_equal(map_text(&class, PORTFOLIO_ASSET_CLASS, mem),
                            names[i].class);
        assert_string_equal(map_text(&class, PORTFOLIO_REGION, mem),
                            names[i].region);
        assert_string_equal(map_text(&class, PORTFOLIO_SECTOR, mem),
                            names[i].sector);
        assert_string_equal(class.type, names[i].type_out);
    }
}

static void
test_the_rationale_says_which_words_decided(void **state)
{
    _cleanup(arena_free) struct arena *mem = arena_new(4096);
    struct portfolio_instrument item = {
        .symbol = "X", .name = "Acme Europe Treasury Fund", .type = ""};
    struct tagger_class class = {0};

    (void)state;
    tagger_rules(&item, 2026, mem, &class);
    assert_string_equal(
        class.rationale,
        "By rule: taken for treasury bonds, because its name says "
        "\"treasury\"; region: its name says \"europe\"; sector: the usual "
        "ones of its kind.");
    item.name = "Lumen Row Acquisition Corp, Wts";
    tagger_rules(&item, 2026, mem, &class);
    assert_string_equal(
        class.rationale,
        "By rule: taken for shares, because its name says \"corp\"; region: "
        "North America is assumed; sector: none is named.");
    item.name = "X";
    tagger_rules(&item, 2026, mem, &class);
    assert_string_equal(
        class.rationale,
        "By rule: taken for shares, because nothing is known about it; "
        "region: North America is assumed; sector: none is named.");
}

static void
test_upstreams_suffix_is_no_part_of_the_name(void **state)
{
    _cleanup(arena_free) struct arena *mem = arena_new(4096);
    struct portfolio_instrument item = {
        .symbol = "X", .name = "X - User Added", .type = "etf"};
    struct tagger_class class = {0};

    (void)state;
    tagger_rules(&item, 2026, mem, &class);
    assert_string_equal(class.name, "X");
    item.name = " - User Added";
    tagger_rules(&item, 2026, mem, &class);
    assert_string_equal(class.name, " - User Added");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_and_types_are_understood),
        cmocka_unit_test(test_the_rationale_says_which_words_decided),
        cmocka_unit_test(test_upstreams_suffix_is_no_part_of_the_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
