#include <string.h>

#include "portfolio/facts.h"
#include "portfolio/facts_internal.h"

__extension__ typedef __int128 wide;

static int64_t
scale(int64_t value, int64_t by, int64_t to)
{
    return (int64_t)(((wide)value * by * 2 + to) / ((wide)to * 2));
}

struct drift_builder {
    const struct portfolio_exposure *exposure;
    int64_t base_cents; /* What 100 % is. */
    bool taken[PORTFOLIO_SLICES];
    struct portfolio_drift_row *rows;
    size_t count;
};

static void
add_row(struct drift_builder *to, const char *label, int64_t target,
        int64_t cents)
{
    int64_t wanted =
        target < 0 ? cents : scale(target, to->base_cents, PORTFOLIO_WHOLE);

    to->rows[to->count++] = (struct portfolio_drift_row){
        .label = label,
        .target = target,
        .actual = scale(cents, PORTFOLIO_WHOLE, to->base_cents),
        .actual_cents = cents,
        .gap_cents = wanted - cents,
    };
}

/* Takes every region that has no target; gold and the like, which upstream
 * calls global, are at home nowhere. */
static int64_t
take_international(struct drift_builder *to)
{
    size_t global = (size_t)portfolio_key_find(PORTFOLIO_REGION, "global");
    int64_t cents = 0;

    for (size_t i = 0; i < portfolio_key_count(PORTFOLIO_REGION); i++) {
        if (!to->taken[i] && i != global) {
            cents += to->exposure->cents[i];
            to->taken[i] = true;
        }
    }
    return cents;
}

static void
add_targets(struct drift_builder *to, const struct portfolio_targets *targets)
{
    enum portfolio_dimension dimension = to->exposure->dimension;
    int international = portfolio_key_find(PORTFOLIO_REGION, "international");
    bool is_regions = dimension == PORTFOLIO_REGION;

    for (size_t i = 0; i < targets->count; i++) {
        int key = portfolio_key_find(dimension, targets->items[i].key);

        if (key >= 0 && !(is_regions && key == international)) {
            to->taken[key] = true;
        }
    }
    for (size_t i = 0; i < targets->count; i++) {
        const struct portfolio_target *target = &targets->items[i];
        int key = portfolio_key_find(dimension, target->key);

        if (key >= 0) {
            size_t slice = (size_t)key;
            int64_t cents = is_regions && key == international
                                ? take_international(to)
                                : to->exposure->cents[slice];

            add_row(to, portfolio_slice_label(dimension, slice), target->weight,
                    cents);
        }
    }
}

static void
add_rest(struct drift_builder *to)
{
    enum portfolio_dimension dimension = to->exposure->dimension;

    for (size_t slice = 0; slice < PORTFOLIO_SLICES; slice++) {
        if (!to->taken[slice] && to->exposure->cents[slice] > 0) {
            add_row(to, portfolio_slice_label(dimension, slice), -1,
                    to->exposure->cents[slice]);
        }
    }
}

void
portfolio_drift(const struct portfolio_targets *targets,
                const struct portfolio_exposure *exposure, int64_t base_cents,
                struct arena *mem, struct portfolio_drift *ret)
{
    struct drift_builder to = {.exposure = exposure, .base_cents = base_cents};

    *ret = (struct portfolio_drift){0};
    if (targets->count == 0 || base_cents <= 0) {
        return;
    }
    to.rows = arena_alloc(mem, (targets->count + PORTFOLIO_SLICES) *
                                   sizeof(*to.rows));
    if (exposure->dimension == PORTFOLIO_REGION) {
        to.taken[PORTFOLIO_CASH] = true;
        to.taken[PORTFOLIO_UNCLASSIFIED] = true;
    }
    add_targets(&to, targets);
    if (to.count > 0) {
        add_rest(&to);
        *ret = (struct portfolio_drift){to.rows, to.count};
    }
}
