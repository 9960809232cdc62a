#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "portfolio/decode.h"

/* An instrument while duplicates of its symbol may still be around. */
struct draft {
    struct portfolio_instrument instrument;
    int rank; /* Which duplicate wins: 0 as written, 1 other case, 2 blank. */
};

static bool
ends_with(const char *text, const char *end)
{
    size_t size = strlen(text);
    size_t end_size = strlen(end);

    return size >= end_size && strcmp(text + size - end_size, end) == 0;
}

static bool
is_all(const struct portfolio_instrument *item,
       enum portfolio_dimension dimension, const char *key)
{
    return item->weights[dimension][portfolio_key_find(dimension, key)] ==
           PORTFOLIO_WHOLE;
}

/* What upstream's API stores for a symbol it has never seen: a guess that would
 * keep the tagger away for ever. */
static bool
is_placeholder(const struct portfolio_instrument *item)
{
    return ends_with(item->name, PORTFOLIO_PLACEHOLDER_NAME) &&
           is_all(item, PORTFOLIO_REGION, "north_america") &&
           is_all(item, PORTFOLIO_SECTOR, "other") &&
           (is_all(item, PORTFOLIO_ASSET_CLASS, "equity") ||
            is_all(item, PORTFOLIO_ASSET_CLASS, "fixed_income"));
}

/* A map that is missing, malformed or does not add up is no error: the table
 * is shared by all users, and the tagger mends it. */
static void
read_maps(struct json_object *row, struct portfolio_instrument *item)
{
    bool complete = true;

    for (enum portfolio_dimension d = 0; d < PORTFOLIO_DIMENSIONS; d++) {
        struct json_object *map =
            json_object_object_get(row, portfolio_dimension_field(d));
        int64_t sum = 0;
        struct err ignored = {0};

        complete =
            complete &&
            portfolio_map_read(map, d, item->weights[d], &sum, &ignored) == 0 &&
            llabs(sum - PORTFOLIO_WHOLE) <= PORTFOLIO_TOLERANCE;
    }
    item->classified = complete && !is_placeholder(item);
    if (!item->classified) {
        memset(item->weights, 0, sizeof(item->weights));
    }
}

static int
read_words(struct json_object *row, struct arena *mem, const char *source_key,
           struct portfolio_instrument *item, struct err *err)
{
    const char *name = item->name;

    if (portfolio_decode_text(row, "name", PORTFOLIO_NAME_CHARS, item->symbol,
                              mem, &name, err) ||
        portfolio_decode_text(row, "instrument_type", PORTFOLIO_TYPE_CHARS,
                              item->type, mem, &item->type, err) ||
        portfolio_decode_text(row, source_key, PORTFOLIO_NAME_CHARS, "", mem,
                              &item->classified_by, err)) {
        return -1;
    }
    item->name = name[0] == '\0' ? item->symbol : name;
    return 0;
}

static int
read_price(struct json_object *row, const char *price_key,
           const char *source_key, const char *as_of_key, struct arena *mem,
           struct portfolio_instrument *item, struct err *err)
{
    int64_t price = 0;

    if (portfolio_decode_amount(row, price_key, PORTFOLIO_PRICE_SCALE,
                                PORTFOLIO_PRICE_MAX, 0, &price, err) ||
        portfolio_decode_text(row, source_key, PORTFOLIO_NAME_CHARS, "", mem,
                              &item->price_source, err) ||
        portfolio_decode_text(row, as_of_key, PORTFOLIO_NAME_CHARS, "", mem,
                              &item->price_as_of, err)) {
        return -1;
    }
    item->price = price > 0 ? price : 0;
    return 0;
}

static void
blank(const char *symbol, struct portfolio_instrument *ret)
{
    *ret = (struct portfolio_instrument){
        .symbol = symbol,
        .name = symbol,
        .type = "",
        .price_source = "",
        .price_as_of = "",
        .classified_by = "",
    };
}

static int
read_row(const char *key, struct json_object *row, struct arena *mem,
         struct draft *ret, struct err *err)
{
    const char *symbol = portfolio_decode_upper(key, mem);

    if (strlen(key) > (size_t)PORTFOLIO_SYMBOL_CHARS * 4) {
        return err_set(err, ERR_REJECT, 0, "symbol over %d characters",
                       PORTFOLIO_SYMBOL_CHARS);
    }
    if (!json_object_is_type(row, json_type_object)) {
        return err_set(err, ERR_REJECT, 0, "not an object");
    }
    blank(symbol, &ret->instrument);
    ret->rank = strcmp(symbol, key) == 0 ? 0 : 1;
    if (read_words(row, mem, "allocation_source", &ret->instrument, err) ||
        read_price(row, "current_price", "price_source", "price_as_of", mem,
                   &ret->instrument, err)) {
        return -1;
    }
    read_maps(row, &ret->instrument);
    return 0;
}

static int
compare_drafts(const void *left, const void *right)
{
    const struct draft *a = left;
    const struct draft *b = right;
    int order = strcmp(a->instrument.symbol, b->instrument.symbol);

    return order != 0 ? order : a->rank - b->rank;
}

