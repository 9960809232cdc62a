#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "input.h"
#include "portfolio/exposure.h"

#define FIXTURE SOURCE_DIR "/test_user.json"

struct slice {
    const char *key;
    int64_t cents;
};

static int64_t
sum_of(const struct portfolio_exposure *exposure)
{
    int64_t sum = 0;

    for (size_t i = 0; i < PORTFOLIO_SLICES; i++) {
        sum += exposure->cents[i];
    }
    return sum;
}

/* The slices are these, in this order, and no others. */
static void
assert_slices(const struct portfolio *p, enum portfolio_dimension dimension,
              const struct slice *slices, size_t count)
{
    struct portfolio_exposure exposure;
    size_t order[PORTFOLIO_SLICES];

    portfolio_exposure(p, dimension, &exposure);
    assert_int_equal(portfolio_exposure_sort(&exposure, order), count);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(portfolio_slice_key(dimension, order[i]),
                            slices[i].key);
        assert_int_equal(exposure.cents[order[i]], slices[i].cents);
    }
    assert_int_equal(sum_of(&exposure), p->total_cents);
}

static const struct portfolio *
load(const char *text, struct arena *mem)
{
    const struct portfolio *p = NULL;
    struct err err = {0};

    assert_int_equal(portfolio_load(text, strlen(text), mem, &p, &err), 0);
    return p;
}

static void
test_the_published_user_has_the_published_numbers(void **state)
{
    static const struct slice classes[] = {
        {"equity", 7154500},
        {"fixed_income", 1450000},
        {"cash", 850000},
        {"commodities", 489250},
    };
    static const struct slice regions[] = {
        {"north_america", 7880000}, {"cash", 850000}, {"global", 489250},
        {"europe", 434700},         {"asia", 253575}, {"oceania", 36225},
    };
    static const struct slice sectors[] = {
        {"technology", 2296900},
        {"consumer_discretionary", 909120},
        {"cash", 850000},
        {"healthcare", 826465},
        {"communication", 769125},
        {"financials", 715735},
        {"treasury", 609000},
        {"industrials", 564480},
        {"commodities", 489250},
        {"consumer_staples", 431730},
        {"mortgage", 391500},
        {"corporate", 348000},
        {"energy", 223570},
        {"utilities", 164055},
        {"real_estate", 111785},
        {"materials", 102985},
        {"government_related", 101500},
        {"other", 38550},
    };
    _cleanup(arena_free) struct arena *mem = arena_new(4096);
    _cleanup(cleanup_free) char *text = input_file(FIXTURE);
    const struct portfolio *p = load(text, mem);

    (void)state;
    assert_int_equal(p->total_cents, 9943750);
    assert_int_equal(p->holdings_cents, 9093750);
    assert_int_equal(p->cash_cents, 850000);
    assert_int_equal(p->accounts[0].holdings_cents + p->accounts[0].cash_cents,
                     9593750);
    assert_slices(p, PORTFOLIO_ASSET_CLASS, classes, ARRAY_COUNT(classes));
    assert_slices(p, PORTFOLIO_REGION, regions, ARRAY_COUNT(regions));
    assert_slices(p, PORTFOLIO_SECTOR, sectors, ARRAY_COUNT(sectors));
}

static void
test_a_cent_that_can_not_be_split_goes_to_the_largest_remainder(void **state)
{
    /* $1.00 in thirds, and cash that is a class of its own. */
    struct input in = {
        .accounts = "[{\"id\":\"1\",\"name\":\"A\",\"cash_balance\":\"0.05\","
                    "\"positions\":[{\"symbol\":\"X\",\"quantity\":\"1\"}]}]",
        .instruments = "{\"X\":{\"name\":\"X\",\"current_price\":\"1.00\","
                       "\"allocation_asset_class\":{\"equity\":33.33,"
                       "\"fixed_income\":33.33,\"alternatives\":33.34},"
                       "\"allocation_regions\":{\"asia\":100},"
                       "\"allocation_sectors\":{\"other\":100}}}",
    };
    static const struct slice classes[] = {
        {"alternatives", 34},
        {"equity", 33},
        {"fixed_income", 33},
        {"cash", 5},
    };
    _cleanup(arena_free) struct arena *mem = arena_new(4096);
    _cleanup(cleanup_free) char *text = input_text(&in);

    (void)state;
    assert_slices(load(text, mem), PORTFOLIO_ASSET_CLASS, classes,
                  ARRAY_COUNT(classes));
}

static void
test_a_map_a_little_off_100_still_places_the_whole_value(void **state)
{
    struct input in = {
        .accounts = "[{\"id\":\"1\",\"name\":\"A\",\"positions\":[{\"symbol\":"
                    "\"X\",\"quantity\":\"1\"}]}]",
        .instruments = "{\"X\":{\"name\":\"X\",\"current_price\":\"1000000\","
                       "\"allocation_asset_class\":{\"equity\":99.95},"
                       "\"allocation_regions\":{\"asia\":100.05},"
                       "\"allocation_sectors\":{\"other\":50,\"energy\":49.96}"
                       "}}",
    };
    static const struct slice classes[] = {{"equity", 100000000}};
    _cleanup(arena_free) struct arena *mem = arena_new(4096);
    _cleanup(cleanup_free) char *text = input_text(&in);
    const struct portfolio *p = load(text, mem);
    struct portfolio_exposure sectors;

    (void)state;
    /* A region of 100.05 is not 0 to 100: unclassified in every dimension. */
    assert_false(p->instruments[0].classified);
    in.instruments = "{\"X\":{\"name\":\"X\",\"current_price\":\"1000000\","
                     "\"allocation_asset_class\":{\"equity\":99.95},"
                     "\"allocation_regions\":{\"asia\":100},"
                     "\"allocation_sectors\":{\"other\":50,\"energy\":49.96}}}";
    _cleanup(cleanup_free) char *better = input_text(&in);

    p = load(better, mem);
    assert_slices(p, PORTFOLIO_ASSET_CLASS, classes, 1);
    portfolio_exposure(p, PORTFOLIO_SECTOR, &sectors);
    /* 1,000,000 x 50 / 99.96 = 500,200.08; the rest is energy's. */
    assert_int_equal(sectors.cents[17], 50020008);
    assert_int_equal(sectors.cents[6], 49979992);
}

