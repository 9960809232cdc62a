/* Source: polygon.io, Stocks REST API v2: previous close
 * (/v2/aggs/ticker/T/prev), grouped daily bars
 * (/v2/aggs/grouped/locale/us/market/stocks/DATE), snapshots
 * (/v2/snapshot/locale/us/markets/stocks/tickers); 5 calls a minute on the free
 * plan. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "runtime/polygon_parse.h"
#include "runtime/prices.h"

#define POLYGON_TIMEOUT_MS 30000
#define POLYGON_REPLY_MAX_BYTES ((size_t)32 * 1024 * 1024)
#define POLYGON_SYMBOLS_PER_CALL 250
#define POLYGON_THROTTLED_MS 12000
#define DAY_MS INT64_C(86400000)

/* What one ask waits for: on the paid plan its own calls, some symbols each; on
 * the free plan the fetch of the whole market that serves everybody. */
struct fetch {
    struct fetch *next; /* Free plan: also waiting. */
    struct polygon *polygon;
    struct ask *ask;
    size_t asked; /* Symbols so far. */
    bool calling;
    struct quotes quotes;
};

struct polygon {
    struct gate gate;
    struct http_client *http; /* Borrowed. */
    char *url;                /* Without a slash at its end. */
    char *authorization;
    bool paid;
    struct quotes market; /* Free plan. */
    int64_t market_day;   /* When it was got. */
    bool loading;
    struct fetch *waiting;
};

int
polygon_open(const struct prices_conf *conf, struct asks *asks,
             struct polygon **ret, struct err *err)
{
    const char *url = conf->polygon_url;
    size_t size = strlen(url);
    struct http_client *http = NULL;

    if (conf->polygon_key[0] == '\0') {
        return err_set(err, ERR_FATAL, EX_CONFIG,
                       "ALEX_POLYGON_KEY is not set: ALEX_PRICES=polygon "
                       "needs it (or ALEX_POLYGON_KEY_FILE)");
    }
    if (strncmp(url, "https://", 8) != 0 && strncmp(url, "http://", 7) != 0) {
        return err_set(err, ERR_FATAL, EX_CONFIG,
                       "ALEX_POLYGON_URL: does not begin with https://");
    }
    if (asks_http(asks, &http, err) != 0) {
        return -1;
    }
    while (url[size - 1] == '/') {
        size--;
    }
    struct polygon *polygon = xcalloc(1, sizeof(*polygon));
    polygon->http = http;
    polygon->paid = strcmp(conf->polygon_plan, "paid") == 0;
    polygon->url = xasprintf("%.*s", (int)size, url);
    polygon->authorization =
        xasprintf("Authorization: Bearer %s", conf->polygon_key);
    polygon->gate = (struct gate){.name = "polygon",
                                  .at_once = 4,
                                  .per_minute = polygon->paid ? 6000 : 5,
                                  .burst = polygon->paid ? 100 : 5};
    *ret = polygon;
    return 0;
}

void
polygon_close(struct polygon **polygon_at)
{
    struct polygon *polygon = STEAL(*polygon_at);

    if (polygon != NULL) {
        http_client_forget(polygon->http, polygon);
        quotes_free(&polygon->market);
        free(polygon->url);
        free(polygon->authorization);
        free(polygon);
    }
}

/* GET of a path, through the gate; settle() must follow. */
static int
call(struct polygon *polygon, const char *path, http_done *done, void *context,
     struct err *err)
{
    _cleanup(cleanup_free) char *url = xasprintf("%s%s", polygon->url, path);
    const char *const headers[] = {polygon->authorization};
    const struct http_request request = {
        .method = "GET",
        .url = url,
        .headers = headers,
        .header_count = ARRAY_COUNT(headers),
        .timeout_ms = POLYGON_TIMEOUT_MS,
        .max_bytes = POLYGON_REPLY_MAX_BYTES,
    };

