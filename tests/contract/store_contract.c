/* What a store must do, against a real server: ALEX_TEST_POSTGRES, in a scratch
 * database.  What needs a server of one's own is in store_faults.c. */
#include "contract/store_world.h"

#include "base/clock.h"

/* --- replies ------------------------------------------------------------- */

#define GREETING "Gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\xb6"

static void
test_rows_come_back_in_order_with_their_bytes(void **state)
{
    struct store_world *w = *state;
    _cleanup(store_reply_free) struct store_reply reply = {0};
    call(w, "echo", "{\"rows\":3,\"text\":\"" GREETING "\"}", &reply);
    assert_int_equal(reply.count, 3);
    for (size_t i = 0; i < 3; i++) {
        char head[32];
        int size = snprintf(head, sizeof(head), "{\"row\": %zu}", i + 1);
        assert_string_equal(reply.rows[i].head, head);
        assert_int_equal(reply.rows[i].head_size, size);
        assert_string_equal(reply.rows[i].body, GREETING);
        assert_int_equal(reply.rows[i].body_size, strlen(GREETING));
    }
}

static void
test_null_body_is_told_from_an_empty_one(void **state)
{
    struct store_world *w = *state;
    _cleanup(store_reply_free) struct store_reply none = {0};
    _cleanup(store_reply_free) struct store_reply empty = {0};
    call(w, "echo", "{\"rows\":1}", &none);
    call(w, "echo", "{\"rows\":1,\"text\":\"\"}", &empty);
    assert_null(none.rows[0].body);
    assert_non_null(empty.rows[0].body);
    assert_int_equal(empty.rows[0].body_size, 0);
}

static void
test_no_rows_are_no_error(void **state)
{
    struct store_world *w = *state;
    _cleanup(store_reply_free) struct store_reply reply = {0};
    call(w, "echo", "{\"rows\":0}", &reply);
    assert_int_equal(reply.count, 0);
}

static void
test_largest_reply_arrives_whole(void **state)
{
    struct store_world *w = *state;
    _cleanup(store_reply_free) struct store_reply reply = {0};
    size_t size = w->kind->reply_max_bytes;
    char request[64];
    snprintf(request, sizeof(request), "{\"bytes\":%zu}", size);
    call(w, "fill", request, &reply);
    assert_int_equal(reply.rows[0].body_size, size);
    for (size_t i = 0; i < size; i += 4999) {
        assert_int_equal(reply.rows[0].body[i], 'x');
    }
}

static void
test_largest_request_arrives_whole(void **state)
{
    struct store_world *w = *state;
    _cleanup(store_reply_free) struct store_reply reply = {0};
    struct err err = {0};
    size_t size = w->kind->request_max_bytes;
    /* Not NUL-terminated: the size alone must count. */
    _cleanup(cleanup_free) char *request = malloc(size);
    static const char start[] = "{\"text\":\"";
    char expected[64];
    memset(request, 'y', size);
    memcpy(request, start, sizeof(start) - 1);
    memcpy(request + size - 2, "\"}", 2);
    ok(store_call(w->store, "measure", request, size, 20000, &reply, &err),
       &err);
    snprintf(expected, sizeof(expected), "{\"bytes\": %zu}",
             size - (sizeof(start) - 1) - 2);
    assert_string_equal(reply.rows[0].head, expected);
}

static void
test_two_replies_live_side_by_side(void **state)
{
    struct store_world *w = *state;
    _cleanup(store_reply_free) struct store_reply one = {0};
    _cleanup(store_reply_free) struct store_reply two = {0};
    call(w, "echo", "{\"rows\":1,\"text\":\"one\"}", &one);
    call(w, "echo", "{\"rows\":1,\"text\":\"two\"}", &two);
    assert_string_equal(one.rows[0].body, "one");
    assert_string_equal(two.rows[0].body, "two");
}

static void
test_query_gives_the_first_column_as_head(void **state)
{
    struct store_world *w = *state;
    _cleanup(store_reply_free) struct store_reply reply = {0};
    struct err err = {0};
    ok(store_query(w->store, "select n from generate_series(1, 3) n", 5000,
                   &reply, &err),
       &err);
    assert_int_equal(reply.count, 3);
    assert_string_equal(reply.rows[2].head, "3");
}

static void
test_connection_carries_the_applications_name(void **state)
{
    struct store_world *w = *state;
    if (!w->kind->session) {
        skip();
    }
    assert_string_equal(query(w, "select application_name from pg_stat_activity"
                                 " where pid = pg_backend_pid()"),
                        "contract");
}

/* --- errors -------------------------------------------------------------- */

