/* Who may use a Redis: passwords, ACL users, TLS, and a broker that is not
 * really there.  The broker is the test's own. */
#include "contract/broker.h"
#include "contract/hole.h"
#include "contract/queue_world.h"

#include "base/arena.h"
#include "base/clock.h"

static struct err
depth_error(const char *url, int *ret)
{
    _cleanup(queue_close) struct queue *queue = NULL;
    struct queue_depth found;
    struct err err = {0};
    const struct queue_options options = {.consumer = "c"};
    ok(queue_open(url, &options, &queue, &err), &err);
    *ret = queue_depth(queue, "alex-access", &found, &err);
    return err;
}

/* The broker's address with another user and password before it. */
static char *
as(const char *user)
{
    return xasprintf("redis://%s@%s", user, strchr(broker_url(), '@') + 1);
}

static struct err
refusal(const char *user)
{
    _cleanup(cleanup_free) char *url = as(user);
    int result;
    struct err err = depth_error(url, &result);
    assert_int_equal(result, -1);
    assert_null(strstr(err.text, "s3cret"));
    return err;
}

static void
accept_user(const char *user)
{
    _cleanup(cleanup_free) char *url = as(user);
    int result;
    struct err err = depth_error(url, &result);
    ok(result, &err);
}

static void
test_wrong_password_is_fatal(void **state)
{
    (void)state;
    static const char *const users[] = {":s3cret", "default:s3cret",
                                        "nobody:s3cret"};
    for (size_t i = 0; i < ARRAY_COUNT(users); i++) {
        struct err err = refusal(users[i]);
        assert_int_equal(err.kind, ERR_FATAL);
        assert_non_null(strstr(err.text, "WRONGPASS"));
    }
}

static void
test_missing_password_is_fatal(void **state)
{
    (void)state;
    _cleanup(cleanup_free) char *url =
        xasprintf("redis://%s", strchr(broker_url(), '@') + 1);
    int result;
    struct err err = depth_error(url, &result);
    assert_int_equal(result, -1);
    assert_int_equal(err.kind, ERR_FATAL);
    assert_non_null(strstr(err.text, "password"));
}

/* The least a user needs, as redis.c gives it. */
static void
test_acl_user_with_stream_and_script_rights_is_enough(void **state)
{
    struct world *w = *state;
    broker_command("ACL SETUSER fleet on >p%40ss resetkeys ~{alex-* "
                   "-@all +auth +select +eval +evalsha +@stream "
                   "+@sortedset +time");
    _cleanup(cleanup_free) char *url = as("fleet:p%2540ss");
    struct world limited = *w;
    limited.url = url;
    _cleanup(queue_close) struct queue *queue =
        world_connect(&limited, "limited");
    send_text(w, w->name, "x", 0);
    send_text(w, w->name, "y", 300);
    struct queue_message m = expect_one(w, queue, 2000);
    ack(w, queue, &m);
    m = expect_one(w, queue, 2000);
    ack(w, queue, &m);
    broker_command("ACL DELUSER fleet");
}

static void
test_acl_user_without_rights_is_fatal(void **state)
{
    (void)state;
    broker_command("ACL SETUSER weak on >pw ~* +@all -evalsha");
    struct err err = refusal("weak:pw");
    assert_int_equal(err.kind, ERR_FATAL);
    assert_non_null(strstr(err.text, "NOPERM"));
    broker_command("ACL SETUSER weak resetkeys ~other* +@all");
    err = refusal("weak:pw");
    assert_int_equal(err.kind, ERR_FATAL);
    broker_command("ACL DELUSER weak");
}

static void
test_default_user_may_be_left_unnamed(void **state)
{
    (void)state;
    broker_command("CONFIG SET requirepass plain");
    accept_user(":plain");
    accept_user("default:plain");
    broker_restart(false); /* Back to the password of the configuration. */
}

