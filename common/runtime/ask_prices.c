/* Kind 'prices': {"symbols":["SPY",...]}, at most 1,000, is answered with
 *
 *     {"source":"file","as_of":"2026-11-20T21:00:00.000Z",
 *      "prices":{"SPY":{"price":"450.2500","as_of":"2026-11-20"}}}
 *
 * A symbol without a price is not in the answer: none is ever invented. 'as_of'
 * of a price is absent where it is the table's, and null where nobody knows. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/log.h"
#include "portfolio/money.h"
#include "runtime/prices.h"

struct prices;

struct prices_source {
    const char *name; /* What ALEX_PRICES begins with, up to a colon. */
    int (*open)(struct prices *prices, struct asks *asks, struct err *err);
    int (*start)(struct prices *prices, struct ask *ask, struct err *err);
};

struct prices {
    struct prices_conf conf; /* First: asks.c loads it. */
    const struct prices_source *source;
    const char *path; /* Of a file. */
    struct timespec changed;
    struct quotes quotes;
    struct polygon *polygon;
};

#define FIELD(name) offsetof(struct prices_conf, name)

static const struct conf_row prices_rows[] = {
    {CONF_STR, "ALEX_PRICES", FIELD(source), "none", 4, 4096,
     "where prices come from: none, file:PATH (CSV or JSON) or polygon"},
    {CONF_SECRET, "ALEX_POLYGON_KEY", FIELD(polygon_key), "", 0, 256,
     "key of polygon.io"},
    {CONF_STR, "ALEX_POLYGON_URL", FIELD(polygon_url), "https://api.polygon.io",
     8, 1024, "its address"},
    {CONF_CHOICE, "ALEX_POLYGON_PLAN", FIELD(polygon_plan), "free", 0, 0,
     "free: yesterday's close; paid: the last minute's", "free|paid"},
};

static void
append_quote(struct buf *out, const struct quote *quote)
{
    char price[32];

    portfolio_decimal_text(quote->price, QUOTES_SCALE, price);
    buf_json_key(out, quote->symbol);
    buf_json_object(out);
    buf_json_key(out, "price");
    buf_json_string(out, price);
    if (quote->as_of[0] != '\0') {
        buf_json_key(out, "as_of");
        buf_json_string(out, quote->as_of);
    }
    buf_json_end(out);
}

void
prices_answer(struct ask *ask, const char *source, const struct quotes *quotes,
              bool paid)
{
    _cleanup(buf_free) struct buf out = {0};
    const struct prices_want *want = ask->state;

    buf_json_object(&out);
    buf_json_key(&out, "source");
    buf_json_string(&out, source);
    buf_json_key(&out, "as_of");
    buf_json_string(&out, quotes->as_of[0] != '\0' ? quotes->as_of : NULL);
    buf_json_key(&out, "prices");
    buf_json_object(&out);
    for (size_t i = 0; i < want->count; i++) {
        const struct quote *quote = quotes_find(quotes, want->symbols[i]);
        if (quote != NULL) {
            append_quote(&out, quote);
        }
    }
    buf_json_end(&out);
    buf_json_end(&out);
    ask_answer(ask, out.data, out.size, paid);
}

static int
none_open(struct prices *prices, struct asks *asks, struct err *err)
{
    (void)prices;
    (void)asks;
    (void)err;
    return 0;
}

static int
none_start(struct prices *prices, struct ask *ask, struct err *err)
{
    (void)err;
    prices_answer(ask, "none", &prices->quotes, false);
    return 0;
}

/* Reads the file if it is not the one read last, or refused last. */
static int
file_refresh(struct prices *prices, struct err *err)
{
    struct quotes quotes = {0};
    struct stat now = {0};

    if (stat(prices->path, &now) == 0 &&
        now.st_mtim.tv_sec == prices->changed.tv_sec &&
        now.st_mtim.tv_nsec == prices->changed.tv_nsec) {
        return 0;
    }
    prices->changed = now.st_mtim;
    if (quotes_load(prices->path, &quotes, err) != 0) {
        return -1;
    }
    quotes_free(&prices->quotes);
    prices->quotes = quotes;
    return 0;
}

static int
file_open(struct prices *prices, struct asks *asks, struct err *err)
{
    (void)asks;
    prices->path = prices->conf.source + strlen("file:");
    if (file_refresh(prices, err) != 0) {
        err->kind = ERR_FATAL;
        err->code = EX_CONFIG;
        return err_wrap(err, "ALEX_PRICES");
    }
    return 0;
}

/* Somebody may be writing the file just now: what was read last still holds,
 * and says of when it is. */
