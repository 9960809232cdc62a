/* Holds the numbers of one text against those of another. */
#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/utf8.h"
#include "portfolio/words.h"
#include "reporter/reporter.h"

#define SCALE INT64_C(10000)

enum { DIGITS_MAX = 14, DECIMALS_MAX = 4, CHUNK_BYTES = 4096 };

enum unit { UNIT_PLAIN, UNIT_MONEY, UNIT_PERCENT };

struct number {
    int64_t value; /* Times SCALE. */
    int64_t step;  /* What its last digit is worth, times SCALE. */
    enum unit unit;
    bool is_exact;  /* False: too long to be compared with anything. */
    const char *at; /* Where it is written... */
    size_t size;    /* ...and how long that is. */
};

/* Those without a value ("half") must stand in the facts as they are. */
static const struct {
    const char *word;
    int value;
} number_words[] = {
    {"two", 2},       {"three", 3},     {"four", 4},     {"five", 5},
    {"six", 6},       {"seven", 7},     {"eight", 8},    {"nine", 9},
    {"ten", 10},      {"eleven", 11},   {"twelve", 12},  {"thirteen", 13},
    {"fourteen", 14}, {"fifteen", 15},  {"sixteen", 16}, {"seventeen", 17},
    {"eighteen", 18}, {"nineteen", 19}, {"twenty", 20},  {"thirty", 30},
    {"forty", 40},    {"fifty", 50},    {"sixty", 60},   {"seventy", 70},
    {"eighty", 80},   {"ninety", 90},   {"hundred", 0},  {"thousand", 0},
    {"million", 0},   {"billion", 0},   {"trillion", 0}, {"half", 0},
    {"third", 0},     {"thirds", 0},    {"quarter", 0},  {"quarters", 0},
    {"fifth", 0},     {"tenth", 0},     {"double", 0},   {"doubled", 0},
    {"twice", 0},     {"triple", 0},    {"tripled", 0},  {"dozen", 0},
    {"halved", 0},
};

static const struct {
    const char *word; /* After the digits, spaces aside. */
    int64_t times;
} multiples[] = {
    {"k", 1000},
    {"m", 1000000},
    {"b", 1000000000},
    {"bn", 1000000000},
    {"thousand", 1000},
    {"million", 1000000},
    {"billion", 1000000000},
    {"trillion", 1000000000000},
};

static const struct {
    const char *word;
    enum unit unit;
} units[] = {
    {"%", UNIT_PERCENT},        {"percent", UNIT_PERCENT},
    {"per cent", UNIT_PERCENT}, {"dollars", UNIT_MONEY},
    {"usd", UNIT_MONEY},
};

/* Marks that a writer may add.  Other characters outside ASCII must stand in
 * the facts: digits and fractions come in many scripts. */
static const char *const marks[] = {
    "\u2013", "\u2014", "\u2018", "\u2019", "\u201c",
    "\u201d", "\u2026", "\u2022", "\u00a0",
};

struct reader {
    const char *begin;
    const char *at;
};

static bool
is_word_char(char c)
{
    return isalnum((unsigned char)c) || (unsigned char)c >= 0x80;
}

static const char *
skip_spaces(const char *p)
{
    while (*p == ' ' || *p == '-' || *p == '*') {
        p++;
    }
    return p;
}

/* The end of 'word' if 'p' starts with it, whole and in any case; or NULL. */
static const char *
skip_word(const char *p, const char *word)
{
    size_t size = strlen(word);

    if (strncasecmp(p, word, size) != 0 ||
        (isalpha((unsigned char)word[0]) && is_word_char(p[size]))) {
        return NULL;
    }
    return p + size;
}

static const char *
read_multiple(const char *p, struct number *n)
{
    for (size_t i = 0; i < ARRAY_COUNT(multiples); i++) {
        const char *end = skip_word(skip_spaces(p), multiples[i].word);

        if (end) {
            n->is_exact = n->is_exact &&
                          llabs(n->value) <= INT64_MAX / multiples[i].times;
            if (n->is_exact) {
                n->value *= multiples[i].times;
                n->step *= multiples[i].times;
            }
            return end;
        }
    }
    return p;
}

static const char *
read_unit(const char *p, struct number *n)
{
    for (size_t i = 0; i < ARRAY_COUNT(units); i++) {
        const char *end = skip_word(skip_spaces(p), units[i].word);

        if (end) {
            n->unit = units[i].unit;
            return end;
        }
    }
    return p;
}

static void
take_digit(struct number *n, char digit, int64_t step, int *digits)
{
    if (++*digits > DIGITS_MAX || step == 0) {
        n->is_exact = false;
        return;
    }
    if (step == SCALE) {
        n->value = n->value * 10 + (digit - '0') * SCALE;
    } else {
        n->value += (digit - '0') * step;
    }
    n->step = step;
}

/* Digits with commas between thousands, and decimals. */
static const char *
read_digits(const char *p, struct number *n)
{
    int64_t step = SCALE;
    int digits = 0;

    for (;; p++) {
        bool is_comma = *p == ',' && isdigit((unsigned char)p[1]) &&
                        isdigit((unsigned char)p[2]) &&
                        isdigit((unsigned char)p[3]) &&
                        !isdigit((unsigned char)p[4]);

        if (isdigit((unsigned char)*p)) {
            take_digit(n, *p, step, &digits);
        } else if (!is_comma) {
            break;
        }
    }
    if (*p == '.' && isdigit((unsigned char)p[1])) {
        for (p++; isdigit((unsigned char)*p); p++) {
            step /= 10;
            take_digit(n, *p, step, &digits);
        }
    }
    return p;
}

