/* A message in a topic: a body, and beside it, in headers, what Kafka does not
 * keep.
 *
 *     alex-sent        first sending, ms since 1970; else the broker's time
 *     alex-deliveries  how often its earlier copies were delivered
 *     alex-due         NAME-later: when to put it into NAME, ms since 1970
 *     alex-reason      NAME-dlq: why
 *     alex-taken       NAME-dlq: offset of the dead letter that is gone
 *     traceparent      W3C */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <librdkafka/rdkafka.h>

struct kafka_record { /* Owns nothing. */
    const void *body;
    size_t size;
    int64_t sent_wall_ms;
    int64_t deliveries;
    int64_t due_wall_ms; /* 0: at once. */
    int64_t taken;       /* -1: it is a message. */
    const char *reason;  /* NULL: none. */
    char trace[64];      /* "": none. */
};

/* '*ret' is valid as long as 'message' is. */
void kafka_record_read(const rd_kafka_message_t *message,
                       struct kafka_record *ret);
/* Owner: whoever produces the message, or frees it. */
rd_kafka_headers_t *kafka_record_headers(const struct kafka_record *record);
