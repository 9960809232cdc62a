#include "queue/kafka_dead.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "queue/kafka_topics.h"

/* --- reading ------------------------------------------------------------- */

/* One pass through a NAME-dlq. */
struct scan {
    struct kafka_health health; /* First: see kafka_conf.h. */
    struct kafka_producer *producer;
    char topic[KAFKA_TOPIC_SIZE];
    rd_kafka_t *rk;
    rd_kafka_topic_t *rkt;
    int64_t low;
    int64_t high;
    int64_t *taken; /* Ascending after find_taken(). */
    size_t taken_count;
    size_t taken_capacity;
};

static void
scan_close(struct scan *scan)
{
    if (scan->rkt) {
        rd_kafka_topic_destroy(scan->rkt);
    }
    if (scan->rk) {
        rd_kafka_destroy(scan->rk);
    }
    pthread_mutex_destroy(&scan->health.lock);
    free(scan->taken);
}

static int
connect_scan(struct scan *scan, const struct kafka_address *address,
             struct err *err)
{
    const struct kafka_setting settings[] = {
        {"enable.partition.eof", "true"},
        {"fetch.error.backoff.ms", "100"},
        {"queued.max.messages.kbytes", "8192"},
    };
    if (kafka_handle_new(RD_KAFKA_CONSUMER, address, settings,
                         ARRAY_COUNT(settings), NULL, scan, &scan->rk, err)) {
        return -1;
    }
    scan->rkt = rd_kafka_topic_new(scan->rk, scan->topic, NULL);
    return 0;
}

/* Calls 'see' for each record from 'offset' on, until it says false. */
static int
read_from(struct scan *scan, int64_t offset,
          bool (*see)(void *arg, int64_t offset,
                      const struct kafka_record *record),
          void *arg, struct err *err)
{
    int64_t call_ms = kafka_producer_call_ms(scan->producer);
    int64_t until_ms = clock_boot_ms() + call_ms;
    bool on = offset < scan->high;
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    if (!on) {
        return 0;
    }
    rd_kafka_consume_start(scan->rkt, 0, offset);
    for (size_t i = 0; on && i < KAFKA_DEAD_MAX; i++) {
        int64_t left_ms = until_ms - clock_boot_ms();
        rd_kafka_message_t *message =
            rd_kafka_consume(scan->rkt, 0, left_ms > 0 ? (int)left_ms : 0);
        code = message ? message->err : RD_KAFKA_RESP_ERR__TIMED_OUT;
        on = !code;
        if (!code) {
            struct kafka_record record;
            kafka_record_read(message, &record);
            on = see(arg, message->offset, &record) &&
                 message->offset + 1 < scan->high;
            until_ms = clock_boot_ms() + call_ms;
        }
        if (message) {
            rd_kafka_message_destroy(message);
        }
    }
    rd_kafka_consume_stop(scan->rkt, 0);
    return code && code != RD_KAFKA_RESP_ERR__PARTITION_EOF
               ? kafka_fail(&scan->health, code, scan->topic, err)
               : 0;
}

static bool
see_taken(void *arg, int64_t offset, const struct kafka_record *record)
{
    struct scan *scan = arg;
    /* Neither is a mark a dead letter. */
    int64_t gone[] = {offset, record->taken};
    size_t count = record->taken >= 0 ? 2 : 0;
    for (size_t i = 0; i < count; i++) {
        if (scan->taken_count == scan->taken_capacity) {
            scan->taken_capacity =
                scan->taken_capacity ? 2 * scan->taken_capacity : 64;
            scan->taken = xrealloc(scan->taken,
                                   scan->taken_capacity * sizeof(*scan->taken));
        }
        scan->taken[scan->taken_count++] = gone[i];
    }
    return true;
}

static int
compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static bool
is_taken(const struct scan *scan, int64_t offset)
{
    return scan->taken_count > 0 &&
           bsearch(&offset, scan->taken, scan->taken_count,
                   sizeof(*scan->taken), compare);
}

/* Nothing to see when 'low' is 'high'. */
static int
scan_open(struct scan *scan, const struct kafka_address *address,
          struct kafka_producer *producer, const char *name, struct err *err)
{
    _cleanup(cleanup_free) struct kafka_offsets *offsets = NULL;
    size_t count = 0;
    scan->producer = producer;
    kafka_topic(name, KAFKA_DEAD, scan->topic);
    if (kafka_topics_offsets(producer, scan->topic, &offsets, &count, err)) {
        return -1;
    }
    if (count == 0 || offsets[0].low == offsets[0].high) {
        return 0;
    }
    scan->low = offsets[0].low;
    scan->high = offsets[0].high;
    if (connect_scan(scan, address, err) ||
        read_from(scan, scan->low, see_taken, scan, err)) {
        return -1;
    }
    if (scan->taken_count > 0) {
        qsort(scan->taken, scan->taken_count, sizeof(*scan->taken), compare);
    }
    return 0;
}

/* --- counting ------------------------------------------------------------ */

int
kafka_dead_count(const struct kafka_address *address,
                 struct kafka_producer *producer, const char *name,
                 int64_t *ret, struct err *err)
{
    _cleanup(scan_close) struct scan scan = {.health = KAFKA_HEALTH};
    if (scan_open(&scan, address, producer, name, err)) {
        return -1;
    }
    int64_t count = scan.high - scan.low;
    for (size_t i = 0; i < scan.taken_count; i++) {
        bool repeated = i > 0 && scan.taken[i] == scan.taken[i - 1];
        count -= !repeated && scan.taken[i] >= scan.low;
    }
    *ret = count;
    return 0;
}

