#include "queue/kafka_conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "queue/queue_url.h"

/* --- the URL ------------------------------------------------------------- */

static const char *const mechanisms[] = {
    "SCRAM-SHA-512",
    "SCRAM-SHA-256",
    "PLAIN",
};

void
kafka_address_free(struct kafka_address *address)
{
    free(address->brokers);
    free(address->user);
    free(address->password);
    free(address->ca);
    *address = (struct kafka_address){0};
}

/* "host", "host:port" or "[ipv6]:port". */
static bool
broker_valid(const char *text, size_t size)
{
    bool bracket = size > 0 && text[0] == '[';
    size_t host = strspn(text + bracket,
                         bracket ? "0123456789abcdefABCDEF:."
                                 : "abcdefghijklmnopqrstuvwxyz"
                                   "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_");
    size_t used = bracket + host;
    if (host == 0 || used > size || (bracket && text[used++] != ']')) {
        return false;
    }
    if (used == size) {
        return true;
    }
    size_t digits = strspn(text + used + 1, "0123456789");
    return text[used] == ':' && digits >= 1 && digits <= 5 &&
           used + 1 + digits == size && atoi(text + used + 1) <= 65535;
}

static bool
parse_brokers(const char *text, size_t size, struct kafka_address *address)
{
    address->brokers = xmemdup(text, size);
    for (const char *p = address->brokers;; p++) {
        size_t broker = strcspn(p, ",");
        if (!broker_valid(p, broker)) {
            return false;
        }
        p += broker;
        if (!*p) {
            return true;
        }
    }
}

static bool
parse_user(const char *text, size_t size, struct kafka_address *address)
{
    const char *colon = memchr(text, ':', size);
    size_t user = colon ? (size_t)(colon - text) : 0;
    if (user == 0) {
        return false;
    }
    address->user = queue_url_decode(text, user);
    address->password = queue_url_decode(colon + 1, size - user - 1);
    return address->user && address->password;
}

static bool
parse_option(const char *text, size_t size, struct kafka_address *address)
{
    if (size > 3 && strncmp(text, "ca=", 3) == 0 && !address->ca) {
        address->ca = queue_url_decode(text + 3, size - 3);
        return address->ca;
    }
    for (size_t i = 0; i < ARRAY_COUNT(mechanisms); i++) {
        if (size == 5 + strlen(mechanisms[i]) &&
            strncmp(text, "sasl=", 5) == 0 &&
            strncmp(text + 5, mechanisms[i], size - 5) == 0) {
            address->mechanism = mechanisms[i];
            return true;
        }
    }
    return false;
}

static bool
parse_options(const char *text, struct kafka_address *address)
{
    text += *text == '/';
    if (*text == '\0') {
        return true;
    }
    for (char end = '?'; *text == end; end = '&') {
        size_t size = strcspn(text + 1, "&");
        if (!parse_option(text + 1, size, address)) {
            return false;
        }
        text += 1 + size;
    }
    return *text == '\0';
}

static bool
parse(const char *url, struct kafka_address *address)
{
    const char *rest = strstr(url, "://") + 3;
    size_t authority = strcspn(rest, "/?");
    const char *at = memrchr(rest, '@', authority);
    const char *hosts = at ? at + 1 : rest;
    address->tls = strncmp(url, "kafkas:", 7) == 0;
    address->mechanism = mechanisms[0];
    return (!at || parse_user(rest, (size_t)(at - rest), address)) &&
           parse_brokers(hosts, (size_t)(rest + authority - hosts), address) &&
           parse_options(rest + authority, address);
}

int
kafka_address_parse(const char *url, struct kafka_address *ret, struct err *err)
{
    _cleanup(kafka_address_free) struct kafka_address address = {0};
    if (!parse(url, &address)) {
        return err_set(err, ERR_FATAL, 78,
                       "queue URL: malformed, expected "
                       "kafka://user:password@host:9092,host:9092 with special "
                       "characters as %%XX, then perhaps ?sasl=PLAIN, "
                       "SCRAM-SHA-256 or SCRAM-SHA-512, and &ca=FILE");
    }
    *ret = address;
    address = (struct kafka_address){0};
    return 0;
}

/* --- what brokers complain of -------------------------------------------- */

static void
on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    struct kafka_health *health = opaque;
    (void)rk;
    pthread_mutex_lock(&health->lock);
    if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
        health->down = true;
    } else {
        health->code = code;
        snprintf(health->text, sizeof(health->text), "%s", reason);
    }
    pthread_mutex_unlock(&health->lock);
}

