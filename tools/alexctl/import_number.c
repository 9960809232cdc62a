/* Numbers and dates as brokers write them. */

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "alexctl/import.h"
#include "base/cleanup.h"

/* Longest number without its ornaments. */
#define PLAIN_SIZE 40

static bool
says_nothing(const char *text)
{
    static const char *const words[] = {"",    "-",          "--",
                                        "n/a", "Not Priced", "\xe2\x80\x94"};
    for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
        if (strcasecmp(text, words[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* "1,234" is one thousand two hundred; "1,23" is somebody's decimal comma. */
static bool
separates_thousands(const char *comma)
{
    size_t group = strspn(comma + 1, "0123456789");
    return isdigit((unsigned char)comma[-1]) && group == 3;
}

/* Copies digits and one point, without separators; where the copy ended. */
static const char *
copy_digits(const char *at, char plain[PLAIN_SIZE])
{
    const char *first = at;
    size_t size = 0;
    bool point = false;
    for (; size + 1 < PLAIN_SIZE; at++) {
        if (*at == ',' && at > first && !point && separates_thousands(at)) {
            continue;
        }
        if (!isdigit((unsigned char)*at) && (*at != '.' || point)) {
            break;
        }
        point = point || *at == '.';
        plain[size++] = *at;
    }
    plain[size] = '\0';
    return at;
}

/* Takes sign, dollar and parentheses off; false if more than that is there. */
static bool
strip(const char *text, char plain[PLAIN_SIZE], bool *negative)
{
    int minuses = 0;
    bool parenthesis = false;
    for (; *text != '\0' && strchr("+-$( ", *text) != NULL; text++) {
        minuses += *text == '-';
        parenthesis = parenthesis || *text == '(';
    }
    text = copy_digits(text, plain);
    if (parenthesis && *text++ != ')') {
        return false;
    }
    *negative = minuses > 0 || parenthesis;
    return *text == '\0' && minuses <= 1 && strcspn(plain, "0123456789") <= 1 &&
           strpbrk(plain, "0123456789") != NULL;
}

/* 'value' and one more digit; INT64_MAX is as far as it goes. */
static int64_t
shift_in(int64_t value, int digit)
{
    return value > (INT64_MAX - digit) / 10 ? INT64_MAX : value * 10 + digit;
}

static int64_t
scale_up(const char *plain, int scale)
{
    int64_t value = 0;
    int left = -1; /* Decimals still to take; -1 before the point. */
    for (const char *p = plain; *p != '\0'; p++) {
        if (*p == '.') {
            left = scale;
            continue;
        }
        if (left == 0) {
            value += *p >= '5' && value < INT64_MAX;
            break;
        }
        value = shift_in(value, *p - '0');
        left -= left > 0;
    }
    for (left = left < 0 ? scale : left; left > 0; left--) {
        value = shift_in(value, 0);
    }
    return value;
}

enum import_number
import_number(const char *text, int scale, int64_t *ret)
{
    char plain[PLAIN_SIZE];
    bool negative = false;
    if (says_nothing(text)) {
        return IMPORT_NUMBER_NONE;
    }
    if (!strip(text, plain, &negative)) {
        return IMPORT_NUMBER_BAD;
    }
    int64_t value = scale_up(plain, scale);
    *ret = negative ? -value : value;
    return IMPORT_NUMBER_OK;
}

static int
month_by_name(const char *name)
{
    static const char *const names[] = {"Jan", "Feb", "Mar", "Apr",
                                        "May", "Jun", "Jul", "Aug",
                                        "Sep", "Oct", "Nov", "Dec"};
    for (int i = 0; i < (int)ARRAY_COUNT(names); i++) {
        if (strncasecmp(name, names[i], 3) == 0) {
            return i + 1;
        }
    }
    return 0;
}

static bool
is_date(int year, int month, int day)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return year >= 1990 && year <= 2199 && month >= 1 && month <= 12 &&
           day >= 1 && day <= days[month - 1] + (month == 2 && leap);
}

static bool
date_at(const char *text, int *year, int *month, int *day)
{
    char name[4];
    if (sscanf(text, "%4d%*1[-/]%2d%*1[-/]%2d", year, month, day) == 3 &&
        is_date(*year, *month, *day)) {
        return true;
    }
    if (sscanf(text, "%3[A-Za-z]%*1[-]%2d%*1[-]%4d", name, day, year) == 3) {
        *month = month_by_name(name);
        return is_date(*year, *month, *day);
    }
    return sscanf(text, "%2d%*1[-/]%2d%*1[-/]%4d", month, day, year) == 3 &&
           is_date(*year, *month, *day);
}

bool
import_find_date(const char *text, char ret[11])
{
    for (const char *at = text; *at != '\0'; at++) {
        int year = 0;
        int month = 0;
        int day = 0;
        bool in_word = at > text && isalnum((unsigned char)at[-1]);
        if (!in_word && isalnum((unsigned char)*at) &&
            date_at(at, &year, &month, &day)) {
            char date[48];
            snprintf(date, sizeof(date), "%04d-%02d-%02d", year, month, day);
            memcpy(ret, date, 10);
            ret[10] = '\0';
            return true;
        }
    }
    return false;
}
