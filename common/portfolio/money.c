#include "portfolio/money.h"

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

__extension__ typedef __int128 wide;

static int64_t
power_of_ten(int scale)
{
    int64_t power = 1;

    assert(scale >= 0 && scale <= 18);
    for (int i = 0; i < scale; i++) {
        power *= 10;
    }
    return power;
}

/* Adds one digit unless that takes '*value' over 'max'. */
static bool
take_digit(char digit, int64_t max, int64_t *value)
{
    int64_t add = digit - '0';

    if (*value > (max - add) / 10) {
        return false;
    }
    *value = *value * 10 + add;
    return true;
}

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

enum parsed { PARSED_OK, PARSED_SHAPE, PARSED_LIMIT, PARSED_DECIMALS };

/* The digits of 'text' after its sign, into '*value' at 'scale'. */
static enum parsed
parse_digits(const char *text, int scale, int64_t max, int64_t *value)
{
    const char *p = text;
    int decimals = 0;

    for (; is_digit(*p); p++) {
        if (!take_digit(*p, max, value)) {
            return PARSED_LIMIT;
        }
    }
    if (p == text || (*p == '.' && !is_digit(p[1]))) {
        return PARSED_SHAPE;
    }
    p += *p == '.';
    for (; is_digit(*p); p++) {
        if (decimals < scale) {
            decimals++;
            if (!take_digit(*p, max, value)) {
                return PARSED_LIMIT;
            }
        } else if (*p != '0') {
            return PARSED_DECIMALS;
        }
    }
    for (; decimals < scale; decimals++) {
        if (!take_digit('0', max, value)) {
            return PARSED_LIMIT;
        }
    }
    return *p == '\0' ? PARSED_OK : PARSED_SHAPE;
}

int
portfolio_decimal(const char *text, int scale, int64_t max, int64_t *ret,
                  struct err *err)
{
    bool negative = text[0] == '-';
    int64_t value = 0;
    int64_t unit = power_of_ten(scale);

    switch (parse_digits(text + negative, scale, max, &value)) {
    case PARSED_OK:
        *ret = negative ? -value : value;
        return 0;
    case PARSED_LIMIT:
        return err_set(err, ERR_REJECT, 0,
                       "\"%.40s\" is over the limit of %" PRId64, text,
                       max / unit);
    case PARSED_DECIMALS:
        return err_set(err, ERR_REJECT, 0,
                       "\"%.40s\" has more than %d decimals", text, scale);
    case PARSED_SHAPE:
        break;
    }
    return err_set(err, ERR_REJECT, 0, "\"%.40s\" is not a decimal number",
                   text);
}

void
portfolio_decimal_text(int64_t value, int scale, char ret[32])
{
    uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    uint64_t unit = (uint64_t)power_of_ten(scale);
    const char *sign = value < 0 ? "-" : "";

    if (scale == 0) {
        snprintf(ret, 32, "%s%" PRIu64, sign, magnitude);
        return;
    }
    snprintf(ret, 32, "%s%" PRIu64 ".%0*" PRIu64, sign, magnitude / unit, scale,
             magnitude % unit);
}

void
portfolio_money_text(int64_t cents, char ret[40])
{
    char digits[32];
    size_t out = 0;

    portfolio_decimal_text(cents, 2, digits);
    const char *p = digits + (digits[0] == '-');
    size_t whole = strlen(p) - 3;

    if (p > digits) {
        ret[out++] = '-';
    }
    ret[out++] = '$';
    for (size_t i = 0; i < whole; i++) {
        if (i > 0 && (whole - i) % 3 == 0) {
            ret[out++] = ',';
        }
        ret[out++] = p[i];
    }
    memcpy(ret + out, p + whole, 4);
}

int64_t
portfolio_permille(int64_t part, int64_t whole)
{
    if (whole == 0) {
        return 0;
    }
    wide twice = (wide)part * 2000;
    wide half = twice < 0 ? -(wide)whole : (wide)whole;

    return (int64_t)((twice + half) / ((wide)whole * 2));
}

void
portfolio_permille_text(int64_t permille, char ret[32])
{
    char digits[32];

    portfolio_decimal_text(permille, 1, digits);
    snprintf(ret, 32, "%.30s%%", digits);
}

void
portfolio_round_up(int64_t left, const int64_t *remainders, size_t count,
                   int64_t *ret)
{
    int64_t last = INT64_MAX; /* What was served last, and the index after. */
    size_t next = 0;

    for (; left > 0; left--) {
        size_t best = count;

        for (size_t i = 0; i < count; i++) {
            bool served =
                remainders[i] > last || (remainders[i] == last && i < next);

            if (!served &&
                (best == count || remainders[i] > remainders[best])) {
                best = i;
            }
        }
        assert(best < count);
        ret[best]++;
        last = remainders[best];
        next = best + 1;
    }
}

void
portfolio_apportion(int64_t total, const int64_t *weights, size_t count,
                    int64_t *ret)
{
    enum { SHARES_MAX = 64 };
    int64_t remainders[SHARES_MAX];
    int64_t left = total;
    wide sum = 0;

    assert(count <= SHARES_MAX);
    for (size_t i = 0; i < count; i++) {
        sum += weights[i];
    }
    for (size_t i = 0; i < count; i++) {
        wide product = (wide)total * weights[i];

        ret[i] = sum == 0 ? 0 : (int64_t)(product / sum);
        remainders[i] = sum == 0 ? 0 : (int64_t)(product % sum);
        left -= ret[i];
    }
    if (sum != 0) {
        portfolio_round_up(left, remainders, count, ret);
    }
}
