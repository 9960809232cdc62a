#include "runtime/quotes.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "portfolio/money.h"

#define QUOTES_FILE_MAX_BYTES ((size_t)8 * 1024 * 1024)
#define QUOTES_READ_BYTES ((size_t)64 * 1024)
#define QUOTES_DOUBLE_MAX 99999999.0

void
quotes_free(struct quotes *quotes)
{
    free(quotes->rows);
    *quotes = (struct quotes){0};
}

/* Begins with a date, YYYY-MM-DD. */
static bool
is_date(const char *text)
{
    static const char shape[] = "dddd-dd-dd";

    for (size_t i = 0; i < sizeof(shape) - 1; i++) {
        const bool fits = shape[i] == 'd' ? isdigit((unsigned char)text[i]) != 0
                                          : text[i] == shape[i];
        if (!fits) {
            return false;
        }
    }
    return strlen(text) < QUOTES_AS_OF_SIZE;
}

int
quotes_add(struct quotes *quotes, const char *symbol, int64_t price,
           const char *as_of, struct err *err)
{
    const size_t size = strlen(symbol);

    if (size == 0 || size >= QUOTES_SYMBOL_SIZE) {
        return err_set(err, ERR_REJECT, 0,
                       "symbol \"%.40s\": not 1 to %d bytes", symbol,
                       QUOTES_SYMBOL_SIZE - 1);
    }
    if (price <= 0 || price > QUOTES_PRICE_MAX) {
        return err_set(err, ERR_REJECT, 0,
                       "price of %s: not above 0 and below 100,000,000",
                       symbol);
    }
    if (as_of[0] != '\0' && !is_date(as_of)) {
        return err_set(err, ERR_REJECT, 0,
                       "as_of of %s: \"%.40s\" does not begin with YYYY-MM-DD",
                       symbol, as_of);
    }
    if (quotes->count == QUOTES_MAX) {
        return err_set(err, ERR_REJECT, 0, "more than %d prices", QUOTES_MAX);
    }
    if (quotes->count == quotes->room) {
        quotes->room = quotes->room > 0 ? quotes->room * 2 : 64;
        quotes->rows =
            xrealloc(quotes->rows, quotes->room * sizeof(*quotes->rows));
    }
    struct quote *row = &quotes->rows[quotes->count++];
    *row = (struct quote){.price = price};
    memcpy(row->symbol, symbol, size);
    memcpy(row->as_of, as_of, strlen(as_of));
    return 0;
}

static int
by_symbol(const void *a, const void *b)
{
    return strcmp(((const struct quote *)a)->symbol,
                  ((const struct quote *)b)->symbol);
}

void
quotes_sort(struct quotes *quotes)
{
    size_t kept = 0;

    if (quotes->count == 0) {
        return;
    }
    qsort(quotes->rows, quotes->count, sizeof(*quotes->rows), by_symbol);
    for (size_t i = 1; i < quotes->count; i++) {
        if (by_symbol(&quotes->rows[i], &quotes->rows[kept]) != 0) {
            quotes->rows[++kept] = quotes->rows[i];
        }
    }
    quotes->count = kept + 1;
}

const struct quote *
quotes_find(const struct quotes *quotes, const char *symbol)
{
    struct quote key = {0};

    if (quotes->count == 0 || strlen(symbol) >= sizeof(key.symbol)) {
        return NULL;
    }
    memcpy(key.symbol, symbol, strlen(symbol));
    return bsearch(&key, quotes->rows, quotes->count, sizeof(*quotes->rows),
                   by_symbol);
}

static char *
trim(char *text)
{
    text += strspn(text, " \t");
    char *end = text + strlen(text);
    while (end > text && strchr(" \t\r", end[-1]) != NULL) {
        *--end = '\0';
    }
    return text;
}

static int
add_line(struct quotes *quotes, char *line, struct err *err)
{
    const char *symbol = trim(strsep(&line, ","));
    const char *price_text = line != NULL ? trim(strsep(&line, ",")) : "";
    const char *as_of = line != NULL ? trim(strsep(&line, ",")) : "";
    int64_t price = 0;

    if (line != NULL) {
        return err_set(err, ERR_REJECT, 0, "more than three fields");
    }
    if (portfolio_decimal(price_text, QUOTES_SCALE, QUOTES_PRICE_MAX, &price,
                          err) != 0) {
        return err_wrap(err, "price");
    }
    return quotes_add(quotes, symbol, price, as_of, err);
}