void
kafka_health_clear(struct kafka_health *health)
{
    pthread_mutex_lock(&health->lock);
    health->code = RD_KAFKA_RESP_ERR_NO_ERROR;
    health->down = false;
    health->text[0] = '\0';
    pthread_mutex_unlock(&health->lock);
}

bool
kafka_health_down(struct kafka_health *health)
{
    pthread_mutex_lock(&health->lock);
    bool down = health->down;
    pthread_mutex_unlock(&health->lock);
    return down;
}

static enum err_kind
kind_of(rd_kafka_resp_err_t code)
{
    static const rd_kafka_resp_err_t fatal[] = {
        RD_KAFKA_RESP_ERR__AUTHENTICATION,
        RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED,
        RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
        RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED,
        RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
        RD_KAFKA_RESP_ERR_POLICY_VIOLATION,
    };
    for (size_t i = 0; i < ARRAY_COUNT(fatal); i++) {
        if (code == fatal[i]) {
            return ERR_FATAL;
        }
    }
    return ERR_RETRY;
}

int
kafka_fail(struct kafka_health *health, rd_kafka_resp_err_t code,
           const char *what, struct err *err)
{
    char text[sizeof(health->text)];
    pthread_mutex_lock(&health->lock);
    enum err_kind kind =
        kind_of(code) == ERR_FATAL ? ERR_FATAL : kind_of(health->code);
    snprintf(text, sizeof(text), "%s", health->text);
    pthread_mutex_unlock(&health->lock);
    return err_set(err, kind, 0, "kafka: %s: %s%s%s", what,
                   rd_kafka_err2str(code), text[0] ? "; " : "", text);
}

/* --- handles ------------------------------------------------------------- */

/* Errors are returned, and libraries do not log. */
static void
drop_log(const rd_kafka_t *rk, int level, const char *facility,
         const char *text)
{
    (void)rk;
    (void)level;
    (void)facility;
    (void)text;
}

static int
set(rd_kafka_conf_t *conf, const struct kafka_setting *setting, struct err *err)
{
    char why[200];
    if (setting->value &&
        rd_kafka_conf_set(conf, setting->name, setting->value, why,
                          sizeof(why)) != RD_KAFKA_CONF_OK) {
        /* 'why' may repeat the value, which may be a password. */
        return err_set(err, ERR_FATAL, 78, "kafka: %s is refused",
                       setting->name);
    }
    return 0;
}

static int
configure(rd_kafka_conf_t *conf, const struct kafka_address *address,
          struct err *err)
{
    const char *protocols[] = {"plaintext", "ssl", "sasl_plaintext",
                               "sasl_ssl"};
    const struct kafka_setting settings[] = {
        {"client.id", "alex"},
        {"bootstrap.servers", address->brokers},
        {"security.protocol",
         protocols[(address->user ? 2 : 0) + (address->tls ? 1 : 0)]},
        {"sasl.mechanisms", address->user ? address->mechanism : NULL},
        {"sasl.username", address->user},
        {"sasl.password", address->password},
        {"ssl.ca.location", address->ca},
        {"socket.timeout.ms", "10000"},
        {"socket.connection.setup.timeout.ms", "5000"},
        {"socket.nagle.disable", "true"},
        {"reconnect.backoff.max.ms", "1000"},
        {"topic.metadata.refresh.interval.ms", "10000"},
        {"topic.metadata.refresh.fast.interval.ms", "100"},
        {"log.connection.close", "false"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(settings); i++) {
        if (set(conf, &settings[i], err)) {
            return -1;
        }
    }
    return 0;
}

static void
conf_free(rd_kafka_conf_t **conf)
{
    if (*conf) {
        rd_kafka_conf_destroy(*conf);
    }
}

int
kafka_handle_new(rd_kafka_type_t type, const struct kafka_address *address,
                 const struct kafka_setting *settings, size_t count,
                 void (*prepare)(rd_kafka_conf_t *conf), void *opaque,
                 rd_kafka_t **ret, struct err *err)
{
    _cleanup(conf_free) rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char why[200];
    if (configure(conf, address, err)) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        if (set(conf, &settings[i], err)) {
            return -1;
        }
    }
    rd_kafka_conf_set_log_cb(conf, drop_log);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_opaque(conf, opaque);
    if (prepare) {
        prepare(conf);
    }
    rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof(why));
    if (!rk) {
        return err_set(err, ERR_FATAL, 78, "kafka: %s", why);
    }
    (void)STEAL(conf); /* It is the handle's now. */
    *ret = rk;
    return 0;
}
