/* Kafka, 2.4 or newer: a queue is three topics (kafka_topics.c), its consumers
 * are one group, and a message is acked by its offset (kafka_tracker.c), or
 * moved by a copy of it.
 *
 * A process is one member of the group, however many connections it has: what
 * they share is found by URL, queue and consumer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "queue/driver.h"
#include "queue/kafka_consumer.h"
#include "queue/kafka_dead.h"
#include "queue/kafka_topics.h"

/* Of one operation, so that it stays below a third of the lease. */
#define CALL_MIN_MS 500
#define CALL_MAX_MS 5000
#define LEASE_SHARE 6
/* Names of queues whose topics were seen to be there. */
#define SEEN_MAX 64

struct client {
    struct client *next;
    size_t users;
    char *url;
    char name[QUEUE_NAME_SIZE];
    char id[64];
    int64_t lease_ms;
    struct kafka_address address;
    pthread_mutex_t lock;            /* Of what follows. */
    struct kafka_producer *producer; /* NULL until first needed. */
    struct kafka_consumer *consumer; /* NULL until first received from. */
    char seen[SEEN_MAX][QUEUE_NAME_SIZE];
    size_t seen_count;
};

struct kafka {
    struct queue base;
    struct client *client;
    bool woken;
};

static pthread_mutex_t clients_lock = PTHREAD_MUTEX_INITIALIZER;
static struct client *clients;

static struct client *
client_of(struct queue *queue)
{
    return ((struct kafka *)queue)->client;
}

/* --- what connections share ---------------------------------------------- */

static void
client_free(struct client *client)
{
    kafka_consumer_stop(&client->consumer);
    kafka_producer_close(&client->producer);
    kafka_address_free(&client->address);
    pthread_mutex_destroy(&client->lock);
    free(client->url);
    free(client);
}

static int64_t
call_ms(const struct client *client)
{
    int64_t ms = client->name[0] ? client->lease_ms / LEASE_SHARE : CALL_MAX_MS;
    return ms > CALL_MAX_MS ? CALL_MAX_MS : ms < CALL_MIN_MS ? CALL_MIN_MS : ms;
}

static int
use_producer(struct client *client, struct kafka_producer **ret,
             struct err *err)
{
    int result = 0;
    pthread_mutex_lock(&client->lock);
    if (!client->producer) {
        result = kafka_producer_open(&client->address, call_ms(client),
                                     &client->producer, err);
    }
    *ret = client->producer;
    pthread_mutex_unlock(&client->lock);
    return result;
}

static int
use_consumer(struct client *client, struct kafka_consumer **ret,
             struct err *err)
{
    struct kafka_producer *producer;
    int result = use_producer(client, &producer, err);
    pthread_mutex_lock(&client->lock);
    if (result == 0 && !client->consumer) {
        result = kafka_consumer_start(&client->address, producer, client->name,
                                      client->lease_ms, &client->consumer, err);
    }
    *ret = client->consumer;
    pthread_mutex_unlock(&client->lock);
    return result;
}

/* NULL when nothing was received yet. */
static struct kafka_consumer *
consumer_of(struct client *client)
{
    pthread_mutex_lock(&client->lock);
    struct kafka_consumer *consumer = client->consumer;
    pthread_mutex_unlock(&client->lock);
    return consumer;
}

/* --- receiving and ending ------------------------------------------------ */

static int
kafka_receive(struct queue *queue, size_t max, int64_t wait_ms,
              struct queue_message *ret, size_t *ret_count, bool *reset,
              struct err *err)
{
    struct kafka *kafka = (struct kafka *)queue;
    struct kafka_consumer *consumer;
    if (use_consumer(kafka->client, &consumer, err)) {
        return -1;
    }
    return kafka_consumer_receive(consumer, &kafka->woken, max, wait_ms, ret,
                                  ret_count, reset, err);
}

static void
kafka_wake(struct queue *queue)
{
    struct kafka *kafka = (struct kafka *)queue;
    struct kafka_consumer *consumer;
    struct err ignored; /* It will be told to who receives. */
    if (queue->name[0] &&
        use_consumer(kafka->client, &consumer, &ignored) == 0) {
        kafka_consumer_wake(consumer, &kafka->woken);
    }
}

static int
kafka_ack(struct queue *queue, const struct queue_message *messages,
          size_t count, size_t *ret_lost, struct err *err)
{
    struct kafka_consumer *consumer = consumer_of(client_of(queue));
    (void)err;
    *ret_lost =
        consumer ? kafka_consumer_ack(consumer, messages, count) : count;
    return 0;
}

static int
kafka_extend(struct queue *queue, const struct queue_message *messages,
             size_t count, size_t *ret_lost, struct err *err)
{
    struct kafka_consumer *consumer = consumer_of(client_of(queue));
    (void)err;
    *ret_lost =
        consumer ? kafka_consumer_extend(consumer, messages, count) : count;
    return 0;
}