static void
test_sqlstates_become_the_promised_kinds(void **state)
{
    struct store_world *w = *state;
    static const struct {
        const char *sqlstate;
        enum err_kind kind;
        int code;
    } expected[] = {
        {"40001", ERR_RETRY, 0},   {"40P01", ERR_RETRY, 0},
        {"55P03", ERR_RETRY, 0},   {"57014", ERR_RETRY, 0},
        {"53300", ERR_RETRY, 0},   {"57P03", ERR_RETRY, 0},
        {"22023", ERR_REJECT, 22}, {"23514", ERR_REJECT, 23},
        {"42501", ERR_FATAL, 0},   {"FL001", ERR_FATAL, 0},
        {"FL002", ERR_FATAL, 0},   {"P0001", ERR_FATAL, 0},
    };
    for (size_t i = 0; i < ARRAY_COUNT(expected); i++) {
        char request[64];
        snprintf(request, sizeof(request), "{\"state\":\"%s\"}",
                 expected[i].sqlstate);
        struct err err = call_fails(w, "fails", request, 5000);
        assert_int_equal(err.kind, expected[i].kind);
        assert_int_equal(err.code, expected[i].code);
        assert_non_null(strstr(err.text, expected[i].sqlstate));
        assert_non_null(strstr(err.text, "fleet.fails"));
    }
}

static void
test_request_that_is_no_json_is_rejected(void **state)
{
    struct store_world *w = *state;
    struct err err = call_fails(w, "echo", "{\"rows\":", 5000);
    assert_int_equal(err.kind, ERR_REJECT);
    assert_int_equal(err.code, 22);
}

static void
test_request_that_is_no_utf8_is_rejected(void **state)
{
    struct store_world *w = *state;
    struct err err = call_fails(w, "echo", "{\"text\":\"\xff\"}", 5000);
    assert_int_equal(err.kind, ERR_REJECT);
    assert_int_equal(err.code, 22);
}

static void
test_missing_function_is_fatal_and_says_what_to_run(void **state)
{
    struct store_world *w = *state;
    struct err err = call_fails(w, "no_such", "{}", 5000);
    assert_int_equal(err.kind, ERR_FATAL);
    assert_non_null(strstr(err.text, "alexctl db migrate"));
}

static void
test_connection_goes_on_after_a_refused_call(void **state)
{
    struct store_world *w = *state;
    _cleanup(cleanup_free) char *pid = strdup(backend(w));
    call_fails(w, "fails", "{\"state\":\"22023\"}", 5000);
    call_fails(w, "fails", "{\"state\":\"40001\"}", 5000);
    assert_string_equal(backend(w), pid);
}

static void
test_replaced_function_is_called_in_its_new_form(void **state)
{
    struct store_world *w = *state;
    _cleanup(store_reply_free) struct store_reply before = {0};
    _cleanup(store_reply_free) struct store_reply after = {0};
    exec(w, "create or replace function fleet.version(r jsonb) returns table"
            " (head jsonb, body text) language plpgsql as"
            " $$begin return query select '1'::jsonb, null; end$$");
    call(w, "version", "{}", &before);
    exec(w, "drop function fleet.version(jsonb)");
    exec(w, "create function fleet.version(r jsonb) returns table"
            " (head jsonb, body text) language plpgsql as"
            " $$begin return query select '2'::jsonb, null::text; end$$");
    call(w, "version", "{}", &after);
    assert_string_equal(after.rows[0].head, "2");
}

/* --- time-outs and lost connections -------------------------------------- */

static void
test_call_ends_at_its_time_out_and_the_next_one_works(void **state)
{
    struct store_world *w = *state;
    _cleanup(store_reply_free) struct store_reply reply = {0};
    int64_t from_ms = clock_boot_ms();
    struct err err = call_fails(w, "sleeps", "{\"s\":30}", 400);
    assert_int_equal(err.kind, ERR_RETRY);
    assert_in_range(clock_boot_ms() - from_ms, 395, 900);
    call(w, "echo", "{\"rows\":1}", &reply);
}

static void
test_server_ends_the_statement_of_a_call_that_timed_out(void **state)
{
    struct store_world *w = *state;
    if (!w->kind->session) { /* The service ends it, after 45 s. */
        skip();
    }
    call_fails(w, "sleeps", "{\"s\":60}", 300);
    int64_t until_ms = clock_boot_ms() + 10000;
    while (strcmp(query(w, "select count(*) from pg_stat_activity where query"
                           " like '%fleet.sleeps%' and state = 'active'"
                           " and pid <> pg_backend_pid()"
                           " and datname = current_database()"),
                  "0") != 0) {
        assert_true(clock_boot_ms() < until_ms);
        usleep(100 * 1000);
    }
}

static void
test_killed_backend_may_be_retried(void **state)
{
    struct store_world *w = *state;
    _cleanup(store_reply_free) struct store_reply reply = {0};
    struct err err = {0};
    if (!w->kind->session) { /* A pool's: nobody's business but its own. */
        skip();
    }
    _cleanup(store_close) struct store *other = store_connect(w);
    char sql[128];
    snprintf(sql, sizeof(sql), "select pg_terminate_backend(%s)", backend(w));
    ok(store_exec(other, sql, 5000, &err), &err);
    usleep(100 * 1000);
    err = call_fails(w, "echo", "{\"rows\":1}", 5000);
    assert_int_equal(err.kind, ERR_RETRY);
    call(w, "echo", "{\"rows\":1}", &reply);
}

