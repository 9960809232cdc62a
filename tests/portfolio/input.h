/* A handler's input, made of the parts a test cares about. */
#pragma once

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/cleanup.h"

/* Members are JSON; what is NULL is some valid value. */
struct input {
    const char *params;
    const char *options;
    const char *as_of; /* With its quotes. */
    const char *user;
    const char *accounts;
    const char *instruments;
    const char *needs;
};

static inline const char *
input_or(const char *json, const char *fallback)
{
    return json ? json : fallback;
}

/* malloc'd. */
static inline char *
input_text(const struct input *in)
{
    return xasprintf(
        "{\"job\":{\"id\":\"550e8400-e29b-41d4-a716-446655440002\","
        "\"user\":\"u\",\"type\":\"portfolio_analysis\","
        "\"request\":{\"analysis_type\":\"portfolio\",\"options\":%s}},"
        "\"node\":\"n\",\"agent\":\"a\",\"params\":%s,"
        "\"snapshot\":{\"as_of\":%s,\"seed\":1,\"user\":%s,\"accounts\":%s,"
        "\"instruments\":%s},\"needs\":%s}",
        input_or(in->options, "{}"), input_or(in->params, "{}"),
        input_or(in->as_of, "\"2026-11-23T10:11:12.345678Z\""),
        input_or(in->user, "{\"years_until_retirement\":25,"
                           "\"target_retirement_income\":\"100000.00\"}"),
        input_or(in->accounts, "[]"), input_or(in->instruments, "{}"),
        input_or(in->needs, "{}"));
}

/* A priced and classified stock, for "instruments". */
#define INPUT_STOCK(symbol, price)                                             \
    "\"" symbol "\":{\"name\":\"" symbol " Inc.\","                            \
    "\"instrument_type\":\"stock\",\"current_price\":\"" price "\","           \
    "\"allocation_asset_class\":{\"equity\":100},"                             \
    "\"allocation_regions\":{\"north_america\":100},"                          \
    "\"allocation_sectors\":{\"technology\":100}}"

/* A file of the source tree; malloc'd, NULL if it can't be read. */
static inline char *
input_file(const char *path)
{
    _cleanup(buf_free) struct buf text = {0};
    char chunk[4096];
    size_t size = 0;
    FILE *file = fopen(path, "r");

    if (!file) {
        return NULL;
    }
    while ((size = fread(chunk, 1, sizeof(chunk), file)) > 0) {
        buf_append(&text, chunk, size);
    }
    fclose(file);
    return buf_steal(&text);
}
