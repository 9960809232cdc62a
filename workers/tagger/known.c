#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "tagger/tagger.h"

extern const char embed_instruments[];       /* schemas/instruments.json */
extern const char embed_instruments_known[]; /* ...instruments.known.json */

static const struct table {
    const char *text;
    const char *source; /* NULL: what the file says. */
    const char *rationale;
} tables[] = {
    {embed_instruments, "seed",
     "One of the instruments that the database starts with."},
    {embed_instruments_known, NULL,
     "In the table of widely held instruments; percentages are approximate."},
};

struct tagger_known {
    struct json_object *files[ARRAY_COUNT(tables)];
    struct json_object *rows[ARRAY_COUNT(tables)];
};

int
tagger_known_open(struct tagger_known **ret, struct err *err)
{
    _cleanup(tagger_known_close) struct tagger_known *known =
        xcalloc(1, sizeof(*known));

    for (size_t i = 0; i < ARRAY_COUNT(tables); i++) {
        if (json_parse(tables[i].text, strlen(tables[i].text), "table",
                       &known->files[i], err) ||
            json_member(known->files[i], "instruments", json_type_array,
                        &known->rows[i], err)) {
            err->kind = ERR_FATAL;
            return -1;
        }
    }
    *ret = STEAL(known);
    return 0;
}

void
tagger_known_close(struct tagger_known **known)
{
    if (*known) {
        for (size_t i = 0; i < ARRAY_COUNT(tables); i++) {
            json_put(&(*known)->files[i]);
        }
        free(*known);
        *known = NULL;
    }
}

static const char *
text_at(struct json_object *row, const char *key)
{
    return json_object_get_string(json_object_object_get(row, key));
}

static int
read_row(const struct tagger_known *known, size_t table,
         struct json_object *row, struct arena *mem, struct tagger_class *ret,
         struct err *err)
{
    const char *source = tables[table].source
                             ? tables[table].source
                             : text_at(known->files[table], "source");
    struct tagger_class read = {
        .symbol = arena_strdup(mem, text_at(row, "symbol")),
        .name = arena_strdup(mem, text_at(row, "name")),
        .type = arena_strdup(mem, text_at(row, "instrument_type")),
        .source = arena_strdup(mem, source),
        .rationale = tables[table].rationale,
    };

    for (enum portfolio_dimension d = 0; d < PORTFOLIO_DIMENSIONS; d++) {
        const char *field = portfolio_dimension_field(d);
        int64_t sum = 0;

        if (portfolio_map_read(json_object_object_get(row, field), d,
                               read.weights[d], &sum, err)) {
            return err_wrap(err, "%s", read.symbol);
        }
        if (sum != PORTFOLIO_WHOLE) {
            return err_set(err, ERR_REJECT, 0, "%s: %s does not add up to 100",
                           read.symbol, field);
        }
    }
    *ret = read;
    return 0;
}

bool
tagger_known_row(const struct tagger_known *known, size_t i, struct arena *mem,
                 struct tagger_class *ret, struct err *err)
{
    for (size_t table = 0; table < ARRAY_COUNT(tables); table++) {
        size_t count = json_object_array_length(known->rows[table]);

        if (i < count) {
            return read_row(known, table,
                            json_object_array_get_idx(known->rows[table], i),
                            mem, ret, err) == 0;
        }
        i -= count;
    }
    return false;
}

/* Share classes are written with a point, a dash or a slash. */
static bool
is_symbol(const char *listed, const char *asked)
{
    size_t i = 0;

    for (; listed[i] != '\0'; i++) {
        bool is_same =
            listed[i] == asked[i] ||
            (listed[i] == '.' && (asked[i] == '-' || asked[i] == '/'));

        if (!is_same) {
            return false;
        }
    }
    return asked[i] == '\0';
}

bool
tagger_known_find(const struct tagger_known *known, const char *symbol,
                  struct arena *mem, struct tagger_class *ret)
{
    for (size_t table = 0; table < ARRAY_COUNT(tables); table++) {
        size_t count = json_object_array_length(known->rows[table]);

        for (size_t i = 0; i < count; i++) {
            struct json_object *row =
                json_object_array_get_idx(known->rows[table], i);
            struct err ignored = {0};

            if (is_symbol(text_at(row, "symbol"), symbol) &&
                read_row(known, table, row, mem, ret, &ignored) == 0) {
                return true;
            }
        }
    }
    return false;
}
