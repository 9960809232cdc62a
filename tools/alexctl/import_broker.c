/* The shapes of file: which columns mean what, and which rows are not
 * holdings.  A broker is one row in 'brokers'. */

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "alexctl/import.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "portfolio/money.h"

const char import_broker_names[] = "fidelity, schwab, vanguard, plain";

#define COLUMN_NAMES 6

struct column {
    enum import_field field;
    bool required;
    const char *names[COLUMN_NAMES]; /* Lower case. */
};

/* A row whose symbol is a label. */
enum label_kind { LABEL_CASH, LABEL_TOTAL, LABEL_IGNORE };

struct label {
    const char *text; /* How the symbol begins, any case. */
    enum label_kind kind;
    const char *remark;
};

struct parse;

struct broker {
    const char *name;
    const char *expected; /* The header, for people. */
    const struct column *columns;
    size_t column_count;
    const struct label *labels;
    size_t label_count;
    /* A row outside the table: title, account, footer. */
    void (*outside)(struct parse *parse, const char *text);
};

struct parse {
    const struct broker *broker;
    const struct import_options *options;
    struct import *import;
    const char *section; /* Account that the next table is of, or NULL. */
    bool in_table;
    bool stopped;
    bool found;                   /* A header was. */
    size_t places[IMPORT_FIELDS]; /* Column + 1, 0 if absent. */
    size_t width;                 /* Columns up to the last required one. */
};

/* --- Fidelity -------------------------------------------------------------*/

static const struct column fidelity_columns[] = {
    {IMPORT_ACCOUNT_NUMBER, true, {"account number"}},
    {IMPORT_ACCOUNT_NAME, true, {"account name"}},
    {IMPORT_SYMBOL, true, {"symbol"}},
    {IMPORT_NAME, true, {"description"}},
    {IMPORT_QUANTITY, true, {"quantity"}},
    {IMPORT_PRICE, true, {"last price"}},
    {IMPORT_VALUE, true, {"current value"}},
};

static const struct label fidelity_labels[] = {
    {"Pending Activity", LABEL_CASH, "not yet settled: counted as cash"},
};

static void
date_from(struct parse *parse, const char *text, const char *origin)
{
    if (import_find_date(text, parse->import->as_of)) {
        parse->import->as_of_origin = origin;
    }
}

static void
fidelity_outside(struct parse *parse, const char *text)
{
    if (strncasecmp(text, "Date downloaded", 15) == 0) {
        date_from(parse, text, "its footer");
    }
}

/* --- Schwab ---------------------------------------------------------------*/

static const struct column schwab_columns[] = {
    {IMPORT_SYMBOL, true, {"symbol"}},
    {IMPORT_NAME, true, {"description"}},
    {IMPORT_QUANTITY, true, {"qty (quantity)", "quantity"}},
    {IMPORT_PRICE, true, {"price"}},
    {IMPORT_VALUE, true, {"mkt val (market value)", "market value"}},
    {IMPORT_TYPE, false, {"security type", "asset type"}},
};

static const struct label schwab_labels[] = {
    {"Cash & Cash Investments", LABEL_CASH, "counted as cash"},
    {"Futures Cash", LABEL_CASH, "counted as cash"},
    {"Futures Positions Market Value", LABEL_IGNORE,
     "futures are not analysed"},
    {"Account Total", LABEL_TOTAL, NULL},
    {"Positions Total", LABEL_TOTAL, NULL},
};

/* "Positions for account Individual ...123 as of 09:30 AM ET, 2026/11/20", or
 * "Positions for All-Accounts as of ..." and then a line an account. */
static void
schwab_outside(struct parse *parse, const char *text)
{
    static const char one[] = "Positions for account ";
    static const char all[] = "Positions for ";
    const char *as_of = strstr(text, " as of ");
    if (strncasecmp(text, all, sizeof(all) - 1) != 0) {
        parse->section = text;
        return;
    }
    date_from(parse, as_of ? as_of : text, "its first line");
    if (as_of != NULL && strncasecmp(text, one, sizeof(one) - 1) == 0) {
        const char *name = text + sizeof(one) - 1;
        parse->section =
            arena_memdup(parse->import->mem, name, (size_t)(as_of - name));
    }
}

