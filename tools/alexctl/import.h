/* A broker's export of positions, decoded: what alexctl import works on.
 *
 *     bytes -> csv.c -> rows -> import_broker.c -> import_position.c -> this
 *
 * import_broker.c knows the four shapes of file and turns each into the same
 * records; import_position.c decides what a record is (a holding, cash, or
 * something that is left out, with the reason) and what it is worth. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alexctl/csv.h"
#include "base/arena.h"
#include "base/err.h"

#define IMPORT_ACCOUNTS_MAX 100   /* As the agents accept. */
#define IMPORT_POSITIONS_MAX 5000 /* In all accounts. */
#define IMPORT_UNPRICED (-1)
#define IMPORT_NO_VALUE INT64_MIN

struct import_position {
    const char *symbol; /* Upper case, "BRK.B". */
    const char *name;   /* Never empty. */
    const char *type;   /* One of upstream's seven, or NULL. */
    int64_t quantity;   /* In 1/100,000,000, positive. */
    int64_t quoted;     /* The file's price in 1/10,000, or IMPORT_UNPRICED. */
    int64_t stated_cents; /* The file's value, or IMPORT_NO_VALUE. */
    int64_t price;        /* The one to import, or IMPORT_UNPRICED. */
    int64_t value_cents;  /* quantity x price to the cent; 0 if unpriced. */
    int line;
};

struct import_account {
    const char *number; /* What the broker calls it; never leaves this program
                           but as a digest. */
    const char *name;
    struct import_position *positions; /* In the file's order. */
    size_t count;
    size_t room;
    int64_t cash_cents;
    int64_t file_cents; /* The file's total, else the sum of its values. */
    bool has_total;     /* The file has a row of totals for it. */
    bool has_values;    /* It states values, so that file_cents means much. */
};

struct import_note {
    int line;
    bool skipped;     /* A row that is left out; else a remark. */
    const char *what; /* Symbol or label as in the file. */
    const char *text;
};

struct import {
    struct arena *mem; /* Everything here lives in it. */
    const char *broker;
    char as_of[11];           /* "2026-11-20", or "" when nobody says. */
    const char *as_of_origin; /* "its footer". */
    struct import_account *accounts;
    size_t account_count;
    size_t position_count;
    struct import_note *notes; /* By line. */
    size_t note_count;
    size_t note_room;
};

struct import_options {
    const char *broker;  /* "auto" or one of import_broker_names. */
    const char *account; /* Name of the account in a file without one. */
    const char *file;    /* Its name may hold the date; may be NULL. */
};

/* "fidelity, schwab, vanguard, plain" */
extern const char import_broker_names[];

/* Decodes a whole file.
 * Errors: ERR_REJECT naming the line and column, or, when the file has another
 *   shape, the header that was expected and the line that was found. */
int import_parse(const char *bytes, size_t size,
                 const struct import_options *options, struct arena *mem,
                 struct import *ret, struct err *err);

/* False for a holding whose symbol an earlier account holds too. */
bool import_is_first(const struct import *import, size_t account, size_t index);

/* Positions and cash; what the file says they are. */
int64_t import_account_cents(const struct import_account *account);
int64_t import_total_cents(const struct import *import);
int64_t import_file_cents(const struct import *import);
bool import_has_values(const struct import *import);

/* --- between the parts ----------------------------------------------------*/

enum import_field {
    IMPORT_ACCOUNT_NUMBER,
    IMPORT_ACCOUNT_NAME,
    IMPORT_SYMBOL,
    IMPORT_NAME,
    IMPORT_QUANTITY,
    IMPORT_PRICE,
    IMPORT_VALUE,
    IMPORT_TYPE,
    IMPORT_FIELDS,
};

/* One data row; absent fields are "". */
struct import_record {
    int line;
    const char *fields[IMPORT_FIELDS];
};

enum import_number {
    IMPORT_NUMBER_OK,
    IMPORT_NUMBER_NONE, /* "", "--", "n/a": the broker does not say. */
    IMPORT_NUMBER_BAD,
};

/* "$1,234.50", "($12.00)", "-5", "+$0.61" with 'scale' decimals; digits beyond
 * them are rounded half away from zero.  What does not fit is INT64_MAX. */
enum import_number import_number(const char *text, int scale, int64_t *ret);

/* The account called 'number', made if need be.
 * Errors: ERR_REJECT: more than IMPORT_ACCOUNTS_MAX. */
int import_account(struct import *import, const char *number, const char *name,
                   struct import_account **ret, struct err *err);
void import_note(struct import *import, int line, bool skipped,
                 const char *what, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* A number of a record; '*ret' is untouched unless '*ret_there'.
 * Errors: ERR_REJECT naming line and column: no number, or beyond 'max'. */
int import_field(const struct import_record *record, enum import_field field,
                 int scale, int64_t max, int64_t *ret, bool *ret_there,
                 struct err *err);
/* Adds what 'record' is to 'account', or notes why it is left out.
 * Errors: ERR_REJECT for a number that is none, naming line and column. */
int import_add(struct import *import, struct import_account *account,
               const struct import_record *record, struct err *err);
/* Cash that is not a position: "Cash & Cash Investments", pending activity. */
int import_add_cash(struct import *import, struct import_account *account,
                    const struct import_record *record, const char *remark,
                    struct err *err);
/* 'quantity' x 'price', half up to the cent; 0 for IMPORT_UNPRICED. */
int64_t import_worth(int64_t quantity, int64_t price);
/* After the last record: decides prices, one a symbol, and values. */
void import_finish(struct import *import);

/* The first calendar date in 'text' (2026/11/20, 11/20/2026, Nov-20-2026) as
 * "2026-11-20"; false if there is none. */
bool import_find_date(const char *text, char ret[11]);
