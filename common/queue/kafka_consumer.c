#include "queue/kafka_consumer.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "queue/driver.h"
#include "queue/kafka_group.h"
#include "queue/kafka_topics.h"

#define POLL_MS 100
/* Reading stops above these, and goes on below a half. */
#define WAITING_MAX 1000
#define DELAYED_MAX 10000
/* Nobody received for so long (the store is down): no more is read. */
#define IDLE_MS 10000
#define RETRY_MS 500
#define MOVED_AT_ONCE 100

struct kafka_consumer {
    const struct kafka_address *address;
    struct kafka_producer *producer;
    char name[QUEUE_NAME_SIZE];
    int64_t lease_ms;
    struct kafka_group group; /* The thread's. */
    pthread_t thread;
    pthread_mutex_t lock; /* Of what follows. */
    pthread_cond_t changed;
    struct kafka_holds holds;
    struct err failed; /* Kind ERR_NONE while all is well. */
    bool reset;
    bool stopping;
    int64_t received_at_ms;
    int64_t move_at_ms; /* The thread's: not before, after a failure. */
};

/* --- waiting ------------------------------------------------------------- */

/* Until something changed, or the deadline (CLOCK_BOOTTIME). */
static void
wait_until(struct kafka_consumer *c, int64_t deadline_ms)
{
    struct timespec until;
    int64_t wait_ms = deadline_ms - clock_boot_ms();
    if (wait_ms <= 0) {
        return;
    }
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + wait_ms % 1000 * 1000000;
    until.tv_sec += wait_ms / 1000 + ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    pthread_cond_timedwait(&c->changed, &c->lock, &until);
}

static void
set_failed(struct kafka_consumer *c, const struct err *err)
{
    pthread_mutex_lock(&c->lock);
    c->failed = *err;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

/* --- moving -------------------------------------------------------------- */

/* Copies of items that are ending go to their topics; the items end. */
static int
move(struct kafka_consumer *c, struct kafka_item *const *items, size_t count,
     int64_t due_wall_ms, const char *reason, struct err *err)
{
    _cleanup(cleanup_free) struct kafka_post *posts =
        xcalloc(count, sizeof(*posts));
    for (size_t i = 0; i < count; i++) {
        posts[i].record = items[i]->record;
        posts[i].record.due_wall_ms = due_wall_ms;
        if (reason) {
            posts[i].record.reason = reason;
        }
        kafka_topic(c->name,
                    posts[i].record.reason ? KAFKA_DEAD
                    : due_wall_ms > 0      ? KAFKA_LATER
                                           : "",
                    posts[i].topic);
    }
    int result = kafka_producer_send(c->producer, posts, count, err);
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < count; i++) {
        kafka_holds_end(&c->holds, items[i], posts[i].sent);
    }
    pthread_mutex_unlock(&c->lock);
    return result;
}

/* What nobody acked or extended for a lease, and what is due. */
static void
move_on(struct kafka_consumer *c)
{
    struct kafka_item *items[MOVED_AT_ONCE];
    struct err ignored; /* They are tried again. */
    if (clock_boot_ms() < c->move_at_ms) {
        return;
    }
    pthread_mutex_lock(&c->lock);
    size_t count = kafka_holds_take_expired(&c->holds, clock_boot_ms(),
                                            MOVED_AT_ONCE, items);
    count += kafka_holds_take_due(&c->holds, clock_wall_ms(),
                                  MOVED_AT_ONCE - count, items + count);
    pthread_mutex_unlock(&c->lock);
    if (count > 0 && move(c, items, count, 0, NULL, &ignored)) {
        c->move_at_ms = clock_boot_ms() + RETRY_MS;
    }
}

int
kafka_consumer_move(struct kafka_consumer *c,
                    const struct queue_message *messages, size_t count,
                    int64_t delay_ms, const char *reason, size_t *ret_lost,
                    struct err *err)
{
    struct kafka_item *items[QUEUE_BATCH_MAX];
    size_t found = 0;
    int64_t due_wall_ms = delay_ms > 0 ? clock_wall_ms() + delay_ms : 0;
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < count; i++) {
        struct kafka_item *item =
            kafka_holds_find(&c->holds, messages[i].handle);
        if (item) {
            item->state = KAFKA_ENDING;
            items[found++] = item;
        }
    }
    pthread_mutex_unlock(&c->lock);
    if (found > 0 && move(c, items, found, due_wall_ms, reason, err)) {
        return -1;
    }
    *ret_lost = count - found;
    return 0;
}