static void
test_database_of_the_url_is_used(void **state)
{
    (void)state;
    struct world w = {.name = "alex-access-db", .lease_ms = 1000};
    struct world other = w;
    int size = (int)(strrchr(broker_url(), '/') - broker_url());
    _cleanup(cleanup_free) char *one = xasprintf("%.*s/1", size, broker_url());
    _cleanup(cleanup_free) char *two = xasprintf("%.*s/2", size, broker_url());
    w.url = one;
    other.url = two;
    w.sender = world_connect(&w, NULL);
    other.sender = world_connect(&other, NULL);
    send_text(&w, w.name, "x", 0);
    assert_int_equal(depth(&w, w.name).waiting, 1);
    assert_int_equal(depth(&other, w.name).waiting, 0);
    queue_close(&w.sender);
    queue_close(&other.sender);
}

static void
test_database_that_is_not_there_is_fatal(void **state)
{
    (void)state;
    int size = (int)(strrchr(broker_url(), '/') - broker_url());
    _cleanup(cleanup_free) char *url =
        xasprintf("%.*s/9999", size, broker_url());
    int result;
    struct err err = depth_error(url, &result);
    assert_int_equal(result, -1);
    assert_int_equal(err.kind, ERR_FATAL);
}

/* --- nobody there -------------------------------------------------------- */

static void
test_refused_connection_may_be_retried(void **state)
{
    (void)state;
    int result;
    struct err err = depth_error("redis://me:s3cret@127.0.0.1:1", &result);
    assert_int_equal(result, -1);
    assert_int_equal(err.kind, ERR_RETRY);
    assert_non_null(strstr(err.text, "127.0.0.1:1"));
    assert_null(strstr(err.text, "s3cret"));
}

static void
test_broker_that_never_answers_is_given_up_below_a_third_of_the_lease(
    void **state)
{
    (void)state;
    struct hole hole = hole_open();
    _cleanup(cleanup_free) char *url =
        xasprintf("redis://me:s3cret@127.0.0.1:%d", hole.port);
    struct world w = {.url = url, .name = "alex-hole", .lease_ms = 3000};
    _cleanup(queue_close) struct queue *queue = world_connect(&w, "c");
    struct queue_message m = {.handle = "1-1"};
    struct err err = {0};
    int64_t from_ms = clock_boot_ms();
    assert_int_equal(queue_extend(queue, &m, 1, NULL, &err), -1);
    assert_in_range(clock_boot_ms() - from_ms, 490, 999);
    assert_int_equal(err.kind, ERR_RETRY);
    close(hole.fd);
}

static void
test_broker_that_stops_answering_is_given_up_in_time(void **state)
{
    struct world *w = *state;
    struct queue_message m;
    struct err err = {0};
    size_t count;
    bool reset;
    expect_none(w, w->a, 300);
    broker_pause(true);
    int64_t from_ms = clock_boot_ms();
    int result = queue_receive(w->a, 1, 300, &m, &count, &reset, &err);
    int64_t took_ms = clock_boot_ms() - from_ms;
    broker_pause(false);
    assert_int_equal(result, -1);
    assert_int_equal(err.kind, ERR_RETRY);
    assert_in_range(took_ms, 200, 300 + w->lease_ms / 3);
    expect_none(w, w->a, 300);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, world_open, world_close)

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_wrong_password_is_fatal),
        TEST(test_missing_password_is_fatal),
        TEST(test_acl_user_with_stream_and_script_rights_is_enough),
        TEST(test_acl_user_without_rights_is_fatal),
        TEST(test_default_user_may_be_left_unnamed),
        TEST(test_database_of_the_url_is_used),
        TEST(test_database_that_is_not_there_is_fatal),
        TEST(test_refused_connection_may_be_retried),
        TEST(
            test_broker_that_never_answers_is_given_up_below_a_third_of_the_lease),
        TEST(test_broker_that_stops_answering_is_given_up_in_time),
    };
    if (!broker_start()) {
        return 77;
    }
    int failed =
        world_run("redis access", broker_url(), tests, ARRAY_COUNT(tests));
    broker_stop();
    return failed > 0;
}
