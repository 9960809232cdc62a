/* One price a symbol.
 *
 * The export's own price, if with it every holding of the symbol is worth what
 * the export says, to the cent.  Else value / quantity over all of them, at the
 * four decimals an instrument's price has: quotes are rounded for display, and
 * bonds are quoted per 100 of face value. */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "alexctl/import.h"
#include "portfolio/money.h"
#include "portfolio/snapshot.h"

__extension__ typedef __int128 wide;

/* quantity x price is in 1/10^12 dollar. */
#define UNITS_A_CENT INT64_C(10000000000)

int64_t
import_worth(int64_t quantity, int64_t price)
{
    if (price == IMPORT_UNPRICED) {
        return 0;
    }
    wide units = (wide)quantity * price;
    wide cents = (units + UNITS_A_CENT / 2) / UNITS_A_CENT;
    return cents > PORTFOLIO_TOTAL_MAX_CENTS ? PORTFOLIO_TOTAL_MAX_CENTS
                                             : (int64_t)cents;
}

/* All holdings of one symbol. */
struct holding {
    const char *symbol;
    int64_t quoted;
    bool quote_fits;
    wide stated_cents;    /* Of those with a value... */
    wide stated_quantity; /* ...and how much that is. */
};

static void
add_to_holding(struct holding *h, const struct import_position *p)
{
    if (h->quoted == IMPORT_UNPRICED) {
        h->quoted = p->quoted;
    }
    if (p->stated_cents == IMPORT_NO_VALUE) {
        return;
    }
    h->stated_cents += p->stated_cents;
    h->stated_quantity += p->quantity;
}

static int64_t
average_price(const struct holding *h)
{
    wide units = h->stated_cents * UNITS_A_CENT;
    wide price = (units + h->stated_quantity / 2) / h->stated_quantity;
    return price <= 0 || price >= PORTFOLIO_PRICE_MAX ? IMPORT_UNPRICED
                                                      : (int64_t)price;
}

static int64_t
price_of(const struct holding *h)
{
    if (h->stated_quantity == 0) {
        return h->quoted;
    }
    return h->quoted != IMPORT_UNPRICED && h->quote_fits ? h->quoted
                                                         : average_price(h);
}

static bool
is_quoted_per_hundred(const struct import_position *p)
{
    if (p->quoted == IMPORT_UNPRICED || p->stated_cents == IMPORT_NO_VALUE) {
        return false;
    }
    int64_t cents = import_worth(p->quantity, p->quoted) / 100;
    int64_t apart = cents > p->stated_cents ? cents - p->stated_cents
                                            : p->stated_cents - cents;
    return p->stated_cents > 0 && apart <= p->stated_cents / 100 + 1;
}

static void
note_price(struct import *import, const struct import_position *p)
{
    char price[32];
    char left[40];
    if (p->price == IMPORT_UNPRICED) {
        import_note(import, p->line, false, p->symbol,
                    "the file has no price for it: counted as $0.00 until one "
                    "is known");
        return;
    }
    if (p->price == p->quoted || p->stated_cents == IMPORT_NO_VALUE) {
        return;
    }
    int64_t apart_cents = p->value_cents - p->stated_cents;
    portfolio_decimal_text(p->price, PORTFOLIO_PRICE_SCALE, price);
    portfolio_money_text(apart_cents, left);
    import_note(import, p->line, false, p->symbol,
                "price $%s from value / quantity%s%s%s", price,
                p->type != NULL && strcmp(p->type, "bond") == 0
                    ? " (bonds are quoted per 100)"
                    : "",
                apart_cents ? "; a difference remains: " : "",
                apart_cents ? left : "");
}

static void
settle(struct import *import, const struct holding *h, int64_t price)
{
    for (size_t i = 0; i < import->account_count; i++) {
        struct import_account *account = &import->accounts[i];
        for (size_t k = 0; k < account->count; k++) {
            struct import_position *p = &account->positions[k];
            if (strcmp(p->symbol, h->symbol) != 0) {
                continue;
            }
            if (price != p->quoted && is_quoted_per_hundred(p)) {
                p->type = "bond";
            }
            p->price = price;
            p->value_cents = import_worth(p->quantity, price);
            note_price(import, p);
        }
    }
}