/* --- the thread ---------------------------------------------------------- */

static int
join(struct kafka_consumer *c, struct err *err)
{
    bool made;
    if (kafka_topics_ensure(c->producer, c->name, &made, err) ||
        kafka_group_join(&c->group, c->address, err)) {
        return -1;
    }
    pthread_mutex_lock(&c->lock);
    c->reset |= made;
    c->failed.kind = ERR_NONE;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
    return 0;
}

static int
poll_wait_ms(struct kafka_consumer *c)
{
    pthread_mutex_lock(&c->lock);
    const struct kafka_item *first = kafka_later_first(&c->holds.later);
    int64_t due_in_ms =
        first ? first->record.due_wall_ms - clock_wall_ms() : POLL_MS;
    pthread_mutex_unlock(&c->lock);
    bool soon = due_in_ms < POLL_MS && clock_boot_ms() >= c->move_at_ms;
    return !soon ? POLL_MS : due_in_ms < 0 ? 0 : (int)due_in_ms;
}

static void
check_room(struct kafka_consumer *c)
{
    pthread_mutex_lock(&c->lock);
    size_t waiting = c->holds.waiting_count;
    size_t delayed = c->holds.later.count;
    bool idle = clock_boot_ms() - c->received_at_ms > IDLE_MS;
    pthread_mutex_unlock(&c->lock);
    const bool *paused = c->group.paused;
    kafka_group_pause(&c->group, false,
                      idle || waiting >= WAITING_MAX / (paused[false] ? 2 : 1));
    kafka_group_pause(&c->group, true,
                      delayed >= DELAYED_MAX / (paused[true] ? 2 : 1));
}

/* Says that the brokers are gone, and that they are back. */
static void
check_health(struct kafka_consumer *c)
{
    struct err err;
    if (!kafka_health_down(&c->group.health)) {
        return;
    }
    if (kafka_group_probe(&c->group)) {
        err = (struct err){0};
    } else {
        kafka_fail(&c->group.health, RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN,
                   "receiving", &err);
    }
    set_failed(c, &err);
}

static void
serve(struct kafka_consumer *c)
{
    bool gone = false;
    bool stopping = false;
    while (!gone && !stopping) {
        bool added = false;
        struct err err;
        if (kafka_group_poll(&c->group, poll_wait_ms(c), &added, &gone, &err)) {
            set_failed(c, &err);
        }
        move_on(c);
        kafka_group_commit(&c->group, clock_boot_ms());
        check_room(c);
        check_health(c);
        pthread_mutex_lock(&c->lock);
        if (added) {
            c->failed.kind = ERR_NONE;
            pthread_cond_broadcast(&c->changed);
        }
        c->reset |= gone; /* And with the topic what was in it. */
        stopping = c->stopping;
        pthread_mutex_unlock(&c->lock);
    }
}

/* Joins, and serves until the group has to be joined anew. */
static void
join_and_serve(struct kafka_consumer *c)
{
    struct err err;
    if (join(c, &err)) {
        set_failed(c, &err);
        return;
    }
    serve(c);
    kafka_group_leave(&c->group);
}

static void *
run(void *arg)
{
    struct kafka_consumer *c = arg;
    bool stopping = false;
    while (!stopping) {
        join_and_serve(c);
        int64_t until_ms = clock_boot_ms() + RETRY_MS;
        pthread_mutex_lock(&c->lock);
        while (!c->stopping && clock_boot_ms() < until_ms) {
            wait_until(c, until_ms);
        }
        stopping = c->stopping;
        pthread_mutex_unlock(&c->lock);
    }
    return NULL;
}

/* --- for the connections ------------------------------------------------- */

