#include "runtime/receiver.h"

#include <pthread.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fault.h"
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
    const char *queue_name;
    bool intake; /* Upstream's queue: its messages become jobs of ours. */
    struct receiver *beside; /* The intake's, of the main one. */
    pthread_mutex_t lock;    /* Of links.queue against receiver_stop(). */
    struct links links;
    struct tail tail;
    struct backoff backoff;
    bool receiving; /* The last receive succeeded. */
    bool received;  /* One has. */
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
        tail_release(&receiver->tail, batch->runs[i], NULL, 0);
    }
}

/* One that the engine can't take alone either: somebody has to look. */
static void
put_off(struct receiver *receiver, struct run *run, const struct err *err)
{
    log_error("doorbell cannot be claimed, putting it off", "job=%s error=%s",
              run->job, err->text);
    flight_settled(receiver->sup->flight, run);
    tail_release(&receiver->tail, run, NULL, VERDICT_LATER_MS);
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

/* Where a message may not be kept until its task is done.  One that cannot be
 * acked comes again, and finds the task taken. */
static void
ack_early(struct receiver *receiver, const struct batch *batch)
{
    struct queue_message messages[QUEUE_BATCH_MAX];
    size_t count = 0;
    struct err err = {0};

    if (!queue_acks_early(receiver->links.queue)) {
        return;
    }
    for (size_t i = 0; i < batch->count; i++) {
        struct run *run = batch->runs[i];
        if (run->fence != 0) {
            FAULT_POINT(FAULT_BEFORE_ACK);
            flight_acked(receiver->sup->flight, run);
            messages[count++] = run->message;
        }
    }
    if (count > 0 &&
        queue_ack(receiver->links.queue, messages, count, NULL, &err)) {
        metrics_add(METRICS_QUEUE_FAILURES, 1);
    }
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
    FAULT_POINT(FAULT_AFTER_CLAIM);
    FAULT_STOP(FAULT_STOP_HOLDING);
    ack_early(receiver, batch);
    hand_over_all(receiver, batch);
}

/* --- receive ------------------------------------------------------------- */

static void
take_message(struct receiver *receiver, struct queue_message *message,
             struct batch *batch)
{
    struct flight *flight = receiver->sup->flight;
    struct run *run = flight_add(flight, message, receiver->intake);
    struct bell bell = {0};
    struct err err = {0};

    if (bell_decode(run->message.body, run->message.body_size, &bell, &err) ==
        0) {
        memcpy(run->job, bell.job, sizeof(run->job));
        memcpy(run->task, bell.task, sizeof(run->task));
        memcpy(run->trace, bell.trace, sizeof(run->trace));
        memcpy(run->group, bell.group, sizeof(run->group));
        batch->runs[batch->count++] = run;
        return;
    }
    flight_settled(flight, run);
    if (err.code == BELL_UNKNOWN_VERSION) {
        tail_release(&receiver->tail, run, NULL, VERDICT_LATER_MS);
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

/* Health asks for our own queue only: upstream's may not be there yet. */
static void
set_receiving(struct receiver *receiver, bool receiving)
{
    receiver->receiving = receiving;
    if (receiver->intake) {
        return;
    }
    atomic_store(&receiver->sup->receiving, receiving);
    if (receiving) {
        supervisor_progress(receiver->sup);
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
    int64_t wait_ms = receiver->receiving ? RECEIVE_WAIT_MS : 0;

    if (queue_receive(receiver->links.queue, room, wait_ms, messages, &count,
                      &reset, &err)) {
        set_receiving(receiver, false);
        metrics_add(METRICS_QUEUE_FAILURES, 1);
        err_wrap(&err, "%s", receiver->queue_name);
        try_again(receiver, "queue cannot be read, repeating", &err);
        return false;
    }
    set_receiving(receiver, true);
    backoff_reset(&receiver->backoff);
    if (reset) {
        log_line(receiver->received ? LOG_WARN : LOG_INFO,
                 "queue was made anew, reaping", "queue=%s",
                 receiver->queue_name);
        heartbeat_reap_by(sup->heartbeat, clock_boot_ms());
    }
    receiver->received = true;
    for (size_t i = 0; i < count; i++) {
        FAULT_POINT(FAULT_AFTER_RECEIVE);
        take_message(receiver, &messages[i], batch);
    }
    return true;
}

/* What the broker had already sent us: others need not wait for our end. */
static void
give_back(struct receiver *receiver)
{
    pthread_mutex_lock(&receiver->lock);
    struct queue *queue = STEAL(receiver->links.queue);
    pthread_mutex_unlock(&receiver->lock);
    queue_close(&queue);
}

static void
wake(struct receiver *receiver)
{
    pthread_mutex_lock(&receiver->lock);
    if (receiver->links.queue != NULL) {
        queue_wake(receiver->links.queue);
    }
    pthread_mutex_unlock(&receiver->lock);
}

static void
join(struct receiver *receiver)
{
    if (receiver->started) {
        pthread_join(receiver->thread, NULL);
        receiver->started = false;
    }
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
    give_back(receiver);
    if (receiver->beside != NULL) {
        join(receiver->beside);
    }
    if (!receiver->intake) {
        mailbox_post(&sup->to_loop, mail_new(MAIL_ENDED, NULL));
    }
    return NULL;
}

static int
start(struct supervisor *sup, const char *queue_name, struct receiver *beside,
      struct receiver **ret, struct err *err)
{
    _cleanup(receiver_free) struct receiver *receiver =
        xcalloc(1, sizeof(*receiver));

    pthread_mutex_init(&receiver->lock, NULL);
    receiver->sup = sup;
    receiver->queue_name = queue_name;
    receiver->intake = queue_name != sup->queue_name;
    if (links_open(sup, queue_name, &receiver->links, err)) {
        return -1;
    }
    receiver->beside = beside;
    if (supervisor_thread(receiver_main, receiver, &receiver->thread, err)) {
        receiver->beside = NULL;
        return -1;
    }
    receiver->started = true;
    *ret = STEAL(receiver);
    return 0;
}

int
receiver_start(struct supervisor *sup, struct receiver **ret, struct err *err)
{
    const char *intake = sup->conf.intake_queue;
    struct receiver *beside = NULL;

    if (sup->worker->intake && intake[0] != '\0' &&
        start(sup, intake, NULL, &beside, err)) {
        return err_wrap(err, "ALEX_INTAKE_QUEUE");
    }
    return start(sup, sup->queue_name, beside, ret, err);
}

void
receiver_stop(struct receiver *receiver)
{
    flight_stop(receiver->sup->flight);
    wake(receiver);
    if (receiver->beside != NULL) {
        wake(receiver->beside);
    }
}

void
receiver_free(struct receiver **receiver)
{
    if (*receiver == NULL) {
        return;
    }
    join(*receiver);
    receiver_free(&(*receiver)->beside);
    links_close(&(*receiver)->links);
    tail_free(&(*receiver)->tail);
    pthread_mutex_destroy(&(*receiver)->lock);
    free(*receiver);
    *receiver = NULL;
}
