#include "queue/kafka_topics.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"

#define REPLICAS_MAX 3
#define KEPT_MS "1209600000" /* 14 days. */
/* Above what a topic takes by default, so that each dead letter fits. */
#define DEAD_MAX_BYTES "2097152"
#define ASK_AGAIN_US 20000

struct topic {
    const char *suffix;
    int partitions; /* 0: as asked for. */
    const char *retention_ms;
    const char *max_bytes; /* NULL: the broker's default. */
};

static const struct topic topics[] = {
    {"", 0, KEPT_MS, NULL},
    {KAFKA_LATER, 1, KEPT_MS, NULL},
    {KAFKA_DEAD, 1, "-1", DEAD_MAX_BYTES},
};

static void
free_metadata(const rd_kafka_metadata_t **metadata)
{
    if (*metadata) {
        rd_kafka_metadata_destroy(*metadata);
    }
}

static void
free_event(rd_kafka_event_t **event)
{
    if (*event) {
        rd_kafka_event_destroy(*event);
    }
}

static void
free_list(rd_kafka_topic_partition_list_t **list)
{
    if (*list) {
        rd_kafka_topic_partition_list_destroy(*list);
    }
}

/* --- what there is ------------------------------------------------------- */

/* Of one topic, or of the brokers alone when 'topic' is NULL. */
static int
ask(struct kafka_producer *producer, const char *topic,
    const rd_kafka_metadata_t **ret, struct err *err)
{
    rd_kafka_t *rk = kafka_producer_handle(producer);
    rd_kafka_topic_t *rkt = topic ? rd_kafka_topic_new(rk, topic, NULL) : NULL;
    rd_kafka_resp_err_t code = rd_kafka_metadata(
        rk, 0, rkt, ret, (int)kafka_producer_call_ms(producer));
    if (rkt) {
        rd_kafka_topic_destroy(rkt);
    }
    return code ? kafka_fail(kafka_producer_health(producer), code,
                             "asking the brokers", err)
                : 0;
}

/* '*ret' becomes 0 when there is no such topic. */
static int
count_partitions(struct kafka_producer *producer, const char *topic, int *ret,
                 struct err *err)
{
    _cleanup(free_metadata) const rd_kafka_metadata_t *metadata = NULL;
    if (ask(producer, topic, &metadata, err)) {
        return -1;
    }
    rd_kafka_resp_err_t code = metadata->topic_cnt == 1
                                   ? metadata->topics[0].err
                                   : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    if (code && code != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART &&
        code != RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE) {
        return kafka_fail(kafka_producer_health(producer), code, topic, err);
    }
    *ret = code ? 0 : metadata->topics[0].partition_cnt;
    return 0;
}

/* --- making them --------------------------------------------------------- */

/* One order to the brokers, begun by 'begin'; '*ret' is the result. */
static int
order(struct kafka_producer *producer,
      void (*begin)(rd_kafka_t *rk, const void *what,
                    const rd_kafka_AdminOptions_t *options,
                    rd_kafka_queue_t *results),
      const void *what, rd_kafka_event_t **ret, struct err *err)
{
    rd_kafka_t *rk = kafka_producer_handle(producer);
    int call_ms = (int)kafka_producer_call_ms(producer);
    rd_kafka_queue_t *results = rd_kafka_queue_new(rk);
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_ANY);
    rd_kafka_AdminOptions_set_request_timeout(options, call_ms, NULL, 0);
    begin(rk, what, options, results);
    rd_kafka_event_t *event = rd_kafka_queue_poll(results, call_ms);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(results);
    rd_kafka_resp_err_t code =
        event ? rd_kafka_event_error(event) : RD_KAFKA_RESP_ERR__TIMED_OUT;
    if (code) {
        free_event(&event);
        return kafka_fail(kafka_producer_health(producer), code,
                          "ordering the brokers", err);
    }
    *ret = event;
    return 0;
}

struct creation {
    const char *name;
    int partitions;
    int replicas;
};

static void
begin_creation(rd_kafka_t *rk, const void *what,
               const rd_kafka_AdminOptions_t *options,
               rd_kafka_queue_t *results)
{
    const struct creation *creation = what;
    rd_kafka_NewTopic_t *all[ARRAY_COUNT(topics)];
    for (size_t i = 0; i < ARRAY_COUNT(topics); i++) {
        char topic[KAFKA_TOPIC_SIZE];
        int partitions = topics[i].partitions;
        kafka_topic(creation->name, topics[i].suffix, topic);
        all[i] = rd_kafka_NewTopic_new(
            topic, partitions ? partitions : creation->partitions,
            creation->replicas, NULL, 0);
        rd_kafka_NewTopic_set_config(all[i], "retention.ms",
                                     topics[i].retention_ms);
        if (topics[i].max_bytes) {
            rd_kafka_NewTopic_set_config(all[i], "max.message.bytes",
                                         topics[i].max_bytes);
        }
    }
    rd_kafka_CreateTopics(rk, all, ARRAY_COUNT(all), options, results);
    rd_kafka_NewTopic_destroy_array(all, ARRAY_COUNT(all));
}

