#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "planner/planner.h"
#include "portfolio/words.h"

enum { SOURCE_BYTES = 100, NAMES_SHOWN = 5 };

struct asker {
    struct task *task;
    struct arena *mem;
    struct planner_prices *prices;
    const struct portfolio_instrument **held; /* By symbol. */
    const char **unusable; /* Symbols whose price was not one. */
    size_t unusable_count;
};

void
planner_prices_free(struct planner_prices *prices)
{
    buf_free(&prices->changes);
}

/* The instruments of all positions, each once, in order. */
static size_t
list_held(const struct portfolio *p, struct arena *mem,
          const struct portfolio_instrument ***ret)
{
    const struct portfolio_instrument **held =
        arena_alloc(mem, (p->instrument_count + 1) * sizeof(*held));
    size_t count = 0;

    for (size_t a = 0; a < p->account_count; a++) {
        for (size_t i = 0; i < p->accounts[a].count; i++) {
            const struct portfolio_instrument *item =
                p->accounts[a].positions[i].instrument;

            held[item - p->instruments] = item;
        }
    }
    for (size_t i = 0; i < p->instrument_count; i++) {
        if (held[i]) {
            held[count++] = held[i];
        }
    }
    *ret = held;
    return count;
}

static void
note(struct asker *to, const char *sentence)
{
    if (to->prices->note_count < PORTFOLIO_NOTES_MAX) {
        to->prices->notes[to->prices->note_count++] = sentence;
    }
}

static bool
is_older(const char *as_of, const char *stored)
{
    return as_of[0] != '\0' && stored[0] != '\0' &&
           strncmp(as_of, stored, strlen("2026-11-23")) < 0;
}

static bool
is_same(const struct portfolio_instrument *item, int64_t price,
        const char *source, const char *as_of)
{
    return item->price == price && strcmp(item->price_source, source) == 0 &&
           strncmp(item->price_as_of, as_of, strlen("2026-11-23")) == 0;
}

static void
write_change(const char *symbol, int64_t price, const char *source,
             const char *as_of, struct buf *out)
{
    char text[32];

    portfolio_decimal_text(price, PORTFOLIO_PRICE_SCALE, text);
    buf_json_object(out);
    buf_json_key(out, "symbol");
    buf_json_string(out, symbol);
    buf_json_key(out, "price");
    buf_json_string(out, text);
    buf_json_key(out, "source");
    buf_json_string(out, source);
    buf_json_key(out, "as_of");
    buf_json_string(out, as_of[0] == '\0' ? NULL : as_of);
    buf_json_end(out);
}

/* One symbol's {"price","as_of"}; what is not a price is put aside by name. */
static void
take_price(struct asker *to, const struct portfolio_instrument *item,
           struct json_object *quote, const char *source,
           const char *answer_as_of)
{
    struct err ignored = {0};
    const char *text = NULL;
    const char *as_of = NULL;
    int64_t price = 0;

    if (!json_object_is_type(quote, json_type_object) ||
        json_string_required(quote, "price", 32, &text, &ignored) ||
        json_string(quote, "as_of", 64, answer_as_of, &as_of, &ignored) ||
        portfolio_decimal(text, PORTFOLIO_PRICE_SCALE, PORTFOLIO_PRICE_MAX,
                          &price, &ignored) ||
        price <= 0) {
        to->unusable[to->unusable_count++] = item->symbol;
        return;
    }
    if (is_older(as_of, item->price_as_of) ||
        is_same(item, price, source, as_of)) {
        return;
    }
    write_change(item->symbol, price, source, as_of, &to->prices->changes);
    to->prices->changed++;
}

static int
take_answer(struct asker *to, const char *answer, size_t size, size_t from,
            size_t until, struct err *err)
{
    _cleanup(json_put) struct json_object *root = NULL;
    struct json_object *quotes = NULL;
    const char *source = NULL;
    const char *as_of = NULL;

    if (json_parse(answer, size, "answer", &root, err) ||
        json_string_required(root, "source", SOURCE_BYTES, &source, err) ||
        json_string(root, "as_of", 64, "", &as_of, err) ||
        json_member(root, "prices", json_type_object, &quotes, err)) {
        return -1;
    }
    to->prices->source = arena_strdup(to->mem, source);
    for (size_t i = from; quotes && i < until; i++) {
        struct json_object *quote = NULL;

        if (json_object_object_get_ex(quotes, to->held[i]->symbol, &quote)) {
            take_price(to, to->held[i], quote, source, as_of);
        }
    }
    return 0;
}

static int
ask(struct asker *to, size_t from, size_t until, struct err *err)
{
    _cleanup(buf_free) struct buf request = {0};
    const char *answer = NULL;
    size_t size = 0;

    buf_json_object(&request);
    buf_json_key(&request, "symbols");
    buf_json_array(&request);
    for (size_t i = from; i < until; i++) {
        buf_json_string(&request, to->held[i]->symbol);
    }
    buf_json_end(&request);
    buf_json_end(&request);
    to->prices->asked += until - from;
    return task_ask(to->task, "prices", request.data, request.size, &answer,
                    &size, err) ||
                   take_answer(to, answer, size, from, until, err)
               ? -1
               : 0;
}

/* A price provider that is down or refuses must not cost the user the
 * analysis; everything else is the runtime's to judge. */
static bool
is_survivable(const struct err *err)
{
    return err->kind == ERR_RETRY || err->kind == ERR_REJECT;
}

int
planner_prices_ask(struct task *task, const struct portfolio *portfolio,
                   struct arena *mem, struct planner_prices *ret,
                   struct err *err)
{
    struct asker to = {.task = task, .mem = mem, .prices = ret};
    size_t count = list_held(portfolio, mem, &to.held);

    ret->source = "none";
    to.unusable = arena_alloc(mem, (count + 1) * sizeof(*to.unusable));
    buf_json_array(&ret->changes);
    for (size_t from = 0; from < count; from += PLANNER_SYMBOLS_PER_ASK) {
        size_t until = from + PLANNER_SYMBOLS_PER_ASK < count
                           ? from + PLANNER_SYMBOLS_PER_ASK
                           : count;

        struct err failed = {0};

        if (ask(&to, from, until, &failed)) {
            if (!is_survivable(&failed)) {
                *err = failed;
                return -1;
            }
            note(&to, arena_printf(mem,
                                   "Prices were not refreshed, so stored ones "
                                   "are used (%.150s).",
                                   failed.text));
            break;
        }
    }
    buf_json_end(&ret->changes);
    if (to.unusable_count > 0) {
        note(&to, arena_printf(mem, "The price source had no usable price: %s.",
                               portfolio_list(to.unusable, to.unusable_count,
                                              NAMES_SHOWN, mem)));
    }
    return 0;
}
