/* alexctl import: a broker's export of positions into the database. */

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "alexctl/ctl.h"
#include "alexctl/import.h"
#include "alexctl/term.h"
#include "base/cleanup.h"
#include "portfolio/money.h"
#include "portfolio/snapshot.h"

struct options {
    const char *file;
    const char *user;
    const char *broker;
    const char *account;
    int64_t years;
    int64_t income;
    bool dry_run;
    bool json;
};

#define NOT_GIVEN (-1)
#define READ_BYTES 65536
#define FIELD(name) offsetof(struct options, name)

static const struct args_option options[] = {
    {ARGS_WORD, "FILE", NULL, FIELD(file), 0, 0, NULL,
     "the export, a CSV file"},
    {ARGS_TEXT, "user", "U", FIELD(user), 1, CTL_NAME_MAX, NULL,
     "whose portfolio; made if new (default: the only user)"},
    {ARGS_TEXT, "broker", "B", FIELD(broker), 0, 0, "auto",
     "auto, fidelity, schwab, vanguard or plain"},
    {ARGS_TEXT, "account", "NAME", FIELD(account), 1, CTL_NAME_MAX, "Imported",
     "the account of a file that names none"},
    {ARGS_INT, "years", "N", FIELD(years), NOT_GIVEN, 100, "-1",
     "years until retirement; -1 leaves it as it is"},
    {ARGS_INT, "income", "N", FIELD(income), NOT_GIVEN, 999999999, "-1",
     "yearly income wanted then, in dollars; -1 likewise"},
    {ARGS_FLAG, "dry-run", NULL, FIELD(dry_run), 0, 0, NULL,
     "read and report only"},
    {ARGS_FLAG, "json", NULL, FIELD(json), 0, 0, NULL,
     "print the whole import as one JSON object"},
};

/* --- the file -------------------------------------------------------------*/