static void
test_the_unclassified_are_one_slice_everywhere(void **state)
{
    struct input in = {
        .accounts = "[{\"id\":\"1\",\"name\":\"A\",\"cash_balance\":1,"
                    "\"positions\":[{\"symbol\":\"X\",\"quantity\":\"2\"}]}]",
        .instruments = "{\"X\":{\"name\":\"X\",\"current_price\":\"3\"}}",
    };
    static const struct slice slices[] = {{"unclassified", 600}, {"cash", 100}};
    _cleanup(arena_free) struct arena *mem = arena_new(4096);
    _cleanup(cleanup_free) char *text = input_text(&in);
    const struct portfolio *p = load(text, mem);

    (void)state;
    for (enum portfolio_dimension d = 0; d < PORTFOLIO_DIMENSIONS; d++) {
        assert_slices(p, d, slices, ARRAY_COUNT(slices));
    }
}

static uint32_t
next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

/* A portfolio of odd cents and odd percentages; malloc'd. */
static char *
random_input(uint32_t *seed)
{
    _cleanup(buf_free) struct buf instruments = {0};
    _cleanup(buf_free) struct buf positions = {0};
    int count = 1 + (int)(next_random(seed) % 40);

    for (int i = 0; i < count; i++) {
        unsigned a = next_random(seed) % 9000;
        unsigned b = next_random(seed) % (10000 - a);

        buf_printf(&instruments,
                   "%s\"S%d\":{\"name\":\"S\",\"current_price\":\"%u.%04u\","
                   "\"allocation_asset_class\":{\"equity\":%u.%02u,"
                   "\"cash\":%u.%02u,\"real_estate\":%u.%02u},"
                   "\"allocation_regions\":{\"asia\":%u.%02u,"
                   "\"global\":%u.%02u},"
                   "\"allocation_sectors\":{\"other\":100}}",
                   i > 0 ? "," : "", i, next_random(seed) % 5000,
                   next_random(seed) % 10000, a / 100, a % 100, b / 100,
                   b % 100, (10000 - a - b) / 100, (10000 - a - b) % 100,
                   a / 100, a % 100, (10000 - a) / 100, (10000 - a) % 100);
        buf_printf(&positions,
                   "%s{\"symbol\":\"S%d\",\"quantity\":\"%u.%08u\"}",
                   i > 0 ? "," : "", i, next_random(seed) % 100000,
                   next_random(seed) % 100000000);
    }
    _cleanup(cleanup_free) char *all = xasprintf("{%s}", instruments.data);
    _cleanup(cleanup_free) char *accounts = xasprintf(
        "[{\"id\":\"1\",\"name\":\"A\",\"cash_balance\":\"%u.%02u\","
        "\"positions\":[%s]}]",
        next_random(seed) % 100000, next_random(seed) % 100, positions.data);

    return input_text(
        &(struct input){.accounts = accounts, .instruments = all});
}

/* What a plain sum in long double makes of it: right to far below a cent. */
static long double
plain_sum(const struct portfolio *p, enum portfolio_dimension d, size_t slice)
{
    long double sum = 0;

    for (size_t i = 0; i < p->accounts[0].count; i++) {
        const struct portfolio_position *position =
            &p->accounts[0].positions[i];

        sum += (long double)position->value_cents *
               (long double)position->instrument->weights[d][slice] /
               (long double)PORTFOLIO_WHOLE;
    }
    return sum;
}

static void
test_every_breakdown_adds_up_and_no_slice_is_a_cent_off(void **state)
{
    uint32_t seed = 20261123;

    (void)state;
    for (int round = 0; round < 200; round++) {
        _cleanup(arena_free) struct arena *mem = arena_new(16384);
        _cleanup(cleanup_free) char *text = random_input(&seed);
        const struct portfolio *p = load(text, mem);

        for (enum portfolio_dimension d = 0; d < PORTFOLIO_DIMENSIONS; d++) {
            struct portfolio_exposure exposure;

            portfolio_exposure(p, d, &exposure);
            assert_int_equal(sum_of(&exposure), p->total_cents);
            for (size_t i = 0; i < portfolio_key_count(d); i++) {
                bool is_cash = d == PORTFOLIO_ASSET_CLASS && i == 4;
                long double want = plain_sum(p, d, i) +
                                   (is_cash ? (long double)p->cash_cents : 0);
                long double off = (long double)exposure.cents[i] - want;

                assert_true(off < 1.001L && off > -1.001L);
            }
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_published_user_has_the_published_numbers),
        cmocka_unit_test(
            test_a_cent_that_can_not_be_split_goes_to_the_largest_remainder),
        cmocka_unit_test(
            test_a_map_a_little_off_100_still_places_the_whole_value),
        cmocka_unit_test(test_the_unclassified_are_one_slice_everywhere),
        cmocka_unit_test(
            test_every_breakdown_adds_up_and_no_slice_is_a_cent_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