static int
kafka_release(struct queue *queue, const struct queue_message *messages,
              size_t count, int64_t delay_ms, size_t *ret_lost, struct err *err)
{
    struct kafka_consumer *consumer = consumer_of(client_of(queue));
    if (!consumer) {
        *ret_lost = count;
        return 0;
    }
    return kafka_consumer_move(consumer, messages, count, delay_ms, NULL,
                               ret_lost, err);
}

static int
kafka_dead_letter(struct queue *queue, const struct queue_message *message,
                  const char *reason, struct err *err)
{
    struct kafka_consumer *consumer = consumer_of(client_of(queue));
    size_t lost;
    return consumer ? kafka_consumer_move(consumer, message, 1, 0, reason,
                                          &lost, err)
                    : 0;
}

/* --- sending ------------------------------------------------------------- */

/* Makes the topics of a queue that this process has not sent to before. */
static int
ensure(struct client *client, struct kafka_producer *producer, const char *name,
       struct err *err)
{
    bool seen = false;
    bool made;
    pthread_mutex_lock(&client->lock);
    for (size_t i = 0; i < client->seen_count && !seen; i++) {
        seen = strcmp(client->seen[i], name) == 0;
    }
    pthread_mutex_unlock(&client->lock);
    if (seen || kafka_topics_ensure(producer, name, &made, err)) {
        return seen ? 0 : -1;
    }
    pthread_mutex_lock(&client->lock);
    if (client->seen_count < SEEN_MAX) {
        snprintf(client->seen[client->seen_count++], QUEUE_NAME_SIZE, "%s",
                 name);
    }
    pthread_mutex_unlock(&client->lock);
    return 0;
}

/* After a failure that may be a topic's, which may have been deleted. */
static void
forget_seen(struct client *client)
{
    pthread_mutex_lock(&client->lock);
    client->seen_count = 0;
    pthread_mutex_unlock(&client->lock);
}

static void
fill_post(struct kafka_post *post, const struct queue_letter *letter)
{
    int64_t now_ms = clock_wall_ms();
    int64_t delay_ms = letter->delay_ms;
    kafka_topic(letter->queue, delay_ms > 0 ? KAFKA_LATER : "", post->topic);
    post->record = (struct kafka_record){
        .body = letter->body,
        .size = letter->body_size,
        .sent_wall_ms = now_ms,
        .due_wall_ms = delay_ms > 0 ? now_ms + delay_ms : 0,
        .taken = -1,
    };
    snprintf(post->record.trace, sizeof(post->record.trace), "%s",
             letter->trace ? letter->trace : "");
}

static int
kafka_send(struct queue *queue, struct queue_letter *letters, size_t count,
           struct err *err)
{
    struct client *client = client_of(queue);
    struct kafka_post posts[QUEUE_BATCH_MAX];
    struct queue_letter *sent[QUEUE_BATCH_MAX];
    struct kafka_producer *producer;
    size_t used = 0;
    int result = 0;
    int64_t until_ms = clock_boot_ms() + call_ms(client);
    if (use_producer(client, &producer, err)) {
        return -1;
    }
    for (size_t i = 0; i < count && clock_boot_ms() < until_ms; i++) {
        if (letters[i].sent) {
            continue;
        }
        if (ensure(client, producer, letters[i].queue, err)) {
            result = -1; /* Of this letter only. */
            continue;
        }
        fill_post(&posts[used], &letters[i]);
        sent[used++] = &letters[i];
    }
    if (used > 0 && kafka_producer_send(producer, posts, used, err)) {
        result = -1;
        forget_seen(client);
    }
    for (size_t i = 0; i < used; i++) {
        sent[i]->sent = posts[i].sent;
    }
    return result;
}

/* --- looking ------------------------------------------------------------- */

/* What this process's consumers hold of one partition, if it is theirs. */
static void
count_held(const char *url, const char *name, bool later, int32_t partition,
           struct kafka_held *ret)
{
    pthread_mutex_lock(&clients_lock);
    for (struct client *c = clients; c; c = c->next) {
        struct kafka_consumer *consumer = consumer_of(c);
        if (consumer && strcmp(c->url, url) == 0 &&
            strcmp(c->name, name) == 0) {
            kafka_consumer_count(consumer, later, partition, ret);
        }
    }
    pthread_mutex_unlock(&clients_lock);
}

/* Adds what of one topic is not done.  A consumer of this process knows its own
 * partitions better than the broker, which hears of them now and then. */
static int
add_topic(struct client *client, struct kafka_producer *producer,
          const char *name, bool later, struct queue_depth *depth,
          struct err *err)
{
    char topic[KAFKA_TOPIC_SIZE];
    _cleanup(cleanup_free) struct kafka_offsets *offsets = NULL;
    size_t count;
    kafka_topic(name, later ? KAFKA_LATER : "", topic);
    if (kafka_topics_offsets(producer, topic, &offsets, &count, err) ||
        kafka_topics_committed(&client->address, call_ms(client), topic, name,
                               offsets, count, err)) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        struct kafka_held held = {0};
        count_held(client->url, name, later, offsets[i].partition, &held);
        int64_t unread = offsets[i].high -
                         (held.next > 0 ? held.next : offsets[i].committed);
        unread = unread > 0 ? unread : 0;
        depth->waiting += later ? 0 : unread + held.waiting;
        depth->in_flight += later ? 0 : held.held;
        depth->delayed += later ? unread + held.held : 0;
    }
    return 0;
}

