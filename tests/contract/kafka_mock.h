/* A Kafka inside the test, which fails when told to: the library's mock. */
#pragma once

#include "contract/queue_world.h"

/* In this order. */
#include <librdkafka/rdkafka.h>

#include <librdkafka/rdkafka_mock.h>

/* Numbers of the protocol's requests. */
#define KAFKA_PRODUCE 0
#define KAFKA_OFFSET_COMMIT 8
#define KAFKA_HEARTBEAT 12

void mock_start(void);
void mock_stop(void);
rd_kafka_mock_cluster_t *mock_cluster(void);
/* Its URL; static. */
const char *mock_url(void);

/* Makes a queue of 'partitions', consumers 'a' and 'b' (which have not begun to
 * receive) and a sender. */
void mock_world_open(struct world *w, int partitions);
void mock_world_close(struct world *w);
/* As somebody would who knows nothing of us: no headers. */
void mock_produce(const char *topic, const void *body, size_t size);
