#include "queue/sqs_holds.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/clock.h"

#define BUCKETS 512

struct sqs_holds {
    struct sqs_holds *next;
    char *key;
    int users;
    pthread_mutex_t lock;
    pthread_cond_t extended; /* Some extension is over. */
    uint64_t last_serial;
    struct sqs_hold *buckets[BUCKETS]; /* By serial. */
};

static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static struct sqs_holds *all;

/* --- opening and closing ------------------------------------------------- */

static struct sqs_holds *
holds_new(const char *key)
{
    struct sqs_holds *holds = xcalloc(1, sizeof(*holds));
    pthread_condattr_t attributes;
    holds->key = xstrdup(key);
    pthread_mutex_init(&holds->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&holds->extended, &attributes);
    pthread_condattr_destroy(&attributes);
    return holds;
}

struct sqs_holds *
sqs_holds_open(const char *consumer, const char *name)
{
    char key[256];
    snprintf(key, sizeof(key), "%s %s", name, consumer);
    pthread_mutex_lock(&all_lock);
    struct sqs_holds *holds = all;
    while (holds && strcmp(holds->key, key) != 0) {
        holds = holds->next;
    }
    if (!holds) {
        holds = holds_new(key);
        holds->next = all;
        all = holds;
    }
    holds->users++;
    pthread_mutex_unlock(&all_lock);
    return holds;
}

bool
sqs_holds_leave(struct sqs_holds *holds)
{
    pthread_mutex_lock(&all_lock);
    bool last = --holds->users == 0;
    for (struct sqs_holds **at = &all; last && *at; at = &(*at)->next) {
        if (*at == holds) {
            *at = holds->next;
            break;
        }
    }
    pthread_mutex_unlock(&all_lock);
    return last;
}

static void
hold_free(struct sqs_hold *hold)
{
    free(hold->receipt);
    free(hold);
}

void
sqs_holds_free(struct sqs_holds **holds)
{
    for (size_t i = 0; *holds && i < BUCKETS; i++) {
        while ((*holds)->buckets[i]) {
            struct sqs_hold *hold = (*holds)->buckets[i];
            (*holds)->buckets[i] = hold->next;
            hold_free(hold);
        }
    }
    if (*holds) {
        pthread_cond_destroy(&(*holds)->extended);
        pthread_mutex_destroy(&(*holds)->lock);
        free((*holds)->key);
        free(*holds);
        *holds = NULL;
    }
}

/* --- deliveries ---------------------------------------------------------- */

/* Where the hold with this serial is, or would be. */
static struct sqs_hold **
place(struct sqs_holds *holds, uint64_t serial)
{
    struct sqs_hold **at = &holds->buckets[serial % BUCKETS];
    while (*at && (*at)->serial != serial) {
        at = &(*at)->next;
    }
    return at;
}

/* Those whose time is up and who nobody came back for. */
static void
drop_lapsed(struct sqs_hold **at, int64_t now_ms)
{
    while (*at) {
        struct sqs_hold *hold = *at;
        if (hold->state == SQS_HOLD_HELD && hold->until_boot_ms <= now_ms) {
            *at = hold->next;
            hold_free(hold);
        } else {
            at = &hold->next;
        }
    }
}

void
sqs_holds_add(struct sqs_holds *holds, struct queue_message *message,
              const char *receipt, int64_t queued_wall_ms,
              int64_t until_boot_ms)
{
    struct sqs_hold *hold = xcalloc(1, sizeof(*hold));
    size_t size = strlen(message->handle);
    hold->receipt = xstrdup(receipt);
    hold->received_boot_ms = message->received_boot_ms;
    hold->queued_wall_ms = queued_wall_ms;
    hold->until_boot_ms = until_boot_ms;
    pthread_mutex_lock(&holds->lock);
    hold->serial = ++holds->last_serial;
    struct sqs_hold **bucket = &holds->buckets[hold->serial % BUCKETS];
    drop_lapsed(bucket, clock_boot_ms());
    hold->next = *bucket;
    *bucket = hold;
    snprintf(message->handle + size, sizeof(message->handle) - size,
             ":%" PRIu64, hold->serial);
    pthread_mutex_unlock(&holds->lock);
}

