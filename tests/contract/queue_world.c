#include "contract/queue_world.h"

#include "base/arena.h"
#include "base/clock.h"

/* Short, so that tests can wait for it; long beside a call. */
#define LEASE_MS 1500

static const char *world_url;

void
ok(int result, const struct err *err)
{
    if (result != 0) {
        fail_msg("%s: %s", err_kind_name(err->kind), err->text);
    }
}

struct queue *
world_connect(const struct world *w, const char *consumer)
{
    struct queue *queue = NULL;
    struct err err = {0};
    const struct queue_options options = {
        .name = consumer ? w->name : NULL,
        .consumer = consumer ? consumer : "sender",
        .lease_ms = w->lease_ms,
    };
    ok(queue_open(w->url, &options, &queue, &err), &err);
    return queue;
}

int
world_open(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));
    char id[UUID_SIZE];
    w->url = world_url;
    w->lease_ms = LEASE_MS;
    uuid_v4(id);
    snprintf(w->name, sizeof(w->name), "alex-contract-%s", id);
    uuid_v4(id);
    w->a = world_connect(w, id);
    uuid_v4(id);
    w->b = world_connect(w, id);
    w->sender = world_connect(w, NULL);
    *state = w;
    return 0;
}

int
world_close(void **state)
{
    struct world *w = *state;
    queue_close(&w->a);
    queue_close(&w->b);
    queue_close(&w->sender);
    free(w);
    return 0;
}

void
send_bytes(struct world *w, const char *queue, const char *body, size_t size,
           int64_t delay_ms)
{
    struct err err = {0};
    struct queue_letter letter = {
        .queue = queue, .body = body, .body_size = size, .delay_ms = delay_ms};
    ok(queue_send(w->sender, &letter, 1, &err), &err);
    assert_true(letter.sent);
}

void
send_text(struct world *w, const char *queue, const char *body,
          int64_t delay_ms)
{
    send_bytes(w, queue, body, strlen(body), delay_ms);
}

struct queue_message
expect_one(struct world *w, struct queue *queue, int64_t wait_ms)
{
    (void)w;
    struct queue_message message = {0};
    int64_t until_ms = clock_boot_ms() + wait_ms;
    size_t count = 0;
    /* A receive may end early to report a reset. */
    do {
        bool reset;
        struct err err = {0};
        ok(queue_receive(queue, 1, until_ms - clock_boot_ms(), &message, &count,
                         &reset, &err),
           &err);
    } while (count == 0 && clock_boot_ms() < until_ms);
    assert_int_equal(count, 1);
    return message;
}

void
expect_none(struct world *w, struct queue *queue, int64_t wait_ms)
{
    (void)w;
    struct queue_message message;
    size_t count = 0;
    bool reset = false;
    struct err err = {0};
    ok(queue_receive(queue, 1, wait_ms, &message, &count, &reset, &err), &err);
    if (count == 0 && reset) {
        ok(queue_receive(queue, 1, wait_ms, &message, &count, &reset, &err),
           &err);
    }
    assert_int_equal(count, 0);
}

void
ack(struct world *w, struct queue *queue, struct queue_message *message)
{
    (void)w;
    size_t lost = 9;
    struct err err = {0};
    ok(queue_ack(queue, message, 1, &lost, &err), &err);
    assert_int_equal(lost, 0);
    queue_message_free(message);
}

struct queue_depth
depth(struct world *w, const char *name)
{
    struct queue_depth found = {-1, -1, -1, -1};
    struct err err = {0};
    ok(queue_depth(w->sender, name, &found, &err), &err);
    return found;
}

int
world_run(const char *group, const char *url, const struct CMUnitTest *tests,
          size_t count)
{
    char name[64];
    snprintf(name, sizeof(name), "%s over %.*s", group, (int)strcspn(url, ":"),
             url);
    world_url = url;
    return _cmocka_run_group_tests(name, tests, count, NULL, NULL);
}

int
world_main(const char *group, const struct CMUnitTest *tests, size_t count)
{
    const char *redis = getenv("ALEX_TEST_REDIS");
    const char *urls = getenv("ALEX_TEST_QUEUES");
    _cleanup(cleanup_free) char *list = xstrdup(urls    ? urls
                                                : redis ? redis
                                                        : "");
    int failed = 0;
    if (!list[0]) {
        printf("SKIP: neither ALEX_TEST_QUEUES nor ALEX_TEST_REDIS is set; "
               "try: tools/servers start; eval \"$(tools/servers env)\"\n");
        return 77;
    }
    char *rest = NULL;
    for (char *url = strtok_r(list, " ", &rest); url;
         url = strtok_r(NULL, " ", &rest)) {
        failed += world_run(group, url, tests, count);
    }
    return failed > 0;
}
