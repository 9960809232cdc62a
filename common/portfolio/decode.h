/* Inside common/portfolio: reading the parts of a handler's input. */
#pragma once

#include <json-c/json.h>

#include "portfolio/snapshot.h"

/* Money, price or quantity at 'key': decimal text or a number; 'fallback' when
 * absent or null. */
int portfolio_decode_amount(struct json_object *object, const char *key,
                            int scale, int64_t max, int64_t fallback,
                            int64_t *ret, struct err *err);
/* Text of at most 'max_chars' characters, copied to 'mem'; 'fallback' when
 * absent or null. */
int portfolio_decode_text(struct json_object *object, const char *key,
                          size_t max_chars, const char *fallback,
                          struct arena *mem, const char **ret, struct err *err);
/* The symbol at "symbol", in upper case. */
int portfolio_decode_symbol(struct json_object *object, struct arena *mem,
                            const char **ret, struct err *err);
/* Upper-case copy, ASCII only. */
const char *portfolio_decode_upper(const char *text, struct arena *mem);
/* "2026-11-23T10:11:12.345678Z" to upstream's form without a zone. */
int portfolio_decode_time(const char *text, struct arena *mem, const char **ret,
                          struct err *err);

/* The date that 'text' starts with, as a day number; false if it does not. */
bool portfolio_decode_day(const char *text, int64_t *ret);

/* The instruments under construction; sorted by symbol once sealed. */
struct portfolio_catalogue {
    struct portfolio_instrument *items;
    size_t count;
};

/* The snapshot's instruments, then a blank one for each held symbol that has
 * none; sorted, one a symbol.  'instruments' may be NULL. */
int portfolio_catalogue_load(struct json_object *instruments,
                             const char *const *held, size_t held_count,
                             struct arena *mem, struct portfolio_catalogue *ret,
                             struct err *err);
/* Lays the "prices" and "instruments" of a task's result over it. */
int portfolio_catalogue_apply(struct portfolio_catalogue *catalogue,
                              struct json_object *result, struct arena *mem,
                              struct err *err);
struct portfolio_instrument *
portfolio_catalogue_find(const struct portfolio_catalogue *catalogue,
                         const char *symbol);

/* A portfolio under construction. */
struct portfolio_loader {
    struct arena *mem;
    struct portfolio *portfolio;
    struct portfolio_account *accounts;
    struct portfolio_position *positions; /* Of all accounts, in order. */
    const char **symbols;                 /* Of each of them. */
    size_t position_count;
    struct portfolio_catalogue catalogue;
};

/* The snapshot's accounts with their positions, whose instruments are still
 * missing. */
int portfolio_accounts_load(struct json_object *snapshot,
                            struct portfolio_loader *to, struct err *err);

/* Appends "detail"."notes" of a result; those over a limit are left out. */
void portfolio_notes_add(struct json_object *result, struct arena *mem,
                         struct portfolio *portfolio);
