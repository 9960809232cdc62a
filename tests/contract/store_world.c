#include "contract/store_world.h"

#include "base/arena.h"

#define TIMEOUT_MS 20000

static const struct store_kind kinds[] = {
    {"postgres", STORE_REQUEST_MAX_BYTES, 5000000, true},
    {"rds-data", 3000000, 60000, false}, /* 4 MiB and 64 KB a row, as JSON. */
};

static const struct store_kind *kind = kinds;
static char *server_url;
static char database[64];
static char *database_url;

/* Each does one thing that a call can meet. */
static const char *const schema[] = {
    "create schema fleet",
    "create function fleet.echo(r jsonb) returns table (head jsonb, body text)"
    " language plpgsql as $$begin return query select"
    " jsonb_build_object('row', n), r->>'text'"
    " from generate_series(1, (r->>'rows')::int) n; end$$",
    "create function fleet.fill(r jsonb) returns table (head jsonb, body text)"
    " language plpgsql as $$begin return query select"
    " '{}'::jsonb, repeat('x', (r->>'bytes')::int); end$$",
    "create function fleet.measure(r jsonb) returns table (head jsonb, body "
    "text) language plpgsql as $$begin return query select"
    " jsonb_build_object('bytes', octet_length(r->>'text')), null::text; end$$",
    "create function fleet.fails(r jsonb) returns table (head jsonb, body text)"
    " language plpgsql as $$begin"
    " raise 'two\nlines' using errcode = r->>'state'; end$$",
    "create function fleet.sleeps(r jsonb) returns table (head jsonb, body "
    "text)"
    " language plpgsql as $$begin perform pg_sleep((r->>'s')::float); end$$",
    "create function fleet.dies(r jsonb) returns table (head jsonb, body text)"
    " language plpgsql as $$begin"
    " perform pg_terminate_backend(pg_backend_pid());"
    " perform pg_sleep(10); end$$",
};

void
ok(int result, const struct err *err)
{
    if (result != 0) {
        fail_msg("%s: %s", err_kind_name(err->kind), err->text);
    }
}

static void
must(int result, const struct err *err)
{
    if (result != 0) {
        fprintf(stderr, "%s\n", err->text);
        exit(1);
    }
}

static void
on_server(const char *verb, const char *options)
{
    _cleanup(store_close) struct store *store = NULL;
    struct err err = {0};
    char sql[128];
    snprintf(sql, sizeof(sql), "%s database %s %s", verb, database, options);
    must(store_open(server_url, "contract", &store, &err), &err);
    must(store_exec(store, sql, TIMEOUT_MS, &err), &err);
}

static const struct store_kind *
kind_of(const char *url)
{
    size_t i = 0;
    while (i + 1 < ARRAY_COUNT(kinds) &&
           strncmp(url, kinds[i].scheme, strlen(kinds[i].scheme)) != 0) {
        i++;
    }
    return &kinds[i];
}

/* 'url' with the scratch database instead of its own. */
static char *
with_database(const char *url)
{
    const char *named = strstr(url, "database=");
    if (!kind->session) {
        return xasprintf("%.*sdatabase=%s", (int)(named - url), url, database);
    }
    const char *path = strchr(strstr(url, "://") + 3, '/');
    int size = path ? (int)(path - url) : (int)strlen(url);
    return xasprintf("%.*s/%s", size, url, database);
}

void
scratch_create(const char *server)
{
    _cleanup(store_close) struct store *store = NULL;
    struct err err = {0};
    snprintf(database, sizeof(database), "alex_contract_%d", (int)getpid());
    server_url = xstrdup(server);
    kind = kind_of(server);
    database_url = with_database(server);
    on_server("create", "");
    must(store_open(database_url, "contract", &store, &err), &err);
    for (size_t i = 0; i < ARRAY_COUNT(schema); i++) {
        must(store_exec(store, schema[i], TIMEOUT_MS, &err), &err);
    }
}

void
scratch_drop(void)
{
    on_server("drop", "with (force)");
    free(server_url);
    free(database_url);
}

struct store *
store_connect(const struct store_world *w)
{
    (void)w;
    struct store *store = NULL;
    struct err err = {0};
    ok(store_open(database_url, "contract", &store, &err), &err);
    return store;
}

int
store_world_open(void **state)
{
    struct store_world *w = xcalloc(1, sizeof(*w));
    w->kind = kind;
    w->store = store_connect(w);
    *state = w;
    return 0;
}

int
store_world_close(void **state)
{
    struct store_world *w = *state;
    store_reply_free(&w->answer);
    store_close(&w->store);
    free(w);
    return 0;
}

void
call(struct store_world *w, const char *function, const char *request,
     struct store_reply *reply)
{
    struct err err = {0};
    ok(store_call(w->store, function, request, strlen(request), TIMEOUT_MS,
                  reply, &err),
       &err);
}

struct err
call_fails(struct store_world *w, const char *function, const char *request,
           int64_t timeout_ms)
{
    struct err err = {0};
    struct store_reply reply = {0};
    assert_int_equal(store_call(w->store, function, request, strlen(request),
                                timeout_ms, &reply, &err),
                     -1);
    assert_null(reply.owner);
    assert_null(strchr(err.text, '\n'));
    return err;
}

void
exec(struct store_world *w, const char *sql)
{
    struct err err = {0};
    ok(store_exec(w->store, sql, TIMEOUT_MS, &err), &err);
}

const char *
query(struct store_world *w, const char *sql)
{
    struct err err = {0};
    store_reply_free(&w->answer);
    ok(store_query(w->store, sql, TIMEOUT_MS, &w->answer, &err), &err);
    assert_true(w->answer.count > 0);
    return w->answer.rows[0].head;
}

const char *
backend(struct store_world *w)
{
    return query(w, "select pg_backend_pid()");
}

int
store_world_main(const struct CMUnitTest *tests, size_t count)
{
    const char *server = getenv("ALEX_TEST_STORE");
    if (!server) {
        server = getenv("ALEX_TEST_POSTGRES");
    }
    if (!server) {
        printf("SKIP: ALEX_TEST_POSTGRES is not set; try: tools/servers "
               "start; eval \"$(tools/servers env)\"\n");
        return 77;
    }
    scratch_create(server);
    int failed =
        _cmocka_run_group_tests(kind->scheme, tests, count, NULL, NULL);
    scratch_drop();
    return failed > 0;
}