/* --- peeking ------------------------------------------------------------- */

struct page {
    const struct scan *scan;
    struct queue_message *messages;
    size_t max;
    size_t count;
    int64_t last;
    bool more;
};

static bool
see_letter(void *arg, int64_t offset, const struct kafka_record *record)
{
    struct page *page = arg;
    if (is_taken(page->scan, offset)) {
        return true;
    }
    if (page->count == page->max) {
        page->more = true;
        return false;
    }
    size_t size = record->size < QUEUE_BODY_MAX_BYTES ? record->size
                                                      : QUEUE_BODY_MAX_BYTES;
    struct queue_message *message = &page->messages[page->count++];
    *message = (struct queue_message){
        .body = xmemdup(size > 0 ? record->body : "", size),
        .body_size = size,
        .sent_wall_ms = record->sent_wall_ms,
        .deliveries = record->deliveries,
        .reason = record->reason ? xstrdup(record->reason) : NULL,
    };
    snprintf(message->handle, sizeof(message->handle), "%" PRId64, offset);
    page->last = offset;
    return true;
}

/* Handles of dead letters come from people. */
static int
parse_handle(const char *text, int64_t *ret, struct err *err)
{
    size_t digits = strspn(text, "0123456789");
    if (digits < 1 || digits > 18 || text[digits]) {
        return err_set(err, ERR_REJECT, 0,
                       "dead letter: not an offset like 1234");
    }
    *ret = strtoll(text, NULL, 10);
    return 0;
}

int
kafka_dead_peek(const struct kafka_address *address,
                struct kafka_producer *producer, const char *name,
                const char *after, size_t max, struct queue_message *ret,
                size_t *ret_count, char ret_next[QUEUE_HANDLE_SIZE],
                struct err *err)
{
    _cleanup(scan_close) struct scan scan = {.health = KAFKA_HEALTH};
    struct page page = {.scan = &scan, .messages = ret, .max = max};
    int64_t from = -1;
    if ((after[0] && parse_handle(after, &from, err)) ||
        scan_open(&scan, address, producer, name, err)) {
        return -1;
    }
    from = from + 1 < scan.low ? scan.low : from + 1;
    if (read_from(&scan, from, see_letter, &page, err)) {
        for (size_t i = 0; i < page.count; i++) {
            queue_message_free(&ret[i]);
        }
        return -1;
    }
    ret_next[0] = '\0';
    if (page.more) {
        snprintf(ret_next, QUEUE_HANDLE_SIZE, "%" PRId64, page.last);
    }
    *ret_count = page.count;
    return 0;
}

/* --- taking -------------------------------------------------------------- */

struct resending {
    struct kafka_producer *producer;
    const char *name;
    int result;
    struct err *err;
};

static bool
see_resent(void *arg, int64_t offset, const struct kafka_record *record)
{
    struct resending *r = arg;
    struct kafka_post post = {.record = *record};
    (void)offset;
    post.record.deliveries = 0;
    post.record.reason = NULL;
    kafka_topic(r->name, "", post.topic);
    r->result = kafka_producer_send(r->producer, &post, 1, r->err);
    return false;
}

static int
resend_letter(struct scan *scan, const char *name, int64_t offset,
              struct err *err)
{
    struct resending r = {scan->producer, name, -1, err};
    err_set(err, ERR_RETRY, 0, "kafka: %s: no record at %" PRId64, scan->topic,
            offset);
    return read_from(scan, offset, see_resent, &r, err) ? -1 : r.result;
}

static int
mark_taken(struct scan *scan, int64_t offset, struct err *err)
{
    struct kafka_post mark = {.record = {.body = "", .taken = offset}};
    memcpy(mark.topic, scan->topic, sizeof(mark.topic));
    return kafka_producer_send(scan->producer, &mark, 1, err);
}

/* Where the first dead letter is when 'offset' is gone too. */
static int64_t
first_left(const struct scan *scan, int64_t offset)
{
    int64_t first = scan->low;
    while (first < scan->high && (first == offset || is_taken(scan, first))) {
        first++;
    }
    return first;
}

int
kafka_dead_take(const struct kafka_address *address,
                struct kafka_producer *producer, const char *name,
                const char *handle, bool resend, struct err *err)
{
    _cleanup(scan_close) struct scan scan = {.health = KAFKA_HEALTH};
    int64_t offset = 0;
    if (parse_handle(handle, &offset, err) ||
        scan_open(&scan, address, producer, name, err)) {
        return -1;
    }
    if (offset < scan.low || offset >= scan.high || is_taken(&scan, offset)) {
        return err_set(err, ERR_REJECT, 404, "no dead letter %s of %s", handle,
                       name);
    }
    if ((resend && resend_letter(&scan, name, offset, err)) ||
        mark_taken(&scan, offset, err)) {
        return -1;
    }
    /* What came since then is not looked at, and so stays. */
    int64_t first = first_left(&scan, offset);
    if (first > scan.low) {
        kafka_topics_trim(producer, scan.topic, first);
    }
    return 0;
}
