/* Any bytes from a price service: whatever is made of them is a table of prices
 * that are prices, in order and each once. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "runtime/polygon_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const struct quotes *quotes)
{
    for (size_t i = 0; i < quotes->count; i++) {
        const struct quote *row = &quotes->rows[i];
        if (row->price <= 0 || row->price > QUOTES_PRICE_MAX ||
            row->symbol[0] == '\0' || quotes_find(quotes, row->symbol) != row ||
            (i > 0 && strcmp(row[-1].symbol, row->symbol) >= 0)) {
            fprintf(stderr, "fuzz_polygon: bad row %zu\n", i);
            abort();
        }
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup(quotes_free) struct quotes bars = {0};
    _cleanup(quotes_free) struct quotes snapshots = {0};
    const char *text = (const char *)data;
    struct err err;

    if (polygon_parse_bars(text, size, &bars, &err) == 0) {
        check(&bars);
    }
    polygon_parse_snapshots(text, size, &snapshots, &err);
    quotes_sort(&snapshots);
    check(&snapshots);
    return 0;
}
