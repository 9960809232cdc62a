#include "portfolio/snapshot.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "portfolio/decode.h"
#include "portfolio/words.h"

__extension__ typedef __int128 wide;

enum { JOB_TEXT_CHARS = 255, TARGETS_MAX = 32, AMOUNT_UNKNOWN = -1 };

static int
member_required(struct json_object *object, const char *key,
                struct json_object **ret, struct err *err)
{
    struct json_object *value = NULL;

    if (json_member(object, key, json_type_object, &value, err)) {
        return -1;
    }
    if (!value) {
        return err_set(err, ERR_REJECT, 0, "%s: missing", key);
    }
    *ret = value;
    return 0;
}

/* Scalars of the request's options, as text. */
static int
read_options(struct json_object *request, struct portfolio_loader *to,
             struct err *err)
{
    struct json_object *options = NULL;

    if (json_member(request, "options", json_type_object, &options, err)) {
        return err_wrap(err, "job.request");
    }
    if (!options) {
        return 0;
    }
    size_t count = (size_t)json_object_object_length(options);
    struct portfolio_option *items =
        arena_alloc(to->mem, (count + 1) * sizeof(*items));
    struct json_object_iterator i = json_object_iter_begin(options);
    struct json_object_iterator end = json_object_iter_end(options);

    if (count > PORTFOLIO_OPTIONS_MAX) {
        return err_set(err, ERR_REJECT, 0,
                       "job.request.options: %zu, at most %d", count,
                       PORTFOLIO_OPTIONS_MAX);
    }
    for (; !json_object_iter_equal(&i, &end); json_object_iter_next(&i)) {
        struct json_object *value = json_object_iter_peek_value(&i);

        if (json_object_is_type(value, json_type_null) ||
            json_object_is_type(value, json_type_object) ||
            json_object_is_type(value, json_type_array)) {
            continue;
        }
        items[to->portfolio->option_count++] = (struct portfolio_option){
            .key = arena_strdup(to->mem, json_object_iter_peek_name(&i)),
            .value = arena_strdup(to->mem, json_object_get_string(value)),
        };
    }
    to->portfolio->options = items;
    return 0;
}

static int
read_job(struct json_object *root, struct portfolio_loader *to, struct err *err)
{
    struct portfolio *p = to->portfolio;
    struct json_object *job = NULL;
    struct json_object *request = NULL;
    struct json_object *params = NULL;

    if (member_required(root, "job", &job, err) ||
        json_member(root, "params", json_type_object, &params, err) ||
        portfolio_decode_text(root, "node", JOB_TEXT_CHARS, "", to->mem,
                              &p->node, err)) {
        return -1;
    }
    if (portfolio_decode_text(job, "id", JOB_TEXT_CHARS, "", to->mem, &p->job,
                              err) ||
        json_member(job, "request", json_type_object, &request, err)) {
        return err_wrap(err, "job");
    }
    p->params = params
                    ? arena_strdup(to->mem, json_object_to_json_string_ext(
                                                params, JSON_C_TO_STRING_PLAIN))
                    : "{}";
    return request ? read_options(request, to, err) : 0;
}

static int
read_targets(struct json_object *user, const char *key,
             struct portfolio_loader *to, struct portfolio_targets *ret,
             struct err *err)
{
    struct json_object *map = NULL;

    if (json_member(user, key, json_type_object, &map, err)) {
        return -1;
    }
    if (!map) {
        return 0;
    }
    size_t count = (size_t)json_object_object_length(map);

    if (count > TARGETS_MAX) {
        return err_set(err, ERR_REJECT, 0, "%s: %zu, at most %d", key, count,
                       TARGETS_MAX);
    }
    struct portfolio_target *items =
        arena_alloc(to->mem, (count + 1) * sizeof(*items));
    struct json_object_iterator i = json_object_iter_begin(map);
    struct json_object_iterator end = json_object_iter_end(map);
    size_t n = 0;