static void
test_backend_killed_in_a_call_may_be_retried(void **state)
{
    struct store_world *w = *state;
    struct err err = call_fails(w, "dies", "{}", 5000);
    assert_int_equal(err.kind, ERR_RETRY);
    assert_non_null(strstr(err.text, "57P01"));
}

/* --- transactions -------------------------------------------------------- */

static void
test_committed_stays_and_rolled_back_goes(void **state)
{
    struct store_world *w = *state;
    struct err err = {0};
    exec(w, "create table if not exists fleet.t (n int)");
    exec(w, "truncate fleet.t");
    ok(store_begin(w->store, &err), &err);
    exec(w, "insert into fleet.t values (1)");
    ok(store_commit(w->store, &err), &err);
    ok(store_begin(w->store, &err), &err);
    exec(w, "insert into fleet.t values (2)");
    ok(store_rollback(w->store, &err), &err);
    assert_string_equal(query(w, "select sum(n) from fleet.t"), "1");
}

static void
test_commit_after_a_failed_statement_is_an_error(void **state)
{
    struct store_world *w = *state;
    struct err err = {0};
    ok(store_begin(w->store, &err), &err);
    assert_int_equal(store_exec(w->store, "select 1/0", 5000, &err), -1);
    assert_int_equal(store_commit(w->store, &err), -1);
    exec(w, "select 1");
}

static void
test_lost_connection_loses_the_whole_transaction(void **state)
{
    struct store_world *w = *state;
    struct err err = {0};
    exec(w, "create table if not exists fleet.t (n int)");
    exec(w, "truncate fleet.t");
    ok(store_begin(w->store, &err), &err);
    exec(w, "insert into fleet.t values (1)");
    call_fails(w, "dies", "{}", 5000);
    assert_int_equal(
        store_exec(w->store, "insert into fleet.t values (2)", 5000, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY);
    assert_int_equal(store_commit(w->store, &err), -1);
    assert_string_equal(query(w, "select count(*) from fleet.t"), "0");
}

static void
test_rollback_after_a_lost_connection_makes_the_store_usable(void **state)
{
    struct store_world *w = *state;
    struct err err = {0};
    ok(store_begin(w->store, &err), &err);
    call_fails(w, "dies", "{}", 5000);
    ok(store_rollback(w->store, &err), &err);
    exec(w, "select 1");
}

static void
test_two_statements_at_once_are_refused(void **state)
{
    struct store_world *w = *state;
    struct err err = {0};
    assert_int_equal(store_exec(w->store, "select 1; select 2", 5000, &err),
                     -1);
    assert_int_equal(err.kind, ERR_FATAL);
    exec(w, "select 1");
}

static void
test_copy_is_refused_and_the_store_goes_on(void **state)
{
    struct store_world *w = *state;
    struct err err = {0};
    assert_int_equal(
        store_exec(w->store, "copy (select 1) to stdout", 5000, &err), -1);
    assert_int_equal(err.kind, ERR_FATAL);
    exec(w, "select 1");
}

#define TEST(f)                                                                \
    cmocka_unit_test_setup_teardown(f, store_world_open, store_world_close)

static const struct CMUnitTest tests[] = {
    TEST(test_rows_come_back_in_order_with_their_bytes),
    TEST(test_null_body_is_told_from_an_empty_one),
    TEST(test_no_rows_are_no_error),
    TEST(test_largest_reply_arrives_whole),
    TEST(test_largest_request_arrives_whole),
    TEST(test_two_replies_live_side_by_side),
    TEST(test_query_gives_the_first_column_as_head),
    TEST(test_connection_carries_the_applications_name),
    TEST(test_sqlstates_become_the_promised_kinds),
    TEST(test_request_that_is_no_json_is_rejected),
    TEST(test_request_that_is_no_utf8_is_rejected),
    TEST(test_missing_function_is_fatal_and_says_what_to_run),
    TEST(test_connection_goes_on_after_a_refused_call),
    TEST(test_replaced_function_is_called_in_its_new_form),
    TEST(test_call_ends_at_its_time_out_and_the_next_one_works),
    TEST(test_server_ends_the_statement_of_a_call_that_timed_out),
    TEST(test_killed_backend_may_be_retried),
    TEST(test_backend_killed_in_a_call_may_be_retried),
    TEST(test_committed_stays_and_rolled_back_goes),
    TEST(test_commit_after_a_failed_statement_is_an_error),
    TEST(test_lost_connection_loses_the_whole_transaction),
    TEST(test_rollback_after_a_lost_connection_makes_the_store_usable),
    TEST(test_two_statements_at_once_are_refused),
    TEST(test_copy_is_refused_and_the_store_goes_on),
};

int
main(void)
{
    return store_world_main(tests, ARRAY_COUNT(tests));
}
