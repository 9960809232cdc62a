#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "tagger/tagger.h"

enum { ANSWER_BYTES_MAX = 16384, RATIONALE_BYTES_MAX = 1000 };

static const char *const members[] = {
    "rationale",
    "symbol",
    "name",
    "instrument_type",
    "current_price",
    "allocation_asset_class",
    "allocation_regions",
    "allocation_sectors",
};

void
tagger_scale(int64_t weights[PORTFOLIO_KEYS_MAX])
{
    int64_t scaled[PORTFOLIO_KEYS_MAX];

    portfolio_apportion(PORTFOLIO_WHOLE, weights, PORTFOLIO_KEYS_MAX, scaled);
    memcpy(weights, scaled, sizeof(scaled));
}

static bool
is_member(const char *key)
{
    for (size_t i = 0; i < ARRAY_COUNT(members); i++) {
        if (strcmp(members[i], key) == 0) {
            return true;
        }
    }
    return false;
}

static int
check_members(struct json_object *root, struct err *err)
{
    struct json_object_iterator i = json_object_iter_begin(root);
    struct json_object_iterator end = json_object_iter_end(root);

    for (; !json_object_iter_equal(&i, &end); json_object_iter_next(&i)) {
        const char *key = json_object_iter_peek_name(&i);

        if (!is_member(key)) {
            return err_set(err, ERR_REJECT, 0, "\"%.40s\" is not a member",
                           key);
        }
    }
    return 0;
}

/* The price itself is not taken: a model's prices are memories. */
static int
check_price(struct json_object *root, struct err *err)
{
    double price = 1;

    if (json_number(root, "current_price", 0, 999999, 1, &price, err)) {
        return -1;
    }
    if (price <= 0) {
        return err_set(err, ERR_REJECT, 0, "current_price: not above 0");
    }
    return 0;
}

static int
check_words(struct json_object *root, const char *symbol, struct arena *mem,
            struct tagger_class *to, struct err *err)
{
    const char *text = NULL;

    if (json_string_required(root, "symbol", PORTFOLIO_SYMBOL_CHARS, &text,
                             err)) {
        return -1;
    }
    if (strcmp(text, symbol) != 0) {
        return err_set(err, ERR_REJECT, 0, "symbol: \"%.20s\", asked for %.20s",
                       text, symbol);
    }
    to->symbol = arena_strdup(mem, symbol);
    if (json_string_required(root, "name", PORTFOLIO_NAME_CHARS, &text, err)) {
        return -1;
    }
    to->name = arena_strdup(mem, text[0] == '\0' ? symbol : text);
    if (json_string_required(root, "instrument_type", PORTFOLIO_TYPE_CHARS,
                             &text, err)) {
        return -1;
    }
    if (!portfolio_type_known(text)) {
        return err_set(err, ERR_REJECT, 0, "instrument_type: \"%.40s\"", text);
    }
    to->type = arena_strdup(mem, text);
    if (json_string_required(root, "rationale", RATIONALE_BYTES_MAX, &text,
                             err)) {
        return -1;
    }
    to->rationale = arena_strdup(mem, text);
    return 0;
}

static int
check_map(struct json_object *root, enum portfolio_dimension dimension,
          struct tagger_class *to, struct err *err)
{
    const char *field = portfolio_dimension_field(dimension);
    int64_t sum = 0;

    if (portfolio_map_read(json_object_object_get(root, field), dimension,
                           to->weights[dimension], &sum, err)) {
        return -1;
    }
    if (sum < PORTFOLIO_WHOLE / 2 || sum > PORTFOLIO_WHOLE * 3 / 2) {
        return err_set(err, ERR_REJECT, 0,
                       "%s: adds up to %.2f, not to 50..150", field,
                       (double)sum / 10000);
    }
    tagger_scale(to->weights[dimension]);
    return 0;
}

int
tagger_check_classification(const char *answer, size_t size, const char *symbol,
                            struct arena *mem, struct tagger_class *ret,
                            struct err *err)
{
    _cleanup(json_put) struct json_object *root = NULL;
    struct tagger_class checked = {.source = "model"};

    if (size > ANSWER_BYTES_MAX) {
        return err_set(err, ERR_REJECT, 0, "answer: %zu bytes, at most %d",
                       size, ANSWER_BYTES_MAX);
    }
    if (json_parse(answer, size, "answer", &root, err)) {
        return -1;
    }
    if (!json_object_is_type(root, json_type_object)) {
        return err_set(err, ERR_REJECT, 0, "answer: not an object");
    }
    if (check_members(root, err) || check_price(root, err) ||
        check_words(root, symbol, mem, &checked, err)) {
        return -1;
    }
    for (enum portfolio_dimension d = 0; d < PORTFOLIO_DIMENSIONS; d++) {
        if (check_map(root, d, &checked, err)) {
            return -1;
        }
    }
    *ret = checked;
    return 0;
}
