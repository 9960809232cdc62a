/* Money without floating point: decimal text to scaled integers and back, and
 * shares that add up. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Everything is in cents and at most ten trillion dollars, so that a value
 * keeps its cents even in a reader's double. */
#define PORTFOLIO_TOTAL_MAX_CENTS INT64_C(1000000000000000)

/* "1234.5" with 'scale' 4 is 12345000.  Digits, one point and a leading minus
 * only; zeros beyond 'scale' are dropped, other digits there are an error, as
 * is a magnitude over 'max' (scaled).
 * Errors: ERR_REJECT naming the text and the limit. */
int portfolio_decimal(const char *text, int scale, int64_t max, int64_t *ret,
                      struct err *err);
/* 'value' with all of its 'scale' decimals: 12345000 at 4 is "1234.5000". */
void portfolio_decimal_text(int64_t value, int scale, char ret[32]);

/* For people: "$1,234.50", "-$3.00". */
void portfolio_money_text(int64_t cents, char ret[40]);
/* 'part' of 'whole' in tenths of a percent, rounded half away from zero; 0 if
 * 'whole' is 0. */
int64_t portfolio_permille(int64_t part, int64_t whole);
/* Tenths of a percent for people: 719 is "71.9%". */
void portfolio_permille_text(int64_t permille, char ret[32]);

/* Splits 'total' by 'weights' into whole units that add up to 'total', giving
 * what rounding leaves to the largest remainders (ties: the lower index).
 * Arguments are non-negative.  With no weight at all every share is 0. */
void portfolio_apportion(int64_t total, const int64_t *weights, size_t count,
                         int64_t *ret);
/* The second half of it: adds 1 to the 'left' shares with the largest
 * remainders. */
void portfolio_round_up(int64_t left, const int64_t *remainders, size_t count,
                        int64_t *ret);