    if (gate_enter(&polygon->gate, clock_boot_ms(), err) != 0) {
        return -1;
    }
    if (http_client_start(polygon->http, &request, done, context, err) != 0) {
        gate_leave(&polygon->gate, clock_boot_ms(), true);
        return -1;
    }
    return 0;
}

/* Ends a call: 0 if there is a body to read.  A refused key is ERR_REJECT, not
 * ERR_FATAL: the agents can do their work without prices. */
static int
settle(struct polygon *polygon, const struct http_reply *reply,
       const struct err *failure, struct err *err)
{
    const bool works = failure == NULL && reply->status < 500;

    gate_leave(&polygon->gate, clock_boot_ms(), works);
    if (failure != NULL) {
        *err = *failure;
        return err_wrap(err, "polygon");
    }
    if (reply->status == 200) {
        return 0;
    }
    if (reply->status == 401 || reply->status == 403) {
        return err_set(err, ERR_REJECT, reply->status,
                       "polygon refused the request (HTTP %d): check "
                       "ALEX_POLYGON_KEY and ALEX_POLYGON_PLAN",
                       reply->status);
    }
    err_set(err, reply->status == 429 || !works ? ERR_RETRY : ERR_REJECT,
            reply->status, "polygon answered HTTP %d", reply->status);
    err->after_ms = reply->retry_after_ms > 0 ? reply->retry_after_ms
                    : reply->status == 429    ? POLYGON_THROTTLED_MS
                                              : 0;
    return -1;
}

static int64_t
today(void)
{
    return clock_wall_ms() / DAY_MS;
}

/* Everybody who waits for the market, with prices or the reason why not. */
static void
market_done(struct polygon *polygon, const struct err *err)
{
    polygon->loading = false;
    while (polygon->waiting != NULL) {
        struct ask *ask = polygon->waiting->ask;
        if (err != NULL) {
            ask_fail(ask, err);
        } else {
            prices_answer(ask, "polygon", &polygon->market, false);
        }
    }
}

static void
on_market(void *context, const struct http_reply *reply,
          const struct err *failure)
{
    struct polygon *polygon = context;
    _cleanup(quotes_free) struct quotes market = {0};
    struct err err = {0};

    if (settle(polygon, reply, failure, &err) != 0 ||
        polygon_parse_bars(reply->body, reply->size, &market, &err) != 0) {
        market_done(polygon, &err);
        return;
    }
    memcpy(market.as_of, polygon->market.as_of, sizeof(market.as_of));
    quotes_free(&polygon->market);
    polygon->market = market;
    market = (struct quotes){0};
    polygon->market_day = today();
    market_done(polygon, NULL);
}

static int
need_date(const struct quotes *close, struct err *err)
{
    return close->rows[0].as_of[0] != '\0'
               ? 0
               : err_set(err, ERR_RETRY, 0, "polygon: no date in its reply");
}

/* The last close of SPY says which day the market was last open. */
static void
on_close(void *context, const struct http_reply *reply,
         const struct err *failure)
{
    struct polygon *polygon = context;
    _cleanup(quotes_free) struct quotes close = {0};
    char path[128];
    struct err err = {0};

    if (settle(polygon, reply, failure, &err) != 0 ||
        polygon_parse_bars(reply->body, reply->size, &close, &err) != 0 ||
        need_date(&close, &err) != 0) {
        market_done(polygon, &err);
        return;
    }
    memcpy(polygon->market.as_of, close.rows[0].as_of,
           sizeof(polygon->market.as_of));
    snprintf(path, sizeof(path),
             "/v2/aggs/grouped/locale/us/market/stocks/%.10s?adjusted=true",
             close.rows[0].as_of);
    if (call(polygon, path, on_market, polygon, &err) != 0) {
        market_done(polygon, &err);
    }
}

static int
market_start(struct polygon *polygon, struct fetch *fetch, struct err *err)
{
    if (!polygon->loading) {
        if (call(polygon, "/v2/aggs/ticker/SPY/prev?adjusted=true", on_close,
                 polygon, err) != 0) {
            return -1;
        }
        quotes_free(&polygon->market);
        polygon->loading = true;
    }
    fetch->next = polygon->waiting;
    polygon->waiting = fetch;
    return 0;
}

