#include "portfolio/vocabulary.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"

struct word {
    const char *key;
    const char *label;
};

static const struct word asset_classes[] = {
    {"equity", "Equity"},
    {"fixed_income", "Fixed income"},
    {"real_estate", "Real estate"},
    {"commodities", "Commodities"},
    {"cash", "Cash"},
    {"alternatives", "Alternatives"},
};

static const struct word regions[] = {
    {"north_america", "North America"},
    {"europe", "Europe"},
    {"asia", "Asia"},
    {"latin_america", "Latin America"},
    {"africa", "Africa"},
    {"middle_east", "Middle East"},
    {"oceania", "Oceania"},
    {"global", "Global"},
    {"international", "International"},
};

static const struct word sectors[] = {
    {"technology", "Technology"},
    {"healthcare", "Healthcare"},
    {"financials", "Financials"},
    {"consumer_discretionary", "Consumer discretionary"},
    {"consumer_staples", "Consumer staples"},
    {"industrials", "Industrials"},
    {"energy", "Energy"},
    {"materials", "Materials"},
    {"utilities", "Utilities"},
    {"real_estate", "Real estate"},
    {"communication", "Communication"},
    {"treasury", "Treasury bonds"},
    {"corporate", "Corporate bonds"},
    {"mortgage", "Mortgage bonds"},
    {"government_related", "Government-related bonds"},
    {"commodities", "Commodities"},
    {"diversified", "Diversified"},
    {"other", "Other"},
};

static const struct word further[] = {
    {"unclassified", "Unclassified"},
    {"cash", "Cash"},
};

static const char *const types[] = {
    "etf", "mutual_fund", "stock", "bond", "bond_fund", "commodity", "reit",
};

static const struct {
    const char *name;
    const char *field;
    const struct word *words;
    size_t count;
} dimensions[PORTFOLIO_DIMENSIONS] = {
    [PORTFOLIO_ASSET_CLASS] = {"asset_class", "allocation_asset_class",
                               asset_classes, ARRAY_COUNT(asset_classes)},
    [PORTFOLIO_REGION] = {"region", "allocation_regions", regions,
                          ARRAY_COUNT(regions)},
    [PORTFOLIO_SECTOR] = {"sector", "allocation_sectors", sectors,
                          ARRAY_COUNT(sectors)},
};

_Static_assert(ARRAY_COUNT(sectors) <= PORTFOLIO_KEYS_MAX,
               "PORTFOLIO_KEYS_MAX is the largest vocabulary");

const char *
portfolio_dimension_name(enum portfolio_dimension dimension)
{
    return dimensions[dimension].name;
}

const char *
portfolio_dimension_field(enum portfolio_dimension dimension)
{
    return dimensions[dimension].field;
}

size_t
portfolio_key_count(enum portfolio_dimension dimension)
{
    return dimensions[dimension].count;
}

static const struct word *
slice_word(enum portfolio_dimension dimension, size_t slice)
{
    if (slice >= PORTFOLIO_UNCLASSIFIED) {
        assert(slice < PORTFOLIO_SLICES);
        return &further[slice - PORTFOLIO_UNCLASSIFIED];
    }
    assert(slice < dimensions[dimension].count);
    return &dimensions[dimension].words[slice];
}

const char *
portfolio_slice_key(enum portfolio_dimension dimension, size_t slice)
{
    return slice_word(dimension, slice)->key;
}

const char *
portfolio_slice_label(enum portfolio_dimension dimension, size_t slice)
{
    return slice_word(dimension, slice)->label;
}

int
portfolio_key_find(enum portfolio_dimension dimension, const char *key)
{
    for (size_t i = 0; i < dimensions[dimension].count; i++) {
        if (strcmp(dimensions[dimension].words[i].key, key) == 0) {
            return (int)i;
        }
    }
    return -1;
}

bool
portfolio_type_known(const char *type)
{
    for (size_t i = 0; i < ARRAY_COUNT(types); i++) {
        if (strcmp(types[i], type) == 0) {
            return true;
        }
    }
    return false;
}

static int
read_weight(struct json_object *map, const char *key, int64_t *ret,
            struct err *err)
{
    double percent = 0;

    if (json_number_required(map, key, 0, 100, &percent, err)) {
        return -1;
    }
    /* Percentages arrive as doubles; from here on 99.95 is exactly 999,500. */
    *ret = llround(percent * 10000);
    return 0;
}

int
portfolio_map_read(struct json_object *map, enum portfolio_dimension dimension,
                   int64_t ret[PORTFOLIO_KEYS_MAX], int64_t *ret_sum,
                   struct err *err)
{
    int64_t weights[PORTFOLIO_KEYS_MAX] = {0};
    int64_t sum = 0;

    if (!json_object_is_type(map, json_type_object)) {
        return err_set(err, ERR_REJECT, 0, "%s: not an object",
                       dimensions[dimension].field);
    }
    struct json_object_iterator i = json_object_iter_begin(map);
    struct json_object_iterator end = json_object_iter_end(map);

    for (; !json_object_iter_equal(&i, &end); json_object_iter_next(&i)) {
        const char *key = json_object_iter_peek_name(&i);
        int word = portfolio_key_find(dimension, key);

        if (word < 0) {
            return err_set(err, ERR_REJECT, 0,
                           "%s: \"%.40s\" is not in the vocabulary",
                           dimensions[dimension].field, key);
        }
        if (read_weight(map, key, &weights[word], err)) {
            return err_wrap(err, "%s", dimensions[dimension].field);
        }
        sum += weights[word];
    }
    memcpy(ret, weights, sizeof(weights));
    *ret_sum = sum;
    return 0;
}
