#include "runtime/handlers_internal.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

#define HANDLERS_PACE_MS 10
#define HANDLERS_FAILED_STARTS_MAX 5
/* More receives than a channel can hold: what is still in it after a death. */
#define HANDLERS_DRAIN_MAX 4096

static void
describe_death(const struct handlers *handlers, const struct slot *slot,
               int status, struct err *ret)
{
    const bool ours = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;

    if (ours && slot->fault.kind != ERR_NONE) {
        *ret = slot->fault;
        ret->kind = ERR_RETRY;
        err_wrap(ret, "bad handler");
    } else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU) {
        err_set(ret, ERR_RETRY, SIGXCPU,
                "the handler used more than %" PRId64 " ms of CPU time",
                handlers_cpu_limit_ms(handlers->options.worker));
    } else if (WIFSIGNALED(status)) {
        err_set(ret, ERR_RETRY, WTERMSIG(status),
                "the handler was killed by signal %d (%s)", WTERMSIG(status),
                strsignal(WTERMSIG(status)));
    } else {
        err_set(ret, ERR_RETRY, WEXITSTATUS(status),
                "the handler exited with status %d before it had answered",
                WEXITSTATUS(status));
    }
}

/* A start that failed; the next is the slower the more often that happens.  The
 * run that waits for it stays. */
static void
bury_unready(struct handlers *handlers, struct slot *slot,
             const struct err *how)
{
    handlers->failed_starts++;
    handlers->start_err = *how;
    slot_clear(slot, clock_boot_ms() + (50 << handlers->failed_starts));
}

/* The process of 'slot' is gone, or given up.  Its death is the run's only if
 * the run had reached it. */
static void
bury(struct handlers *handlers, struct slot *slot, int status)
{
    struct err how = {0};

    slot->state = SLOT_DYING; /* So that no event starts a run on it. */
    for (int i = 0; i < HANDLERS_DRAIN_MAX && slot_receive(slot) > 0; i++) {
        handlers_take_frames(handlers, slot);
    }
    const bool killed = slot->killed;
    const bool told = slot->told;
    describe_death(handlers, slot, status, &how);
    if (!slot->ready && !killed) {
        bury_unready(handlers, slot, &how);
        return;
    }
    slot_clear(slot, slot->born_ms + HANDLERS_PACE_MS);
    if (killed || told) {
        handlers_end_run(handlers, slot,
                         killed ? HANDLERS_KILLED : HANDLERS_CRASHED, NULL, 0,
                         &how);
    }
}

void
handlers_reap(struct handlers *handlers)
{
    struct signalfd_siginfo info[4];
    int status = 0;
    pid_t pid;

    while (read(handlers->child_fd, info, sizeof(info)) > 0) {
    }
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (int i = 0; i < handlers->stuck_count; i++) {
            if (handlers->stuck[i] == pid) {
                handlers->stuck[i] = handlers->stuck[--handlers->stuck_count];
            }
        }
        for (struct slot *slot = handlers->slots;
             slot < handlers_slots_end(handlers); slot++) {
            if (slot->pid == pid) {
                slot->pid = -1;
                bury(handlers, slot, status);
                break;
            }
        }
    }
}

void
handlers_spawn(struct handlers *handlers, struct slot *slot, int64_t now_ms)
{
    struct err err = {0};

    handlers->pace_ms = now_ms + HANDLERS_PACE_MS;
    if (slot_spawn(slot, handlers->exe_fd, handlers->options.worker->name,
                   handlers->options.memory_bytes, &err) != 0) {
        bury_unready(handlers, slot, &err);
    }
}

/* A killed process in uninterruptible sleep stays; its slot must not. */
static int
abandon(struct handlers *handlers, struct slot *slot, struct err *err)
{
    if (handlers->stuck_count == HANDLERS_STUCK_MAX) {
        return err_set(err, ERR_FATAL, 0,
                       "%d killed handlers are still not dead",
                       HANDLERS_STUCK_MAX);
    }
    handlers->stuck[handlers->stuck_count++] = slot->pid;
    slot->pid = -1;
    bury(handlers, slot, SIGKILL);
    return 0;
}

/* Does what is due for one slot; returns when it next has something to do. */
static int
tend(struct handlers *handlers, struct slot *slot, int64_t now_ms,
     int64_t *ret_due_ms, struct err *err)
{
    static const struct err hung = {
        .kind = ERR_RETRY, .text = "the handler did not get ready in time"};
    static const struct err unborn = {
        .kind = ERR_RETRY, .text = "the run was killed before it began"};

    if (slot->state == SLOT_COLD && slot->killed) {
        handlers_end_run(handlers, slot, HANDLERS_KILLED, NULL, 0, &unborn);
    }
    if (slot->state == SLOT_COLD) {
        const bool needed = slot->run != NULL;
        const int64_t due_ms = needed || slot->due_ms > handlers->pace_ms
                                   ? slot->due_ms
                                   : handlers->pace_ms;
        if (due_ms > now_ms) {
            *ret_due_ms = due_ms;
            return 0;
        }
        handlers_spawn(handlers, slot, now_ms);
    }
    if (slot->state == SLOT_STARTING && slot->due_ms <= now_ms) {
        slot_doom(slot, &hung);
    }
    if (slot->state == SLOT_DYING && slot->due_ms <= now_ms &&
        abandon(handlers, slot, err) != 0) {
        return -1;
    }
    *ret_due_ms = slot->state == SLOT_READY ? INT64_MAX : slot->due_ms;
    return 0;
}

int
handlers_tend(struct handlers *handlers, int64_t *ret_next_ms, struct err *err)
{
    const int64_t now_ms = clock_boot_ms();
    int64_t next_ms = INT64_MAX;

    for (struct slot *slot = handlers->slots;
         slot < handlers_slots_end(handlers); slot++) {
        int64_t due_ms = 0;
        if (tend(handlers, slot, now_ms, &due_ms, err) != 0) {
            return -1;
        }
        next_ms = due_ms < next_ms ? due_ms : next_ms;
    }
    if (handlers->failed_starts >= HANDLERS_FAILED_STARTS_MAX) {
        *err = handlers->start_err;
        err->kind = ERR_FATAL;
        return err_wrap(err, "%d handlers in a row died before they were ready",
                        handlers->failed_starts);
    }
    *ret_next_ms = next_ms == INT64_MAX ? -1
                   : next_ms > now_ms   ? next_ms - now_ms
                                        : 0;
    return 0;
}
