#include "retirement/assumptions.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "portfolio/vocabulary.h"
#include "retirement/montecarlo.h"

/* Of schemas/assumptions, embedded at build. */
extern const char embed_alex_2026[];
extern const char embed_upstream_v1[];

static const struct {
    const char *name;
    const char *text;
} files[] = {
    {"alex-2026", embed_alex_2026},
    {"upstream-v1", embed_upstream_v1},
};

const char *
retirement_assumptions_text(size_t index)
{
    return index < ARRAY_COUNT(files) ? files[index].text : NULL;
}

static int
object_required(struct json_object *parent, const char *key,
                struct json_object **ret, struct err *err)
{
    if (json_member(parent, key, json_type_object, ret, err)) {
        return -1;
    }
    return *ret ? 0 : err_set(err, ERR_REJECT, 0, "%s is missing", key);
}

static int
read_percent(struct json_object *object, const char *key, double low,
             double high, double *ret, struct err *err)
{
    double percent;

    if (json_number_required(object, key, low, high, &percent, err)) {
        return -1;
    }
    *ret = percent / 100;
    return 0;
}

static int
read_int(struct json_object *object, const char *key, int64_t max,
         int64_t fallback, int *ret, struct err *err)
{
    int64_t value;

    if (json_int(object, key, 0, max, fallback, &value, err)) {
        return -1;
    }
    *ret = (int)value;
    return 0;
}

static int
read_classes(struct json_object *root, struct retirement_assumptions *ret,
             struct err *err)
{
    struct json_object *classes;

    if (object_required(root, "classes", &classes, err)) {
        return -1;
    }
    for (size_t i = 0; i < RETIREMENT_CLASSES; i++) {
        const char *key = portfolio_slice_key(PORTFOLIO_ASSET_CLASS, i);
        struct json_object *class;

        if (object_required(classes, key, &class, err) ||
            read_percent(class, "mean_pct", -50, 100, &ret->mean[i], err) ||
            read_percent(class, "sd_pct", 0, 100, &ret->sd[i], err)) {
            return err_wrap(err, "classes.%s", key);
        }
    }
    return 0;
}

/* Cells move to where the portfolio's vocabulary has their classes. */
static int
read_row(struct json_object *cells, size_t row,
         const int place[RETIREMENT_CLASSES],
         struct retirement_assumptions *ret, struct err *err)
{
    if (!json_object_is_type(cells, json_type_array) ||
        json_object_array_length(cells) != RETIREMENT_CLASSES) {
        return err_set(err, ERR_REJECT, 0, "matrix row %zu: not %d numbers",
                       row, RETIREMENT_CLASSES);
    }
    for (size_t i = 0; i < RETIREMENT_CLASSES; i++) {
        ret->correlation[place[row]][place[i]] =
            json_object_get_double(json_object_array_get_idx(cells, i));
    }
    return 0;
}

static int
read_order(struct json_object *order, int place[RETIREMENT_CLASSES],
           struct err *err)
{
    for (size_t i = 0; i < RETIREMENT_CLASSES; i++) {
        const char *key =
            json_object_get_string(json_object_array_get_idx(order, i));

        place[i] = portfolio_key_find(PORTFOLIO_ASSET_CLASS, key ? key : "");
        if (place[i] < 0) {
            return err_set(err, ERR_REJECT, 0, "order %zu: not a class", i);
        }
    }
    return 0;
}

static int
read_correlation(struct json_object *root, struct retirement_assumptions *ret,
                 struct err *err)
{
    int place[RETIREMENT_CLASSES];
    struct json_object *section, *order, *matrix;

    if (object_required(root, "correlation", &section, err) ||
        json_member(section, "order", json_type_array, &order, err) ||
        json_member(section, "matrix", json_type_array, &matrix, err)) {
        return -1;
    }
    if (!order || !matrix ||
        json_object_array_length(matrix) != RETIREMENT_CLASSES) {
        return err_set(err, ERR_REJECT, 0, "correlation: not %d rows",
                       RETIREMENT_CLASSES);
    }
    if (read_order(order, place, err)) {
        return err_wrap(err, "correlation");
    }
    for (size_t i = 0; i < RETIREMENT_CLASSES; i++) {
        if (read_row(json_object_array_get_idx(matrix, i), i, place, ret,
                     err)) {
            return err_wrap(err, "correlation");
        }
    }
    return 0;
}

static int
read_plan(struct json_object *root, struct retirement_assumptions *ret,
          struct err *err)
{
    struct json_object *inflation, *plan;

    if (object_required(root, "inflation", &inflation, err) ||
        read_percent(inflation, "before_retirement_pct", -10, 50,
                     &ret->inflation_before, err) ||
        read_percent(inflation, "in_retirement_pct", -10, 50,
                     &ret->inflation_after, err) ||
        object_required(root, "plan", &plan, err) ||
        json_number_required(plan, "annual_contribution", 0, 1e7,
                             &ret->contribution, err) ||
        read_int(plan, "years_to_retirement", MONTECARLO_YEARS_MAX, 30,
                 &ret->years_to_retirement, err) ||
        read_int(plan, "years_in_retirement", MONTECARLO_YEARS_MAX, 30,
                 &ret->years_in_retirement, err) ||
        read_int(plan, "current_age", 120, -1, &ret->current_age, err)) {
        return -1;
    }
    return 0;
}

static int
read_rules(struct json_object *root, struct retirement_assumptions *ret,
           struct err *err)
{
    struct json_object *rules;
    const char *class;

    if (object_required(root, "rules", &rules, err) ||
        json_string(rules, "unclassified_counts_as", 40, "", &class, err)) {
        return -1;
    }
    ret->cash_inside_funds_earns =
        json_flag(rules, "cash_inside_funds_earns", false);
    ret->unclassified_class = portfolio_key_find(PORTFOLIO_ASSET_CLASS, class);
    return 0;
}

int
retirement_assumptions_parse(const char *text,
                             struct retirement_assumptions *ret,
                             struct err *err)
{
    _cleanup(json_put) struct json_object *root = NULL;
    struct retirement_assumptions read = {0};
    const char *name;

    if (json_parse(text, strlen(text), "assumptions", &root, err) ||
        json_string_required(root, "name", sizeof(read.name) - 1, &name, err) ||
        read_classes(root, &read, err) || read_correlation(root, &read, err) ||
        read_plan(root, &read, err) || read_rules(root, &read, err)) {
        return -1;
    }
    snprintf(read.name, sizeof(read.name), "%s", name);
    *ret = read;
    return 0;
}

static int
unknown(const char *name, struct err *err)
{
    char known[200] = "";
    size_t used = 0;

    for (size_t i = 0; i < ARRAY_COUNT(files) && used < sizeof(known); i++) {
        used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s",
                                 i > 0 ? ", " : "", files[i].name);
    }
    return err_set(err, ERR_REJECT, 0,
                   "assumptions %.40s unknown, there are %s", name, known);
}

int
retirement_assumptions_load(const char *name,
                            struct retirement_assumptions *ret, struct err *err)
{
    for (size_t i = 0; i < ARRAY_COUNT(files); i++) {
        if (strcmp(files[i].name, name) == 0) {
            return retirement_assumptions_parse(files[i].text, ret, err);
        }
    }
    return unknown(name, err);
}
