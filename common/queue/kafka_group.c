#include "queue/kafka_group.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define COMMIT_EVERY_MS 100
#define LEAVE_MAX_MS 3000
#define PROBE_MS 300
#define DESTROY_MAX_S 2

static bool
is_later(const char *topic)
{
    size_t size = strlen(topic);
    size_t suffix = strlen(KAFKA_LATER);
    return size > suffix && strcmp(topic + size - suffix, KAFKA_LATER) == 0;
}

/* --- committing ---------------------------------------------------------- */

/* The watermarks that moved, or NULL. */
static rd_kafka_topic_partition_list_t *
moved(struct kafka_group *group)
{
    char topic[2][KAFKA_TOPIC_SIZE];
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(8);
    kafka_topic(group->name, "", topic[false]);
    kafka_topic(group->name, KAFKA_LATER, topic[true]);
    pthread_mutex_lock(group->lock);
    for (size_t i = 0; i < group->holds->partition_count; i++) {
        struct kafka_partition *p = &group->holds->partitions[i];
        int64_t watermark = kafka_tracker_watermark(&p->tracker);
        if (watermark > p->committed) {
            p->committed = watermark;
            rd_kafka_topic_partition_list_add(list, topic[p->later], p->id)
                ->offset = watermark;
        }
    }
    pthread_mutex_unlock(group->lock);
    if (list->cnt == 0) {
        rd_kafka_topic_partition_list_destroy(list);
        return NULL;
    }
    return list;
}

/* What could not be committed is, next time. */
static void
on_commit(rd_kafka_t *rk, rd_kafka_resp_err_t code,
          rd_kafka_topic_partition_list_t *offsets, void *opaque)
{
    struct kafka_group *group = opaque;
    (void)rk;
    pthread_mutex_lock(group->lock);
    for (int i = 0; offsets && i < offsets->cnt; i++) {
        const rd_kafka_topic_partition_t *p = &offsets->elems[i];
        struct kafka_partition *ours = kafka_holds_partition(
            group->holds, is_later(p->topic), p->partition);
        if (ours && (code || p->err)) {
            ours->committed = 0;
        }
    }
    pthread_mutex_unlock(group->lock);
}

void
kafka_group_commit(struct kafka_group *group, int64_t boot_ms)
{
    if (boot_ms < group->commit_at_ms) {
        return;
    }
    group->commit_at_ms = boot_ms + COMMIT_EVERY_MS;
    rd_kafka_topic_partition_list_t *list = moved(group);
    if (list) {
        rd_kafka_commit(group->rk, list, true);
        rd_kafka_topic_partition_list_destroy(list);
    }
}

static void
commit_now(struct kafka_group *group)
{
    rd_kafka_topic_partition_list_t *list = moved(group);
    if (!list) {
        return;
    }
    rd_kafka_queue_t *done = rd_kafka_queue_new(group->rk);
    if (!rd_kafka_commit_queue(group->rk, list, done, NULL, NULL)) {
        rd_kafka_event_t *event =
            rd_kafka_queue_poll(done, (int)group->call_ms);
        if (event) {
            rd_kafka_event_destroy(event);
        }
    }
    rd_kafka_queue_destroy(done);
    rd_kafka_topic_partition_list_destroy(list);
}

/* --- rebalances ---------------------------------------------------------- */

static void
pause_list(struct kafka_group *group, bool later, bool pause,
           const rd_kafka_topic_partition_list_t *all)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(all->cnt);
    for (int i = 0; i < all->cnt; i++) {
        if (is_later(all->elems[i].topic) == later) {
            rd_kafka_topic_partition_list_add(list, all->elems[i].topic,
                                              all->elems[i].partition);
        }
    }
    if (list->cnt > 0 && pause) {
        rd_kafka_pause_partitions(group->rk, list);
    } else if (list->cnt > 0) {
        rd_kafka_resume_partitions(group->rk, list);
    }
    rd_kafka_topic_partition_list_destroy(list);
}

/* The group gives away NAME's partitions only.  Whoever has the first of them
 * also reads NAME-later, so that one member does, and never needs a rebalance
 * of its own.
 * Owner: the caller destroys what it gets. */