/* "-$5", "- 5" in a list, "401-5" and "2025-09": only the first is negative. */
static bool
is_negative(const struct reader *r, const char *at)
{
    return at > r->begin && at[-1] == '-' &&
           (at - 1 == r->begin || !is_word_char(at[-2]));
}

static void
read_number(struct reader *r, struct number *n)
{
    const char *sign_at = r->at;

    *n = (struct number){.step = SCALE, .is_exact = true, .at = r->at};
    if (r->at > r->begin && r->at[-1] == '$') {
        n->unit = UNIT_MONEY;
        sign_at--;
        sign_at -= sign_at > r->begin && sign_at[-1] == '\\';
    }
    r->at = read_digits(r->at, n);
    r->at = read_unit(read_multiple(r->at, n), n);
    n->size = (size_t)(r->at - n->at);
    if (is_negative(r, sign_at)) {
        n->value = -n->value;
    }
}

/* The 1. of a list. */
static bool
is_list_marker(const struct reader *r)
{
    const char *line = r->at;
    const char *end = r->at + strspn(r->at, "0123456789");

    while (line > r->begin && line[-1] == ' ') {
        line--;
    }
    return (line == r->begin || line[-1] == '\n') &&
           (*end == '.' || *end == ')') && end[1] == ' ';
}

/* The next number written in digits; false at the end. */
static bool
next_digits(struct reader *r, struct number *n)
{
    for (; *r->at != '\0'; r->at++) {
        if (!isdigit((unsigned char)*r->at)) {
            continue;
        }
        if (!is_list_marker(r)) {
            read_number(r, n);
            return true;
        }
        r->at += strspn(r->at, "0123456789");
    }
    return false;
}

static bool
is_written(const char *facts, const struct number *n)
{
    struct reader r = {.begin = facts, .at = facts};
    struct number fact;

    while (n->is_exact && next_digits(&r, &fact)) {
        if (fact.is_exact && fact.unit == n->unit &&
            llabs(fact.value - n->value) <= n->step / 2) {
            return true;
        }
    }
    return false;
}

static int
refuse(const struct number *n, struct err *err)
{
    return err_set(err, ERR_REJECT, 0, "\"%.*s\" is not among the facts",
                   (int)(n->size < 40 ? n->size : 40), n->at);
}

static int
check_digits(const char *facts, const char *prose, struct err *err)
{
    struct reader r = {.begin = prose, .at = prose};
    struct number n;

    while (next_digits(&r, &n)) {
        if (!is_written(facts, &n)) {
            return refuse(&n, err);
        }
    }
    return 0;
}

/* The "thousand" of "$99 thousand" has been read with its digits. */
static bool
is_part_of_number(const char *prose, const char *word)
{
    while (word > prose && word[-1] == ' ') {
        word--;
    }
    return word > prose && isdigit((unsigned char)word[-1]) &&
           read_multiple(word, &(struct number){0}) > word;
}

/* "five", "seventy percent", "half" at 'word', which is the 'i'th. */
static int
check_word(const char *facts, const char *fact_words, const char *word,
           size_t i, struct err *err)
{
    const char *p = word + strlen(number_words[i].word);
    struct number n = {
        .value = number_words[i].value * SCALE,
        .step = SCALE,
        .is_exact = true,
        .at = word,
        .size = strlen(number_words[i].word),
    };
    _cleanup(cleanup_free) char *spaced =
        xasprintf(" %s ", number_words[i].word);

    if (strstr(fact_words, spaced)) {
        return 0;
    }
    read_unit(p, &n);
    return n.value > 0 && is_written(facts, &n) ? 0 : refuse(&n, err);
}

static int
check_words(const char *facts, const char *fact_words, const char *prose,
            struct err *err)
{
    for (const char *p = prose; *p != '\0'; p++) {
        if (p > prose && is_word_char(p[-1])) {
            continue;
        }
        for (size_t i = 0; i < ARRAY_COUNT(number_words); i++) {
            if (skip_word(p, number_words[i].word) &&
                !is_part_of_number(prose, p) &&
                check_word(facts, fact_words, p, i, err)) {
                return -1;
            }
        }
    }
    return 0;
}

static bool
is_mark(const char *character, size_t size)
{
    for (size_t i = 0; i < ARRAY_COUNT(marks); i++) {
        if (strlen(marks[i]) == size &&
            memcmp(marks[i], character, size) == 0) {
            return true;
        }
    }
    return false;
}

static int
check_characters(const char *facts, const char *prose, struct err *err)
{
    size_t left = strlen(prose);

    while (left > 0) {
        size_t size = utf8_size(prose, left);

        if (size == 0) {
            return err_set(err, ERR_REJECT, 0, "text is not UTF-8");
        }
        if (size > 1 && !is_mark(prose, size) &&
            !memmem(facts, strlen(facts), prose, size)) {
            return err_set(err, ERR_REJECT, 0,
                           "\"%.*s\" is not among the facts", (int)size, prose);
        }
        prose += size;
        left -= size;
    }
    return 0;
}

int
reporter_check_prose(const char *facts, const char *prose, struct err *err)
{
    _cleanup(arena_free) struct arena *mem = arena_new(CHUNK_BYTES);

    return check_characters(facts, prose, err) ||
                   check_digits(facts, prose, err) ||
                   check_words(facts, portfolio_words(facts, mem), prose, err)
               ? -1
               : 0;
}
