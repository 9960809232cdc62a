/* What the queue hears after the engine has committed: in which order, and what
 * is left when it does not listen. */
#include "test.h"

#include "base/arena.h"
#include "base/buf.h"
#include "queue/driver.h"
#include "runtime/tail.h"

/* A queue that writes down what it is told, and fails when asked to. */
struct fake {
    struct queue base;
    struct buf heard; /* "send a,b ack 1,2 release:500 3 " */
    int grouped;      /* Letters of user_1. */
    int good;         /* Calls that succeed before the others fail. */
};

static bool
fails(struct fake *fake, struct err *err)
{
    if (fake->good-- > 0) {
        return false;
    }
    err_set(err, ERR_RETRY, 0, "unreachable");
    return true;
}

static int
fake_send(struct queue *queue, struct queue_letter *letters, size_t count,
          struct err *err)
{
    struct fake *fake = (struct fake *)queue;

    if (fails(fake, err)) {
        return -1;
    }
    buf_puts(&fake->heard, "send");
    for (size_t i = 0; i < count; i++) {
        buf_printf(&fake->heard, " %s+%lld", letters[i].queue,
                   (long long)letters[i].delay_ms);
        fake->grouped +=
            letters[i].group != NULL && strcmp(letters[i].group, "user_1") == 0;
        letters[i].sent = true;
    }
    buf_puts(&fake->heard, "; ");
    return 0;
}

static int
hear(struct fake *fake, const char *what, const struct queue_message *messages,
     size_t count, struct err *err)
{
    if (fails(fake, err)) {
        return -1;
    }
    buf_puts(&fake->heard, what);
    for (size_t i = 0; i < count; i++) {
        buf_printf(&fake->heard, " %s", messages[i].handle);
    }
    buf_puts(&fake->heard, "; ");
    return 0;
}

static int
fake_ack(struct queue *queue, const struct queue_message *messages,
         size_t count, size_t *ret_lost, struct err *err)
{
    *ret_lost = 0;
    return hear((struct fake *)queue, "ack", messages, count, err);
}

static int
fake_release(struct queue *queue, const struct queue_message *messages,
             size_t count, int64_t delay_ms, size_t *ret_lost, struct err *err)
{
    char what[32];

    *ret_lost = 0;
    snprintf(what, sizeof(what), "release+%lld", (long long)delay_ms);
    return hear((struct fake *)queue, what, messages, count, err);
}

static int
fake_dead_letter(struct queue *queue, const struct queue_message *message,
                 const char *reason, struct err *err)
{
    return hear((struct fake *)queue, reason, message, 1, err);
}

static const struct queue_driver fake_driver = {
    .send = fake_send,
    .ack = fake_ack,
    .release = fake_release,
    .dead_letter = fake_dead_letter,
};

struct scene {
    struct fake fake;
    struct flight *flight;
    struct tail tail;
};

static struct scene *
open_scene(int good)
{
    struct scene *scene = xcalloc(1, sizeof(*scene));

    scene->fake.base.driver = &fake_driver;
    strcpy(scene->fake.base.name, "alex-bench");
    scene->fake.good = good;
    scene->flight = flight_new(1000);
    return scene;
}

static void
close_scene(struct scene **scene)
{
    tail_free(&(*scene)->tail);
    flight_free(&(*scene)->flight);
    buf_free(&(*scene)->fake.heard);
    free(*scene);
}

static struct run *
add(struct scene *scene, const char *handle)
{
    struct queue_message message = {.body = xstrdup("x"), .body_size = 1};

    snprintf(message.handle, sizeof(message.handle), "%s", handle);
    return flight_add(scene->flight, &message, false);
}

static void
ring(struct scene *scene, const char *bells)
{
    _cleanup(json_put) struct json_object *value = NULL;
    struct err err = {0};

    assert_int_equal(json_parse(bells, strlen(bells), "bells", &value, &err),
                     0);
    assert_int_equal(tail_ring(&scene->tail, value, "user_1", &err), 0);
}

static int
flush(struct scene *scene)
{
    struct err err = {0};

    return tail_flush(&scene->tail, &scene->fake.base, scene->flight, &err);
}

static const char two_bells[] =
    "[{\"agent\":\"a\",\"job\":\"j\",\"task\":\"t\",\"trace\":null},"
    "{\"agent\":\"b\",\"job\":\"j\",\"task\":\"u\",\"trace\":\"00-x\","
    "\"delay_ms\":700}]";

static void
test_rings_before_it_acks(void **state)
{
    _cleanup(close_scene) struct scene *scene = open_scene(99);

    (void)state;
    tail_ack(&scene->tail, add(scene, "1"));
    ring(scene, two_bells);
    assert_int_equal(flush(scene), 0);
    assert_string_equal(scene->fake.heard.data,
                        "send alex-a+0 alex-b+700; ack 1; ");
    assert_true(tail_empty(&scene->tail));
    assert_int_equal(flight_count(scene->flight), 0);
}

static void
test_nothing_is_acked_while_bells_are_not_rung(void **state)
{
    _cleanup(close_scene) struct scene *scene = open_scene(0);

    (void)state;
    tail_ack(&scene->tail, add(scene, "1"));
    ring(scene, two_bells);
    assert_int_equal(flush(scene), -1);
    assert_null(scene->fake.heard.data);
    assert_int_equal(flight_count(scene->flight), 1);
    scene->fake.good = 99;
    assert_int_equal(flush(scene), 0);
    assert_string_equal(scene->fake.heard.data,
                        "send alex-a+0 alex-b+700; ack 1; ");
}

