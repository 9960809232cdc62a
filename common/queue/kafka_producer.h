/* Produces messages and waits until the brokers have them on all replicas.
 *
 * Not idempotent in Kafka's sense: a doorbell that is there twice is harmless,
 * and an idempotent producer can get into states it never leaves. */
#pragma once

#include "queue/kafka_conf.h"
#include "queue/kafka_record.h"

#define KAFKA_TOPIC_SIZE 112

/* NAME, NAME-later and NAME-dlq. */
#define KAFKA_LATER "-later"
#define KAFKA_DEAD "-dlq"
void kafka_topic(const char *name, const char *suffix,
                 char ret[KAFKA_TOPIC_SIZE]);

struct kafka_post {
    char topic[KAFKA_TOPIC_SIZE];
    struct kafka_record record;
    bool sent; /* Out. */
};

struct kafka_producer;

/* 'call_ms' bounds each kafka_producer_send().
 * Errors: as kafka_handle_new(). */
int kafka_producer_open(const struct kafka_address *address, int64_t call_ms,
                        struct kafka_producer **ret, struct err *err);
void kafka_producer_close(struct kafka_producer **producer);
/* Any thread may.  -1 if any was not accepted, of which '*err' tells one. */
int kafka_producer_send(struct kafka_producer *producer,
                        struct kafka_post *posts, size_t count,
                        struct err *err);
/* For questions and orders to the brokers; borrowed. */
rd_kafka_t *kafka_producer_handle(struct kafka_producer *producer);
struct kafka_health *kafka_producer_health(struct kafka_producer *producer);
int64_t kafka_producer_call_ms(const struct kafka_producer *producer);
