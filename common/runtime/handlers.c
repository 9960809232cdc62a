#include "runtime/handlers_internal.h"

#include <assert.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "runtime/launch.h"

#define HANDLERS_FREE_MS 5000
#define HANDLERS_EVENTS 64

static struct slot *
find(struct handlers *handlers, const struct run *run)
{
    for (struct slot *slot = handlers->slots;
         slot < handlers_slots_end(handlers); slot++) {
        if (slot->run == run) {
            return slot;
        }
    }
    return NULL;
}

static void
serve(struct handlers *handlers, struct slot *slot, uint32_t events)
{
    if (slot->state != SLOT_STARTING && slot->state != SLOT_READY) {
        return; /* Doomed earlier in the same round. */
    }
    if (events & EPOLLOUT) {
        slot_flush(slot);
    }
    if (events & ~(uint32_t)EPOLLOUT) {
        const int got = slot_receive(slot);
        if (got > 0) {
            handlers_take_frames(handlers, slot);
        } else if (got < 0) {
            slot_doom(slot, NULL); /* Its exit status says why. */
        }
    }
}

int
handlers_run(struct handlers *handlers, int64_t *ret_next_ms, struct err *err)
{
    struct epoll_event events[HANDLERS_EVENTS];
    bool child_died = false;

    const int count = epoll_wait(handlers->poll_fd, events, HANDLERS_EVENTS, 0);
    for (int i = 0; i < count; i++) {
        if (events[i].data.ptr == NULL) {
            child_died = true;
        } else {
            serve(handlers, events[i].data.ptr, events[i].events);
        }
    }
    if (child_died) {
        handlers_reap(handlers);
    }
    return handlers_tend(handlers, ret_next_ms, err);
}

/* SIGCHLD arrives by descriptor: blocked, and not ignored, as whoever started
 * us may have left it. */
static int
open_child_fd(struct handlers *handlers)
{
    sigset_t mask;

    sigemptyset(&mask);
    sigaddset(&mask, SIGCHLD);
    if (signal(SIGCHLD, SIG_DFL) == SIG_ERR ||
        pthread_sigmask(SIG_BLOCK, &mask, NULL) != 0) {
        return -1;
    }
    handlers->child_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN};
    return handlers->child_fd < 0 ? -1
                                  : epoll_ctl(handlers->poll_fd, EPOLL_CTL_ADD,
                                              handlers->child_fd, &event);
}

static struct handlers *
handlers_new(const struct handlers_options *options,
             const struct handlers_events *events)
{
    const size_t count = (size_t)options->count;
    struct handlers *handlers =
        xcalloc(1, sizeof(*handlers) + count * sizeof(struct slot));
    const struct worker *worker = options->worker;

    handlers->options = *options;
    if (handlers->options.memory_bytes <= 0) {
        handlers->options.memory_bytes = worker->memory_bytes > 0
                                             ? worker->memory_bytes
                                             : HANDLERS_MEMORY_BYTES;
    }
    handlers->events = *events;
    handlers->exe_fd = -1;
    handlers->child_fd = -1;
    handlers->poll_fd = epoll_create1(EPOLL_CLOEXEC);
    for (struct slot *slot = handlers->slots;
         slot < handlers_slots_end(handlers); slot++) {
        *slot =
            (struct slot){.fd = -1, .pid = -1, .poll_fd = handlers->poll_fd};
    }
    return handlers;
}

int
handlers_start_all(const struct handlers_options *options,
                   const struct handlers_events *events, struct handlers **ret,
                   struct err *err)
{
    _cleanup(handlers_free) struct handlers *handlers =
        handlers_new(options, events);

    if (handlers->poll_fd < 0 || open_child_fd(handlers) != 0) {
        return err_errno(err, ERR_FATAL, "cannot watch handlers");
    }
    if (launch_open_self(&handlers->exe_fd, err) != 0) {
        return -1;
    }
    handlers_spawn(handlers, handlers->slots, clock_boot_ms());
    *ret = STEAL(handlers);
    return 0;
}

/* Waits for a death, but not beyond 'end_ms'. */
static void
wait_for_death(const struct handlers *handlers, int64_t end_ms)
{
    struct pollfd child = {.fd = handlers->child_fd, .events = POLLIN};
    const int64_t left_ms = end_ms - clock_boot_ms();

    if (left_ms > 0) {
        poll(&child, 1, (int)left_ms);
    }
}

static bool
any_alive(struct handlers *handlers)
{
    for (struct slot *slot = handlers->slots;
         slot < handlers_slots_end(handlers); slot++) {
        if (slot->pid > 0) {
            return true;
        }
    }
    return false;
}

void
handlers_free(struct handlers **handlers_at)
{
    struct handlers *handlers = STEAL(*handlers_at);
    const int64_t end_ms = clock_boot_ms() + HANDLERS_FREE_MS;

    if (handlers == NULL) {
        return;
    }
    for (struct slot *slot = handlers->slots;
         slot < handlers_slots_end(handlers); slot++) {
        slot_release(slot);
        slot->killed = true;
        slot_doom(slot, NULL);
    }
    while (any_alive(handlers) && clock_boot_ms() < end_ms) {
        wait_for_death(handlers, end_ms);
        handlers_reap(handlers);
    }
    for (struct slot *slot = handlers->slots;
         slot < handlers_slots_end(handlers); slot++) {
        slot_clear(slot, 0);
        buf_free(&slot->out);
    }
    cleanup_close(&handlers->exe_fd);
    cleanup_close(&handlers->child_fd);
    cleanup_close(&handlers->poll_fd);
    free(handlers);
}

