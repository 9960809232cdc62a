#include "runtime/polygon_parse.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"

#define PARSE_PRICE_MAX 99999999.0
#define PARSE_TIME_MAX_MS INT64_C(4102444800000) /* The year 2100. */

struct reader {
    const char *at;
    const char *end;
};

static void
skip_space(struct reader *reader)
{
    while (reader->at < reader->end && strchr(" \t\r\n", *reader->at) != NULL) {
        reader->at++;
    }
}

static bool
skip_char(struct reader *reader, char c)
{
    skip_space(reader);
    if (reader->at == reader->end || *reader->at != c) {
        return false;
    }
    reader->at++;
    return true;
}

/* Puts 'reader' behind the bracket of the array called 'name'. */
static int
find_array(struct reader *reader, const char *name, struct err *err)
{
    char key[32];

    snprintf(key, sizeof(key), "\"%s\"", name);
    const char *found = memmem(reader->at, (size_t)(reader->end - reader->at),
                               key, strlen(key));
    if (found != NULL) {
        reader->at = found + strlen(key);
    }
    if (found == NULL || !skip_char(reader, ':') || !skip_char(reader, '[')) {
        return err_set(err, ERR_RETRY, 0, "polygon: no %s in its reply", name);
    }
    return 0;
}

/* Size of the object that 'reader' is at, found by its braces; 0 if it does not
 * end. */
static size_t
object_size(const struct reader *reader)
{
    bool quoted = false;
    int depth = 0;

    for (const char *at = reader->at; at < reader->end; at++) {
        if (quoted && *at == '\\') {
            at++;
        } else if (*at == '"') {
            quoted = !quoted;
        } else if (!quoted && *at == '{') {
            depth++;
        } else if (!quoted && *at == '}' && --depth == 0) {
            return (size_t)(at - reader->at) + 1;
        }
    }
    return 0;
}

/* The next object of the array: 1, 0 at its end, -1 if it is malformed. */
static int
next_object(struct reader *reader, struct json_object **ret, struct err *err)
{
    skip_char(reader, ',');
    if (skip_char(reader, ']')) {
        return 0;
    }
    const size_t size = object_size(reader);
    if (size == 0 || json_parse(reader->at, size, "polygon", ret, err) != 0) {
        return err_set(err, ERR_RETRY, 0, "polygon: malformed reply");
    }
    reader->at += size;
    return 1;
}

static void
date_of(struct json_object *object, size_t size, char ret[QUOTES_AS_OF_SIZE])
{
    int64_t at_ms = 0;
    struct err ignored = {0};

    if (json_int(object, "t", 0, PARSE_TIME_MAX_MS, 0, &at_ms, &ignored) == 0 &&
        at_ms > 0) {
        clock_format_utc(at_ms, ret, QUOTES_AS_OF_SIZE);
        ret[size] = '\0';
    }
}

/* The close in 'object' as a quote; false if there is none, or none above 0. */
static bool
add_close(struct quotes *quotes, const char *symbol, struct json_object *object,
          const char *as_of)
{
    struct err ignored = {0};
    double close = 0;

    return object != NULL &&
           json_number(object, "c", 0, PARSE_PRICE_MAX, 0, &close, &ignored) ==
               0 &&
           quotes_add(quotes, symbol, llround(close * 10000), as_of,
                      &ignored) == 0;
}

int
polygon_parse_bars(const char *text, size_t size, struct quotes *ret,
                   struct err *err)
{
    struct reader reader = {text, text + size};
    _cleanup(quotes_free) struct quotes quotes = {0};
    struct err ignored = {0};
    int got = find_array(&reader, "results", err);

    while (got >= 0 && quotes.count < QUOTES_MAX) {
        _cleanup(json_put) struct json_object *bar = NULL;
        char as_of[QUOTES_AS_OF_SIZE] = "";
        const char *symbol = NULL;
        got = next_object(&reader, &bar, err);
        if (got <= 0) {
            break;
        }
        date_of(bar, strlen("2026-11-20"), as_of);
        if (json_string_required(bar, "T", QUOTES_SYMBOL_SIZE - 1, &symbol,
                                 &ignored) == 0) {
            add_close(&quotes, symbol, bar, as_of);
        }
    }
    if (got < 0) {
        return -1;
    }
    if (quotes.count == 0) {
        return err_set(err, ERR_RETRY, 0, "polygon: no price in its reply");
    }
    quotes_sort(&quotes);
    *ret = quotes;
    quotes = (struct quotes){0};
    return 0;
}

static void
add_snapshot(struct quotes *quotes, struct json_object *ticker)
{
    struct json_object *minute = NULL;
    struct json_object *previous = NULL;
    char as_of[QUOTES_AS_OF_SIZE] = "";
    const char *symbol = NULL;
    struct err ignored = {0};

    if (json_string_required(ticker, "ticker", QUOTES_SYMBOL_SIZE - 1, &symbol,
                             &ignored) != 0 ||
        json_member(ticker, "min", json_type_object, &minute, &ignored) != 0 ||
        json_member(ticker, "prevDay", json_type_object, &previous, &ignored) !=
            0) {
        return;
    }
    if (minute != NULL) {
        date_of(minute, sizeof(as_of) - 1, as_of);
    }
    if (!add_close(quotes, symbol, minute, as_of)) {
        add_close(quotes, symbol, previous, "");
    }
}

int
polygon_parse_snapshots(const char *text, size_t size, struct quotes *quotes,
                        struct err *err)
{
    struct reader reader = {text, text + size};
    int got = find_array(&reader, "tickers", err);

    while (got >= 0 && quotes->count < QUOTES_MAX) {
        _cleanup(json_put) struct json_object *ticker = NULL;
        got = next_object(&reader, &ticker, err);
        if (got <= 0) {
            break;
        }
        add_snapshot(quotes, ticker);
    }
    return got < 0 ? -1 : 0;
}