static void
test_rung_bells_are_not_rung_again_when_the_ack_fails(void **state)
{
    _cleanup(close_scene) struct scene *scene = open_scene(1);

    (void)state;
    tail_ack(&scene->tail, add(scene, "1"));
    ring(scene, two_bells);
    assert_int_equal(flush(scene), -1);
    scene->fake.good = 99;
    assert_int_equal(flush(scene), 0);
    assert_string_equal(scene->fake.heard.data,
                        "send alex-a+0 alex-b+700; ack 1; ");
}

static void
test_releases_of_one_delay_go_together(void **state)
{
    _cleanup(close_scene) struct scene *scene = open_scene(99);

    (void)state;
    tail_release(&scene->tail, add(scene, "1"), "bench", 500);
    tail_ack(&scene->tail, add(scene, "2"));
    tail_release(&scene->tail, add(scene, "3"), "bench", 500);
    tail_release(&scene->tail, add(scene, "4"), "bench", 0);
    tail_ack(&scene->tail, add(scene, "5"));
    assert_int_equal(flush(scene), 0);
    assert_string_equal(scene->fake.heard.data,
                        "release+500 1 3; ack 2 5; release+0 4; ");
}

static void
test_what_was_done_before_a_failure_is_not_done_again(void **state)
{
    _cleanup(close_scene) struct scene *scene = open_scene(1);

    (void)state;
    tail_ack(&scene->tail, add(scene, "1"));
    tail_release(&scene->tail, add(scene, "2"), "bench", 500);
    assert_int_equal(flush(scene), -1);
    assert_int_equal(flight_count(scene->flight), 1);
    scene->fake.good = 99;
    assert_int_equal(flush(scene), 0);
    assert_string_equal(scene->fake.heard.data, "ack 1; release+500 2; ");
}

static void
test_bells_carry_whose_job_it_is(void **state)
{
    _cleanup(close_scene) struct scene *scene = open_scene(99);

    (void)state;
    ring(scene, two_bells);
    assert_int_equal(flush(scene), 0);
    assert_int_equal(scene->fake.grouped, 2);
}

/* As on Kafka: the message was acked when its task was claimed. */
static struct run *
add_acked(struct scene *scene, const char *task)
{
    struct run *run = add(scene, "acked");

    snprintf(run->task, sizeof(run->task), "%s", task);
    snprintf(run->group, sizeof(run->group), "user_1");
    flight_acked(scene->flight, run);
    return run;
}

static void
test_run_acked_early_is_released_by_a_bell_of_its_own(void **state)
{
    _cleanup(close_scene) struct scene *scene = open_scene(99);

    (void)state;
    tail_release(&scene->tail, add_acked(scene, "t"), "bench", 500);
    tail_release(&scene->tail, add(scene, "1"), "bench", 500);
    assert_int_equal(flush(scene), 0);
    assert_string_equal(scene->fake.heard.data,
                        "send alex-bench+500; release+500 1; ");
    assert_int_equal(scene->fake.grouped, 1);
    assert_int_equal(flight_count(scene->flight), 0);
}

static void
test_run_acked_early_is_not_acked_again(void **state)
{
    _cleanup(close_scene) struct scene *scene = open_scene(99);

    (void)state;
    tail_ack(&scene->tail, add_acked(scene, "t"));
    assert_int_equal(flush(scene), 0);
    assert_null(scene->fake.heard.data);
    assert_int_equal(flight_count(scene->flight), 0);
}

static void
test_dead_letters_keep_their_own_reason(void **state)
{
    _cleanup(close_scene) struct scene *scene = open_scene(99);

    (void)state;
    tail_dead_letter(&scene->tail, add(scene, "1"), "no JSON");
    tail_dead_letter(&scene->tail, add(scene, "2"), "no UUID");
    assert_int_equal(flush(scene), 0);
    assert_string_equal(scene->fake.heard.data, "no JSON 1; no UUID 2; ");
}

static void
test_many_of_each_go_in_batches(void **state)
{
    _cleanup(close_scene) struct scene *scene = open_scene(99);

    (void)state;
    for (int i = 0; i < 250; i++) {
        tail_ack(&scene->tail, add(scene, "h"));
    }
    assert_int_equal(flush(scene), 0);
    assert_int_equal(99 - scene->fake.good, 3);
    assert_int_equal(flight_count(scene->flight), 0);
}

static void
test_bell_of_another_shape_is_refused(void **state)
{
    static const char *const bad[] = {"7", "[7]", "[{\"agent\":7}]",
                                      "[{\"agent\":\"a\",\"delay_ms\":-1}]"};
    _cleanup(close_scene) struct scene *scene = open_scene(99);

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        _cleanup(json_put) struct json_object *value = NULL;
        struct err err = {0};
        assert_int_equal(
            json_parse(bad[i], strlen(bad[i]), "bells", &value, &err), 0);
        assert_int_equal(tail_ring(&scene->tail, value, "user_1", &err), -1);
        assert_int_equal(err.kind, ERR_REJECT);
    }
    assert_true(tail_empty(&scene->tail));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rings_before_it_acks),
        cmocka_unit_test(test_nothing_is_acked_while_bells_are_not_rung),
        cmocka_unit_test(test_rung_bells_are_not_rung_again_when_the_ack_fails),
        cmocka_unit_test(test_releases_of_one_delay_go_together),
        cmocka_unit_test(test_what_was_done_before_a_failure_is_not_done_again),
        cmocka_unit_test(test_bells_carry_whose_job_it_is),
        cmocka_unit_test(test_run_acked_early_is_released_by_a_bell_of_its_own),
        cmocka_unit_test(test_run_acked_early_is_not_acked_again),
        cmocka_unit_test(test_dead_letters_keep_their_own_reason),
        cmocka_unit_test(test_many_of_each_go_in_batches),
        cmocka_unit_test(test_bell_of_another_shape_is_refused),
    };

    return RUN_TESTS(tests);
}
