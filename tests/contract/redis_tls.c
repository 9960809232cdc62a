/* rediss://: the certificate decides.  Broker and authority are the test's own.
 */
#include "contract/broker.h"
#include "contract/queue_world.h"

#include "base/arena.h"

static char dir[] = "/tmp/alex-tls-XXXXXX";
static char *secure_url; /* At the name that the certificate is for. */
static char *other_url;  /* At the address, which it is not for. */

/* An authority, and its certificate for "localhost" alone. */
static bool
make_certificates(void)
{
    _cleanup(cleanup_free) char *script = xasprintf(
        "cd %s && exec 2>/dev/null && "
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority"
        " -keyout ca.key -out ca.crt && "
        "openssl req -newkey rsa:2048 -nodes -subj /CN=localhost"
        " -keyout redis.key -out redis.csr && "
        "echo subjectAltName=DNS:localhost > ext && "
        "openssl x509 -req -in redis.csr -CA ca.crt -CAkey ca.key -days 2"
        " -set_serial 1 -extfile ext -out redis.crt && "
        "chmod 755 . && chmod 644 *",
        dir);
    return system(script) == 0;
}

static void
start_tls(void)
{
    int port = 30000 + (int)(getpid() % 2000);
    const char *user = strstr(broker_url(), "://") + 3;
    int size = (int)strcspn(user, "@");
    _cleanup(cleanup_free) char *command = xasprintf(
        "CONFIG SET tls-auth-clients no tls-ca-cert-file %s/ca.crt "
        "tls-cert-file %s/redis.crt tls-key-file %s/redis.key tls-port %d",
        dir, dir, dir, port);
    broker_command(command);
    secure_url = xasprintf("rediss://%.*s@localhost:%d", size, user, port);
    other_url = xasprintf("rediss://%.*s@127.0.0.1:%d", size, user, port);
}

static void
trust(const char *file)
{
    _cleanup(cleanup_free) char *path = xasprintf("%s/%s", dir, file);
    setenv("SSL_CERT_FILE", path, 1);
}

static void
test_batches_of_large_bodies_travel_whole(void **state)
{
    struct world *w = *state;
    enum { COUNT = 40, SIZE = 60000 };
    struct queue_letter letters[COUNT] = {0};
    struct queue_message messages[COUNT];
    struct err err = {0};
    _cleanup(cleanup_free) char *body = xmalloc(SIZE);
    for (size_t i = 0; i < SIZE; i++) {
        body[i] = (char)(i * 7);
    }
    for (size_t i = 0; i < COUNT; i++) {
        letters[i] = (struct queue_letter){
            .queue = w->name, .body = body, .body_size = SIZE};
    }
    ok(queue_send(w->sender, letters, COUNT, &err), &err);
    for (size_t got = 0; got < COUNT;) {
        size_t count;
        bool reset;
        ok(queue_receive(w->a, COUNT, 1000, messages, &count, &reset, &err),
           &err);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(messages[i].body_size, SIZE);
            assert_memory_equal(messages[i].body, body, SIZE);
            queue_message_free(&messages[i]);
        }
        got += count;
    }
}

static void
test_waiting_and_waking_work(void **state)
{
    struct world *w = *state;
    expect_none(w, w->a, 400);
    queue_wake(w->a);
    expect_none(w, w->a, 10000);
    send_text(w, w->name, "x", 0);
    struct queue_message m = expect_one(w, w->a, 2000);
    ack(w, w->a, &m);
}

static struct err
refusal(const char *url)
{
    _cleanup(queue_close) struct queue *queue = NULL;
    struct queue_depth found;
    struct err err = {0};
    const struct queue_options options = {.consumer = "c"};
    ok(queue_open(url, &options, &queue, &err), &err);
    assert_int_equal(queue_depth(queue, "alex-tls", &found, &err), -1);
    assert_int_equal(err.kind, ERR_RETRY);
    return err;
}

static void
test_certificate_of_an_unknown_authority_is_refused(void **state)
{
    (void)state;
    trust("redis.key"); /* No certificate in it. */
    struct err err = refusal(secure_url);
    trust("ca.crt");
    assert_non_null(strstr(err.text, "certificate"));
}

static void
test_certificate_for_another_name_is_refused(void **state)
{
    (void)state;
    struct err err = refusal(other_url);
    assert_non_null(strstr(err.text, "mismatch"));
}

static void
test_broker_without_tls_is_refused(void **state)
{
    (void)state;
    _cleanup(cleanup_free) char *url =
        xasprintf("rediss%s", strstr(broker_url(), "://"));
    struct err err = refusal(url);
    assert_non_null(strstr(err.text, "TLS"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, world_open, world_close)

static void
remove_certificates(void)
{
    _cleanup(cleanup_free) char *command = xasprintf("rm -rf %s", dir);
    if (system(command) != 0) {
        fprintf(stderr, "%s: left behind\n", dir);
    }
}

static int
run(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_batches_of_large_bodies_travel_whole),
        TEST(test_waiting_and_waking_work),
        TEST(test_certificate_of_an_unknown_authority_is_refused),
        TEST(test_certificate_for_another_name_is_refused),
        TEST(test_broker_without_tls_is_refused),
    };
    start_tls();
    trust("ca.crt");
    return world_run("redis tls", secure_url, tests, ARRAY_COUNT(tests));
}

int
main(void)
{
    signal(SIGPIPE, SIG_IGN);
    if (!mkdtemp(dir) || !make_certificates()) {
        printf("SKIP: no openssl program to make certificates with\n");
        remove_certificates();
        return 77;
    }
    if (!broker_start()) {
        remove_certificates();
        return 77;
    }
    int failed = run();
    broker_stop();
    remove_certificates();
    free(secure_url);
    free(other_url);
    return failed > 0;
}
