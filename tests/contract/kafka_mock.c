#include "contract/kafka_mock.h"

#include "base/cleanup.h"

static rd_kafka_t *rk;
static rd_kafka_mock_cluster_t *cluster;
static char url[128];

static void
drop_log(const rd_kafka_t *of, int level, const char *facility,
         const char *text)
{
    (void)of;
    (void)level;
    (void)facility;
    (void)text;
}

void
mock_start(void)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char why[200];
    rd_kafka_conf_set_log_cb(conf, drop_log);
    rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
    assert_non_null(rk);
    cluster = rd_kafka_mock_cluster_new(rk, 1);
    assert_non_null(cluster);
    const char *brokers = rd_kafka_mock_cluster_bootstraps(cluster);
    snprintf(url, sizeof(url), "kafka://%s", brokers);
    rd_kafka_brokers_add(rk, brokers);
}

void
mock_stop(void)
{
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(rk);
}

rd_kafka_mock_cluster_t *
mock_cluster(void)
{
    return cluster;
}

const char *
mock_url(void)
{
    return url;
}

void
mock_world_open(struct world *w, int partitions)
{
    static const char *const suffixes[] = {"-later", "-dlq"};
    char id[UUID_SIZE];
    char topic[128];
    *w = (struct world){.url = url, .lease_ms = 3000};
    uuid_v4(id);
    snprintf(w->name, sizeof(w->name), "alex-mock-%s", id);
    rd_kafka_mock_topic_create(cluster, w->name, partitions, 1);
    for (size_t i = 0; i < ARRAY_COUNT(suffixes); i++) {
        snprintf(topic, sizeof(topic), "%s%s", w->name, suffixes[i]);
        rd_kafka_mock_topic_create(cluster, topic, 1, 1);
    }
    uuid_v4(w->consumer);
    w->a = world_connect(w, w->consumer);
    uuid_v4(id);
    w->b = world_connect(w, id);
    w->sender = world_connect(w, NULL);
}

void
mock_world_close(struct world *w)
{
    queue_close(&w->a);
    queue_close(&w->b);
    queue_close(&w->sender);
}

void
mock_produce(const char *topic, const void *body, size_t size)
{
    rd_kafka_vu_t values[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = topic},
        {.vtype = RD_KAFKA_VTYPE_VALUE,
         .u.mem = {(void *)(uintptr_t)body, size}},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
    };
    assert_null(rd_kafka_produceva(rk, values, ARRAY_COUNT(values)));
    assert_int_equal(rd_kafka_flush(rk, 10000), RD_KAFKA_RESP_ERR_NO_ERROR);
}
