#include "runtime/handlers_internal.h"

#include "base/json.h"
#include "base/log.h"

void
handlers_end_run(struct handlers *handlers, struct slot *slot,
                 enum handlers_end end, const char *bytes, size_t size,
                 const struct err *err)
{
    struct run *run = slot->run;

    slot_release(slot);
    if (run != NULL) {
        handlers->events.ended(handlers->events.context, run, end, bytes, size,
                               err);
    }
}

/* What a handler may send, each with its rule.  -1: it may not, now. */

static int
take_ready(struct handlers *handlers, struct slot *slot,
           const struct channel_frame *frame, struct err *err)
{
    if (slot->ready) {
        return err_set(err, ERR_REJECT, 0, "said ready twice");
    }
    slot->ready = true;
    handlers->failed_starts = 0;
    if (frame->size > 0 && !handlers->warned) {
        handlers->warned = true;
        log_warn("handler sandbox is incomplete, going on", "lacks=%.*s",
                 (int)(frame->size < 200 ? frame->size : 200), frame->payload);
    }
    if (slot->state == SLOT_STARTING) {
        slot->state = SLOT_READY;
        slot_flush(slot);
    }
    return 0;
}

static int
take_ask(struct handlers *handlers, struct slot *slot,
         const struct channel_frame *frame, struct err *err)
{
    struct channel_ask ask;

    if (slot->run == NULL || slot->asking) {
        return err_set(err, ERR_REJECT, 0, "asked out of turn");
    }
    if (channel_decode_ask(frame, &ask, err) != 0) {
        return -1;
    }
    if (slot->state == SLOT_READY) {
        slot->asking = true;
        slot->ordinal = ask.ordinal;
        handlers->events.asked(handlers->events.context, slot->run, &ask);
    }
    return 0;
}

static int
take_progress(struct handlers *handlers, struct slot *slot,
              const struct channel_frame *frame, struct err *err)
{
    if (slot->run == NULL || slot->asking) {
        return err_set(err, ERR_REJECT, 0, "reported progress out of turn");
    }
    if (frame->size > CHANNEL_PROGRESS_MAX_BYTES) {
        return err_set(err, ERR_REJECT, 0, "progress of %zu bytes, over %u",
                       frame->size, CHANNEL_PROGRESS_MAX_BYTES);
    }
    if (json_check(frame->payload, frame->size, err) != 0) {
        return err_wrap(err, "progress");
    }
    handlers->events.progressed(handlers->events.context, slot->run,
                                frame->payload, frame->size);
    return 0;
}

static int
take_end(struct handlers *handlers, struct slot *slot,
         const struct channel_frame *frame, struct err *err)
{
    const bool result = frame->type == CHANNEL_RESULT;
    struct err theirs = {0};

    if (slot->run == NULL || slot->asking) {
        return err_set(err, ERR_REJECT, 0, "answered out of turn");
    }
    if (!result && channel_decode_error(frame, &theirs, err) != 0) {
        return -1;
    }
    slot->tasks++;
    if (slot->tasks >= handlers->options.recycle_tasks ||
        theirs.kind == ERR_FATAL ||
        slot->in.size > frame->size + CHANNEL_HEADER_BYTES) {
        /* Worn out, unfit, or it goes on talking: the answer counts, its sender
         * not. */
        slot_doom(slot, NULL);
    }
    handlers_end_run(handlers, slot, result ? HANDLERS_RESULT : HANDLERS_ERROR,
                     result ? frame->payload : NULL, result ? frame->size : 0,
                     result ? NULL : &theirs);
    return 0;
}

static int (*const takers[])(struct handlers *handlers, struct slot *slot,
                             const struct channel_frame *frame,
                             struct err *err) = {
    [CHANNEL_TASK] = NULL,
    [CHANNEL_ANSWER] = NULL,
    [CHANNEL_REFUSE] = NULL,
    [CHANNEL_ASK] = take_ask,
    [CHANNEL_PROGRESS] = take_progress,
    [CHANNEL_RESULT] = take_end,
    [CHANNEL_ERROR] = take_end,
    [CHANNEL_READY] = take_ready,
};

static int
take(struct handlers *handlers, struct slot *slot,
     const struct channel_frame *frame, struct err *err)
{
    if (takers[frame->type] == NULL ||
        (!slot->ready && frame->type != CHANNEL_READY)) {
        return err_set(err, ERR_REJECT, 0,
                       "sent a frame of type %d out of turn", (int)frame->type);
    }
    return takers[frame->type](handlers, slot, frame, err);
}

/* A dying handler's frames still count while its run has not ended. */
static bool
is_heard(const struct slot *slot)
{
    return slot->fault.kind == ERR_NONE &&
           (slot->state != SLOT_DYING || slot->run != NULL);
}

void
handlers_take_frames(struct handlers *handlers, struct slot *slot)
{
    struct channel_frame frame = {0};
    struct err err = {0};

    while (is_heard(slot)) {
        int got = channel_next(&slot->in, &frame, &err);
        if (got == 0) {
            return;
        }
        if (got > 0) {
            got = take(handlers, slot, &frame, &err);
        }
        if (got < 0) {
            slot_doom(slot, &err);
            return;
        }
        slot_drop(slot, &frame);
    }
}
