#include "runtime/receiver.h"

#include <pthread.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "queue/bell.h"
#include "runtime/backoff.h"
#include "runtime/claim.h"
#include "runtime/heartbeat.h"
#include "runtime/metrics.h"
#include "runtime/pages.h"
#include "runtime/tail.h"
#include "runtime/verdict.h"

#define RECEIVE_WAIT_MS 20000
/* What bell_decode() answers for a version of later programs. */
#define BELL_UNKNOWN_VERSION 426

struct receiver {
    struct supervisor *sup;
    struct links links;
    struct tail tail;
    struct backoff backoff;
    bool unfit;
    bool started;
    pthread_t thread;
};

/* What one receive brought. */
struct batch {
    struct run *runs[QUEUE_BATCH_MAX];
    size_t count;
};

/* --- failures ------------------------------------------------------------ */

/* After a failure: true to try again (a while has passed), false to give up. */
static bool
try_again(struct receiver *receiver, const char *message, const struct err *err)
{
    struct flight *flight = receiver->sup->flight;

    if (err->kind == ERR_FATAL) {
        receiver->unfit = true;
        supervisor_unfit(receiver->sup, err);
        return false;
    }
    flight_sleep(flight, backoff_next_ms(&receiver->backoff, message, err));
    return !flight_stopped(flight);
}

/* --- what was claimed ---------------------------------------------------- */

static void
hand_over(struct receiver *receiver, struct run *run)
{
    flight_queued(receiver->sup->flight, 1);
    mailbox_post(&receiver->sup->to_loop, mail_new(MAIL_RUN, run_ref(run)));
}

/* A claimed run that no handler can be given. */
static void
refuse(struct receiver *receiver, struct run *run, const struct err *err)
{
    struct mail *mail = mail_new(MAIL_OUTCOME, run_ref(run));

    mail->end = HANDLERS_ERROR;
    mail->err = *err;
    mailbox_post(&receiver->sup->to_settler, mail);
}

static void
read_rest(struct receiver *receiver, struct run *run)
{
    struct supervisor *sup = receiver->sup;
    struct err err = {0};

    while (pages_read(sup, receiver->links.store, run, &err)) {
        if (err.kind == ERR_REJECT) {
            refuse(receiver, run, &err);
            return;
        }
        if (err.kind == ERR_LOST) {
            flight_forget(sup->flight, run);
            return;
        }
        if (!try_again(receiver, "input cannot be read, repeating", &err)) {
            break; /* The loop is draining: it hands the run back. */
        }
    }
    backoff_reset(&receiver->backoff);
    hand_over(receiver, run);
}

static bool
is_complete(const struct run *run)
{
    return run->input != NULL && !run->lacks_answers;
}

/* Those that came whole go first: they need not wait for the others. */
static void
hand_over_all(struct receiver *receiver, const struct batch *batch)
{
    struct batch rest = {0};

    for (size_t i = 0; i < batch->count; i++) {
        struct run *run = batch->runs[i];
        if (run->fence == 0) {
            continue;
        }
        if (is_complete(run)) {
            hand_over(receiver, run);
        } else {
            rest.runs[rest.count++] = run;
        }
    }
    for (size_t i = 0; i < rest.count; i++) {
        read_rest(receiver, rest.runs[i]);
    }
}

/* --- claim --------------------------------------------------------------- */

/* Gives up on bells whose claim has no answer: whoever gets them next finds
 * out, and the heartbeat's last beat hands back what we may hold. */
static void
abandon(struct receiver *receiver, const struct batch *batch)
{
    atomic_store(&receiver->sup->claims_abandoned, true);
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->runs[i]->state == RUN_SETTLED) {
            continue; /* A row before the one that failed has ended it. */
        }
        flight_settled(receiver->sup->flight, batch->runs[i]);
        tail_release(&receiver->tail, batch->runs[i], 0);
    }
}

/* One that the engine can't take alone either: somebody has to look. */
static void
put_off(struct receiver *receiver, struct run *run, const struct err *err)
{
    log_error("doorbell cannot be claimed, putting it off", "job=%s error=%s",
              run->job, err->text);
    flight_settled(receiver->sup->flight, run);
    tail_release(&receiver->tail, run, VERDICT_LATER_MS);
}

static void claim_batch(struct receiver *receiver, const struct batch *batch);

/* Some value in the batch is to blame: halves it until that stands alone. */
static void
claim_halves(struct receiver *receiver, const struct batch *batch)
{
    struct batch half = {.count = batch->count / 2};

    memcpy(half.runs, batch->runs, half.count * sizeof(half.runs[0]));
    claim_batch(receiver, &half);
    size_t rest = batch->count - half.count;
    memcpy(half.runs, batch->runs + half.count, rest * sizeof(half.runs[0]));
    half.count = rest;
    claim_batch(receiver, &half);
}

