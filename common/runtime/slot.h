/* One handler process as its supervisor sees it: a place that is empty,
 * starting, ready or dying, with a buffer each way.  handlers.c decides, this
 * file does. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "runtime/channel.h"

struct run;

enum slot_state {
    SLOT_COLD,     /* No process. */
    SLOT_STARTING, /* A process that has not said READY. */
    SLOT_READY,
    SLOT_DYING, /* Killed, not yet reaped. */
};

struct slot {
    enum slot_state state;
    bool ready;     /* The process once said READY. */
    bool told;      /* Some of the run went out to the process. */
    bool killed;    /* By handlers_kill(). */
    bool asking;    /* The handler waits for the answer to 'ordinal'. */
    bool listening; /* epoll watches for room to write, too. */
    uint32_t ordinal;
    pid_t pid;
    int fd;
    int poll_fd;     /* The set's epoll. */
    int tasks;       /* Runs this process has ended. */
    int64_t born_ms; /* When it was last spawned. */
    /* COLD: spawn no earlier.  STARTING, DYING: given up then. */
    int64_t due_ms;
    struct run *run;  /* Borrowed; NULL when free. */
    struct buf in;    /* What the handler sent. */
    struct buf out;   /* What it is to get, of which 'sent' bytes went. */
    size_t sent;      /* Kept apart: dropping from the front moves megabytes. */
    struct err fault; /* Why we killed it, ERR_NONE if it was not its fault. */
};

/* Spawns a process into a cold slot. */
int slot_spawn(struct slot *slot, int exe_fd, const char *name,
               int64_t memory_bytes, struct err *err);
/* Sends what is waiting, as far as the channel takes it. */
void slot_flush(struct slot *slot);
/* Receives once: bytes read, 0 if there is nothing now, -1 at the end. */
int slot_receive(struct slot *slot);
/* Drops a frame that has been dealt with, and a buffer that grew big. */
void slot_drop(struct slot *slot, const struct channel_frame *frame);
/* SIGKILL; 'why' NULL when the handler is not at fault. */
void slot_doom(struct slot *slot, const struct err *why);
/* Back to COLD, not to be spawned before 'due_ms'; 'run' and what it is to get
 * stay. */
void slot_clear(struct slot *slot, int64_t due_ms);
/* Forgets the run and what it was to get. */
void slot_release(struct slot *slot);
