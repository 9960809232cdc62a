#include "runtime/settler.h"

#include <pthread.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "runtime/backoff.h"
#include "runtime/pages.h"
#include "runtime/settle.h"

struct settler {
    struct supervisor *sup;
    struct links links;
    struct json_object *schema; /* Of results, or NULL. */
    struct outcome *outcomes;   /* To be settled, oldest first. */
    struct outcome **outcomes_end;
    struct mail_list answers; /* MAIL_CHECKPOINT. */
    struct mail_list reloads; /* MAIL_RELOAD. */
    struct tail tail;
    struct backoff backoff;      /* Of the store. */
    struct backoff tail_backoff; /* Of the queue. */
    int64_t tail_at_ms;          /* Not flushed before. */
    bool stopping;
    bool unfit;
    bool queue_unfit; /* Bells and acks are over; what is done is settled. */
    bool started;
    pthread_t thread;
};

/* --- failures ------------------------------------------------------------ */

/* After ERR_RETRY: a while has passed, call again.  False: never again. */
static bool
try_again(struct settler *settler, const char *message, const struct err *err)
{
    if (err->kind == ERR_FATAL) {
        settler->unfit = true;
        supervisor_unfit(settler->sup, err);
        return false;
    }
    clock_sleep_ms(backoff_next_ms(&settler->backoff, message, err));
    return true;
}

/* --- outcomes ------------------------------------------------------------ */

/* The engine refuses this one alone: as 'dead' it must take it. */
static bool
bury(struct settler *settler, struct outcome *outcome, const struct err *err)
{
    if (outcome->buried) {
        log_error("outcome cannot be settled, leaving it to the lease",
                  "job=%s task=%s error=%s", outcome->run->job,
                  outcome->run->task, err->text);
        flight_forget(settler->sup->flight, outcome->run);
        return false;
    }
    outcome_make_dead(outcome, err);
    return true;
}

static void
settle_batch(struct settler *settler, struct outcome *const *batch,
             size_t count)
{
    struct err err = {0};

    while (settle_outcomes(settler->sup, settler->links.store, batch, count,
                           &settler->tail, &err)) {
        if (err.kind == ERR_REJECT && count > 1) {
            settle_batch(settler, batch, count / 2);
            settle_batch(settler, batch + count / 2, count - count / 2);
            return;
        }
        if (err.kind == ERR_REJECT) {
            if (bury(settler, batch[0], &err)) {
                continue;
            }
            return;
        }
        if (!try_again(settler, "settle failed, repeating", &err)) {
            return;
        }
    }
    backoff_reset(&settler->backoff);
}

static struct outcome *
take_outcome(struct settler *settler)
{
    struct outcome *outcome = settler->outcomes;

    settler->outcomes = outcome->next;
    if (settler->outcomes == NULL) {
        settler->outcomes_end = &settler->outcomes;
    }
    return outcome;
}

/* As many of the oldest as one call may hold, at least one. */
static size_t
take_batch(struct settler *settler, struct outcome **batch)
{
    size_t count = 0;
    size_t bytes = 0;
    size_t children = 0;

    while (settler->outcomes != NULL && count < SETTLE_BATCH_MAX) {
        bytes += settler->outcomes->text.size;
        children += settler->outcomes->children;
        if (count > 0 &&
            (bytes > SETTLE_BATCH_BYTES || children > SETTLE_CHILDREN_MAX)) {
            break;
        }
        batch[count++] = take_outcome(settler);
    }
    return count;
}

static void
settle_some(struct settler *settler)
{
    struct outcome *batch[SETTLE_BATCH_MAX] = {0};
    size_t count = take_batch(settler, batch);

    settle_batch(settler, batch, count);
    for (size_t i = 0; i < count; i++) {
        atomic_fetch_sub(&settler->sup->backlog_bytes,
                         (int64_t)batch[i]->bytes);
        outcome_free(&batch[i]);
    }
}

/* --- answers ------------------------------------------------------------- */

/* The handler sees the refusal when it asks again. */
static void
refuse_answer(struct settler *settler, struct mail *mail, const struct err *err)
{
    mail->kind = MAIL_STORED;
    mail->err = *err;
    mailbox_post(&settler->sup->to_loop, mail);
}

static void
store_batch(struct settler *settler, struct mail **batch, size_t count)
{
    struct err err = {0};

    while (settle_answers(settler->sup, settler->links.store, batch, count,
                          &err)) {
        if (err.kind == ERR_REJECT && count > 1) {
            store_batch(settler, batch, count / 2);
            store_batch(settler, batch + count / 2, count - count / 2);
            return;
        }
        if (err.kind == ERR_REJECT) {
            refuse_answer(settler, STEAL(batch[0]), &err);
            return;
        }
        if (!try_again(settler, "checkpoint failed, repeating", &err)) {
            return;
        }
    }
    backoff_reset(&settler->backoff);
}

static void
store_some(struct settler *settler)
{
    struct mail *batch[SETTLE_BATCH_MAX] = {0};
    size_t count = 0;
    size_t bytes = 0;

    while (settler->answers.first != NULL && count < SETTLE_BATCH_MAX) {
        bytes += settler->answers.first->size;
        if (count > 0 && bytes > SETTLE_BATCH_BYTES / 2) {
            break; /* Quoting may double them. */
        }
        batch[count++] = mail_take(&settler->answers);
    }
    store_batch(settler, batch, count);
    for (size_t i = 0; i < count; i++) {
        mail_free(&batch[i]);
    }
}

