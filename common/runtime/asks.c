#include "runtime/asks.h"

#include <assert.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "runtime/ask_provider.h"
#include "runtime/channel.h"

#define ASKS_BUSY_MS 1000

static const struct ask_provider *const providers[] = {
    &ask_provider_prices,
    &ask_provider_delay,
};

struct asks_offer { /* A provider that is open. */
    const struct ask_provider *provider;
    void *state;
    bool offered;
    int under_way;
};

struct asks {
    struct asks_events events;
    int poll_fd;
    int timer_fd;             /* Set to 'due_ms'. */
    struct http_client *http; /* NULL until a provider needs it. */
    struct ask **list;
    size_t count;
    size_t room;
    int64_t due_ms; /* No deadline or wake is before it; may be early. */
    struct asks_offer offers[ARRAY_COUNT(providers)];
};

static int
open_provider(struct asks *asks, size_t i, struct err *err)
{
    const struct ask_provider *provider = providers[i];
    struct asks_offer *offer = &asks->offers[i];

    offer->provider = provider;
    offer->state = xcalloc(1, provider->state_size);
    if (conf_load(provider->rows, provider->row_count, offer->state, err) !=
        0) {
        return -1;
    }
    conf_wipe_secrets(provider->rows, provider->row_count);
    return provider->open(offer->state, asks, &offer->offered, err);
}

int
asks_open(const struct asks_events *events, struct asks **ret, struct err *err)
{
    _cleanup(asks_close) struct asks *asks = xcalloc(1, sizeof(*asks));
    struct epoll_event event = {.events = EPOLLIN};

    asks->events = *events;
    asks->due_ms = INT64_MAX;
    asks->poll_fd = epoll_create1(EPOLL_CLOEXEC);
    asks->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (epoll_ctl(asks->poll_fd, EPOLL_CTL_ADD, asks->timer_fd, &event) != 0) {
        return err_errno(err, ERR_FATAL, "cannot watch asks");
    }
    for (size_t i = 0; i < ARRAY_COUNT(providers); i++) {
        if (open_provider(asks, i, err) != 0) {
            return -1;
        }
    }
    *ret = STEAL(asks);
    return 0;
}

/* In two steps, because an answer may live in the provider's state while it is
 * told, and its receiver may forget the context meanwhile. */
static void
detach(struct ask *ask)
{
    struct asks *asks = ask->asks;

    assert(asks->list[ask->place] == ask);
    asks->list[ask->place] = asks->list[--asks->count];
    asks->list[ask->place]->place = ask->place;
    ask->offer->under_way--;
}

static void
release(struct ask *ask)
{
    ask->offer->provider->forget(ask->offer->state, ask);
    free(ask);
}

static void
drop(struct ask *ask)
{
    detach(ask);
    release(ask);
}

void
asks_close(struct asks **asks_at)
{
    struct asks *asks = STEAL(*asks_at);

    if (asks == NULL) {
        return;
    }
    while (asks->count > 0) {
        drop(asks->list[asks->count - 1]);
    }
    free(asks->list);
    for (size_t i = 0; i < ARRAY_COUNT(asks->offers); i++) {
        struct asks_offer *offer = &asks->offers[i];
        if (offer->state != NULL) {
            offer->provider->close(offer->state);
            free(offer->state);
        }
    }
    http_client_close(&asks->http);
    cleanup_close(&asks->timer_fd);
    cleanup_close(&asks->poll_fd);
    free(asks);
}

int
asks_http(struct asks *asks, struct http_client **ret, struct err *err)
{
    struct epoll_event event = {.events = EPOLLIN};

    if (asks->http == NULL) {
        if (http_client_open(&asks->http, err) != 0) {
            return -1;
        }
        if (epoll_ctl(asks->poll_fd, EPOLL_CTL_ADD,
                      http_client_poll_fd(asks->http), &event) != 0) {
            return err_errno(err, ERR_FATAL, "cannot watch an HTTP client");
        }
    }
    *ret = asks->http;
    return 0;
}

static struct ask *
ask_new(struct asks *asks, struct asks_offer *offer,
        const struct asks_request *request)
{
    struct ask *ask = xcalloc(1, sizeof(*ask));

    ask->asks = asks;
    ask->offer = offer;
    ask->context = request->context;
    ask->deadline_ms = clock_boot_ms() + request->timeout_ms;
    ask->wake_ms = INT64_MAX;
    if (asks->count == asks->room) {
        asks->room = asks->room > 0 ? 2 * asks->room : 16;
        asks->list = xrealloc(asks->list, asks->room * sizeof(struct ask *));
    }
    ask->place = asks->count++;
    asks->list[ask->place] = ask;
    offer->under_way++;
    return ask;
}

static int64_t
due_ms(const struct ask *ask)
{
    return ask->wake_ms < ask->deadline_ms ? ask->wake_ms : ask->deadline_ms;
}