int
kafka_consumer_receive(struct kafka_consumer *c, bool *woken, size_t max,
                       int64_t wait_ms, struct queue_message *ret,
                       size_t *ret_count, bool *reset, struct err *err)
{
    int64_t deadline_ms = clock_boot_ms() + wait_ms;
    int result = 0;
    pthread_mutex_lock(&c->lock);
    do {
        c->received_at_ms = clock_boot_ms();
        if (!c->holds.waiting && !c->reset && !c->failed.kind && !*woken) {
            int64_t slice_ms = c->received_at_ms + IDLE_MS / 2;
            wait_until(c, deadline_ms < slice_ms ? deadline_ms : slice_ms);
        }
    } while (!c->holds.waiting && !c->reset && !c->failed.kind && !*woken &&
             clock_boot_ms() < deadline_ms);
    *woken = false;
    if (!c->holds.waiting && !c->reset && c->failed.kind) {
        *err = c->failed;
        result = -1;
    } else {
        *ret_count = kafka_holds_hand_out(&c->holds, max, c->lease_ms, ret);
        *reset = c->reset;
        c->reset = false;
    }
    pthread_mutex_unlock(&c->lock);
    return result;
}

void
kafka_consumer_wake(struct kafka_consumer *c, bool *woken)
{
    pthread_mutex_lock(&c->lock);
    *woken = true;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

size_t
kafka_consumer_ack(struct kafka_consumer *c,
                   const struct queue_message *messages, size_t count)
{
    size_t lost = 0;
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < count; i++) {
        struct kafka_item *item =
            kafka_holds_find(&c->holds, messages[i].handle);
        if (item) {
            kafka_holds_end(&c->holds, item, true);
        } else {
            lost++;
        }
    }
    pthread_mutex_unlock(&c->lock);
    return lost;
}

size_t
kafka_consumer_extend(struct kafka_consumer *c,
                      const struct queue_message *messages, size_t count)
{
    size_t lost = 0;
    int64_t until_ms = clock_boot_ms() + c->lease_ms;
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < count; i++) {
        struct kafka_item *item =
            kafka_holds_find(&c->holds, messages[i].handle);
        if (item) {
            item->lease_until_ms = until_ms;
        } else {
            lost++;
        }
    }
    pthread_mutex_unlock(&c->lock);
    return lost;
}

bool
kafka_consumer_count(struct kafka_consumer *c, bool later, int32_t id,
                     struct kafka_held *ret)
{
    pthread_mutex_lock(&c->lock);
    const struct kafka_partition *partition =
        kafka_holds_partition(&c->holds, later, id);
    if (partition) {
        *ret = kafka_holds_count(partition);
    }
    pthread_mutex_unlock(&c->lock);
    return partition;
}

/* --- starting and stopping ----------------------------------------------- */

static void
free_consumer(struct kafka_consumer **consumer)
{
    struct kafka_consumer *c = *consumer;
    if (c) {
        pthread_cond_destroy(&c->changed);
        pthread_mutex_destroy(&c->lock);
        pthread_mutex_destroy(&c->group.health.lock);
        free(c);
    }
}

int
kafka_consumer_start(const struct kafka_address *address,
                     struct kafka_producer *producer, const char *name,
                     int64_t lease_ms, struct kafka_consumer **ret,
                     struct err *err)
{
    _cleanup(free_consumer) struct kafka_consumer *c = xcalloc(1, sizeof(*c));
    pthread_condattr_t monotonic;
    c->address = address;
    c->producer = producer;
    c->lease_ms = lease_ms;
    c->received_at_ms = clock_boot_ms();
    snprintf(c->name, sizeof(c->name), "%s", name);
    pthread_mutex_init(&c->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&c->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    c->group = (struct kafka_group){
        .health = KAFKA_HEALTH,
        .name = c->name,
        .call_ms = kafka_producer_call_ms(producer),
        .lock = &c->lock,
        .holds = &c->holds,
    };
    int code = pthread_create(&c->thread, NULL, run, c);
    if (code != 0) {
        return err_set(err, ERR_FATAL, code, "kafka: no thread");
    }
    *ret = STEAL(c);
    return 0;
}

void
kafka_consumer_stop(struct kafka_consumer **consumer)
{
    struct kafka_consumer *c = *consumer;
    if (!c) {
        return;
    }
    pthread_mutex_lock(&c->lock);
    c->stopping = true;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
    pthread_join(c->thread, NULL);
    free_consumer(consumer);
    *consumer = NULL;
}