static void
begin_growth(rd_kafka_t *rk, const void *what,
             const rd_kafka_AdminOptions_t *options, rd_kafka_queue_t *results)
{
    const struct creation *creation = what;
    rd_kafka_NewPartitions_t *more = rd_kafka_NewPartitions_new(
        creation->name, (size_t)creation->partitions, NULL, 0);
    rd_kafka_CreatePartitions(rk, &more, 1, options, results);
    rd_kafka_NewPartitions_destroy(more);
}

static int
check_results(struct kafka_producer *producer,
              const rd_kafka_topic_result_t *const *results, size_t count,
              struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        rd_kafka_resp_err_t code = rd_kafka_topic_result_error(results[i]);
        if (code && code != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
            return kafka_fail(kafka_producer_health(producer), code,
                              rd_kafka_topic_result_name(results[i]), err);
        }
    }
    return 0;
}

static int
create(struct kafka_producer *producer, struct creation *creation,
       struct err *err)
{
    _cleanup(free_metadata) const rd_kafka_metadata_t *brokers = NULL;
    _cleanup(free_event) rd_kafka_event_t *event = NULL;
    if (ask(producer, NULL, &brokers, err)) {
        return -1;
    }
    creation->replicas =
        brokers->broker_cnt < REPLICAS_MAX ? brokers->broker_cnt : REPLICAS_MAX;
    if (order(producer, begin_creation, creation, &event, err)) {
        return -1;
    }
    size_t count;
    const rd_kafka_topic_result_t **results =
        rd_kafka_CreateTopics_result_topics(
            rd_kafka_event_CreateTopics_result(event), &count);
    return check_results(producer, results, count, err);
}

static int
grow(struct kafka_producer *producer, const struct creation *creation,
     struct err *err)
{
    _cleanup(free_event) rd_kafka_event_t *event = NULL;
    if (order(producer, begin_growth, creation, &event, err)) {
        return -1;
    }
    size_t count;
    const rd_kafka_topic_result_t **results =
        rd_kafka_CreatePartitions_result_topics(
            rd_kafka_event_CreatePartitions_result(event), &count);
    return check_results(producer, results, count, err);
}

/* Whether all three are there, and how many partitions the first has. */
static int
look(struct kafka_producer *producer, const char *name, bool *ret_all,
     int *ret_partitions, struct err *err)
{
    bool all = true;
    for (size_t i = 0; i < ARRAY_COUNT(topics); i++) {
        char topic[KAFKA_TOPIC_SIZE];
        int count = 0;
        kafka_topic(name, topics[i].suffix, topic);
        if (count_partitions(producer, topic, &count, err)) {
            return -1;
        }
        all = all && count > 0;
        *ret_partitions = i == 0 ? count : *ret_partitions;
    }
    *ret_all = all;
    return 0;
}

/* Brokers hear of new topics one by one. */
static int
await_topics(struct kafka_producer *producer, const char *name, struct err *err)
{
    int64_t until_ms = clock_boot_ms() + kafka_producer_call_ms(producer);
    do {
        bool all;
        int partitions = 0;
        if (look(producer, name, &all, &partitions, err)) {
            return -1;
        }
        if (all) {
            return 0;
        }
        usleep(ASK_AGAIN_US);
    } while (clock_boot_ms() < until_ms);
    return err_set(err, ERR_RETRY, 0, "kafka: %s: made, but not there yet",
                   name);
}

int
kafka_topics_create(struct kafka_producer *producer, const char *name,
                    int partitions, bool *ret_made, struct err *err)
{
    struct creation creation = {.name = name, .partitions = partitions};
    bool all;
    int had = 0;
    if (look(producer, name, &all, &had, err)) {
        return -1;
    }
    if (partitions == 0) {
        creation.partitions = had ? had : KAFKA_PARTITIONS;
    }
    if ((!all && (create(producer, &creation, err) ||
                  await_topics(producer, name, err))) ||
        (had > 0 && creation.partitions > had &&
         grow(producer, &creation, err))) {
        return err_wrap(err, "queue %s", name);
    }
    *ret_made = had == 0;
    return 0;
}

int
kafka_topics_ensure(struct kafka_producer *producer, const char *name,
                    bool *ret_made, struct err *err)
{
    if (kafka_topics_create(producer, name, 0, ret_made, err)) {
        bool forbidden = err->kind == ERR_FATAL;
        err->kind = ERR_RETRY;
        return forbidden ? err_wrap(err, "to be made by an operator (alexctl "
                                         "queue create)")
                         : -1;
    }
    return 0;
}

/* --- offsets ------------------------------------------------------------- */

static rd_kafka_resp_err_t
ask_ends_once(struct kafka_producer *producer,
              rd_kafka_topic_partition_list_t *list, int64_t which)
{
    for (int i = 0; i < list->cnt; i++) {
        list->elems[i].offset = which;
    }
    rd_kafka_resp_err_t code =
        rd_kafka_offsets_for_times(kafka_producer_handle(producer), list,
                                   (int)kafka_producer_call_ms(producer));
    for (int i = 0; i < list->cnt && !code; i++) {
        code = list->elems[i].err;
    }
    return code;
}

