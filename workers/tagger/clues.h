/* Inside the tagger: which words of a name stand for what.
 *
 * Words are as portfolio_words() makes them; of each table the first row that
 * is found decides, so that the particular stands before the general ("ex us"
 * before "world").  Tables end with a row without words. */
#pragma once

#include <stdbool.h>

#define CLUES_SHARES_MAX 4

enum clues_kind {
    CLUES_MONEY_MARKET,
    CLUES_CRYPTO,
    CLUES_COMMODITY,
    CLUES_REAL_ESTATE,
    CLUES_BOND_TREASURY,
    CLUES_BOND_GOVERNMENT,
    CLUES_BOND_MORTGAGE,
    CLUES_BOND_CORPORATE,
    CLUES_BOND_ANY,
    CLUES_MIXED,
    CLUES_EQUITY,
};

/* A part of an allocation map; the list ends with a NULL key. */
struct clues_share {
    const char *key;
    int percent;
};

/* What a kind is by default; other clues may know its region or sector. */
struct clues_default {
    const char *label; /* "treasury bonds" */
    const char *type;  /* If it is not known otherwise. */
    struct clues_share classes[CLUES_SHARES_MAX + 1];
    struct clues_share regions[CLUES_SHARES_MAX + 1];
    struct clues_share sectors[CLUES_SHARES_MAX + 1];
};

struct clues_kind_row {
    const char *words;
    enum clues_kind kind;
    bool is_for_funds; /* In a company's name the words mean less. */
};

struct clues_mix_row {
    const char *words;
    int equity_percent;
};

struct clues_region_row {
    const char *words;
    struct clues_share shares[CLUES_SHARES_MAX + 1];
};

struct clues_sector_row {
    const char *words;
    const char *sector;
};

extern const struct clues_default clues_defaults[]; /* By clues_kind. */
extern const struct clues_kind_row clues_kinds[];
extern const struct clues_mix_row clues_mixes[];
extern const struct clues_region_row clues_regions[];
extern const struct clues_sector_row clues_sectors[];
/* What a fund with a year in its name may call itself. */
extern const char *const clues_target_date[]; /* Ends with NULL. */
/* How companies end their names. */
extern const char *const clues_companies[]; /* Ends with NULL. */
