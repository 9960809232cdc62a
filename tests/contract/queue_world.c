#include "contract/queue_world.h"

#include "base/arena.h"
#include "base/clock.h"

/* For an owned queue to come to its consumer. */
#define OWNING_MS 30000
#define SHARED_PARTITIONS 8
#define SHARED_LEASE_MS 20000 /* Lapses for nobody, however busy it gets. */

static const struct facts all_facts[] = {
    {.url = "redis",
     .lease_ms = 1500,
     .grain_ms = 1,
     .handover_ms = 750,
     .many = 10000},
    {.url = "sqs://us-east-1", /* moto. */
     .lease_ms = 4000,
     .grain_ms = 1000,
     .handover_ms = 1000,
     .many = 300,
     .repeats = true,
     .hides = true},
    {.url = "sqs",
     .lease_ms = 4000,
     .grain_ms = 1000,
     .handover_ms = 1000,
     .many = 10000,
     .hides = true},
    {.url = "kafka",
     .lease_ms = 1500,
     .grain_ms = 1,
     .handover_ms = 15000,
     .many = 10000,
     .owned = true},
};

static const char *world_url;
static const struct facts *world_facts;

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

static void
create(struct world *w, const char *name, int partitions)
{
    struct err err = {0};
    const struct queue_attributes attributes = {.lease_ms = w->lease_ms,
                                                .partitions = partitions};
    ok(queue_create(w->sender, name, &attributes, &err), &err);
}

void
world_create(struct world *w, const char *name)
{
    create(w, name, 1);
}

static size_t
receive_and_ack(struct queue *queue)
{
    struct queue_message messages[QUEUE_BATCH_MAX];
    size_t count = 0;
    bool reset;
    struct err err = {0};
    ok(queue_receive(queue, QUEUE_BATCH_MAX, 100, messages, &count, &reset,
                     &err),
       &err);
    ok(queue_ack(queue, messages, count, NULL, &err), &err);
    for (size_t i = 0; i < count; i++) {
        queue_message_free(&messages[i]);
    }
    return count;
}

/* Until 'a', and 'b' if it shares, own what they will own, and somebody sees to
 * what is delayed. */
static void
await_owners(struct world *w, bool shared)
{
    int64_t until_ms = clock_boot_ms() + OWNING_MS;
    size_t by_a = 0;
    size_t by_b = 0;
    size_t sent = 1;
    send_text(w, w->name, "whose?", 1);
    while (by_a == 0 || (shared && by_b == 0) || by_a + by_b < sent) {
        assert_true(clock_boot_ms() < until_ms);
        if (by_a + by_b == sent) {
            send_text(w, w->name, "whose?", 0);
            sent++;
        }
        by_a += receive_and_ack(w->a);
        by_b += shared ? receive_and_ack(w->b) : 0;
    }
}

static int
open_world(void **state, bool shared)
{
    struct world *w = xcalloc(1, sizeof(*w));
    char id[UUID_SIZE];
    w->url = world_url;
    w->facts = world_facts;
    w->lease_ms = shared ? SHARED_LEASE_MS : w->facts->lease_ms;
    uuid_v4(id);
    snprintf(w->name, sizeof(w->name), "alex-contract-%s", id);
    uuid_v4(w->consumer);
    w->a = world_connect(w, w->consumer);
    uuid_v4(id);
    w->b = world_connect(w, id);
    w->sender = world_connect(w, NULL);
    *state = w;
    create(w, w->name, shared ? SHARED_PARTITIONS : 1);
    if (w->facts->owned) {
        await_owners(w, shared);
    }
    return 0;
}

int
world_open(void **state)
{
    return open_world(state, false);
}

int
world_open_shared(void **state)
{
    return open_world(state, true);
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

/* One message, if there is one within 'wait_ms'. */
static size_t
receive_one(struct queue *queue, int64_t wait_ms, struct queue_message *ret)
{
    size_t count = 0;
    bool reset;
    struct err err = {0};
    ok(queue_receive(queue, 1, wait_ms, ret, &count, &reset, &err), &err);
    return count;
}

struct queue_message
expect_one(struct world *w, struct queue *queue, int64_t wait_ms)
{
    (void)w;
    struct queue_message message = {0};
    int64_t until_ms = clock_boot_ms() + wait_ms;
    size_t count;
    /* A receive may end early to report a reset. */
    do {
        count = receive_one(queue, until_ms - clock_boot_ms(), &message);
    } while (count == 0 && clock_boot_ms() < until_ms);
    assert_int_equal(count, 1);
    return message;
}

struct queue_message
expect_of_any(struct world *w, struct queue **who, int64_t wait_ms)
{
    struct queue_message message = {0};
    struct queue *const all[] = {*who, w->a, w->b};
    int64_t until_ms = clock_boot_ms() + wait_ms;
    if (!w->facts->owned) {
        return expect_one(w, *who, wait_ms);
    }
    for (size_t i = 0; clock_boot_ms() < until_ms; i++) {
        *who = all[i % ARRAY_COUNT(all)];
        if (*who && receive_one(*who, 50, &message) > 0) {
            return message;
        }
    }
    fail_msg("nobody got a message");
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

int64_t
latest_ms(const struct world *w, int64_t ms)
{
    int64_t grain_ms = w->facts->grain_ms;
    return (ms + grain_ms - 1) / grain_ms * grain_ms + 600;
}

static const struct facts *
facts_of(const char *url)
{
    for (size_t i = 0; i < ARRAY_COUNT(all_facts); i++) {
        if (strncmp(url, all_facts[i].url, strlen(all_facts[i].url)) == 0) {
            return &all_facts[i];
        }
    }
    fprintf(stderr, "no facts about the queue %.*s\n", (int)strcspn(url, ":"),
            url);
    exit(1);
}

int
world_run(const char *group, const char *url, const struct CMUnitTest *tests,
          size_t count)
{
    char name[64];
    snprintf(name, sizeof(name), "%s over %.*s", group, (int)strcspn(url, ":"),
             url);
    world_url = url;
    world_facts = facts_of(url);
    int failed = _cmocka_run_group_tests(name, tests, count, NULL, NULL);
    printf("%s: %d passed, %d failed\n", name, (int)count - failed, failed);
    return failed;
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