static rd_kafka_topic_partition_list_t *
with_later(const struct kafka_group *group,
           const rd_kafka_topic_partition_list_t *partitions)
{
    char topic[KAFKA_TOPIC_SIZE];
    rd_kafka_topic_partition_list_t *all =
        rd_kafka_topic_partition_list_copy(partitions);
    kafka_topic(group->name, KAFKA_LATER, topic);
    if (rd_kafka_topic_partition_list_find(partitions, group->name, 0)) {
        rd_kafka_topic_partition_list_add(all, topic, 0);
    }
    return all;
}

static rd_kafka_error_t *
gain(struct kafka_group *group,
     const rd_kafka_topic_partition_list_t *partitions)
{
    pthread_mutex_lock(group->lock);
    for (int i = 0; i < partitions->cnt; i++) {
        kafka_holds_assign(group->holds, is_later(partitions->elems[i].topic),
                           partitions->elems[i].partition);
    }
    pthread_mutex_unlock(group->lock);
    rd_kafka_error_t *error =
        rd_kafka_incremental_assign(group->rk, partitions);
    for (int later = 0; later < 2; later++) {
        if (group->paused[later]) {
            pause_list(group, later, true, partitions);
        }
    }
    return error;
}

static rd_kafka_error_t *
lose(struct kafka_group *group,
     const rd_kafka_topic_partition_list_t *partitions)
{
    if (!rd_kafka_assignment_lost(group->rk)) {
        commit_now(group);
    }
    pthread_mutex_lock(group->lock);
    for (int i = 0; i < partitions->cnt; i++) {
        kafka_holds_revoke(group->holds, is_later(partitions->elems[i].topic),
                           partitions->elems[i].partition);
    }
    pthread_mutex_unlock(group->lock);
    return rd_kafka_incremental_unassign(group->rk, partitions);
}

static void
on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t code,
             rd_kafka_topic_partition_list_t *partitions, void *opaque)
{
    struct kafka_group *group = opaque;
    rd_kafka_error_t *error = NULL;
    rd_kafka_topic_partition_list_t *all = with_later(group, partitions);
    if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        group->assigned = true;
        error = gain(group, all);
    } else if (code == RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS) {
        error = lose(group, all);
    } else {
        rd_kafka_assign(rk, NULL);
    }
    rd_kafka_topic_partition_list_destroy(all);
    if (error) { /* A partition that we own and do not read is found out by
                    the next rebalance. */
        rd_kafka_error_destroy(error);
    }
}

void
kafka_group_pause(struct kafka_group *group, bool later, bool pause)
{
    rd_kafka_topic_partition_list_t *all;
    if (group->paused[later] == pause || rd_kafka_assignment(group->rk, &all)) {
        return;
    }
    group->paused[later] = pause;
    pause_list(group, later, pause, all);
    rd_kafka_topic_partition_list_destroy(all);
}

/* --- reading ------------------------------------------------------------- */

static void
free_message(rd_kafka_message_t **message)
{
    if (*message) {
        rd_kafka_message_destroy(*message);
    }
}

static int
check(struct kafka_group *group, rd_kafka_resp_err_t code, bool *ret_gone,
      struct err *err)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR__FATAL:
        *ret_gone = true;
        return 0;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
        return kafka_fail(&group->health, code, group->name, err);
    default: /* The library deals with it, and says when brokers are down. */
        return 0;
    }
}

int
kafka_group_poll(struct kafka_group *group, int wait_ms, bool *ret_added,
                 bool *ret_gone, struct err *err)
{
    _cleanup(free_message) rd_kafka_message_t *message =
        rd_kafka_consumer_poll(group->rk, wait_ms);
    struct kafka_record record;
    if (!message) {
        return 0;
    }
    if (message->err) {
        return check(group, message->err, ret_gone, err);
    }
    kafka_record_read(message, &record);
    pthread_mutex_lock(group->lock);
    kafka_holds_add(group->holds, is_later(rd_kafka_topic_name(message->rkt)),
                    message->partition, message->offset, &record);
    pthread_mutex_unlock(group->lock);
    *ret_added = true;
    return 0;
}

bool
kafka_group_probe(struct kafka_group *group)
{
    const rd_kafka_metadata_t *metadata;
    if (rd_kafka_metadata(group->rk, 0, NULL, &metadata, PROBE_MS)) {
        return false;
    }
    rd_kafka_metadata_destroy(metadata);
    kafka_health_clear(&group->health);
    return true;
}

/* --- joining and leaving ------------------------------------------------- */

static void
set_callbacks(rd_kafka_conf_t *conf)
{
    rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
    rd_kafka_conf_set_offset_commit_cb(conf, on_commit);
}