/* Lets the loop be woken then, and no longer by a time that has passed. */
static void
set_due(struct asks *asks, int64_t at_ms)
{
    struct itimerspec at = {0};

    if (at_ms != INT64_MAX) {
        at.it_value.tv_sec = at_ms / 1000;
        at.it_value.tv_nsec = at_ms % 1000 * 1000000 + 1;
    }
    asks->due_ms = at_ms;
    timerfd_settime(asks->timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
}

static void
set_due_by(struct asks *asks, int64_t at_ms)
{
    if (at_ms < asks->due_ms) {
        set_due(asks, at_ms);
    }
}

void
ask_wake_at(struct ask *ask, int64_t at_ms)
{
    ask->wake_ms = at_ms;
    set_due_by(ask->asks, at_ms);
}

/* How a provider starts may well end the ask. */
static int
start_with(struct asks *asks, struct asks_offer *offer,
           const struct asks_request *request, struct json_object *value,
           struct err *err)
{
    if (offer->under_way >= offer->provider->under_way_max) {
        err_set(err, ERR_RETRY, 429, "%d asks of kind %s are under way",
                offer->under_way, request->kind);
        err->after_ms = ASKS_BUSY_MS;
        return -1;
    }
    struct ask *ask = ask_new(asks, offer, request);
    set_due_by(asks, ask->deadline_ms);
    if (offer->provider->start(offer->state, ask, value, err) != 0) {
        drop(ask);
        return -1;
    }
    return 0;
}

int
asks_start(struct asks *asks, const struct asks_request *request,
           struct err *err)
{
    _cleanup(json_put) struct json_object *value = NULL;

    if (json_parse(request->request, request->request_size, request->kind,
                   &value, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < ARRAY_COUNT(asks->offers); i++) {
        struct asks_offer *offer = &asks->offers[i];
        if (offer->offered &&
            strcmp(offer->provider->kind, request->kind) == 0) {
            return start_with(asks, offer, request, value, err);
        }
    }
    return err_set(err, ERR_REJECT, 0, "nobody answers asks of kind %s",
                   request->kind);
}

void
ask_fail(struct ask *ask, const struct err *err)
{
    const struct asks_events *events = &ask->asks->events;

    detach(ask);
    events->done(events->loop, ask->context, NULL, 0, false, err);
    release(ask);
}

void
ask_answer(struct ask *ask, const char *answer, size_t size, bool paid)
{
    const struct asks_events *events = &ask->asks->events;
    struct err err = {0};

    if (size > CHANNEL_ANSWER_MAX_BYTES) {
        err_set(&err, ERR_REJECT, 0, "answer of %zu bytes, over %u", size,
                CHANNEL_ANSWER_MAX_BYTES);
        ask_fail(ask, &err);
        return;
    }
    detach(ask);
    events->done(events->loop, ask->context, answer, size, paid, NULL);
    release(ask);
}

void
asks_forget(struct asks *asks, void *context)
{
    size_t i = 0;

    while (i < asks->count) {
        /* A dropped one is replaced by the last, which the analyzer misses. */
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
        if (asks->list[i]->context == context) {
            drop(asks->list[i]);
        } else {
            i++;
        }
    }
}

int
asks_poll_fd(const struct asks *asks)
{
    return asks->poll_fd;
}

/* Wakes or ends one ask whose time has come. */
static void
serve(struct ask *ask, int64_t now_ms)
{
    struct err err = {0};

    if (ask->wake_ms <= now_ms) {
        ask->wake_ms = INT64_MAX;
        ask->offer->provider->wake(ask->offer->state, ask);
    } else {
        err_set(&err, ERR_RETRY, 0, "no answer to an ask of kind %s in time",
                ask->offer->provider->kind);
        ask_fail(ask, &err);
    }
}

/* Whoever is told may start and forget other asks, so that the search begins
 * anew after each. */
static void
serve_due(struct asks *asks, int64_t now_ms)
{
    int64_t next_ms = INT64_MAX;
    size_t i = 0;

    while (i < asks->count) {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): as above. */
        const int64_t at_ms = due_ms(asks->list[i]);
        if (at_ms <= now_ms) {
            serve(asks->list[i], now_ms);
            next_ms = INT64_MAX;
            i = 0;
        } else {
            next_ms = at_ms < next_ms ? at_ms : next_ms;
            i++;
        }
    }
    set_due(asks, next_ms);
}

int
asks_run(struct asks *asks, struct err *err)
{
    const int64_t now_ms = clock_boot_ms();

    if (asks->http != NULL && http_client_run(asks->http, err) != 0) {
        return -1;
    }
    if (asks->due_ms <= now_ms) {
        serve_due(asks, now_ms);
    }
    return 0;
}

void
asks_help(FILE *out)
{
    for (size_t i = 0; i < ARRAY_COUNT(providers); i++) {
        conf_help(providers[i]->rows, providers[i]->row_count, out);
    }
}

int
asks_check(FILE *out, struct err *err)
{
    _cleanup(asks_close) struct asks *asks = NULL;
    const struct asks_events none = {0};

    if (asks_open(&none, &asks, err) != 0) {
        return -1;
    }
    for (size_t i = 0; asks != NULL && i < ARRAY_COUNT(asks->offers); i++) {
        const struct asks_offer *offer = &asks->offers[i];
        conf_print(offer->provider->rows, offer->provider->row_count,
                   offer->state, out);
    }
    return 0;
}
