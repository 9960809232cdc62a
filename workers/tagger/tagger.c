#include "tagger/tagger.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "portfolio/words.h"

enum { SOURCES_MAX = 8, RATIONALE_CHARS = 250 };

extern const char embed_tagger_result[];

struct tagger {
    const struct portfolio *portfolio;
    struct tagger_known *known;
    struct arena *mem;
    const char **symbols; /* To classify: upper case, sorted, each once. */
    size_t count;
    int year;
    struct {
        const char *name;
        int64_t count;
    } sources[SOURCES_MAX]; /* How many instruments each knew. */
    size_t source_count;
};

static int
compare_symbols(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static void
sort_symbols(struct tagger *t)
{
    size_t kept = 0;

    qsort(t->symbols, t->count, sizeof(*t->symbols), compare_symbols);
    for (size_t i = 0; i < t->count; i++) {
        if (i == 0 || strcmp(t->symbols[i], t->symbols[i - 1]) != 0) {
            t->symbols[kept++] = t->symbols[i];
        }
    }
    t->count = kept;
}

static void
take_unclassified(struct tagger *t)
{
    const struct portfolio *p = t->portfolio;

    t->symbols =
        arena_alloc(t->mem, (p->instrument_count + 1) * sizeof(*t->symbols));
    for (size_t i = 0; i < p->instrument_count; i++) {
        if (!p->instruments[i].classified) {
            t->symbols[t->count++] = p->instruments[i].symbol;
        }
    }
}

static int
take_symbol(struct tagger *t, struct json_object *value, struct err *err)
{
    size_t size = json_object_is_type(value, json_type_string)
                      ? strlen(json_object_get_string(value))
                      : 0;

    if (size == 0 || size > (size_t)PORTFOLIO_SYMBOL_CHARS * 4) {
        return err_set(err, ERR_REJECT, 0, "not text of 1 to %d characters",
                       PORTFOLIO_SYMBOL_CHARS);
    }
    char *symbol = arena_strdup(t->mem, json_object_get_string(value));

    for (char *p = symbol; *p != '\0'; p++) {
        *p = (char)toupper((unsigned char)*p);
    }
    t->symbols[t->count++] = symbol;
    return 0;
}

static int
take_params(struct tagger *t, struct err *err)
{
    _cleanup(json_put) struct json_object *params = NULL;
    struct json_object *symbols = NULL;

    if (json_parse(t->portfolio->params, strlen(t->portfolio->params), "params",
                   &params, err) ||
        json_member(params, "symbols", json_type_array, &symbols, err)) {
        return err_wrap(err, "params");
    }
    if (!symbols) {
        take_unclassified(t);
        return 0;
    }
    size_t count = json_object_array_length(symbols);

    if (count > PORTFOLIO_POSITIONS_MAX) {
        return err_set(err, ERR_REJECT, 0, "params.symbols: %zu, at most %d",
                       count, PORTFOLIO_POSITIONS_MAX);
    }
    t->symbols = arena_alloc(t->mem, (count + 1) * sizeof(*t->symbols));
    for (size_t i = 0; i < count; i++) {
        if (take_symbol(t, json_object_array_get_idx(symbols, i), err)) {
            return err_wrap(err, "params.symbols[%zu]", i);
        }
    }
    sort_symbols(t);
    return 0;
}

static void
classify(const struct tagger *t, const char *symbol, struct tagger_class *ret)
{
    const struct portfolio_instrument *item =
        portfolio_instrument_find(t->portfolio, symbol);
    const struct portfolio_instrument stranger = {
        .symbol = symbol, .name = symbol, .type = ""};

    if (tagger_known_find(t->known, symbol, t->mem, ret)) {
        ret->symbol = symbol;
        return;
    }
    tagger_rules(item ? item : &stranger, t->year, t->mem, ret);
}

static void
count_source(struct tagger *t, const char *source)
{
    size_t i = 0;

    while (i < t->source_count && strcmp(t->sources[i].name, source) != 0) {
        i++;
    }
    if (i == t->source_count && i < SOURCES_MAX) {
        t->sources[t->source_count++].name = source;
    }
    if (i < SOURCES_MAX) {
        t->sources[i].count++;
    }
}

/* A percentage with the decimals it needs: 33.3333, 60. */
static void
write_percent(int64_t weight, struct buf *output)
{
    char text[32];

    portfolio_decimal_text(weight, 4, text);
    size_t size = strlen(text);

    while (text[size - 1] == '0') {
        size--;
    }
    size -= text[size - 1] == '.';
    buf_json_raw(output, text, size);
}

static void
write_map(const struct tagger_class *class, enum portfolio_dimension dimension,
          struct buf *output)
{
    buf_json_key(output, portfolio_dimension_field(dimension));
    buf_json_object(output);
    for (size_t i = 0; i < portfolio_key_count(dimension); i++) {
        if (class->weights[dimension][i] > 0) {
            buf_json_key(output, portfolio_slice_key(dimension, i));
            write_percent(class->weights[dimension][i], output);
        }
    }
    buf_json_end(output);
}

static void
write_class(const struct tagger *t, const struct tagger_class *class,
            struct buf *output)
{
    buf_json_object(output);
    buf_json_key(output, "rationale");
    buf_json_string(
        output, portfolio_display(class->rationale, RATIONALE_CHARS, t->mem));
    buf_json_key(output, "symbol");
    buf_json_string(output, class->symbol);
    buf_json_key(output, "name");
    buf_json_string(output, class->name);
    buf_json_key(output, "instrument_type");
    buf_json_string(output, class->type);
    for (enum portfolio_dimension d = 0; d < PORTFOLIO_DIMENSIONS; d++) {
        write_map(class, d, output);
    }
    buf_json_key(output, "source");
    buf_json_string(output, class->source);
    buf_json_end(output);
}

static void
write_detail(const struct tagger *t, struct buf *output)
{
    buf_json_key(output, "detail");
    buf_json_object(output);
    buf_json_key(output, "asked");
    buf_json_int(output, (int64_t)t->count);
    buf_json_key(output, "by_source");
    buf_json_object(output);
    for (size_t i = 0; i < t->source_count; i++) {
        buf_json_key(output, t->sources[i].name);
        buf_json_int(output, t->sources[i].count);
    }
    buf_json_end(output);
    buf_json_end(output);
}

static void
write_output(struct tagger *t, struct buf *output)
{
    buf_json_object(output);
    buf_json_key(output, "instruments");
    buf_json_array(output);
    for (size_t i = 0; i < t->count; i++) {
        struct tagger_class class;

        classify(t, t->symbols[i], &class);
        count_source(t, class.source);
        write_class(t, &class, output);
    }
    buf_json_end(output);
    write_detail(t, output);
    buf_json_end(output);
}

int
tagger_handle(struct task *task, const char *input, size_t input_size,
              struct buf *output, struct err *err)
{
    _cleanup(tagger_known_close) struct tagger_known *known = NULL;
    struct tagger t = {.mem = task_arena(task)};

    if (portfolio_load(input, input_size, t.mem, &t.portfolio, err) ||
        tagger_known_open(&known, err) || take_params(&t, err)) {
        return -1;
    }
    t.known = known;
    t.year = atoi(t.portfolio->generated_at);
    write_output(&t, output);
    return 0;
}

const struct worker tagger_worker = {
    .name = "tagger",
    .summary = "classifies instruments that have no allocations",
    .handle = tagger_handle,
    .result_schema = embed_tagger_result,
};
