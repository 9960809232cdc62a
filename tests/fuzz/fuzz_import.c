/* Any bytes as a broker's export: refused with a reason, or a portfolio that
 * adds up.
 *
 * - Positions are positive, named, within the columns' bounds, once a symbol in
 *   an account; a symbol has one price in the whole file.
 * - The total is the sum of quantity x price, worked out again here, and cash.
 * - Parsing the same bytes again gives the same. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alexctl/import.h"
#include "base/cleanup.h"
#include "base/json.h"

__extension__ typedef __int128 wide;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "fuzz_import: %s\n", what);
        abort();
    }
}

static void
require_text(const char *text)
{
    _cleanup(buf_free) struct buf json = {0};
    struct err err;
    buf_json_string(&json, text);
    require(json_check(json.data, json.size, &err) == 0,
            "text that the database cannot hold");
}

static void
check_position(const struct import_position *p)
{
    require(p->quantity > 0, "quantity");
    require(strlen(p->symbol) >= 1 && strlen(p->symbol) <= 20, "symbol");
    require(p->name[0] != '\0', "name");
    require_text(p->symbol);
    require_text(p->name);
    require(p->price == IMPORT_UNPRICED || p->price > 0, "price");
    int64_t cents = 0;
    if (p->price != IMPORT_UNPRICED) { /* Half up, by hand. */
        wide tenths = (wide)p->quantity * p->price / 1000000000;
        cents = (int64_t)(tenths / 10 + (tenths % 10 >= 5));
    }
    require(p->value_cents == cents || p->value_cents == 1000000000000000,
            "value");
}

static void
check_one_price(const struct import *import, const struct import_position *p)
{
    for (size_t i = 0; i < import->account_count; i++) {
        int times = 0;
        for (size_t k = 0; k < import->accounts[i].count; k++) {
            const struct import_position *q = &import->accounts[i].positions[k];
            bool same = strcmp(p->symbol, q->symbol) == 0;
            require(!same || p->price == q->price, "two prices of a symbol");
            times += same;
        }
        require(times <= 1, "a symbol twice in an account");
    }
}

static int64_t
check(const struct import *import)
{
    int64_t sum = 0;
    size_t positions = 0;
    for (size_t i = 0; i < import->account_count; i++) {
        const struct import_account *account = &import->accounts[i];
        require(account->cash_cents >= 0, "cash");
        require_text(account->name);
        sum += account->cash_cents;
        positions += account->count;
        for (size_t k = 0; k < account->count; k++) {
            check_position(&account->positions[k]);
            check_one_price(import, &account->positions[k]);
            sum += account->positions[k].value_cents;
        }
    }
    require(positions == import->position_count, "count of positions");
    require(sum == import_total_cents(import), "total");
    return sum;
}

static int
parse(const uint8_t *data, size_t size, struct arena *mem, struct import *ret)
{
    struct import_options options = {.broker = "auto", .account = "Imported"};
    struct err err = {0};
    int result =
        import_parse((const char *)data, size, &options, mem, ret, &err);
    require(result == 0 || (err.kind == ERR_REJECT && err.text[0] != '\0'),
            "refused without a reason");
    return result;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup(arena_free) struct arena *mem = arena_new(1 << 14);
    struct import once;
    struct import again;
    int result = parse(data, size, mem, &once);
    require(parse(data, size, mem, &again) == result, "not repeatable");
    if (result == 0) {
        require(check(&once) == check(&again), "another total");
        require(import_file_cents(&once) == import_file_cents(&again),
                "another file total");
    }
    return 0;
}
