/* The world of a store test: a scratch database with a schema "fleet" of small
 * functions that answer, fail, sleep and die. */
#pragma once

#include "test.h"

#include "base/err.h"
#include "store/store.h"

/* What stores differ in. */
struct store_kind {
    const char *scheme;
    size_t request_max_bytes;
    size_t reply_max_bytes;
    bool session; /* A connection of ours, with our name, and killed by us. */
};

struct store_world {
    const struct store_kind *kind;
    struct store *store;
    struct store_reply answer; /* Of the last query(). */
};

/* Fails the test, saying why, unless 'result' is 0. */
void ok(int result, const struct err *err);

/* The database at ALEX_TEST_POSTGRES's server, or at 'server', made for this
 * program; drop() removes it. */
void scratch_create(const char *server);
void scratch_drop(void);

int store_world_open(void **state);
int store_world_close(void **state);
struct store *store_connect(const struct store_world *w);

void call(struct store_world *w, const char *function, const char *request,
          struct store_reply *reply);
struct err call_fails(struct store_world *w, const char *function,
                      const char *request, int64_t timeout_ms);
void exec(struct store_world *w, const char *sql);
/* The first value of the first row; valid until the next query. */
const char *query(struct store_world *w, const char *sql);
/* Process id of the connection's backend. */
const char *backend(struct store_world *w);

/* Runs the tests in a scratch database of ALEX_TEST_STORE, or of
 * ALEX_TEST_POSTGRES; 77 (skipped) without either. */
int store_world_main(const struct CMUnitTest *tests, size_t count);
