/* What a row of an export is, and what it is worth. */

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "alexctl/import.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/utf8.h"
#include "portfolio/snapshot.h"

/* As a price: what a share of a money-market fund is worth. */
#define DOLLAR 10000

static const char *const field_names[IMPORT_FIELDS] = {
    [IMPORT_ACCOUNT_NUMBER] = "account number",
    [IMPORT_ACCOUNT_NAME] = "account name",
    [IMPORT_SYMBOL] = "symbol",
    [IMPORT_NAME] = "name",
    [IMPORT_QUANTITY] = "quantity",
    [IMPORT_PRICE] = "price",
    [IMPORT_VALUE] = "value",
    [IMPORT_TYPE] = "type",
};

void
import_note(struct import *import, int line, bool skipped, const char *what,
            const char *format, ...)
{
    _cleanup(cleanup_free) char *text = NULL;
    va_list args;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0) {
        abort();
    }
    va_end(args);
    if (import->note_count == import->note_room) {
        struct import_note *old = import->notes;
        import->note_room = import->note_room ? 2 * import->note_room : 16;
        import->notes = arena_alloc(import->mem,
                                    import->note_room * sizeof(*import->notes));
        memcpy(import->notes, old ? old : import->notes,
               import->note_count * sizeof(*old));
    }
    import->notes[import->note_count++] =
        (struct import_note){.line = line,
                             .skipped = skipped,
                             .what = what,
                             .text = arena_strdup(import->mem, text)};
}

/* As much of 'text' as a name's column holds, in one line. */
static const char *
clean_name(struct import *import, const char *text)
{
    size_t at = 0;
    size_t size = strlen(text);
    for (int left = PORTFOLIO_NAME_CHARS; left > 0 && at < size; left--) {
        at += utf8_size(text + at, size - at);
    }
    char *name = arena_memdup(import->mem, text, at);
    for (size_t i = 0; i < at; i++) {
        name[i] = iscntrl((unsigned char)name[i]) ? ' ' : name[i];
    }
    return name;
}

int
import_account(struct import *import, const char *number, const char *name,
               struct import_account **ret, struct err *err)
{
    for (size_t i = 0; i < import->account_count; i++) {
        if (strcmp(import->accounts[i].number, number) == 0) {
            *ret = &import->accounts[i];
            return 0;
        }
    }
    if (import->account_count == IMPORT_ACCOUNTS_MAX) {
        return err_set(err, ERR_REJECT, 0, "more than %d accounts in one file",
                       IMPORT_ACCOUNTS_MAX);
    }
    if (import->accounts == NULL) {
        import->accounts = arena_alloc(
            import->mem, IMPORT_ACCOUNTS_MAX * sizeof(*import->accounts));
    }
    *ret = &import->accounts[import->account_count++];
    (*ret)->number = number;
    (*ret)->name = clean_name(import, name);
    return 0;
}

/* --- numbers --------------------------------------------------------------*/

struct amounts {
    int64_t quantity; /* 0 when the row has none. */
    bool has_quantity;
    int64_t price; /* IMPORT_UNPRICED */
    int64_t cents; /* IMPORT_NO_VALUE */
};

int
import_field(const struct import_record *record, enum import_field field,
             int scale, int64_t max, int64_t *ret, bool *ret_there,
             struct err *err)
{
    const char *text = record->fields[field];
    int64_t value = 0;
    enum import_number result = import_number(text, scale, &value);
    if (result == IMPORT_NUMBER_BAD) {
        return err_set(err, ERR_REJECT, 0,
                       "line %d: the %s '%.40s' is not a number", record->line,
                       field_names[field], text);
    }
    if (value > max || value < -max) {
        return err_set(err, ERR_REJECT, 0,
                       "line %d: the %s '%.40s' is over the limit",
                       record->line, field_names[field], text);
    }
    *ret_there = result == IMPORT_NUMBER_OK;
    if (*ret_there) {
        *ret = value;
    }
    return 0;
}

static int
read_amounts(const struct import_record *record, struct amounts *ret,
             struct err *err)
{
    struct amounts a = {.price = IMPORT_UNPRICED, .cents = IMPORT_NO_VALUE};
    bool there;
    if (import_field(record, IMPORT_QUANTITY, PORTFOLIO_QUANTITY_SCALE,
                     PORTFOLIO_QUANTITY_MAX, &a.quantity, &a.has_quantity,
                     err) < 0 ||
        import_field(record, IMPORT_PRICE, PORTFOLIO_PRICE_SCALE,
                     PORTFOLIO_PRICE_MAX - 1, &a.price, &there, err) < 0 ||
        import_field(record, IMPORT_VALUE, 2, PORTFOLIO_MONEY_MAX_CENTS - 1,
                     &a.cents, &there, err) < 0) {
        return -1;
    }
    if (a.price <= 0) {
        a.price = IMPORT_UNPRICED;
    }
    *ret = a;
    return 0;
}

