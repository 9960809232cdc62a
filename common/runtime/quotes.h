/* A table of prices by symbol, and the file one can be read from. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define QUOTES_SYMBOL_SIZE                                                     \
    21 /* 20 characters, as in the database, and NUL.                          \
        */
#define QUOTES_AS_OF_SIZE 32
#define QUOTES_SCALE 4 /* Prices are in ten-thousandths... */
#define QUOTES_PRICE_MAX INT64_C(999999999999) /* ...and numeric(12,4). */
#define QUOTES_MAX 100000

struct quote {
    char symbol[QUOTES_SYMBOL_SIZE];
    char as_of[QUOTES_AS_OF_SIZE]; /* "2026-11-20", or with a time; or "". */
    int64_t price;
};

struct quotes { /* Zeroed is empty. */
    struct quote *rows;
    size_t count;
    size_t room;
    char as_of[QUOTES_AS_OF_SIZE]; /* For rows that have none; or "". */
};

void quotes_free(struct quotes *quotes); /* For _cleanup; leaves it empty. */
/* Errors: ERR_REJECT naming the field: symbol too long, price not positive or
 * too high, date without a day, table full. */
int quotes_add(struct quotes *quotes, const char *symbol, int64_t price,
               const char *as_of, struct err *err);
/* To be called after the last quotes_add(); of a symbol twice, one stays. */
void quotes_sort(struct quotes *quotes);
const struct quote *quotes_find(const struct quotes *quotes,
                                const char *symbol);

/* Reads a CSV file of lines 'symbol,price[,as_of]' (a header line, empty lines
 * and lines that begin with # are skipped), or a JSON file that is an object of
 * "SYMBOL": price or {"price","as_of"}; a price is text or a number.  'as_of'
 * of the table is the file's time of change. Errors: ERR_REJECT naming file,
 * line or symbol, and rule. */
int quotes_load(const char *path, struct quotes *ret, struct err *err);