/* --- Vanguard -------------------------------------------------------------*/

static const struct column vanguard_columns[] = {
    {IMPORT_ACCOUNT_NUMBER, true, {"account number"}},
    {IMPORT_NAME, true, {"investment name"}},
    {IMPORT_SYMBOL, true, {"symbol"}},
    {IMPORT_QUANTITY, true, {"shares"}},
    {IMPORT_PRICE, true, {"share price"}},
    {IMPORT_VALUE, true, {"total value"}},
};

/* --- plain ----------------------------------------------------------------*/

static const struct column plain_columns[] = {
    {IMPORT_SYMBOL, true, {"symbol", "ticker"}},
    {IMPORT_QUANTITY, true, {"quantity", "shares", "qty", "units"}},
    {IMPORT_PRICE, false, {"price", "last price", "share price"}},
    {IMPORT_VALUE, false, {"value", "market value", "current value"}},
    {IMPORT_NAME, false, {"name", "description"}},
    {IMPORT_ACCOUNT_NUMBER, false, {"account"}},
    {IMPORT_TYPE, false, {"type"}},
};

#define ROWS(array) (array), ARRAY_COUNT(array)

static const struct broker brokers[] = {
    {"fidelity",
     "Account Number,Account Name,Symbol,Description,Quantity,Last Price,...,"
     "Current Value,...",
     ROWS(fidelity_columns), ROWS(fidelity_labels), fidelity_outside},
    {"schwab",
     "\"Symbol\",\"Description\",\"Qty (Quantity)\",\"Price\",...,\"Mkt Val "
     "(Market Value)\",...",
     ROWS(schwab_columns), ROWS(schwab_labels), schwab_outside},
    {"vanguard",
     "Account Number,Investment Name,Symbol,Shares,Share Price,Total Value,",
     ROWS(vanguard_columns), NULL, 0, NULL},
    {"plain", "symbol,quantity[,price]", ROWS(plain_columns), NULL, 0, NULL},
};

#define PLAIN (&brokers[ARRAY_COUNT(brokers) - 1])

/* --- headers --------------------------------------------------------------*/

static size_t
find_cell(const struct csv_row *row, const char *name)
{
    for (size_t i = 0; i < row->count; i++) {
        if (strcasecmp(row->cells[i], name) == 0) {
            return i + 1;
        }
    }
    return 0;
}

/* The header of a history: Vanguard's follows the positions in one file. */
static bool
is_transactions(const struct csv_row *row)
{
    static const char *const columns[] = {"trade date", "run date",
                                          "settlement date", "action",
                                          "transaction type"};
    for (size_t i = 0; i < ARRAY_COUNT(columns); i++) {
        if (find_cell(row, columns[i]) > 0) {
            return true;
        }
    }
    return false;
}

/* Where the columns of 'broker' are; false if 'row' is not its header. */
static bool
read_header(const struct broker *broker, const struct csv_row *row,
            size_t places[IMPORT_FIELDS], size_t *ret_width)
{
    size_t found[IMPORT_FIELDS] = {0};
    size_t width = 0;
    if (is_transactions(row)) {
        return false;
    }
    for (size_t i = 0; i < broker->column_count; i++) {
        const struct column *column = &broker->columns[i];
        size_t place = 0;
        for (size_t k = 0; place == 0 && k < COLUMN_NAMES; k++) {
            const char *name = column->names[k];
            place = name ? find_cell(row, name) : 0;
        }
        if (place == 0 && column->required) {
            return false;
        }
        found[column->field] = place;
        width = column->required && place > width ? place : width;
    }
    memcpy(places, found, sizeof(found));
    *ret_width = width;
    return true;
}

/* --- rows -----------------------------------------------------------------*/

