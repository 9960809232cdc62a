/* What happens to a store when its server is restarted, crashes, turns it away
 * or is not really there.  The server is the test's own. */
#include "contract/hole.h"
#include "contract/servers.h"
#include "contract/store_world.h"

#include "base/arena.h"
#include "base/clock.h"

static struct servers servers;

/* Calls until it works, as callers do, and says how often it did not. */
static int
call_until_it_works(struct store_world *w)
{
    int64_t until_ms = clock_boot_ms() + 20000;
    for (int failures = 0;; failures++) {
        _cleanup(store_reply_free) struct store_reply reply = {0};
        struct err err = {0};
        if (store_call(w->store, "echo", "{\"rows\":1}", 10, 5000, &reply,
                       &err) == 0) {
            return failures;
        }
        assert_int_equal(err.kind, ERR_RETRY);
        assert_true(clock_boot_ms() < until_ms);
        usleep(50 * 1000);
    }
}

static void
test_restarted_server_costs_a_retry(void **state)
{
    struct store_world *w = *state;
    assert_int_equal(call_until_it_works(w), 0);
    servers_run(&servers, "restart postgres");
    assert_true(call_until_it_works(w) >= 1);
    assert_int_equal(call_until_it_works(w), 0);
}

static void
test_crashed_server_costs_a_retry(void **state)
{
    struct store_world *w = *state;
    assert_int_equal(call_until_it_works(w), 0);
    servers_run(&servers, "restart postgres --hard");
    assert_true(call_until_it_works(w) >= 1);
}

static void
test_stopped_server_is_retried_until_it_is_back(void **state)
{
    struct store_world *w = *state;
    assert_int_equal(call_until_it_works(w), 0);
    servers_run(&servers, "stop --only postgres");
    for (int i = 0; i < 3; i++) {
        struct err err = call_fails(w, "echo", "{\"rows\":1}", 1000);
        assert_int_equal(err.kind, ERR_RETRY);
    }
    servers_run(&servers, "start --only postgres");
    call_until_it_works(w);
}

/* --- at the door --------------------------------------------------------- */

static struct err
refusal(const char *url, int64_t timeout_ms)
{
    _cleanup(store_close) struct store *store = NULL;
    struct store_reply reply = {0};
    struct err err = {0};
    ok(store_open(url, "contract", &store, &err), &err);
    assert_int_equal(
        store_call(store, "echo", "{}", 2, timeout_ms, &reply, &err), -1);
    assert_null(strstr(err.text, "s3cret"));
    assert_null(strchr(err.text, '\n'));
    return err;
}

static int
port(void)
{
    return atoi(strrchr(servers.url, ':') + 1);
}

static void
test_wrong_credentials_are_fatal(void **state)
{
    (void)state;
    static const char *const users[] = {"postgres:s3cret", "nobody:s3cret"};
    for (size_t i = 0; i < ARRAY_COUNT(users); i++) {
        _cleanup(cleanup_free) char *url =
            xasprintf("postgres://%s@127.0.0.1:%d/alex", users[i], port());
        struct err err = refusal(url, 5000);
        assert_int_equal(err.kind, ERR_FATAL);
        assert_non_null(strstr(err.text, "check user and password"));
    }
}

static void
test_missing_password_is_fatal(void **state)
{
    (void)state;
    _cleanup(cleanup_free) char *url =
        xasprintf("postgres://postgres@127.0.0.1:%d/alex", port());
    struct err err = refusal(url, 5000);
    assert_int_equal(err.kind, ERR_FATAL);
}

static void
test_missing_database_is_fatal(void **state)
{
    (void)state;
    int size = (int)(strrchr(servers.url, '/') - servers.url);
    _cleanup(cleanup_free) char *url =
        xasprintf("%.*s/nothing", size, servers.url);
    struct err err = refusal(url, 5000);
    assert_int_equal(err.kind, ERR_FATAL);
    assert_non_null(strstr(err.text, "nothing"));
}

static void
test_missing_schema_is_fatal_and_says_what_to_run(void **state)
{
    (void)state;
    struct err err = refusal(servers.url, 5000);
    assert_int_equal(err.kind, ERR_FATAL);
    assert_non_null(strstr(err.text, "alexctl db migrate"));
}

/* The one role a worker has may call and do nothing else. */
static void
test_role_without_a_grant_is_fatal(void **state)
{
    struct store_world *w = *state;
    struct err err = {0};
    exec(w, "revoke all on schema fleet from public");
    const char *password = strchr(strstr(servers.url, "://") + 3, ':') + 1;
    _cleanup(cleanup_free) char *url =
        xasprintf("postgres://alex_worker:%.*s@127.0.0.1:%d/%s",
                  (int)strcspn(password, "@"), password, port(),
                  query(w, "select current_database()"));
    err = refusal(url, 5000);
    assert_int_equal(err.kind, ERR_FATAL);
    assert_non_null(strstr(err.text, "42501"));
}

/* --- nobody behind the door ---------------------------------------------- */

static void
test_server_that_never_answers_is_given_up_in_time(void **state)
{
    (void)state;
    struct hole hole = hole_open();
    _cleanup(cleanup_free) char *url =
        xasprintf("postgres://me:s3cret@127.0.0.1:%d/alex", hole.port);
    int64_t from_ms = clock_boot_ms();
    struct err err = refusal(url, 700);
    assert_int_equal(err.kind, ERR_RETRY);
    assert_in_range(clock_boot_ms() - from_ms, 690, 1100);
    close(hole.fd);
}

static void
test_server_that_stops_answering_is_given_up_in_time(void **state)
{
    struct store_world *w = *state;
    pid_t pid = (pid_t)atoi(backend(w));
    assert_int_equal(kill(pid, SIGSTOP), 0);
    int64_t from_ms = clock_boot_ms();
    struct err err = call_fails(w, "echo", "{\"rows\":1}", 700);
    int64_t took_ms = clock_boot_ms() - from_ms;
    kill(pid, SIGCONT);
    assert_int_equal(err.kind, ERR_RETRY);
    assert_in_range(took_ms, 690, 1100);
    assert_int_equal(call_until_it_works(w), 0);
}

#define TEST(f)                                                                \
    cmocka_unit_test_setup_teardown(f, store_world_open, store_world_close)

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_restarted_server_costs_a_retry),
        TEST(test_crashed_server_costs_a_retry),
        TEST(test_stopped_server_is_retried_until_it_is_back),
        TEST(test_wrong_credentials_are_fatal),
        TEST(test_missing_password_is_fatal),
        TEST(test_missing_database_is_fatal),
        TEST(test_missing_schema_is_fatal_and_says_what_to_run),
        TEST(test_role_without_a_grant_is_fatal),
        TEST(test_server_that_never_answers_is_given_up_in_time),
        TEST(test_server_that_stops_answering_is_given_up_in_time),
    };
    if (!servers_start(&servers, "postgres")) {
        return 77;
    }
    scratch_create(servers.url);
    int failed = cmocka_run_group_tests_name("store faults", tests, NULL, NULL);
    scratch_drop();
    servers_stop(&servers);
    return failed > 0;
}