    for (; !json_object_iter_equal(&i, &end); json_object_iter_next(&i)) {
        const char *name = json_object_iter_peek_name(&i);
        double percent = 0;

        if (json_number(map, name, 0, 100, 0, &percent, err)) {
            return err_wrap(err, "%s", key);
        }
        /* A third of the whole has more decimals than a weight. */
        items[n++] = (struct portfolio_target){
            .key = arena_strdup(to->mem, name),
            .weight = llround(percent * 10000),
        };
    }
    *ret = (struct portfolio_targets){items, n};
    return 0;
}

static int
read_user(struct json_object *snapshot, struct portfolio_loader *to,
          struct err *err)
{
    struct portfolio *p = to->portfolio;
    struct json_object *user = NULL;
    int64_t years = 0;

    if (member_required(snapshot, "user", &user, err)) {
        return err_wrap(err, "snapshot");
    }
    if (portfolio_decode_text(user, "display_name", PORTFOLIO_NAME_CHARS, "",
                              to->mem, &p->display_name, err) ||
        json_int(user, "years_until_retirement", 0, 100, AMOUNT_UNKNOWN, &years,
                 err) ||
        portfolio_decode_amount(user, "target_retirement_income", 2,
                                PORTFOLIO_MONEY_MAX_CENTS, AMOUNT_UNKNOWN,
                                &p->income_cents, err) ||
        read_targets(user, "asset_class_targets", to, &p->class_targets, err) ||
        read_targets(user, "region_targets", to, &p->region_targets, err)) {
        return err_wrap(err, "snapshot.user");
    }
    p->years = (int)years;
    return 0;
}

static int
read_head(struct json_object *snapshot, struct portfolio_loader *to,
          struct err *err)
{
    struct portfolio *p = to->portfolio;

    if (portfolio_decode_text(snapshot, "as_of", 64, "", to->mem, &p->as_of,
                              err) ||
        json_int_required(snapshot, "seed", 0, (INT64_C(1) << 53) - 1, &p->seed,
                          err)) {
        return err_wrap(err, "snapshot");
    }
    if (portfolio_decode_time(p->as_of, to->mem, &p->generated_at, err)) {
        return err_wrap(err, "snapshot.as_of");
    }
    return 0;
}

static int
apply_result(struct json_object *result, struct portfolio_loader *to,
             struct err *err)
{
    portfolio_notes_add(result, to->mem, to->portfolio);
    return portfolio_catalogue_apply(&to->catalogue, result, to->mem, err);
}

/* A need that ended without success is null and changes nothing. */
static int
apply_needs(struct json_object *needs, struct portfolio_loader *to,
            struct err *err)
{
    struct json_object_iterator i = json_object_iter_begin(needs);
    struct json_object_iterator end = json_object_iter_end(needs);

    for (; !json_object_iter_equal(&i, &end); json_object_iter_next(&i)) {
        const char *node = json_object_iter_peek_name(&i);
        struct json_object *need = NULL;

        if (json_member(needs, node, json_type_object, &need, err) ||
            (need && apply_result(need, to, err))) {
            return err_wrap(err, "needs.%.40s", node);
        }
    }
    return 0;
}

static int
read_instruments(struct json_object *root, struct json_object *snapshot,
                 struct json_object *result, struct portfolio_loader *to,
                 struct err *err)
{
    struct json_object *instruments = NULL;
    struct json_object *needs = NULL;

    if (json_member(snapshot, "instruments", json_type_object, &instruments,
                    err)) {
        return err_wrap(err, "snapshot");
    }
    if (json_member(root, "needs", json_type_object, &needs, err) ||
        portfolio_catalogue_load(instruments, to->symbols, to->position_count,
                                 to->mem, &to->catalogue, err) ||
        (needs && apply_needs(needs, to, err)) ||
        (result && apply_result(result, to, err))) {
        return -1;
    }
    to->portfolio->instruments = to->catalogue.items;
    to->portfolio->instrument_count = to->catalogue.count;
    for (size_t i = 0; i < to->position_count; i++) {
        to->positions[i].instrument =
            portfolio_catalogue_find(&to->catalogue, to->symbols[i]);
        assert(to->positions[i].instrument);
    }
    return 0;
}