static void
gather(const struct import *import, struct holding *h)
{
    for (size_t i = 0; i < import->account_count; i++) {
        const struct import_account *account = &import->accounts[i];
        for (size_t k = 0; k < account->count; k++) {
            if (strcmp(account->positions[k].symbol, h->symbol) == 0) {
                add_to_holding(h, &account->positions[k]);
            }
        }
    }
}

/* Whether the quote gives every stated value of the symbol. */
static bool
quote_fits(const struct import *import, const struct holding *h)
{
    for (size_t i = 0; i < import->account_count; i++) {
        const struct import_account *account = &import->accounts[i];
        for (size_t k = 0; k < account->count; k++) {
            const struct import_position *p = &account->positions[k];
            if (strcmp(p->symbol, h->symbol) == 0 &&
                p->stated_cents != IMPORT_NO_VALUE &&
                import_worth(p->quantity, h->quoted) != p->stated_cents) {
                return false;
            }
        }
    }
    return true;
}

bool
import_is_first(const struct import *import, size_t account, size_t index)
{
    const char *symbol = import->accounts[account].positions[index].symbol;
    for (size_t i = 0; i < account; i++) {
        const struct import_account *earlier = &import->accounts[i];
        for (size_t k = 0; k < earlier->count; k++) {
            if (strcmp(earlier->positions[k].symbol, symbol) == 0) {
                return false;
            }
        }
    }
    return true; /* An account has a symbol once. */
}

static void
leave_out_debt(struct import *import, struct import_account *account)
{
    char text[40];
    if (account->cash_cents < 0) {
        portfolio_money_text(account->cash_cents, text);
        import_note(import, 0, true, account->name,
                    "cash of %s: debts are not analysed", text);
        account->cash_cents = 0;
    }
}

static int
by_line(const void *a, const void *b)
{
    const struct import_note *left = a;
    const struct import_note *right = b;
    int order = (left->line > right->line) - (left->line < right->line);
    return order ? order : strcmp(left->text, right->text);
}

void
import_finish(struct import *import)
{
    for (size_t i = 0; i < import->account_count; i++) {
        leave_out_debt(import, &import->accounts[i]);
    }
    for (size_t i = 0; i < import->account_count; i++) {
        for (size_t k = 0; k < import->accounts[i].count; k++) {
            if (!import_is_first(import, i, k)) {
                continue;
            }
            struct holding h = {.symbol =
                                    import->accounts[i].positions[k].symbol,
                                .quoted = IMPORT_UNPRICED};
            gather(import, &h);
            h.quote_fits = quote_fits(import, &h);
            settle(import, &h, price_of(&h));
        }
    }
    if (import->note_count > 0) {
        qsort(import->notes, import->note_count, sizeof(*import->notes),
              by_line);
    }
}

int64_t
import_account_cents(const struct import_account *account)
{
    int64_t cents = account->cash_cents;
    for (size_t i = 0; i < account->count; i++) {
        cents += account->positions[i].value_cents;
    }
    return cents;
}

int64_t
import_total_cents(const struct import *import)
{
    int64_t cents = 0;
    for (size_t i = 0; i < import->account_count; i++) {
        cents += import_account_cents(&import->accounts[i]);
    }
    return cents;
}

int64_t
import_file_cents(const struct import *import)
{
    int64_t cents = 0;
    for (size_t i = 0; i < import->account_count; i++) {
        cents += import->accounts[i].file_cents;
    }
    return cents;
}

bool
import_has_values(const struct import *import)
{
    for (size_t i = 0; i < import->account_count; i++) {
        if (import->accounts[i].has_values) {
            return true;
        }
    }
    return false;
}