/* --- inputs -------------------------------------------------------------- */

static void
reload_one(struct settler *settler)
{
    struct mail *mail = mail_take(&settler->reloads);
    struct err err = {0};

    mail->kind = MAIL_LOADED;
    while (pages_read(settler->sup, settler->links.store, mail->run, &err)) {
        if (err.kind == ERR_LOST || err.kind == ERR_REJECT) {
            mail->err = err;
            break;
        }
        if (!try_again(settler, "input cannot be read, repeating", &err)) {
            mail_free(&mail);
            return;
        }
    }
    backoff_reset(&settler->backoff);
    mailbox_post(&settler->sup->to_loop, mail);
}

/* --- the thread ---------------------------------------------------------- */

static void
take_outcome_mail(struct settler *settler, struct mail *mail)
{
    size_t bytes = mail->size;
    struct outcome *outcome = outcome_new(mail, settler->schema);

    outcome->bytes = bytes;
    *settler->outcomes_end = outcome;
    settler->outcomes_end = &outcome->next;
}

static void
take_mail(struct settler *settler)
{
    struct mail_list list = mailbox_take(&settler->sup->to_settler);
    struct mail *mail;

    while ((mail = mail_take(&list)) != NULL) {
        switch (mail->kind) {
        case MAIL_OUTCOME:
            take_outcome_mail(settler, mail);
            break;
        case MAIL_CHECKPOINT:
            mail_append(&settler->answers, mail);
            break;
        case MAIL_RELOAD:
            mail_append(&settler->reloads, mail);
            break;
        default: /* MAIL_STOP: no other kind is for us. */
            settler->stopping = true;
            mail_free(&mail);
            break;
        }
    }
}

static void
flush(struct settler *settler)
{
    struct err err = {0};

    if (settler->queue_unfit || tail_empty(&settler->tail) ||
        clock_boot_ms() < settler->tail_at_ms) {
        return;
    }
    if (tail_flush(&settler->tail, settler->links.queue, settler->sup->flight,
                   &err) == 0) {
        backoff_reset(&settler->tail_backoff);
        return;
    }
    if (err.kind == ERR_FATAL) {
        settler->queue_unfit = true;
        supervisor_unfit(settler->sup, &err);
        return;
    }
    settler->tail_at_ms =
        clock_boot_ms() +
        backoff_next_ms(&settler->tail_backoff,
                        "queue takes no bells or acks, repeating", &err);
}

/* How long nothing can be done but wait for mail; -1 is without end. */
static int64_t
idle_ms(const struct settler *settler)
{
    if (settler->unfit) {
        return -1;
    }
    if (settler->outcomes != NULL || settler->answers.first != NULL ||
        settler->reloads.first != NULL) {
        return 0;
    }
    if (settler->queue_unfit || tail_empty(&settler->tail)) {
        return -1;
    }
    int64_t left_ms = settler->tail_at_ms - clock_boot_ms();
    return left_ms > 0 ? left_ms : 0;
}

static void *
settler_main(void *arg)
{
    struct settler *settler = arg;

    for (;;) {
        int64_t wait_ms = idle_ms(settler);
        if (settler->stopping && wait_ms < 0) {
            break;
        }
        if (wait_ms != 0) {
            mailbox_wait(&settler->sup->to_settler, wait_ms);
        }
        take_mail(settler);
        if (settler->answers.first != NULL && !settler->unfit) {
            store_some(settler);
        }
        if (settler->outcomes != NULL && !settler->unfit) {
            settle_some(settler);
        }
        if (!settler->unfit) {
            flush(settler);
        }
        if (settler->reloads.first != NULL && !settler->unfit) {
            reload_one(settler);
        }
    }
    mailbox_post(&settler->sup->to_loop, mail_new(MAIL_ENDED, NULL));
    return NULL;
}

static int
load_schema(const struct worker *worker, struct json_object **ret,
            struct err *err)
{
    if (worker->result_schema == NULL) {
        return 0;
    }
    return json_parse(worker->result_schema, strlen(worker->result_schema),
                      "result schema", ret, err);
}

int
settler_start(struct supervisor *sup, struct settler **ret, struct err *err)
{
    _cleanup(settler_free) struct settler *settler =
        xcalloc(1, sizeof(*settler));

    settler->sup = sup;
    settler->outcomes_end = &settler->outcomes;
    if (load_schema(sup->worker, &settler->schema, err) ||
        links_open(sup, sup->queue_name, &settler->links, err) ||
        supervisor_thread(settler_main, settler, &settler->thread, err)) {
        return -1;
    }
    settler->started = true;
    *ret = STEAL(settler);
    return 0;
}

void
settler_free(struct settler **settler_at)
{
    struct settler *settler = STEAL(*settler_at);

    if (settler == NULL) {
        return;
    }
    if (settler->started) {
        pthread_join(settler->thread, NULL);
    }
    while (settler->outcomes != NULL) {
        struct outcome *outcome = take_outcome(settler);
        outcome_free(&outcome);
    }
    mail_list_free(&settler->answers);
    mail_list_free(&settler->reloads);
    json_put(&settler->schema);
    links_close(&settler->links);
    tail_free(&settler->tail);
    free(settler);
}