/* quantity (1e-8) x price (1e-4) is 1e-12 dollars: 1e10 of them are a cent. */
static wide
value_of(const struct portfolio_position *position)
{
    static const int64_t cent = INT64_C(10000000000);

    return ((wide)position->quantity * position->instrument->price + cent / 2) /
           cent;
}

static int
sum_up(struct portfolio_loader *to, struct err *err)
{
    struct portfolio *p = to->portfolio;
    struct portfolio_position *position = to->positions;
    wide total = 0;

    for (size_t a = 0; a < p->account_count; a++) {
        struct portfolio_account *account = &to->accounts[a];

        total += account->cash_cents;
        for (size_t i = 0; i < account->count; i++, position++) {
            wide value = value_of(position);

            total += value;
            if (total > PORTFOLIO_TOTAL_MAX_CENTS) {
                return err_set(err, ERR_REJECT, 0,
                               "snapshot.accounts[%zu].positions[%zu]: the "
                               "portfolio's value is over the limit of "
                               "$10,000,000,000,000",
                               a, i);
            }
            position->value_cents = (int64_t)value;
            account->holdings_cents += (int64_t)value;
        }
        p->cash_cents += account->cash_cents;
        p->holdings_cents += account->holdings_cents;
    }
    p->total_cents = p->cash_cents + p->holdings_cents;
    return 0;
}

static bool
label_taken(const struct portfolio_loader *to, size_t before, const char *label)
{
    for (size_t i = 0; i < before; i++) {
        if (strcmp(to->accounts[i].label, label) == 0) {
            return true;
        }
    }
    return false;
}

static void
label_accounts(struct portfolio_loader *to)
{
    for (size_t i = 0; i < to->portfolio->account_count; i++) {
        struct portfolio_account *account = &to->accounts[i];
        const char *shown =
            portfolio_display(account->name, PORTFOLIO_LABEL_CHARS, to->mem);
        const char *name = shown[0] == '\0' ? "Unnamed account" : shown;

        account->label = name;
        for (int n = 2; label_taken(to, i, account->label); n++) {
            account->label = arena_printf(to->mem, "%s (%d)", name, n);
        }
    }
}

static int
load(struct json_object *root, struct json_object *result,
     struct portfolio_loader *to, struct err *err)
{
    struct json_object *snapshot = NULL;

    if (!json_object_is_type(root, json_type_object)) {
        return err_set(err, ERR_REJECT, 0, "input: not an object");
    }
    if (read_job(root, to, err) ||
        member_required(root, "snapshot", &snapshot, err) ||
        read_head(snapshot, to, err) || read_user(snapshot, to, err) ||
        portfolio_accounts_load(snapshot, to, err) ||
        read_instruments(root, snapshot, result, to, err) || sum_up(to, err)) {
        return -1;
    }
    label_accounts(to);
    return 0;
}

int
portfolio_load_with(const char *input, size_t size, const char *result,
                    size_t result_size, struct arena *mem,
                    const struct portfolio **ret, struct err *err)
{
    _cleanup(json_put) struct json_object *root = NULL;
    _cleanup(json_put) struct json_object *overlay = NULL;
    struct portfolio *portfolio = arena_alloc(mem, sizeof(*portfolio));
    struct portfolio_loader to = {.mem = mem, .portfolio = portfolio};

    if (json_parse(input, size, "input", &root, err) ||
        (result && json_parse(result, result_size, "result", &overlay, err)) ||
        load(root, overlay, &to, err)) {
        return -1;
    }
    *ret = portfolio;
    return 0;
}

int
portfolio_load(const char *input, size_t size, struct arena *mem,
               const struct portfolio **ret, struct err *err)
{
    return portfolio_load_with(input, size, NULL, 0, mem, ret, err);
}

const char *
portfolio_option(const struct portfolio *portfolio, const char *key,
                 const char *fallback)
{
    for (size_t i = 0; i < portfolio->option_count; i++) {
        if (strcmp(portfolio->options[i].key, key) == 0) {
            return portfolio->options[i].value;
        }
    }
    return fallback;
}