/* NULL once its time is up. */
static struct sqs_hold *
find(struct sqs_holds *holds, const struct queue_message *message)
{
    const char *serial = strrchr(message->handle, ':');
    struct sqs_hold *hold =
        serial ? *place(holds, strtoull(serial + 1, NULL, 10)) : NULL;
    return hold && clock_boot_ms() < hold->until_boot_ms ? hold : NULL;
}

static bool
may_extend(const struct sqs_hold *hold)
{
    return clock_boot_ms() < hold->received_boot_ms + SQS_HOLD_MAX_MS;
}

static bool
any_extending(struct sqs_holds *holds, const struct queue_message *messages,
              size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct sqs_hold *hold = find(holds, &messages[i]);
        if (hold && hold->state == SQS_HOLD_EXTENDING) {
            return true;
        }
    }
    return false;
}

/* False when some is still being extended at the deadline. */
static bool
await_extensions(struct sqs_holds *holds, const struct queue_message *messages,
                 size_t count, int64_t deadline_ms)
{
    while (any_extending(holds, messages, count)) {
        struct timespec until;
        int64_t left_ms = deadline_ms - clock_boot_ms();
        if (left_ms <= 0) {
            return false;
        }
        clock_gettime(CLOCK_MONOTONIC, &until);
        int64_t ns = until.tv_nsec + left_ms % 1000 * 1000000;
        until.tv_sec += left_ms / 1000 + ns / 1000000000;
        until.tv_nsec = ns % 1000000000;
        pthread_cond_timedwait(&holds->extended, &holds->lock, &until);
    }
    return true;
}

int
sqs_holds_begin(struct sqs_holds *holds, const struct queue_message *messages,
                size_t count, enum sqs_hold_state state, int64_t deadline_ms,
                struct sqs_hold **ret, size_t *ret_lost)
{
    size_t lost = 0;
    bool ends = state == SQS_HOLD_ENDING;
    pthread_mutex_lock(&holds->lock);
    if (ends && !await_extensions(holds, messages, count, deadline_ms)) {
        pthread_mutex_unlock(&holds->lock);
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        struct sqs_hold *hold = find(holds, &messages[i]);
        bool ours =
            hold && (ends ? hold->state == SQS_HOLD_HELD : may_extend(hold));
        lost += !ours;
        ret[i] = ours && hold->state == SQS_HOLD_HELD ? hold : NULL;
        if (ret[i]) {
            hold->state = state;
        }
    }
    pthread_mutex_unlock(&holds->lock);
    *ret_lost = lost;
    return 0;
}

size_t
sqs_holds_begin_all(struct sqs_holds *holds, size_t max, struct sqs_hold **ret)
{
    size_t count = 0;
    pthread_mutex_lock(&holds->lock);
    for (size_t i = 0; i < BUCKETS; i++) {
        drop_lapsed(&holds->buckets[i], clock_boot_ms());
        for (struct sqs_hold *hold = holds->buckets[i]; hold && count < max;
             hold = hold->next) {
            if (hold->state == SQS_HOLD_HELD) {
                hold->state = SQS_HOLD_ENDING;
                ret[count++] = hold;
            }
        }
    }
    pthread_mutex_unlock(&holds->lock);
    return count;
}

/* --- endings ------------------------------------------------------------- */

void
sqs_holds_keep(struct sqs_holds *holds, struct sqs_hold *hold,
               int64_t until_boot_ms)
{
    pthread_mutex_lock(&holds->lock);
    if (hold->until_boot_ms < until_boot_ms) {
        hold->until_boot_ms = until_boot_ms;
    }
    hold->state = SQS_HOLD_HELD;
    pthread_cond_broadcast(&holds->extended);
    pthread_mutex_unlock(&holds->lock);
}

void
sqs_holds_drop(struct sqs_holds *holds, struct sqs_hold *hold)
{
    pthread_mutex_lock(&holds->lock);
    *place(holds, hold->serial) = hold->next;
    hold_free(hold);
    pthread_cond_broadcast(&holds->extended);
    pthread_mutex_unlock(&holds->lock);
}