static int
file_start(struct prices *prices, struct ask *ask, struct err *err)
{
    if (file_refresh(prices, err) != 0) {
        log_warn("prices cannot be read again, using the last, ignoring",
                 "error=%s", err->text);
    }
    prices_answer(ask, "file", &prices->quotes, false);
    return 0;
}

static int
prices_polygon_open(struct prices *prices, struct asks *asks, struct err *err)
{
    return polygon_open(&prices->conf, asks, &prices->polygon, err);
}

static int
prices_polygon_start(struct prices *prices, struct ask *ask, struct err *err)
{
    return polygon_start(prices->polygon, ask, err);
}

static const struct prices_source sources[] = {
    {"none", none_open, none_start},
    {"file:", file_open, file_start},
    {"polygon", prices_polygon_open, prices_polygon_start},
};

/* A name that ends in a colon is followed by something, others are alone. */
static bool
is_source(const char *name, const char *text)
{
    const size_t size = strlen(name);

    return strncmp(name, text, size) == 0 &&
           (name[size - 1] == ':') == (text[size] != '\0');
}

static int
prices_open(void *state, struct asks *asks, bool *ret_offered, struct err *err)
{
    struct prices *prices = state;

    *ret_offered = true;
    for (size_t i = 0; i < ARRAY_COUNT(sources); i++) {
        if (is_source(sources[i].name, prices->conf.source)) {
            prices->source = &sources[i];
            return sources[i].open(prices, asks, err);
        }
    }
    return err_set(err, ERR_FATAL, EX_CONFIG,
                   "ALEX_PRICES: \"%.60s\" is not none, file:PATH or polygon",
                   prices->conf.source);
}

static void
prices_close(void *state)
{
    struct prices *prices = state;

    polygon_close(&prices->polygon);
    quotes_free(&prices->quotes);
    free(prices->conf.source);
    free(prices->conf.polygon_key);
    free(prices->conf.polygon_url);
    free(prices->conf.polygon_plan);
}

static int
by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static int
take_symbol(struct prices_want *want, struct json_object *value,
            struct err *err)
{
    const char *symbol = json_object_get_string(value);

    if (!json_object_is_type(value, json_type_string) || symbol[0] == '\0' ||
        strlen(symbol) >= QUOTES_SYMBOL_SIZE) {
        return err_set(err, ERR_REJECT, 0,
                       "symbols: not a text of 1 to %d bytes",
                       QUOTES_SYMBOL_SIZE - 1);
    }
    memcpy(want->symbols[want->count++], symbol, strlen(symbol));
    return 0;
}

static void
sort_once(struct prices_want *want)
{
    size_t kept = 0;

    qsort(want->symbols, want->count, sizeof(want->symbols[0]), by_text);
    for (size_t i = 0; i < want->count; i++) {
        if (kept == 0 ||
            strcmp(want->symbols[kept - 1], want->symbols[i]) != 0) {
            memmove(want->symbols[kept++], want->symbols[i],
                    sizeof(want->symbols[i]));
        }
    }
    want->count = kept;
}

static int
prices_start(void *state, struct ask *ask, struct json_object *request,
             struct err *err)
{
    struct prices *prices = state;
    struct json_object *symbols = NULL;

    if (json_member(request, "symbols", json_type_array, &symbols, err) != 0) {
        return -1;
    }
    const size_t count =
        symbols != NULL ? json_object_array_length(symbols) : 0;
    if (count == 0 || count > PRICES_SYMBOLS_MAX) {
        return err_set(err, ERR_REJECT, 0, "symbols: %zu of them, not 1 to %d",
                       count, PRICES_SYMBOLS_MAX);
    }
    struct prices_want *want =
        xcalloc(1, sizeof(*want) + count * sizeof(want->symbols[0]));
    ask->state = want;
    for (size_t i = 0; i < count; i++) {
        if (take_symbol(want, json_object_array_get_idx(symbols, i), err) !=
            0) {
            return -1;
        }
    }
    sort_once(want);
    return prices->source->start(prices, ask, err);
}

static void
prices_wake(void *state, struct ask *ask)
{
    (void)state;
    (void)ask;
}

static void
prices_forget(void *state, struct ask *ask)
{
    struct prices *prices = state;

    if (prices->polygon != NULL && ask->state != NULL) {
        polygon_forget(prices->polygon, ask);
    }
    free(ask->state);
}

const struct ask_provider ask_provider_prices = {
    .kind = "prices",
    .under_way_max = 1000,
    .rows = prices_rows,
    .row_count = ARRAY_COUNT(prices_rows),
    .state_size = sizeof(struct prices),
    .open = prices_open,
    .close = prices_close,
    .start = prices_start,
    .wake = prices_wake,
    .forget = prices_forget,
};