static int
read_file(const char *path, struct buf *out, char mtime[11], struct err *err)
{
    _cleanup(cleanup_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    struct tm day;
    if (fd < 0 || fstat(fd, &status) < 0) {
        return err_errno(err, ERR_REJECT, "%.150s", path);
    }
    ssize_t got = 1;
    while (got > 0 && out->size <= CSV_SIZE_MAX_BYTES) {
        got = read(fd, buf_reserve(out, READ_BYTES), READ_BYTES);
        out->size += got > 0 ? (size_t)got : 0;
    }
    if (got < 0) {
        return err_errno(err, ERR_REJECT, "reading %.150s", path);
    }
    gmtime_r(&status.st_mtime, &day);
    strftime(mtime, 11, "%Y-%m-%d", &day);
    return 0;
}

static int
load(const struct options *o, struct arena *mem, struct import *ret,
     struct err *err)
{
    _cleanup(buf_free) struct buf bytes = {0};
    struct import_options how = {
        .broker = o->broker, .account = o->account, .file = o->file};
    char mtime[11] = "";
    if (read_file(o->file, &bytes, mtime, err) < 0 ||
        import_parse(bytes.data, bytes.size, &how, mem, ret, err) < 0) {
        return -1;
    }
    if (ret->as_of[0] == '\0') {
        memcpy(ret->as_of, mtime, sizeof(mtime));
        ret->as_of_origin = "when the file was written";
    }
    if (ret->account_count == 0) {
        return err_set(err, ERR_REJECT, 0, "%.150s has no positions", o->file);
    }
    return 0;
}

/* --- JSON: what the engine is sent, and --json ----------------------------*/

static void
json_decimal(struct buf *out, const char *key, int64_t value, int scale)
{
    char text[32];
    portfolio_decimal_text(value, scale, text);
    buf_json_key(out, key);
    buf_json_string(out, text);
}

/* As a number with all its decimals. */
static void
json_amount(struct buf *out, const char *key, int64_t value, int scale)
{
    char text[32];
    portfolio_decimal_text(value, scale, text);
    buf_json_key(out, key);
    buf_json_raw(out, text, strlen(text));
}

static void
json_text(struct buf *out, const char *key, const char *text)
{
    buf_json_key(out, key);
    buf_json_string(out, text);
}

/* Names an account in the database without keeping its number there. */
static void
account_key(const struct import *import, const struct import_account *account,
            char ret[64])
{
    char digest[DIGEST_SHA256_SIZE];
    digest_sha256_hex(account->number, strlen(account->number), digest);
    snprintf(ret, 64, "%s:%.24s", import->broker, digest);
}

static void
write_user(const struct options *o, const char *user, struct buf *out)
{
    buf_json_object(out);
    json_text(out, "clerk_user_id", user);
    if (o->years != NOT_GIVEN) {
        buf_json_key(out, "years_until_retirement");
        buf_json_int(out, o->years);
    }
    if (o->income != NOT_GIVEN) {
        json_decimal(out, "target_retirement_income", o->income * 100, 2);
    }
    buf_json_end(out);
}

static void
write_account(const struct import *import, const struct import_account *account,
              struct buf *out)
{
    char key[64];
    account_key(import, account, key);
    buf_json_object(out);
    json_text(out, "key", key);
    json_text(out, "name", account->name);
    json_decimal(out, "cash_balance", account->cash_cents, 2);
    buf_json_key(out, "positions");
    buf_json_array(out);
    for (size_t i = 0; i < account->count; i++) {
        buf_json_object(out);
        json_text(out, "symbol", account->positions[i].symbol);
        json_decimal(out, "quantity", account->positions[i].quantity,
                     PORTFOLIO_QUANTITY_SCALE);
        buf_json_end(out);
    }
    buf_json_end(out);
    buf_json_end(out);
}

static void
write_instrument(const struct import *import, const struct import_position *p,
                 struct buf *out)
{
    char source[32];
    snprintf(source, sizeof(source), "import:%s", import->broker);
    buf_json_object(out);
    json_text(out, "symbol", p->symbol);
    json_text(out, "name", p->name);
    json_text(out, "instrument_type", p->type);
    if (p->price != IMPORT_UNPRICED) {
        json_decimal(out, "price", p->price, PORTFOLIO_PRICE_SCALE);
        json_text(out, "price_source", source);
        json_text(out, "price_as_of", import->as_of);
    }
    buf_json_end(out);
}

static void
write_request(const struct options *o, const char *user,
              const struct import *import, struct buf *out)
{
    buf_json_object(out);
    buf_json_key(out, "v");
    buf_json_int(out, 1);
    buf_json_key(out, "user");
    write_user(o, user, out);
    buf_json_key(out, "accounts");
    buf_json_array(out);
    for (size_t i = 0; i < import->account_count; i++) {
        write_account(import, &import->accounts[i], out);
    }
    buf_json_end(out);
    buf_json_key(out, "instruments");
    buf_json_array(out);
    for (size_t i = 0; i < import->account_count; i++) {
        for (size_t k = 0; k < import->accounts[i].count; k++) {
            const struct import_position *p = &import->accounts[i].positions[k];
            if (import_is_first(import, i, k)) {
                write_instrument(import, p, out);
            }
        }
    }
    buf_json_end(out);
    buf_json_end(out);
}

static void
print_json_account(const struct import_account *account, struct buf *out)
{
    buf_json_object(out);
    json_text(out, "name", account->name);
    json_amount(out, "cash", account->cash_cents, 2);
    json_amount(out, "total", import_account_cents(account), 2);
    if (account->has_values) {
        json_amount(out, "file_total", account->file_cents, 2);
    }
    buf_json_key(out, "positions");
    buf_json_array(out);
    for (size_t i = 0; i < account->count; i++) {
        const struct import_position *p = &account->positions[i];
        buf_json_object(out);
        json_text(out, "symbol", p->symbol);
        json_text(out, "name", p->name);
        json_amount(out, "quantity", p->quantity, PORTFOLIO_QUANTITY_SCALE);
        if (p->price != IMPORT_UNPRICED) {
            json_amount(out, "price", p->price, PORTFOLIO_PRICE_SCALE);
        }
        json_amount(out, "value", p->value_cents, 2);
        buf_json_end(out);
    }
    buf_json_end(out);
    buf_json_end(out);
}

static void
print_json_notes(const struct import *import, bool skipped, struct buf *out)
{
    buf_json_array(out);
    for (size_t i = 0; i < import->note_count; i++) {
        const struct import_note *note = &import->notes[i];
        if (note->skipped == skipped) {
            buf_json_object(out);
            buf_json_key(out, "line");
            buf_json_int(out, note->line);
            json_text(out, "what", note->what);
            json_text(out, "why", note->text);
            buf_json_end(out);
        }
    }
    buf_json_end(out);
}

static void
print_json(const struct options *o, const char *user,
           const struct import *import)
{
    _cleanup(buf_free) struct buf out = {0};
    buf_json_object(&out);
    json_text(&out, "user", user);
    json_text(&out, "broker", import->broker);
    json_text(&out, "as_of", import->as_of);
    buf_json_key(&out, "imported");
    buf_json_bool(&out, !o->dry_run);
    json_amount(&out, "total", import_total_cents(import), 2);
    if (import_has_values(import)) {
        json_amount(&out, "file_total", import_file_cents(import), 2);
    }
    buf_json_key(&out, "accounts");
    buf_json_array(&out);
    for (size_t i = 0; i < import->account_count; i++) {
        print_json_account(&import->accounts[i], &out);
    }
    buf_json_end(&out);
    buf_json_key(&out, "skipped");
    print_json_notes(import, true, &out);
    buf_json_key(&out, "remarks");
    print_json_notes(import, false, &out);
    buf_json_end(&out);
    puts(out.data);
}

/* --- text -----------------------------------------------------------------*/

static void
print_notes(const struct import *import, bool skipped, const char *title)
{
    bool any = false;
    for (size_t i = 0; i < import->note_count; i++) {
        const struct import_note *note = &import->notes[i];
        _cleanup(buf_free) struct buf line = {0};
        if (note->skipped != skipped) {
            continue;
        }
        if (!any) {
            printf("\n%s:\n", title);
        }
        any = true;
        if (note->line > 0) {
            buf_printf(&line, "  line %-5d ", note->line);
        } else {
            buf_puts(&line, "             ");
        }
        term_pad(&line, note->what, 24);
        buf_puts(&line, " ");
        term_escape(&line, note->text, strlen(note->text), false);
        puts(line.data);
    }
}

struct amounts {
    const char *name;
    size_t positions;
    int64_t cash_cents;
    int64_t total_cents;
    int64_t file_cents;
    bool has_values;
};

static void
print_amounts(const struct amounts *a)
{
    char cash[40];
    char total[40];
    char apart[40];
    _cleanup(buf_free) struct buf line = {0};
    portfolio_money_text(a->cash_cents, cash);
    portfolio_money_text(a->total_cents, total);
    portfolio_money_text(a->total_cents - a->file_cents, apart);
    term_pad(&line, a->name, 32);
    buf_printf(&line, " %9zu %16s %16s", a->positions, cash, total);
    if (a->has_values && a->total_cents == a->file_cents) {
        buf_puts(&line, "  as in the file");
    } else if (a->has_values) {
        buf_printf(&line, "  %s from the file's", apart);
    }
    puts(line.data);
}

static void
print_text(const struct import *import)
{
    struct amounts all = {.name = "All accounts",
                          .positions = import->position_count,
                          .total_cents = import_total_cents(import),
                          .file_cents = import_file_cents(import),
                          .has_values = import_has_values(import)};
    printf("Positions as of %s (%s), broker %s\n\n", import->as_of,
           import->as_of_origin, import->broker);
    printf("%-32s %9s %16s %16s\n", "Account", "positions", "cash", "total");
    for (size_t i = 0; i < import->account_count; i++) {
        const struct import_account *account = &import->accounts[i];
        all.cash_cents += account->cash_cents;
        print_amounts(&(struct amounts){
            .name = account->name,
            .positions = account->count,
            .cash_cents = account->cash_cents,
            .total_cents = import_account_cents(account),
            .file_cents = account->file_cents,
            .has_values = account->has_values,
        });
    }
    print_amounts(&all);
    print_notes(import, true, "Left out");
    print_notes(import, false, "Remarks");
}

/* --- the command ----------------------------------------------------------*/

static int
import_user(struct ctl *ctl, const struct options *o, char **ret,
            struct err *err)
{
    if (o->user == NULL && o->dry_run) {
        *ret = NULL;
        return 0;
    }
    return ctl_user(ctl, o->user, ret, err);
}

static int
import_file(struct ctl *ctl, const void *given, struct err *err)
{
    const struct options *o = given;
    _cleanup(arena_free) struct arena *mem = arena_new(1 << 16);
    _cleanup(cleanup_free) char *user = NULL;
    struct import import;
    if (load(o, mem, &import, err) < 0 || import_user(ctl, o, &user, err) < 0) {
        return -1;
    }
    if (!o->json) {
        print_text(&import);
    }
    if (!o->dry_run) {
        _cleanup(buf_free) struct buf request = {0};
        _cleanup(store_reply_free) struct store_reply reply = {0};
        write_request(o, user, &import, &request);
        if (ctl_call(ctl, "portfolio", &request, &reply, err) < 0) {
            return err_wrap(err, "nothing was imported");
        }
    }
    if (o->json) {
        print_json(o, user, &import);
    } else if (o->dry_run) {
        puts("\nDry run: nothing was imported.");
    } else {
        fputs("\nImported for user ", stdout);
        term_print_line(stdout, user);
    }
    return CTL_EXIT_OK;
}

const struct command command_import = {
    .name = "import",
    .summary = "Import a broker's export of positions.",
    .details =
        "Reads what Fidelity (Portfolio_Positions_*.csv), Schwab and Vanguard\n"
        "write, and plain 'symbol,quantity[,price]'.  Replaces the positions "
        "of the\naccounts that are in the file, all or nothing; importing "
        "again changes nothing.\nMoney-market funds count as cash.  Options, "
        "short positions and rows without\na quantity are left out; every one "
        "is listed, with the reason.\n\n"
        "Examples:\n"
        "  alexctl import Portfolio_Positions_Nov-20-2026.csv --user me\n"
        "  alexctl import positions.csv --broker schwab --dry-run\n"
        "  alexctl import mine.csv --account Brokerage --years 25 "
        "--income 90000\n",
    .options = options,
    .option_count = ARRAY_COUNT(options),
    .options_size = sizeof(struct options),
    .run = import_file,
};
