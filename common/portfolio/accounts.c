#include "base/json.h"
#include "portfolio/decode.h"

static int
read_position(struct json_object *row, struct portfolio_loader *to,
              struct err *err)
{
    struct portfolio_position *position = &to->positions[to->position_count];
    int64_t quantity = 0;

    if (!json_object_is_type(row, json_type_object)) {
        return err_set(err, ERR_REJECT, 0, "not an object");
    }
    if (!json_object_object_get(row, "quantity")) {
        return err_set(err, ERR_REJECT, 0, "quantity: missing");
    }
    if (portfolio_decode_symbol(row, to->mem, &to->symbols[to->position_count],
                                err) ||
        portfolio_decode_amount(row, "quantity", PORTFOLIO_QUANTITY_SCALE,
                                PORTFOLIO_QUANTITY_MAX, 0, &quantity, err)) {
        return -1;
    }
    position->was_negative = quantity < 0;
    position->quantity = quantity < 0 ? 0 : quantity;
    to->position_count++;
    return 0;
}

static int
read_positions(struct json_object *row, struct portfolio_loader *to,
               struct portfolio_account *account, struct err *err)
{
    struct json_object *rows = NULL;

    if (json_member(row, "positions", json_type_array, &rows, err)) {
        return -1;
    }
    account->positions = &to->positions[to->position_count];
    account->count = rows ? json_object_array_length(rows) : 0;
    for (size_t i = 0; i < account->count; i++) {
        if (read_position(json_object_array_get_idx(rows, i), to, err)) {
            return err_wrap(err, "positions[%zu]", i);
        }
    }
    return 0;
}

static int
read_account(struct json_object *row, struct portfolio_loader *to,
             struct portfolio_account *account, struct err *err)
{
    int64_t cash_cents = 0;

    if (portfolio_decode_text(row, "id", 64, "", to->mem, &account->id, err) ||
        portfolio_decode_text(row, "name", PORTFOLIO_NAME_CHARS, "", to->mem,
                              &account->name, err) ||
        portfolio_decode_text(row, "purpose", PORTFOLIO_PURPOSE_CHARS, "",
                              to->mem, &account->purpose, err) ||
        portfolio_decode_amount(row, "cash_balance", 2,
                                PORTFOLIO_MONEY_MAX_CENTS, 0, &cash_cents,
                                err) ||
        portfolio_decode_amount(row, "cash_interest", 4, 100000, 0,
                                &account->interest, err)) {
        return -1;
    }
    account->cash_was_negative = cash_cents < 0;
    account->cash_cents = cash_cents < 0 ? 0 : cash_cents;
    return read_positions(row, to, account, err);
}

/* Positions of all accounts, so that they fit one array. */
static int
count_positions(struct json_object *accounts, size_t *ret, struct err *err)
{
    size_t rows = accounts ? json_object_array_length(accounts) : 0;
    size_t count = 0;

    if (rows > PORTFOLIO_ACCOUNTS_MAX) {
        return err_set(err, ERR_REJECT, 0, "snapshot.accounts: %zu, at most %d",
                       rows, PORTFOLIO_ACCOUNTS_MAX);
    }
    for (size_t i = 0; i < rows; i++) {
        struct json_object *row = json_object_array_get_idx(accounts, i);
        struct json_object *positions = NULL;

        if (!json_object_is_type(row, json_type_object)) {
            return err_set(err, ERR_REJECT, 0,
                           "snapshot.accounts[%zu]: not an object", i);
        }
        if (json_member(row, "positions", json_type_array, &positions, err)) {
            return err_wrap(err, "snapshot.accounts[%zu]", i);
        }
        count += positions ? json_object_array_length(positions) : 0;
    }
    if (count > PORTFOLIO_POSITIONS_MAX) {
        return err_set(err, ERR_REJECT, 0,
                       "snapshot.accounts: %zu positions, at most %d", count,
                       PORTFOLIO_POSITIONS_MAX);
    }
    *ret = count;
    return 0;
}

int
portfolio_accounts_load(struct json_object *snapshot,
                        struct portfolio_loader *to, struct err *err)
{
    struct json_object *rows = NULL;
    size_t count = 0;

    if (json_member(snapshot, "accounts", json_type_array, &rows, err)) {
        return err_wrap(err, "snapshot");
    }
    if (count_positions(rows, &count, err)) {
        return -1;
    }
    size_t accounts = rows ? json_object_array_length(rows) : 0;

    to->accounts = arena_alloc(to->mem, (accounts + 1) * sizeof(*to->accounts));
    to->positions = arena_alloc(to->mem, (count + 1) * sizeof(*to->positions));
    to->symbols = arena_alloc(to->mem, (count + 1) * sizeof(*to->symbols));
    for (size_t i = 0; i < accounts; i++) {
        if (read_account(json_object_array_get_idx(rows, i), to,
                         &to->accounts[i], err)) {
            return err_wrap(err, "snapshot.accounts[%zu]", i);
        }
    }
    to->portfolio->accounts = to->accounts;
    to->portfolio->account_count = accounts;
    to->portfolio->position_count = count;
    return 0;
}