/* One end of every partition of 'list'.  Who leads a new one is not known
 * everywhere at once. */
static int
ask_ends(struct kafka_producer *producer, rd_kafka_topic_partition_list_t *list,
         int64_t which, struct err *err)
{
    int64_t until_ms = clock_boot_ms() + kafka_producer_call_ms(producer);
    rd_kafka_resp_err_t code = ask_ends_once(producer, list, which);
    while (code && clock_boot_ms() < until_ms) {
        usleep(ASK_AGAIN_US);
        code = ask_ends_once(producer, list, which);
    }
    return code ? kafka_fail(kafka_producer_health(producer), code,
                             "asking for offsets", err)
                : 0;
}

int
kafka_topics_offsets(struct kafka_producer *producer, const char *topic,
                     struct kafka_offsets **ret, size_t *ret_count,
                     struct err *err)
{
    int count = 0;
    if (count_partitions(producer, topic, &count, err)) {
        return -1;
    }
    if (count == 0) {
        *ret = NULL;
        *ret_count = 0;
        return 0;
    }
    _cleanup(free_list) rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(count);
    _cleanup(cleanup_free) struct kafka_offsets *offsets =
        xcalloc((size_t)count, sizeof(*offsets));
    rd_kafka_topic_partition_list_add_range(list, topic, 0, count - 1);
    if (ask_ends(producer, list, RD_KAFKA_OFFSET_BEGINNING, err)) {
        return -1;
    }
    for (int i = 0; i < count; i++) {
        struct kafka_offsets *of = &offsets[list->elems[i].partition];
        of->partition = list->elems[i].partition;
        of->low = list->elems[i].offset;
        of->committed = of->low;
    }
    if (ask_ends(producer, list, RD_KAFKA_OFFSET_END, err)) {
        return -1;
    }
    for (int i = 0; i < count; i++) {
        offsets[list->elems[i].partition].high = list->elems[i].offset;
    }
    *ret = STEAL(offsets);
    *ret_count = (size_t)count;
    return 0;
}

static void
free_consumer(rd_kafka_t **rk)
{
    if (*rk) {
        rd_kafka_destroy(*rk);
    }
}

/* A consumer asks, because the library's order for it (ListConsumerGroupOffsets
 * of 2.0) crashes the process while the group's coordinator is loading. */
static int
ask_committed(const struct kafka_address *address, const char *group,
              int64_t until_ms, rd_kafka_topic_partition_list_t *list,
              struct err *err)
{
    struct kafka_health health = KAFKA_HEALTH;
    _cleanup(free_consumer) rd_kafka_t *rk = NULL;
    const struct kafka_setting settings[] = {{"group.id", group}};
    if (kafka_handle_new(RD_KAFKA_CONSUMER, address, settings,
                         ARRAY_COUNT(settings), NULL, &health, &rk, err)) {
        return -1;
    }
    rd_kafka_resp_err_t code;
    do {
        int64_t left_ms = until_ms - clock_boot_ms();
        code = rd_kafka_committed(rk, list, left_ms > 0 ? (int)left_ms : 0);
    } while (code && clock_boot_ms() < until_ms && usleep(ASK_AGAIN_US) == 0);
    return code ? kafka_fail(&health, code, "asking for what is done", err) : 0;
}

int
kafka_topics_committed(const struct kafka_address *address, int64_t call_ms,
                       const char *topic, const char *group,
                       struct kafka_offsets *offsets, size_t count,
                       struct err *err)
{
    _cleanup(free_list) rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new((int)count);
    for (size_t i = 0; i < count; i++) {
        if (offsets[i].low < offsets[i].high) {
            rd_kafka_topic_partition_list_add(list, topic,
                                              offsets[i].partition);
        }
    }
    if (list->cnt == 0) {
        return 0;
    }
    if (ask_committed(address, group, clock_boot_ms() + call_ms, list, err)) {
        return -1;
    }
    for (int i = 0; i < list->cnt; i++) {
        struct kafka_offsets *of = &offsets[list->elems[i].partition];
        if (list->elems[i].offset > of->low) {
            of->committed = list->elems[i].offset;
        }
    }
    return 0;
}

/* --- trimming ------------------------------------------------------------ */

static void
begin_trim(rd_kafka_t *rk, const void *what,
           const rd_kafka_AdminOptions_t *options, rd_kafka_queue_t *results)
{
    rd_kafka_DeleteRecords_t *before = rd_kafka_DeleteRecords_new(what);
    rd_kafka_DeleteRecords(rk, &before, 1, options, results);
    rd_kafka_DeleteRecords_destroy(before);
}

void
kafka_topics_trim(struct kafka_producer *producer, const char *topic,
                  int64_t offset)
{
    struct err ignored;
    _cleanup(free_event) rd_kafka_event_t *event = NULL;
    _cleanup(free_list) rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, 0)->offset = offset;
    order(producer, begin_trim, list, &event, &ignored);
}