static const struct label *
find_label(const struct broker *broker, const char *symbol)
{
    for (size_t i = 0; i < broker->label_count; i++) {
        const char *text = broker->labels[i].text;
        if (strncasecmp(symbol, text, strlen(text)) == 0) {
            return &broker->labels[i];
        }
    }
    return NULL;
}

static const char *
last_four(const struct import *import, const char *number)
{
    size_t size = strlen(number);
    return arena_printf(import->mem, "Vanguard ...%s",
                        size > 4 ? number + size - 4 : number);
}

static int
account_of(struct parse *parse, const struct import_record *record,
           struct import_account **ret, struct err *err)
{
    const char *number = record->fields[IMPORT_ACCOUNT_NUMBER];
    const char *name = record->fields[IMPORT_ACCOUNT_NAME];
    if (parse->section != NULL) {
        number = name = parse->section;
    } else if (number[0] == '\0') {
        number = name = parse->options->account;
    } else if (name[0] == '\0') {
        name =
            parse->broker == PLAIN ? number : last_four(parse->import, number);
    }
    return import_account(parse->import, number, name, ret, err);
}

static int
add_total(struct import_account *account, const struct import_record *record,
          struct err *err)
{
    bool there = false;
    if (import_field(record, IMPORT_VALUE, 2, PORTFOLIO_TOTAL_MAX_CENTS,
                     &account->file_cents, &there, err) < 0) {
        return -1;
    }
    account->has_total = account->has_total || there;
    account->has_values = account->has_values || there;
    return 0;
}

static int
add_record(struct parse *parse, const struct import_record *record,
           struct err *err)
{
    struct import *import = parse->import;
    const char *symbol = record->fields[IMPORT_SYMBOL];
    const struct label *label = find_label(parse->broker, symbol);
    struct import_account *account = NULL;
    if (account_of(parse, record, &account, err) < 0) {
        return -1;
    }
    if (label == NULL) {
        return import_add(import, account, record, err);
    }
    switch (label->kind) {
    case LABEL_CASH:
        return import_add_cash(import, account, record, label->remark, err);
    case LABEL_TOTAL:
        return add_total(account, record, err);
    case LABEL_IGNORE:
        import_note(import, record->line, true, symbol, "%s", label->remark);
        return 0;
    }
    return 0;
}

static int
read_record(struct parse *parse, const struct csv_row *row, struct err *err)
{
    if (row->count < parse->width) {
        import_note(parse->import, row->line, true, row->cells[0],
                    "it has %zu columns of %zu", row->count, parse->width);
        return 0;
    }
    struct import_record record = {.line = row->line};
    for (size_t i = 0; i < IMPORT_FIELDS; i++) {
        size_t place = parse->places[i];
        bool there = place > 0 && place <= row->count;
        record.fields[i] = there ? row->cells[place - 1] : "";
    }
    return add_record(parse, &record, err);
}

/* A title or footer: one cell with text, at the beginning. */
static bool
is_text(const struct csv_row *row)
{
    for (size_t i = 1; i < row->count; i++) {
        if (row->cells[i][0] != '\0') {
            return false;
        }
    }
    return row->cells[0][0] != '\0';
}

static int
read_row(struct parse *parse, const struct csv_row *row, struct err *err)
{
    const struct broker *broker = parse->broker;
    if (csv_row_is_blank(row)) {
        return 0;
    }
    if (read_header(broker, row, parse->places, &parse->width)) {
        parse->in_table = true;
        return 0;
    }
    if (parse->in_table && is_transactions(row)) {
        import_note(parse->import, row->line, true, "the rest of the file",
                    "transactions, not positions");
        parse->stopped = true;
        return 0;
    }
    if (parse->in_table && !(broker->outside != NULL && is_text(row))) {
        return read_record(parse, row, err);
    }
    if (broker->outside != NULL && is_text(row)) {
        broker->outside(parse, row->cells[0]);
    }
    return 0;
}

/* --- the file -------------------------------------------------------------*/

