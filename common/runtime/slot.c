#include "runtime/slot.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "runtime/launch.h"

/* A buffer keeps this much between tasks; eight idle handlers must not hold the
 * largest input each of them ever saw. */
#define SLOT_KEEP_BYTES ((size_t)32 * 1024)
#define SLOT_RECEIVE_BYTES ((size_t)16 * 1024)
#define SLOT_START_MS 10000
#define SLOT_DEATH_MS 5000

static void
shrink(struct buf *b)
{
    if (b->room > SLOT_KEEP_BYTES) {
        buf_free(b);
    } else {
        buf_reset(b);
    }
}

static int
watch(struct slot *slot, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = slot};

    return epoll_ctl(slot->poll_fd, operation, slot->fd, &event);
}

int
slot_spawn(struct slot *slot, int exe_fd, const char *name,
           int64_t memory_bytes, struct err *err)
{
    assert(slot->state == SLOT_COLD);
    if (launch_handler(exe_fd, name, memory_bytes, &slot->pid, &slot->fd,
                       err) != 0) {
        return -1;
    }
    slot->state = SLOT_STARTING;
    slot->born_ms = clock_boot_ms();
    slot->due_ms = slot->born_ms + SLOT_START_MS;
    if (watch(slot, EPOLL_CTL_ADD, EPOLLIN) != 0) {
        slot_doom(slot, NULL);
        return err_errno(err, ERR_RETRY, "cannot watch a handler");
    }
    return 0;
}

static void
listen_for_room(struct slot *slot, bool wanted)
{
    if (slot->listening != wanted) {
        slot->listening = wanted;
        watch(slot, EPOLL_CTL_MOD, wanted ? EPOLLIN | EPOLLOUT : EPOLLIN);
    }
}

void
slot_flush(struct slot *slot)
{
    if (slot->state != SLOT_READY) {
        return;
    }
    while (slot->sent < slot->out.size) {
        const ssize_t count = send(slot->fd, slot->out.data + slot->sent,
                                   slot->out.size - slot->sent, MSG_NOSIGNAL);
        if (count < 0) {
            /* A dead handler is noticed by its end of file. */
            listen_for_room(slot, errno == EAGAIN || errno == EINTR);
            return;
        }
        slot->sent += (size_t)count;
        slot->told = true;
    }
    listen_for_room(slot, false);
    slot->sent = 0;
    shrink(&slot->out);
}

int
slot_receive(struct slot *slot)
{
    char *to = buf_reserve(&slot->in, SLOT_RECEIVE_BYTES);
    const ssize_t count =
        recv(slot->fd, to, slot->in.room - slot->in.size - 1, 0);

    if (count > 0) {
        slot->in.size += (size_t)count;
        slot->in.data[slot->in.size] = '\0';
        return (int)count;
    }
    return count < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

void
slot_drop(struct slot *slot, const struct channel_frame *frame)
{
    buf_consume(&slot->in, frame->size + CHANNEL_HEADER_BYTES);
    if (slot->in.size == 0) {
        shrink(&slot->in);
    }
}

void
slot_doom(struct slot *slot, const struct err *why)
{
    if (why != NULL) {
        slot->fault = *why;
    }
    if (slot->state != SLOT_STARTING && slot->state != SLOT_READY) {
        return;
    }
    kill(slot->pid, SIGKILL);
    /* Unwatched: its end of file would wake the loop until it is reaped. */
    watch(slot, EPOLL_CTL_DEL, 0);
    slot->state = SLOT_DYING;
    slot->due_ms = clock_boot_ms() + SLOT_DEATH_MS;
}

void
slot_clear(struct slot *slot, int64_t due_ms)
{
    if (slot->fd >= 0) {
        close(slot->fd);
    }
    buf_free(&slot->in);
    *slot = (struct slot){
        .state = SLOT_COLD,
        .fd = -1,
        .pid = -1,
        .poll_fd = slot->poll_fd,
        .due_ms = due_ms,
        .run = slot->run,
        .out = slot->out,
    };
}

void
slot_release(struct slot *slot)
{
    slot->run = NULL;
    slot->asking = false;
    slot->killed = false;
    slot->told = false;
    slot->sent = 0;
    shrink(&slot->out);
}
