/* Where a kafka:// URL leads, and what every connection there is set to. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <librdkafka/rdkafka.h>

#include "base/err.h"

struct kafka_address {
    char *brokers; /* "host:9092,host:9092" */
    bool tls;
    char *user;            /* NULL: no SASL. */
    char *password;        /* With 'user'. */
    const char *mechanism; /* "SCRAM-SHA-512"; static. */
    char *ca;              /* File of certificates; NULL: the system's. */
};

/* kafka[s]://[user:password@]host[:port][,host[:port]...][/][?sasl=MECHANISM]
 * [&ca=FILE], %XX in user, password and file.
 * Owner: '*ret' is freed with kafka_address_free().
 * Errors: ERR_FATAL (78), never with the URL's text. */
int kafka_address_parse(const char *url, struct kafka_address *ret,
                        struct err *err);
void kafka_address_free(struct kafka_address *address);

/* What a handle's brokers last complained of.  The library's opaque pointer of
 * every handle leads to one of these, first in what owns the handle. */
struct kafka_health {
    pthread_mutex_t lock;
    rd_kafka_resp_err_t code; /* Of the last complaint; 0: none. */
    bool down;                /* No broker is connected. */
    char text[200];
};

#define KAFKA_HEALTH                                                           \
    {                                                                          \
        .lock = PTHREAD_MUTEX_INITIALIZER                                      \
    }

void kafka_health_clear(struct kafka_health *health);
bool kafka_health_down(struct kafka_health *health);

struct kafka_setting {
    const char *name;
    const char *value;
};

/* A handle with the address's settings, those of this file and 'settings'.
 * 'prepare' may set callbacks, or is NULL.
 * Errors: ERR_FATAL (78): the library refuses a setting or the CA file. */
int kafka_handle_new(rd_kafka_type_t type, const struct kafka_address *address,
                     const struct kafka_setting *settings, size_t count,
                     void (*prepare)(rd_kafka_conf_t *conf), void *opaque,
                     rd_kafka_t **ret, struct err *err);

/* err_set() for a code of the library: the kind that fits it, 'what' before it
 * and the brokers' last complaint, if 'health' has one, after it. */
int kafka_fail(struct kafka_health *health, rd_kafka_resp_err_t code,
               const char *what, struct err *err);