/* --- what is cash, what is left out ---------------------------------------*/

static int64_t
amount_cents(const struct amounts *a)
{
    int64_t quantity = a->quantity > 0 ? a->quantity : 0;
    return a->cents != IMPORT_NO_VALUE ? a->cents
                                       : import_worth(quantity, a->price);
}

/* In the file's total, if it has no row that says so itself. */
static void
count_stated(struct import_account *account, const struct amounts *a)
{
    account->has_values = account->has_values || a->cents != IMPORT_NO_VALUE;
    if (!account->has_total) {
        account->file_cents += amount_cents(a);
    }
}

/* Words for cash, which are also the tickers of a bank and of a fund: those
 * have a price. */
static bool
is_cash_word(const char *symbol, const struct import_record *record)
{
    static const char *const words[] = {"CASH", "USD", "FCASH", "CORE",
                                        "QACDS"};
    int64_t price = DOLLAR;
    import_number(record->fields[IMPORT_PRICE], PORTFOLIO_PRICE_SCALE, &price);
    for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
        if (strcmp(symbol, words[i]) == 0) {
            return price == DOLLAR;
        }
    }
    return false;
}

/* NASDAQ gives money-market funds five letters that end in XX; Fidelity marks
 * an account's core position with two stars. */
static bool
is_money_market(const char *symbol, const struct import_record *record)
{
    const char *raw = record->fields[IMPORT_SYMBOL];
    const char *type = record->fields[IMPORT_TYPE];
    size_t size = strlen(symbol);
    size_t raw_size = strlen(raw);
    return (size == 5 && strcmp(symbol + 3, "XX") == 0) ||
           (raw_size > 2 && strcmp(raw + raw_size - 2, "**") == 0) ||
           strcasecmp(type, "Cash and Money Market") == 0 ||
           is_cash_word(symbol, record);
}

static bool
is_option(const struct import_record *record)
{
    const char *symbol = record->fields[IMPORT_SYMBOL];
    const char *name = record->fields[IMPORT_NAME];
    size_t size = strlen(symbol);
    /* "MSFT 12/18/2026 500.00 C" */
    bool spelled_out = size > 2 && strpbrk(symbol, "0123456789") != NULL &&
                       (strcmp(symbol + size - 2, " C") == 0 ||
                        strcmp(symbol + size - 2, " P") == 0);
    return symbol[0] == '-' || spelled_out ||
           strncasecmp(record->fields[IMPORT_TYPE], "Option", 6) == 0 ||
           strncmp(name, "CALL ", 5) == 0 || strncmp(name, "PUT ", 4) == 0;
}

/* Upper case, without Fidelity's stars, classes with a point: "BRK/B" and
 * "BRKB" are "BRK.B".  NULL if it is no symbol. */
static const char *
clean_symbol(struct import *import, const char *raw)
{
    static const char *const classes[][2] = {
        {"BRKA", "BRK.A"}, {"BRKB", "BRK.B"}, {"BFA", "BF.A"}, {"BFB", "BF.B"}};
    size_t size = strlen(raw);
    while (size > 0 && raw[size - 1] == '*') {
        size--;
    }
    if (size == 0 || size > PORTFOLIO_SYMBOL_CHARS) {
        return NULL;
    }
    char *symbol = arena_memdup(import->mem, raw, size);
    for (size_t i = 0; i < size; i++) {
        symbol[i] = (char)toupper((unsigned char)symbol[i]);
        symbol[i] = symbol[i] == '/' ? '.' : symbol[i];
        if (!isalnum((unsigned char)symbol[i]) && !strchr(".-^=", symbol[i])) {
            return NULL;
        }
    }
    for (size_t i = 0; i < ARRAY_COUNT(classes); i++) {
        if (strcmp(symbol, classes[i][0]) == 0) {
            return classes[i][1];
        }
    }
    return symbol;
}

/* Why a row is left out, or NULL. */
static const char *
reason_to_skip(const struct import_record *record, const char *symbol,
               const struct amounts *a)
{
    if (record->fields[IMPORT_SYMBOL][0] == '\0') {
        return "it has no symbol";
    }
    if (is_option(record)) {
        return "options are not analysed";
    }
    if (symbol == NULL) {
        return "this is not a symbol (1 to 20 letters, digits, . - ^ =)";
    }
    if (!a->has_quantity) {
        return "it has no quantity";
    }
    if (a->quantity < 0) {
        return "short positions are not analysed";
    }
    return a->quantity == 0 ? "its quantity is zero" : NULL;
}