static bool
is_skipped(const char *line, int number)
{
    return line[0] == '\0' || line[0] == '#' ||
           (number == 1 && strncasecmp(line, "symbol", 6) == 0);
}

static int
parse_csv(char *text, struct quotes *quotes, struct err *err)
{
    int number = 0;

    for (char *line; (line = strsep(&text, "\n")) != NULL;) {
        line = trim(line);
        if (!is_skipped(line, ++number) && add_line(quotes, line, err) != 0) {
            return err_wrap(err, "line %d", number);
        }
    }
    return 0;
}

static int
add_member(struct quotes *quotes, const char *symbol, struct json_object *value,
           struct err *err)
{
    struct json_object *price_value = value;
    const char *as_of = "";
    int64_t price = 0;

    if (json_object_is_type(value, json_type_object) &&
        (json_string(value, "as_of", QUOTES_AS_OF_SIZE - 1, "", &as_of, err) !=
             0 ||
         !json_object_object_get_ex(value, "price", &price_value))) {
        return err_set(err, ERR_REJECT, 0, "%s: no price, or as_of is no text",
                       symbol);
    }
    const double number = json_object_get_double(price_value);
    if (json_object_is_type(price_value, json_type_string)) {
        if (portfolio_decimal(json_object_get_string(price_value), QUOTES_SCALE,
                              QUOTES_PRICE_MAX, &price, err) != 0) {
            return err_wrap(err, "%s", symbol);
        }
    } else if (number > 0 && number < QUOTES_DOUBLE_MAX) {
        price = llround(number * 10000.0);
    }
    return quotes_add(quotes, symbol, price, as_of, err);
}

static int
parse_json(const struct buf *text, struct quotes *quotes, struct err *err)
{
    _cleanup(json_put) struct json_object *root = NULL;

    if (json_parse(text->data, text->size, "prices", &root, err) != 0) {
        return -1;
    }
    json_object_object_foreach (root, symbol, value) {
        if (add_member(quotes, symbol, value, err) != 0) {
            return -1;
        }
    }
    return 0;
}

static int
read_file(const char *path, struct buf *text, struct stat *ret, struct err *err)
{
    _cleanup(cleanup_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = -1;

    if (fd >= 0 && fstat(fd, ret) == 0) {
        do {
            got = read(fd, buf_reserve(text, QUOTES_READ_BYTES),
                       QUOTES_READ_BYTES);
            text->size += got > 0 ? (size_t)got : 0;
        } while (got > 0 && text->size <= QUOTES_FILE_MAX_BYTES);
    }
    if (got < 0) {
        return err_set(err, ERR_REJECT, 0, "cannot read it: %s",
                       strerror(errno));
    }
    buf_append(text, "", 0);
    if (text->size > QUOTES_FILE_MAX_BYTES ||
        strlen(text->data) != text->size) {
        return err_set(err, ERR_REJECT, 0, "over %zu bytes, or not text",
                       QUOTES_FILE_MAX_BYTES);
    }
    return 0;
}

/* Or else a list of lines. */
static bool
is_object(const struct buf *text)
{
    size_t i = 0;

    while (i < text->size && isspace((unsigned char)text->data[i])) {
        i++;
    }
    return i < text->size && text->data[i] == '{';
}

int
quotes_load(const char *path, struct quotes *ret, struct err *err)
{
    _cleanup(buf_free) struct buf text = {0};
    _cleanup(quotes_free) struct quotes quotes = {0};
    struct stat stat = {0};

    if (read_file(path, &text, &stat, err) != 0) {
        return err_wrap(err, "%s", path);
    }
    if ((is_object(&text) ? parse_json(&text, &quotes, err)
                          : parse_csv(text.data, &quotes, err)) != 0) {
        return err_wrap(err, "%s", path);
    }
    quotes_sort(&quotes);
    clock_format_utc((int64_t)stat.st_mtim.tv_sec * 1000, quotes.as_of,
                     sizeof(quotes.as_of));
    *ret = quotes;
    quotes = (struct quotes){0};
    return 0;
}