static void
seal(struct draft *drafts, size_t count, struct arena *mem,
     struct portfolio_catalogue *ret)
{
    struct portfolio_catalogue sealed = {
        .items = arena_alloc(mem, (count + 1) * sizeof(*sealed.items)),
    };

    qsort(drafts, count, sizeof(*drafts), compare_drafts);
    for (size_t i = 0; i < count; i++) {
        const struct portfolio_instrument *item = &drafts[i].instrument;

        if (i == 0 ||
            strcmp(drafts[i - 1].instrument.symbol, item->symbol) != 0) {
            sealed.items[sealed.count++] = *item;
        }
    }
    *ret = sealed;
}

int
portfolio_catalogue_load(struct json_object *instruments,
                         const char *const *held, size_t held_count,
                         struct arena *mem, struct portfolio_catalogue *ret,
                         struct err *err)
{
    size_t rows =
        instruments ? (size_t)json_object_object_length(instruments) : 0;
    size_t count = 0;

    if (rows > PORTFOLIO_POSITIONS_MAX) {
        return err_set(err, ERR_REJECT, 0,
                       "snapshot.instruments: %zu, at most %d", rows,
                       PORTFOLIO_POSITIONS_MAX);
    }
    struct draft *drafts =
        arena_alloc(mem, (rows + held_count + 1) * sizeof(*drafts));

    if (rows > 0) {
        struct json_object_iterator i = json_object_iter_begin(instruments);
        struct json_object_iterator end = json_object_iter_end(instruments);

        for (; !json_object_iter_equal(&i, &end); json_object_iter_next(&i)) {
            const char *key = json_object_iter_peek_name(&i);

            if (read_row(key, json_object_iter_peek_value(&i), mem,
                         &drafts[count++], err)) {
                return err_wrap(err, "snapshot.instruments.%.40s", key);
            }
        }
    }
    for (size_t i = 0; i < held_count; i++) {
        blank(held[i], &drafts[count].instrument);
        drafts[count++].rank = 2;
    }
    seal(drafts, count, mem, ret);
    return 0;
}

static int
compare_symbol(const void *key, const void *item)
{
    const struct portfolio_instrument *instrument = item;

    return strcmp(key, instrument->symbol);
}

struct portfolio_instrument *
portfolio_catalogue_find(const struct portfolio_catalogue *catalogue,
                         const char *symbol)
{
    return bsearch(symbol, catalogue->items, catalogue->count,
                   sizeof(*catalogue->items), compare_symbol);
}

static int
overlay_price(struct portfolio_instrument *item, struct json_object *row,
              struct arena *mem, struct err *err)
{
    return read_price(row, "price", "source", "as_of", mem, item, err);
}

static int
overlay_classification(struct portfolio_instrument *item,
                       struct json_object *row, struct arena *mem,
                       struct err *err)
{
    if (read_words(row, mem, "source", item, err)) {
        return -1;
    }
    read_maps(row, item);
    return 0;
}

struct overlay {
    const char *key; /* Of a need's result: an array of rows with a symbol. */
    int (*apply)(struct portfolio_instrument *item, struct json_object *row,
                 struct arena *mem, struct err *err);
};

static const struct overlay overlays[] = {
    {"prices", overlay_price},
    {"instruments", overlay_classification},
};

static int
overlay_rows(struct portfolio_catalogue *catalogue,
             const struct overlay *overlay, struct json_object *rows,
             struct arena *mem, struct err *err)
{
    size_t count = json_object_array_length(rows);

    for (size_t i = 0; i < count; i++) {
        struct json_object *row = json_object_array_get_idx(rows, i);
        const char *symbol = NULL;

        if (!json_object_is_type(row, json_type_object)) {
            return err_set(err, ERR_REJECT, 0, "[%zu]: not an object", i);
        }
        if (portfolio_decode_symbol(row, mem, &symbol, err)) {
            return err_wrap(err, "[%zu]", i);
        }
        struct portfolio_instrument *item =
            portfolio_catalogue_find(catalogue, symbol);

        if (item && overlay->apply(item, row, mem, err)) {
            return err_wrap(err, "[%zu]", i);
        }
    }
    return 0;
}

int
portfolio_catalogue_apply(struct portfolio_catalogue *catalogue,
                          struct json_object *result, struct arena *mem,
                          struct err *err)
{
    for (size_t i = 0; i < ARRAY_COUNT(overlays); i++) {
        struct json_object *rows = NULL;

        if (json_member(result, overlays[i].key, json_type_array, &rows, err)) {
            return -1;
        }
        if (rows && overlay_rows(catalogue, &overlays[i], rows, mem, err)) {
            return err_wrap(err, "%s", overlays[i].key);
        }
    }
    return 0;
}

const struct portfolio_instrument *
portfolio_instrument_find(const struct portfolio *portfolio, const char *symbol)
{
    return bsearch(symbol, portfolio->instruments, portfolio->instrument_count,
                   sizeof(*portfolio->instruments), compare_symbol);
}
