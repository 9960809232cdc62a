#include "queue/kafka_record.h"

#include <stdio.h>
#include <stdlib.h>

#define SENT "alex-sent"
#define DELIVERIES "alex-deliveries"
#define DUE "alex-due"
#define REASON "alex-reason"
#define TAKEN "alex-taken"
#define TRACE "traceparent"

/* NULL when there is no such header.  The library puts a NUL behind each. */
static const char *
find(const rd_kafka_message_t *message, const char *name)
{
    rd_kafka_headers_t *headers;
    const void *value;
    size_t size;
    if (rd_kafka_message_headers(message, &headers) ||
        rd_kafka_header_get_last(headers, name, &value, &size)) {
        return NULL;
    }
    return value;
}

static int64_t
find_int(const rd_kafka_message_t *message, const char *name, int64_t fallback)
{
    const char *value = find(message, name);
    int64_t number = value ? strtoll(value, NULL, 10) : fallback;
    return number < 0 ? fallback : number;
}

void
kafka_record_read(const rd_kafka_message_t *message, struct kafka_record *ret)
{
    const char *trace = find(message, TRACE);
    int64_t broker_ms = rd_kafka_message_timestamp(message, NULL);
    *ret = (struct kafka_record){
        .body = message->payload,
        .size = message->len,
        .sent_wall_ms = find_int(message, SENT, broker_ms < 0 ? 0 : broker_ms),
        .deliveries = find_int(message, DELIVERIES, 0),
        .due_wall_ms = find_int(message, DUE, 0),
        .taken = find_int(message, TAKEN, -1),
        .reason = find(message, REASON),
    };
    snprintf(ret->trace, sizeof(ret->trace), "%s", trace ? trace : "");
}

static void
add(rd_kafka_headers_t *headers, const char *name, const char *value)
{
    rd_kafka_header_add(headers, name, -1, value, -1);
}

static void
add_int(rd_kafka_headers_t *headers, const char *name, int64_t value)
{
    char text[24];
    snprintf(text, sizeof(text), "%lld", (long long)value);
    add(headers, name, text);
}

rd_kafka_headers_t *
kafka_record_headers(const struct kafka_record *record)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(6);
    if (record->taken >= 0) {
        add_int(headers, TAKEN, record->taken);
        return headers;
    }
    add_int(headers, SENT, record->sent_wall_ms);
    if (record->deliveries > 0) {
        add_int(headers, DELIVERIES, record->deliveries);
    }
    if (record->due_wall_ms > 0) {
        add_int(headers, DUE, record->due_wall_ms);
    }
    if (record->reason) {
        add(headers, REASON, record->reason);
    }
    if (record->trace[0]) {
        add(headers, TRACE, record->trace);
    }
    return headers;
}