static int
kafka_depth(struct queue *queue, const char *name, struct queue_depth *ret,
            struct err *err)
{
    struct client *client = client_of(queue);
    struct kafka_producer *producer;
    struct queue_depth depth = {0};
    if (use_producer(client, &producer, err) ||
        add_topic(client, producer, name, false, &depth, err) ||
        add_topic(client, producer, name, true, &depth, err) ||
        kafka_dead_count(&client->address, producer, name, &depth.dead, err)) {
        return -1;
    }
    *ret = depth;
    return 0;
}

static int
kafka_peek(struct queue *queue, const char *name, const char *after, size_t max,
           struct queue_message *ret, size_t *ret_count,
           char ret_next[QUEUE_HANDLE_SIZE], struct err *err)
{
    struct client *client = client_of(queue);
    struct kafka_producer *producer;
    return use_producer(client, &producer, err)
               ? -1
               : kafka_dead_peek(&client->address, producer, name, after, max,
                                 ret, ret_count, ret_next, err);
}

static int
kafka_take(struct queue *queue, const char *name, const char *handle,
           bool resend, struct err *err)
{
    struct client *client = client_of(queue);
    struct kafka_producer *producer;
    return use_producer(client, &producer, err)
               ? -1
               : kafka_dead_take(&client->address, producer, name, handle,
                                 resend, err);
}

/* --- opening and closing ------------------------------------------------- */

static int
kafka_create(struct queue *queue, const char *name,
             const struct queue_attributes *attributes, struct err *err)
{
    struct kafka_producer *producer;
    bool made;
    return use_producer(client_of(queue), &producer, err)
               ? -1
               : kafka_topics_create(producer, name, attributes->partitions,
                                     &made, err);
}

static void
kafka_close(struct queue *queue)
{
    struct client *client = client_of(queue);
    pthread_mutex_lock(&clients_lock);
    bool last = --client->users == 0;
    struct client **link = &clients;
    while (*link != client) {
        link = &(*link)->next;
    }
    if (last) {
        *link = client->next;
    }
    pthread_mutex_unlock(&clients_lock);
    if (last) {
        client_free(client);
    }
    free(queue);
}

static struct client *
client_new(const char *url, const struct queue_options *options,
           struct kafka_address *address)
{
    struct client *client = xcalloc(1, sizeof(*client));
    client->url = xstrdup(url);
    client->lease_ms = options->lease_ms;
    client->address = *address;
    *address = (struct kafka_address){0};
    pthread_mutex_init(&client->lock, NULL);
    snprintf(client->name, sizeof(client->name), "%s",
             options->name ? options->name : "");
    snprintf(client->id, sizeof(client->id), "%s", options->consumer);
    return client;
}

/* The one for these options, made if nobody has it yet. */
static struct client *
share_client(const char *url, const struct queue_options *options,
             struct kafka_address *address)
{
    const char *name = options->name ? options->name : "";
    pthread_mutex_lock(&clients_lock);
    struct client *client = clients;
    while (client &&
           (strcmp(client->url, url) != 0 || strcmp(client->name, name) != 0 ||
            strcmp(client->id, options->consumer) != 0)) {
        client = client->next;
    }
    if (!client) {
        client = client_new(url, options, address);
        client->next = clients;
        clients = client;
    }
    client->users++;
    pthread_mutex_unlock(&clients_lock);
    return client;
}

static int
kafka_open(const char *url, const struct queue_options *options,
           struct queue **ret, struct err *err)
{
    _cleanup(kafka_address_free) struct kafka_address address = {0};
    if (kafka_address_parse(url, &address, err)) {
        return -1;
    }
    struct kafka *kafka = xcalloc(1, sizeof(*kafka));
    kafka->base.driver = &queue_driver_kafka;
    kafka->base.lease_ms = options->lease_ms;
    snprintf(kafka->base.name, sizeof(kafka->base.name), "%s",
             options->name ? options->name : "");
    snprintf(kafka->base.consumer, sizeof(kafka->base.consumer), "%s",
             options->consumer);
    kafka->client = share_client(url, options, &address);
    *ret = &kafka->base;
    return 0;
}

static const char *const schemes[] = {"kafka", "kafkas", NULL};

const struct queue_driver queue_driver_kafka = {
    .schemes = schemes,
    .early_ack = true,
    .open = kafka_open,
    .close = kafka_close,
    .create = kafka_create,
    .receive = kafka_receive,
    .wake = kafka_wake,
    .ack = kafka_ack,
    .release = kafka_release,
    .dead_letter = kafka_dead_letter,
    .extend = kafka_extend,
    .send = kafka_send,
    .depth = kafka_depth,
    .dead_peek = kafka_peek,
    .dead_take = kafka_take,
};