static void
claim_batch(struct receiver *receiver, const struct batch *batch)
{
    struct err err = {0};

    if (batch->count == 0) {
        return;
    }
    while (claim_runs(receiver->sup, receiver->links.store, batch->runs,
                      batch->count, &receiver->tail, &err)) {
        if (err.kind == ERR_REJECT && batch->count > 1) {
            claim_halves(receiver, batch);
            return;
        }
        if (err.kind == ERR_REJECT) {
            put_off(receiver, batch->runs[0], &err);
            return;
        }
        if (!try_again(receiver, "claim failed, repeating", &err)) {
            abandon(receiver, batch);
            return;
        }
    }
    backoff_reset(&receiver->backoff);
    hand_over_all(receiver, batch);
}

/* --- receive ------------------------------------------------------------- */

static void
take_message(struct receiver *receiver, struct queue_message *message,
             struct batch *batch)
{
    struct flight *flight = receiver->sup->flight;
    struct run *run = flight_add(flight, message);
    struct bell bell = {0};
    struct err err = {0};

    if (bell_decode(run->message.body, run->message.body_size, &bell, &err) ==
        0) {
        memcpy(run->job, bell.job, sizeof(run->job));
        memcpy(run->task, bell.task, sizeof(run->task));
        memcpy(run->trace, bell.trace, sizeof(run->trace));
        batch->runs[batch->count++] = run;
        return;
    }
    flight_settled(flight, run);
    if (err.code == BELL_UNKNOWN_VERSION) {
        tail_release(&receiver->tail, run, VERDICT_LATER_MS);
        return;
    }
    log_warn("message is no doorbell, dead-lettering it", "error=%s", err.text);
    tail_dead_letter(&receiver->tail, run, err.text);
}

static void
flush(struct receiver *receiver)
{
    struct err err = {0};

    while (tail_flush(&receiver->tail, receiver->links.queue,
                      receiver->sup->flight, &err)) {
        if (!try_again(receiver, "queue does not take acks, repeating", &err)) {
            return;
        }
    }
}

/* False: try again. */
static bool
receive(struct receiver *receiver, size_t room, struct batch *batch)
{
    struct supervisor *sup = receiver->sup;
    struct queue_message messages[QUEUE_BATCH_MAX];
    size_t count = 0;
    bool reset = false;
    struct err err = {0};
    /* The first only looks, so that we soon know whether the queue answers. */
    int64_t wait_ms = atomic_load(&sup->receiving) ? RECEIVE_WAIT_MS : 0;

    if (queue_receive(receiver->links.queue, room, wait_ms, messages, &count,
                      &reset, &err)) {
        atomic_store(&sup->receiving, false);
        metrics_add(METRICS_QUEUE_FAILURES, 1);
        try_again(receiver, "queue cannot be read, repeating", &err);
        return false;
    }
    atomic_store(&sup->receiving, true);
    supervisor_progress(sup);
    backoff_reset(&receiver->backoff);
    if (reset) {
        log_warn("queue was made anew, reaping", "queue=%s", sup->queue_name);
        heartbeat_reap_by(sup->heartbeat, clock_boot_ms());
    }
    for (size_t i = 0; i < count; i++) {
        take_message(receiver, &messages[i], batch);
    }
    return true;
}

static void *
receiver_main(void *arg)
{
    struct receiver *receiver = arg;
    struct supervisor *sup = receiver->sup;
    size_t room;

    while (!receiver->unfit && (room = flight_wait_room(sup->flight)) > 0) {
        struct batch batch = {0};
        if (receive(receiver, room, &batch)) {
            claim_batch(receiver, &batch);
            flush(receiver);
        }
    }
    mailbox_post(&sup->to_loop, mail_new(MAIL_ENDED, NULL));
    return NULL;
}

int
receiver_start(struct supervisor *sup, struct receiver **ret, struct err *err)
{
    _cleanup(receiver_free) struct receiver *receiver =
        xcalloc(1, sizeof(*receiver));

    receiver->sup = sup;
    if (links_open(sup, &receiver->links, err)) {
        return -1;
    }
    if (supervisor_thread(receiver_main, receiver, &receiver->thread, err)) {
        return -1;
    }
    receiver->started = true;
    *ret = STEAL(receiver);
    return 0;
}

void
receiver_stop(struct receiver *receiver)
{
    flight_stop(receiver->sup->flight);
    queue_wake(receiver->links.queue);
}

void
receiver_free(struct receiver **receiver)
{
    if (*receiver == NULL) {
        return;
    }
    if ((*receiver)->started) {
        pthread_join((*receiver)->thread, NULL);
    }
    links_close(&(*receiver)->links);
    tail_free(&(*receiver)->tail);
    free(*receiver);
    *receiver = NULL;
}