static int
subscribe(struct kafka_group *group, struct err *err)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, group->name, RD_KAFKA_PARTITION_UA);
    rd_kafka_poll_set_consumer(group->rk);
    rd_kafka_resp_err_t code = rd_kafka_subscribe(group->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    return code ? kafka_fail(&group->health, code, group->name, err) : 0;
}

int
kafka_group_join(struct kafka_group *group, const struct kafka_address *address,
                 struct err *err)
{
    const struct kafka_setting settings[] = {
        {"group.id", group->name},
        {"partition.assignment.strategy", "cooperative-sticky"},
        {"enable.auto.commit", "false"},
        {"enable.auto.offset.store", "false"},
        {"auto.offset.reset", "earliest"},
        /* How long the messages of a process that was killed wait. */
        {"session.timeout.ms", "10000"},
        {"heartbeat.interval.ms", "1000"},
        {"queued.min.messages", "1000"},
        {"queued.max.messages.kbytes", "8192"},
        {"fetch.error.backoff.ms", "100"},
    };
    if (kafka_handle_new(RD_KAFKA_CONSUMER, address, settings,
                         ARRAY_COUNT(settings), set_callbacks, group,
                         &group->rk, err)) {
        return -1;
    }
    group->assigned = false;
    group->paused[false] = false;
    group->paused[true] = false;
    if (subscribe(group, err)) {
        kafka_group_leave(group);
        return -1;
    }
    return 0;
}

/* Among messages and errors, which nobody wants any more, is the last loss. */
static void
serve_closing(struct kafka_group *group, rd_kafka_event_t *event)
{
    if (!event) {
        return;
    }
    if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_REBALANCE) {
        on_rebalance(group->rk, rd_kafka_event_error(event),
                     rd_kafka_event_topic_partition_list(event), group);
    }
    rd_kafka_event_destroy(event);
}

static void
close_consumer(struct kafka_group *group)
{
    int64_t until_ms = clock_boot_ms() + LEAVE_MAX_MS;
    rd_kafka_queue_t *events = rd_kafka_queue_new(group->rk);
    rd_kafka_error_t *error = rd_kafka_consumer_close_queue(group->rk, events);
    if (error) {
        rd_kafka_error_destroy(error);
    } else {
        while (!rd_kafka_consumer_closed(group->rk) &&
               clock_boot_ms() < until_ms) {
            serve_closing(group, rd_kafka_queue_poll(events, 50));
        }
    }
    rd_kafka_queue_destroy(events);
}

/* Before version 2.3, librdkafka aborts when a consumer is destroyed that the
 * group has accepted and not yet given its part (confluentinc/librdkafka#4312).
 * So that is waited for; false if it does not come. */
static bool
await_assignment(struct kafka_group *group)
{
    int64_t until_ms = clock_boot_ms() + LEAVE_MAX_MS;
    while (!group->assigned && !kafka_health_down(&group->health) &&
           clock_boot_ms() < until_ms) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(group->rk, 50);
        free_message(&message);
    }
    char *member = rd_kafka_memberid(group->rk);
    bool accepted = member && member[0];
    rd_kafka_mem_free(group->rk, member);
    return group->assigned || !accepted;
}

static void *
destroy(void *rk)
{
    rd_kafka_destroy_flags(rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    return NULL;
}

/* librdkafka (2.0.2 at least) never comes back from destroying a consumer whose
 * topic was deleted.  Better to lose that handle, which does nothing any more,
 * than the process. */
static void
destroy_bounded(rd_kafka_t *rk)
{
    pthread_t thread;
    struct timespec until;
    if (pthread_create(&thread, NULL, destroy, rk)) {
        destroy(rk);
        return;
    }
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += DESTROY_MAX_S;
    if (pthread_timedjoin_np(thread, NULL, &until)) {
        pthread_detach(thread);
    }
}

void
kafka_group_leave(struct kafka_group *group)
{
    if (!group->rk) {
        return;
    }
    bool destroyable = await_assignment(group);
    if (!kafka_health_down(&group->health)) {
        commit_now(group);
        close_consumer(group);
    }
    if (destroyable) {
        destroy_bounded(group->rk);
    }
    group->rk = NULL;
    pthread_mutex_lock(group->lock);
    kafka_holds_free(group->holds);
    pthread_mutex_unlock(group->lock);
}
