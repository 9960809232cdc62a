#include "runtime/runs_internal.h"

#include <inttypes.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/log.h"

/* Inputs and answers that parked runs may keep; the others are read again. */
#define PARKED_MAX_BYTES (8u * 1024 * 1024)

/* --- lists --------------------------------------------------------------- */

static void
unlink_run(struct runs *runs, struct run *run)
{
    struct run_list *list = &runs->lists[run->stage];

    *(run->before != NULL ? &run->before->after : &list->first) = run->after;
    *(run->after != NULL ? &run->after->before : &list->last) = run->before;
    run->before = run->after = NULL;
    list->count--;
}

void
runs_append(struct runs *runs, struct run *run, enum run_stage stage)
{
    struct run_list *list = &runs->lists[stage];

    run->stage = stage;
    run->before = list->last;
    *(list->last != NULL ? &list->last->after : &list->first) = run;
    list->last = run;
    list->count++;
}

static void
link_first(struct runs *runs, struct run *run, enum run_stage stage)
{
    struct run_list *list = &runs->lists[stage];

    run->stage = stage;
    run->after = list->first;
    *(list->first != NULL ? &list->first->before : &list->last) = run;
    list->first = run;
    list->count++;
}

void
runs_take_off(struct runs *runs, struct run *run)
{
    unlink_run(runs, run);
    if (run->stage == RUN_QUEUED) {
        flight_queued(runs->sup->flight, -1);
    } else if (run->stage == RUN_PARKED) {
        runs->parked_bytes -= run->parked_bytes;
        run->parked_bytes = 0;
    }
}

/* --- the ways out -------------------------------------------------------- */

void
runs_leave(struct runs *runs, struct run *run, enum handlers_end end,
           const char *bytes, size_t size, const struct err *err)
{
    struct mail *mail = mail_new(MAIL_OUTCOME, run);

    runs_forget_asks(runs, run);
    runs_take_off(runs, run);
    run->stage = RUN_LEFT;
    free(run->input);
    run->input = NULL;
    mail->end = end;
    if (bytes != NULL) {
        mail->bytes = xmemdup(bytes, size);
        mail->size = size;
        atomic_fetch_add(&runs->sup->backlog_bytes, (int64_t)size);
    }
    if (err != NULL) {
        mail->err = *err;
    }
    mailbox_post(&runs->sup->to_settler, mail);
}

void
runs_stop(struct runs *runs, struct run *run, enum run_stop why)
{
    int none = RUN_STOP_NONE;

    atomic_compare_exchange_strong(&run->stop, &none, (int)why);
    if (run->stage == RUN_RUNNING) {
        handlers_kill(runs->handlers, run, false);
    } else if (run->stage != RUN_LOADING) {
        runs_leave(runs, run, HANDLERS_KILLED, NULL, 0, NULL);
    }
}

void
runs_lose(struct runs *runs, struct run *run)
{
    if (run->stage == RUN_LOADING) {
        run->lost = true;
        return;
    }
    log_warn("lease lost, dropping the task",
             "job=%s task=%s node=%s agent=%s attempt=%" PRId64 " trace=%s",
             run->job, run->task, run->node, runs->sup->worker->name,
             run->attempt, run->trace);
    if (run->stage == RUN_RUNNING) {
        handlers_kill(runs->handlers, run, true);
    }
    runs_forget_asks(runs, run);
    runs_take_off(runs, run);
    run->stage = RUN_LEFT;
    flight_forget(runs->sup->flight, run);
    run_unref(run);
}

/* --- queued and parked --------------------------------------------------- */

void
runs_requeue(struct runs *runs, struct run *run)
{
    link_first(runs, run, RUN_QUEUED);
    flight_queued(runs->sup->flight, 1);
}

void
runs_resume(struct runs *runs, struct run *run)
{
    runs_take_off(runs, run);
    if (run->input != NULL && !run->lacks_answers) {
        runs_requeue(runs, run);
        return;
    }
    runs_append(runs, run, RUN_LOADING);
    mailbox_post(&runs->sup->to_settler, mail_new(MAIL_RELOAD, run_ref(run)));
}

void
runs_loaded(struct runs *runs, struct run *run, const struct err *err)
{
    runs_take_off(runs, run);
    runs_requeue(runs, run);
    if (run->lost || err->kind == ERR_LOST) {
        runs_lose(runs, run);
    } else if (atomic_load(&run->stop) != RUN_STOP_NONE) {
        runs_leave(runs, run, HANDLERS_KILLED, NULL, 0, NULL);
    } else if (err->kind != ERR_NONE) {
        runs_leave(runs, run, HANDLERS_ERROR, NULL, 0, err);
    }
}

void
runs_grew(struct runs *runs, struct run *run, size_t bytes)
{
    if (run->stage == RUN_PARKED) {
        run->parked_bytes += bytes;
        runs->parked_bytes += bytes;
    }
}

void
runs_park(struct runs *runs, struct run *run)
{
    size_t bytes = run_bytes(run);

    runs_take_off(runs, run);
    runs_append(runs, run, RUN_PARKED);
    if (runs->parked_bytes + bytes > PARKED_MAX_BYTES) {
        free(run->input);
        run->input = NULL;
        run->lacks_answers = run->lacks_answers || run->answer_count > 0;
        run_drop_answers(run);
        bytes = 0;
    }
    run->parked_bytes = bytes;
    runs->parked_bytes += bytes;
    if (runs->draining) {
        runs_stop(runs, run, RUN_STOP_INTERRUPT);
    } else if (run->asks == NULL) {
        runs_resume(runs, run); /* Answered while it was unwinding. */
    }
}