int
handlers_poll_fd(const struct handlers *handlers)
{
    return handlers->poll_fd;
}

static bool
is_idle(const struct slot *slot)
{
    return slot->run == NULL && !slot->killed && slot->state != SLOT_DYING;
}

int
handlers_idle_count(const struct handlers *handlers)
{
    int count = 0;

    for (int i = 0; i < handlers->options.count; i++) {
        count += is_idle(&handlers->slots[i]);
    }
    return count;
}

/* The readiest idle one: a living handler before one that has to be born. */
static struct slot *
find_idle(struct handlers *handlers)
{
    struct slot *best = NULL;

    for (struct slot *slot = handlers->slots;
         slot < handlers_slots_end(handlers); slot++) {
        if (is_idle(slot) && (best == NULL || slot->state > best->state)) {
            best = slot;
        }
    }
    return best;
}

static void
append_task(struct buf *out, const char *input, size_t input_size,
            const struct handlers_answer *answers, size_t answer_count)
{
    const size_t begin = channel_begin(out, CHANNEL_TASK);

    channel_put_u32(out, (uint32_t)answer_count);
    for (size_t i = 0; i < answer_count; i++) {
        channel_put_u32(out, answers[i].ordinal);
        buf_append(out, answers[i].sha256, 64);
        channel_put_u32(out, (uint32_t)answers[i].size);
        buf_append(out, answers[i].bytes, answers[i].size);
    }
    buf_append(out, input, input_size);
    channel_end(out, begin);
}

int
handlers_start(struct handlers *handlers, struct run *run, const char *input,
               size_t input_size, const struct handlers_answer *answers,
               size_t answer_count, struct err *err)
{
    struct slot *slot = find_idle(handlers);
    size_t size = CHANNEL_HEADER_BYTES + input_size;

    if (slot == NULL) {
        return err_set(err, ERR_RETRY, 0, "no handler is idle");
    }
    for (size_t i = 0; i < answer_count; i++) {
        if (answers[i].size > CHANNEL_ANSWER_MAX_BYTES) {
            return err_set(
                err, ERR_REJECT, 0, "answer %u has %zu bytes, over %u",
                answers[i].ordinal, answers[i].size, CHANNEL_ANSWER_MAX_BYTES);
        }
        size += 4 + 64 + 4 + answers[i].size;
    }
    if (answer_count > CHANNEL_ASKS_MAX || size > CHANNEL_FRAME_MAX_BYTES) {
        return err_set(err, ERR_REJECT, 0,
                       "input and %zu answers have %zu bytes, over %u",
                       answer_count, size, CHANNEL_FRAME_MAX_BYTES);
    }
    append_task(&slot->out, input, input_size, answers, answer_count);
    slot->run = run;
    slot_flush(slot);
    return 0;
}

/* The slot whose handler waits for an answer; NULL when it died meanwhile. */
static struct slot *
find_asking(struct handlers *handlers, const struct run *run)
{
    struct slot *slot = find(handlers, run);

    return slot != NULL && slot->asking && slot->state == SLOT_READY ? slot
                                                                     : NULL;
}

void
handlers_answer(struct handlers *handlers, struct run *run, uint32_t ordinal,
                const char *bytes, size_t size)
{
    struct slot *slot = find_asking(handlers, run);

    if (slot == NULL) {
        return;
    }
    assert(slot->ordinal == ordinal && size <= CHANNEL_ANSWER_MAX_BYTES);
    const size_t begin = channel_begin(&slot->out, CHANNEL_ANSWER);
    channel_put_u32(&slot->out, ordinal);
    buf_append(&slot->out, bytes, size);
    channel_end(&slot->out, begin);
    slot->asking = false;
    slot_flush(slot);
}

void
handlers_refuse(struct handlers *handlers, struct run *run,
                const struct err *why)
{
    struct slot *slot = find_asking(handlers, run);

    if (slot != NULL) {
        channel_append_error(&slot->out, CHANNEL_REFUSE, why);
        slot->asking = false;
        slot_flush(slot);
    }
}

void
handlers_kill(struct handlers *handlers, struct run *run, bool forget)
{
    struct slot *slot = find(handlers, run);

    if (slot == NULL) {
        return;
    }
    if (forget) {
        slot_release(slot);
    }
    slot->killed = true;
    slot_doom(slot, NULL);
}

size_t
handlers_pids(const struct handlers *handlers, int *pids, size_t max)
{
    size_t count = 0;

    for (int i = 0; i < handlers->options.count && count < max; i++) {
        if (handlers->slots[i].pid > 0) {
            pids[count++] = handlers->slots[i].pid;
        }
    }
    return count;
}