/* A table without a header: symbol, quantity and perhaps a price. */
static bool
is_bare(const struct csv *csv, struct parse *parse)
{
    for (size_t i = 0; i < csv->count; i++) {
        const struct csv_row *row = &csv->rows[i];
        int64_t ignored = 0;
        if (csv_row_is_blank(row)) {
            continue;
        }
        if (row->count < 2 || row->count > 4 || row->cells[0][0] == '\0' ||
            import_number(row->cells[1], 8, &ignored) != IMPORT_NUMBER_OK) {
            return false;
        }
        parse->places[IMPORT_SYMBOL] = 1;
        parse->places[IMPORT_QUANTITY] = 2;
        parse->places[IMPORT_PRICE] = 3;
        parse->width = 2;
        return true;
    }
    return false;
}

static const struct broker *
detect(const struct csv *csv)
{
    size_t places[IMPORT_FIELDS];
    size_t width = 0;
    for (size_t b = 0; b < ARRAY_COUNT(brokers); b++) {
        for (size_t i = 0; i < csv->count; i++) {
            if (read_header(&brokers[b], &csv->rows[i], places, &width)) {
                return &brokers[b];
            }
        }
    }
    return PLAIN;
}

static int
choose(const char *name, const struct csv *csv, const struct broker **ret,
       struct err *err)
{
    if (name == NULL || strcmp(name, "auto") == 0) {
        *ret = detect(csv);
        return 0;
    }
    for (size_t i = 0; i < ARRAY_COUNT(brokers); i++) {
        if (strcmp(brokers[i].name, name) == 0) {
            *ret = &brokers[i];
            return 0;
        }
    }
    return err_set(err, ERR_REJECT, 64, "--broker is auto, %s; not '%.40s'",
                   import_broker_names, name);
}

/* What was expected, and the first line that was found instead. */
static int
other_shape(const struct import_options *options, const struct broker *broker,
            const struct csv *csv, struct err *err)
{
    _cleanup(buf_free) struct buf found = {0};
    for (size_t i = 0; i < csv->count && found.size == 0; i++) {
        const struct csv_row *row = &csv->rows[i];
        for (size_t k = 0; !csv_row_is_blank(row) && k < row->count; k++) {
            buf_printf(&found, "%s%s", k > 0 ? "," : "", row->cells[k]);
        }
    }
    bool known =
        options->broker != NULL && strcmp(options->broker, "auto") != 0;
    return err_set(err, ERR_REJECT, 0,
                   "no positions export: expected %s%s; found: %.80s",
                   known ? "the header "
                         : "one of Fidelity, Schwab, Vanguard "
                           "or ",
                   broker->expected, found.size ? found.data : "nothing");
}

static void
date_of_file(struct parse *parse)
{
    const char *file = parse->options->file;
    if (parse->import->as_of[0] == '\0' && file != NULL) {
        const char *slash = strrchr(file, '/');
        date_from(parse, slash ? slash + 1 : file, "the file's name");
    }
}

int
import_parse(const char *bytes, size_t size,
             const struct import_options *options, struct arena *mem,
             struct import *ret, struct err *err)
{
    struct csv csv;
    struct import import = {.mem = mem};
    struct parse parse = {.options = options, .import = &import};
    if (csv_parse(bytes, size, mem, &csv, err) < 0 ||
        choose(options->broker, &csv, &parse.broker, err) < 0) {
        return -1;
    }
    import.broker = parse.broker->name;
    parse.in_table = parse.broker == PLAIN && is_bare(&csv, &parse);
    if (csv.replaced > 0) {
        import_note(&import, 0, false, "the file",
                    "%zu bytes that are not UTF-8 were read as Latin-1",
                    csv.replaced);
    }
    for (size_t i = 0; i < csv.count && !parse.stopped; i++) {
        if (read_row(&parse, &csv.rows[i], err) < 0) {
            return -1;
        }
    }
    if (!parse.in_table) {
        return other_shape(options, parse.broker, &csv, err);
    }
    date_of_file(&parse);
    import_finish(&import);
    *ret = import;
    return 0;
}