static void on_snapshot(void *context, const struct http_reply *reply,
                        const struct err *failure);

static bool
is_ticker(const char *symbol)
{
    for (; *symbol != '\0'; symbol++) {
        if (!isalnum((unsigned char)*symbol) && strchr(".-", *symbol) == NULL) {
            return false;
        }
    }
    return true;
}

/* Symbols that no exchange could list would only spoil the URL. */
static void
keep_tickers(struct prices_want *want)
{
    size_t kept = 0;

    for (size_t i = 0; i < want->count; i++) {
        if (is_ticker(want->symbols[i])) {
            memmove(want->symbols[kept++], want->symbols[i],
                    sizeof(want->symbols[i]));
        }
    }
    want->count = kept;
}

/* Asks for the next symbols. */
static int
snapshot_call(struct fetch *fetch, struct err *err)
{
    const struct prices_want *want = fetch->ask->state;
    _cleanup(buf_free) struct buf path = {0};
    const size_t end = fetch->asked + POLYGON_SYMBOLS_PER_CALL;
    const char *separator = "";

    buf_puts(&path, "/v2/snapshot/locale/us/markets/stocks/tickers?tickers=");
    for (; fetch->asked < want->count && fetch->asked < end; fetch->asked++) {
        buf_printf(&path, "%s%s", separator, want->symbols[fetch->asked]);
        separator = ",";
    }
    if (call(fetch->polygon, path.data, on_snapshot, fetch, err) != 0) {
        return -1;
    }
    fetch->calling = true;
    return 0;
}

static void
on_snapshot(void *context, const struct http_reply *reply,
            const struct err *failure)
{
    struct fetch *fetch = context;
    const struct prices_want *want = fetch->ask->state;
    struct err err = {0};

    fetch->calling = false;
    const bool failed =
        settle(fetch->polygon, reply, failure, &err) != 0 ||
        polygon_parse_snapshots(reply->body, reply->size, &fetch->quotes,
                                &err) != 0 ||
        (fetch->asked < want->count && snapshot_call(fetch, &err) != 0);
    if (failed) {
        ask_fail(fetch->ask, &err);
    } else if (!fetch->calling) {
        quotes_sort(&fetch->quotes);
        prices_answer(fetch->ask, "polygon", &fetch->quotes, true);
    }
}

static struct fetch *
fetch_new(struct polygon *polygon, struct ask *ask)
{
    struct fetch *fetch = xcalloc(1, sizeof(*fetch));
    struct prices_want *want = ask->state;

    fetch->polygon = polygon;
    fetch->ask = ask;
    want->fetch = fetch;
    return fetch;
}

int
polygon_start(struct polygon *polygon, struct ask *ask, struct err *err)
{
    static const struct quotes nothing;
    struct prices_want *want = ask->state;
    const bool known = !polygon->paid && polygon->market.count > 0 &&
                       polygon->market_day == today();

    keep_tickers(want);
    if (known || want->count == 0) {
        prices_answer(ask, "polygon", known ? &polygon->market : &nothing,
                      false);
        return 0;
    }
    struct fetch *fetch = fetch_new(polygon, ask);
    return polygon->paid ? snapshot_call(fetch, err)
                         : market_start(polygon, fetch, err);
}

void
polygon_forget(struct polygon *polygon, struct ask *ask)
{
    struct prices_want *want = ask->state;
    struct fetch *fetch = want->fetch;
    struct fetch **at = &polygon->waiting;

    if (fetch == NULL) {
        return;
    }
    while (*at != NULL && *at != fetch) {
        at = &(*at)->next;
    }
    if (*at != NULL) {
        *at = fetch->next;
    }
    if (fetch->calling) {
        http_client_forget(polygon->http, fetch);
        gate_leave(&polygon->gate, clock_boot_ms(), true);
    }
    quotes_free(&fetch->quotes);
    free(fetch);
}
