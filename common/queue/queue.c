#include "queue/queue.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "queue/driver.h"

static const struct queue_driver *const drivers[] = {
    &queue_driver_kafka,
    &queue_driver_redis,
    &queue_driver_sqs,
};

static const struct queue_driver *
driver_for(const char *url)
{
    const char *end = strstr(url, "://");
    if (!end) {
        return NULL;
    }
    size_t size = (size_t)(end - url);
    for (size_t i = 0; i < ARRAY_COUNT(drivers); i++) {
        for (const char *const *s = drivers[i]->schemes; *s; s++) {
            if (strlen(*s) == size && memcmp(*s, url, size) == 0) {
                return drivers[i];
            }
        }
    }
    return NULL;
}

/* What every broker allows in a name. */
static bool
name_valid(const char *name)
{
    size_t size = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-");
    return size >= 1 && size < QUEUE_NAME_SIZE && name[size] == '\0';
}

static int
bad_name(struct err *err)
{
    return err_set(err, ERR_REJECT, 0,
                   "queue name: 1 to %d of a-z, 0-9, - and _ expected (an SQS "
                   "FIFO queue will not do)",
                   QUEUE_NAME_SIZE - 1);
}

int
queue_open(const char *url, const struct queue_options *options,
           struct queue **ret, struct err *err)
{
    const struct queue_driver *driver = driver_for(url);
    if (!driver) {
        return err_set(err, ERR_FATAL, 78,
                       "queue URL: unknown scheme, expected "
                       "redis://host:6379/0, sqs://region/account or "
                       "kafka://host:9092");
    }
    if (options->name && !name_valid(options->name)) {
        bad_name(err);
        err->kind = ERR_FATAL;
        err->code = 78;
        return -1;
    }
    return driver->open(url, options, ret, err);
}

void
queue_close(struct queue **queue)
{
    if (*queue) {
        (*queue)->driver->close(*queue);
        *queue = NULL;
    }
}

int
queue_create(struct queue *queue, const char *name,
             const struct queue_attributes *attributes, struct err *err)
{
    if (!name_valid(name)) {
        return bad_name(err);
    }
    return queue->driver->create
               ? queue->driver->create(queue, name, attributes, err)
               : 0;
}

bool
queue_acks_early(const struct queue *queue)
{
    return queue->driver->early_ack;
}

void
queue_message_free(struct queue_message *message)
{
    free(message->body);
    free(message->reason);
    *message = (struct queue_message){0};
}

int
queue_receive(struct queue *queue, size_t max, int64_t wait_ms,
              struct queue_message *ret, size_t *ret_count, bool *reset,
              struct err *err)
{
    if (max < 1 || max > QUEUE_BATCH_MAX || !queue->name[0]) {
        return err_set(err, ERR_FATAL, 0,
                       "receive: 1 to %d messages of a named queue",
                       QUEUE_BATCH_MAX);
    }
    return queue->driver->receive(queue, max, wait_ms < 0 ? 0 : wait_ms, ret,
                                  ret_count, reset, err);
}

void
queue_wake(struct queue *queue)
{
    queue->driver->wake(queue);
}

static size_t
batch(size_t count, size_t done)
{
    return count - done < QUEUE_BATCH_MAX ? count - done : QUEUE_BATCH_MAX;
}

/* ack and extend, which look the same. */
static int
in_batches(struct queue *queue,
           int (*member)(struct queue *queue,
                         const struct queue_message *messages, size_t count,
                         size_t *ret_lost, struct err *err),
           const struct queue_message *messages, size_t count, size_t *ret_lost,
           struct err *err)
{
    size_t all_lost = 0;
    for (size_t i = 0; i < count; i += QUEUE_BATCH_MAX) {
        size_t lost = 0;
        if (member(queue, messages + i, batch(count, i), &lost, err)) {
            return -1;
        }
        all_lost += lost;
    }
    if (ret_lost) {
        *ret_lost = all_lost;
    }
    return 0;
}

int
queue_ack(struct queue *queue, const struct queue_message *messages,
          size_t count, size_t *ret_lost, struct err *err)
{
    return in_batches(queue, queue->driver->ack, messages, count, ret_lost,
                      err);
}

int
queue_extend(struct queue *queue, const struct queue_message *messages,
             size_t count, size_t *ret_lost, struct err *err)
{
    return in_batches(queue, queue->driver->extend, messages, count, ret_lost,
                      err);
}

int
queue_release(struct queue *queue, const struct queue_message *messages,
              size_t count, int64_t delay_ms, size_t *ret_lost, struct err *err)
{
    size_t all_lost = 0;
    for (size_t i = 0; i < count; i += QUEUE_BATCH_MAX) {
        size_t lost = 0;
        if (queue->driver->release(queue, messages + i, batch(count, i),
                                   delay_ms < 0 ? 0 : delay_ms, &lost, err)) {
            return -1;
        }
        all_lost += lost;
    }
    if (ret_lost) {
        *ret_lost = all_lost;
    }
    return 0;
}

int
queue_dead_letter(struct queue *queue, const struct queue_message *message,
                  const char *reason, struct err *err)
{
    return queue->driver->dead_letter(queue, message, reason, err);
}

static int
check_letter(const struct queue_letter *letter, struct err *err)
{
    if (!name_valid(letter->queue)) {
        return bad_name(err);
    }
    if (letter->body_size < 1 || letter->body_size > QUEUE_BODY_MAX_BYTES) {
        return err_set(err, ERR_REJECT, 0, "body: %zu bytes, 1 to %u allowed",
                       letter->body_size, QUEUE_BODY_MAX_BYTES);
    }
    if (letter->delay_ms < 0) {
        return err_set(err, ERR_REJECT, 0, "delay: is negative");
    }
    return 0;
}

/* What a broker that delivers twice does. */
static int
send_again(struct queue *queue, struct queue_letter *letters, size_t count,
           struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        letters[i].sent = false;
    }
    return queue->driver->send(queue, letters, count, err);
}

int
queue_send(struct queue *queue, struct queue_letter *letters, size_t count,
           struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        if (check_letter(&letters[i], err)) {
            return err_wrap(err, "letter %zu", i);
        }
    }
    for (size_t i = 0; i < count; i += QUEUE_BATCH_MAX) {
        if (queue->driver->send(queue, letters + i, batch(count, i), err)) {
            return -1;
        }
        if (FAULT_TAKEN(FAULT_SEND_TWICE) &&
            send_again(queue, letters + i, batch(count, i), err)) {
            return -1;
        }
    }
    return 0;
}

int
queue_depth(struct queue *queue, const char *name, struct queue_depth *ret,
            struct err *err)
{
    return name_valid(name) ? queue->driver->depth(queue, name, ret, err)
                            : bad_name(err);
}

int
queue_dead_peek(struct queue *queue, const char *name, const char *after,
                size_t max, struct queue_message *ret, size_t *ret_count,
                char ret_next[QUEUE_HANDLE_SIZE], struct err *err)
{
    if (max < 1 || max > QUEUE_BATCH_MAX) {
        return err_set(err, ERR_REJECT, 0, "dead letters: 1 to %d at a time",
                       QUEUE_BATCH_MAX);
    }
    return name_valid(name)
               ? queue->driver->dead_peek(queue, name, after, max, ret,
                                          ret_count, ret_next, err)
               : bad_name(err);
}

int
queue_dead_take(struct queue *queue, const char *name, const char *handle,
                bool resend, struct err *err)
{
    return name_valid(name)
               ? queue->driver->dead_take(queue, name, handle, resend, err)
               : bad_name(err);
}