int
import_add_cash(struct import *import, struct import_account *account,
                const struct import_record *record, const char *remark,
                struct err *err)
{
    struct amounts a;
    if (read_amounts(record, &a, err) < 0) {
        return -1;
    }
    if (a.price == IMPORT_UNPRICED) {
        a.price = DOLLAR;
    }
    count_stated(account, &a);
    account->cash_cents += amount_cents(&a);
    import_note(import, record->line, false, record->fields[IMPORT_SYMBOL],
                "%s", remark);
    return 0;
}

/* --- holdings -------------------------------------------------------------*/

static const char *
type_of(const struct import_record *record)
{
    static const struct {
        const char *says, *type;
    } types[] = {
        {"ETF", "etf"},
        {"ETFs & Closed End Funds", "etf"},
        {"Equity", "stock"},
        {"Stock", "stock"},
        {"Stocks", "stock"},
        {"Mutual Fund", "mutual_fund"},
        {"Mutual Funds", "mutual_fund"},
        {"Fixed Income", "bond"},
        {"Bond", "bond"},
        {"Bonds", "bond"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(types); i++) {
        if (strcasecmp(record->fields[IMPORT_TYPE], types[i].says) == 0) {
            return types[i].type;
        }
    }
    return NULL;
}

static struct import_position *
find_position(const struct import_account *account, const char *symbol)
{
    for (size_t i = 0; i < account->count; i++) {
        if (strcmp(account->positions[i].symbol, symbol) == 0) {
            return &account->positions[i];
        }
    }
    return NULL;
}

static int
append(struct import *import, struct import_account *account,
       const struct import_position *position, struct err *err)
{
    if (import->position_count == IMPORT_POSITIONS_MAX) {
        return err_set(err, ERR_REJECT, 0, "more than %d positions in one file",
                       IMPORT_POSITIONS_MAX);
    }
    if (account->count == account->room) {
        struct import_position *old = account->positions;
        account->room = account->room ? 2 * account->room : 16;
        account->positions = arena_alloc(
            import->mem, account->room * sizeof(*account->positions));
        memcpy(account->positions, old ? old : account->positions,
               account->count * sizeof(*old));
    }
    account->positions[account->count++] = *position;
    import->position_count++;
    return 0;
}

/* A symbol twice in an account: lots, or held in cash and on margin. */
static int
merge(struct import *import, struct import_position *into,
      const struct import_position *from, struct err *err)
{
    bool both = into->stated_cents != IMPORT_NO_VALUE &&
                from->stated_cents != IMPORT_NO_VALUE;
    if (from->quantity > PORTFOLIO_QUANTITY_MAX - into->quantity) {
        return err_set(err, ERR_REJECT, 0, "line %d: too many shares of %s",
                       from->line, from->symbol);
    }
    into->quantity += from->quantity;
    into->stated_cents =
        both ? into->stated_cents + from->stated_cents : IMPORT_NO_VALUE;
    if (into->quoted == IMPORT_UNPRICED) {
        into->quoted = from->quoted;
    }
    import_note(import, from->line, false, from->symbol,
                "added to line %d, the same symbol in the same account",
                into->line);
    return 0;
}

int
import_add(struct import *import, struct import_account *account,
           const struct import_record *record, struct err *err)
{
    const char *raw = record->fields[IMPORT_SYMBOL];
    const char *name = record->fields[IMPORT_NAME];
    const char *symbol = clean_symbol(import, raw);
    if (symbol != NULL && is_money_market(symbol, record)) {
        return import_add_cash(import, account, record,
                               "money market: counted as cash", err);
    }
    struct amounts a;
    if (read_amounts(record, &a, err) < 0) {
        return -1;
    }
    count_stated(account, &a);
    const char *why = reason_to_skip(record, symbol, &a);
    if (why != NULL) {
        import_note(import, record->line, true, raw[0] ? raw : name, "%s", why);
        return 0;
    }
    struct import_position position = {
        .symbol = symbol,
        .name = name[0] != '\0' && strcmp(name, "--") != 0
                    ? clean_name(import, name)
                    : symbol,
        .type = type_of(record),
        .quantity = a.quantity,
        .quoted = a.price,
        .stated_cents = a.cents,
        .price = IMPORT_UNPRICED,
        .line = record->line,
    };
    struct import_position *same = find_position(account, symbol);
    return same ? merge(import, same, &position, err)
                : append(import, account, &position, err);
}
