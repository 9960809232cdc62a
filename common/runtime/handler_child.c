#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/json.h"
#include "runtime/handlers_internal.h"
#include "runtime/launch.h"
#include "runtime/sandbox.h"
#include "runtime/task.h"

#define CHILD_CHUNK_BYTES ((size_t)16 * 1024)
#define CHILD_READ_BYTES ((size_t)16 * 1024)
/* A task larger than this leaves enough behind to be worth giving back. */
#define CHILD_KEEP_BYTES ((size_t)128 * 1024)

/* The handler's side of one channel.  Whatever goes wrong with it ends the
 * process: there is nobody to tell. */
struct child {
    struct task task;
    const struct worker *worker;
    struct channel_task stored; /* Of the run, borrowed from 'in'. */
    struct buf in;              /* The TASK. */
    struct buf reply;           /* The ANSWER or REFUSE to an ASK. */
    struct buf output;          /* What the handler writes. */
    struct buf out;             /* The frame being sent. */
};

static void
send_frame(struct child *child)
{
    size_t sent = 0;

    while (sent < child->out.size) {
        const ssize_t count = write(LAUNCH_CHANNEL_FD, child->out.data + sent,
                                    child->out.size - sent);
        if (count < 0 && errno != EINTR) {
            _exit(EX_IOERR);
        }
        sent += count > 0 ? (size_t)count : 0;
    }
    buf_reset(&child->out);
}

/* Waits for a whole frame.  The supervisor closing the channel is how a handler
 * is told to go. */
static void
receive_frame(struct buf *in, struct channel_frame *ret)
{
    struct err err = {0};
    int got;

    while ((got = channel_next(in, ret, &err)) == 0) {
        char *to = buf_reserve(in, CHILD_READ_BYTES);
        const ssize_t count =
            read(LAUNCH_CHANNEL_FD, to, in->room - in->size - 1);
        if (count == 0) {
            _exit(EX_OK);
        }
        if (count < 0 && errno != EINTR) {
            _exit(EX_IOERR);
        }
        in->size += count > 0 ? (size_t)count : 0;
        in->data[in->size] = '\0';
    }
    if (got < 0) {
        _exit(EX_PROTOCOL);
    }
}

static int
receive_answer(struct child *child, uint32_t ordinal,
               struct channel_answer *ret, struct err *err)
{
    struct channel_frame frame = {0};
    struct err ignored = {0};

    buf_reset(&child->reply);
    receive_frame(&child->reply, &frame);
    if (frame.type == CHANNEL_REFUSE &&
        channel_decode_error(&frame, err, &ignored) == 0) {
        return -1;
    }
    if (frame.type != CHANNEL_ANSWER ||
        channel_decode_answer(&frame, ret, &ignored) != 0 ||
        ret->ordinal != ordinal) {
        _exit(EX_PROTOCOL);
    }
    return 0;
}

static int
child_ask(struct task *task, const struct channel_ask *ask, const char **answer,
          size_t *answer_size, struct err *err)
{
    struct child *child = (struct child *)task;
    struct channel_answer found = {0};

    if (!channel_find_answer(&child->stored, ask->ordinal, ask->sha256,
                             &found)) {
        channel_append_ask(&child->out, ask);
        send_frame(child);
        if (receive_answer(child, ask->ordinal, &found, err) != 0) {
            return -1;
        }
    }
    *answer = arena_memdup(task->arena, found.bytes, found.size);
    *answer_size = found.size;
    return 0;
}

static void
child_progress(struct task *task, const char *json, size_t size)
{
    struct child *child = (struct child *)task;

    channel_append(&child->out, CHANNEL_PROGRESS, json, size);
    send_frame(child);
}

static const struct task_ops child_ops = {
    .ask = child_ask,
    .progress = child_progress,
};

/* Only three kinds make sense from a handler. */
static void
append_failure(struct child *child, struct err *err)
{
    if (err->kind != ERR_REJECT && err->kind != ERR_SUSPEND) {
        err->kind = ERR_RETRY;
    }
    channel_append_error(&child->out, CHANNEL_ERROR, err);
}

static void
run_task(struct child *child)
{
    struct err err = {0};
    struct buf *output = &child->output;

    child->task.asked = 0;
    int failed = child->worker->handle(&child->task, child->stored.input,
                                       child->stored.input_size, output, &err);
    FAULT_POINT(FAULT_MID_HANDLER);
    if (failed == 0 && output->size > CHANNEL_RESULT_MAX_BYTES) {
        failed =
            err_set(&err, ERR_REJECT, 0, "the result has %zu bytes, over %u",
                    output->size, CHANNEL_RESULT_MAX_BYTES);
    }
    if (failed == 0) {
        channel_append(&child->out, CHANNEL_RESULT, output->data, output->size);
    } else {
        append_failure(child, &err);
    }
    send_frame(child);
}

/* Gives the memory of a big task back before the wait for the next one. */
static void
shrink(struct child *child)
{
    const size_t most = child->in.room + child->reply.room +
                        child->output.room + child->out.room;

    arena_reset(child->task.arena);
    buf_reset(&child->in);
    buf_reset(&child->output);
    if (most > CHILD_KEEP_BYTES) {
        buf_free(&child->in);
        buf_free(&child->reply);
        buf_free(&child->output);
        buf_free(&child->out);
        malloc_trim(0);
    }
}

_Noreturn static void
serve(const struct worker *worker, const char *lacks)
{
    struct child child = {
        .task = {.ops = &child_ops, .arena = arena_new(CHILD_CHUNK_BYTES)},
        .worker = worker,
    };
    struct channel_frame frame = {0};
    struct err err = {0};

    channel_append(&child.out, CHANNEL_READY, lacks, strlen(lacks));
    send_frame(&child);
    for (;;) {
        receive_frame(&child.in, &frame);
        if (frame.type != CHANNEL_TASK ||
            channel_decode_task(&frame, &child.stored, &err) != 0) {
            _exit(EX_PROTOCOL);
        }
        if (sandbox_arm_cpu(handlers_cpu_limit_ms(worker), &err) != 0) {
            _exit(EX_OSERR);
        }
        run_task(&child);
        shrink(&child);
    }
}

/* Dies with its supervisor, even if that died before this line; is spared the
 * signals that ask a whole group to stop, for the supervisor drains it. */
static void
bind_to(pid_t supervisor, const char *name)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != supervisor) {
        _exit(EX_UNAVAILABLE);
    }
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    prctl(PR_SET_NAME, name);
}

/* What a library would fetch at first use must be there before the doors close:
 * json-c seeds its hash from the system's random numbers. */
static void
warm_up(void)
{
    struct json_object *object = json_object_new_object();

    json_object_object_add(object, "seed", NULL);
    json_object_put(object);
}

static void
close_standard(void)
{
    close(STDIN_FILENO);
    close(STDOUT_FILENO);
#ifndef SANDBOX_SANITIZED
    close(STDERR_FILENO);
#endif
}

void
handlers_child_main(const struct worker *worker, int argc, char **argv)
{
    const char *lacks = "";
    struct err err = {0};

    if (argc != 4) {
        fprintf(stderr, "%s: %s is how a supervisor starts its handlers\n",
                argv[0], HANDLERS_CHILD_FLAG);
        exit(EX_USAGE);
    }
    bind_to((pid_t)strtol(argv[2], NULL, 10), argv[0]);
    warm_up();
    close_standard();
    if (sandbox_enter(strtoll(argv[3], NULL, 10), &lacks, &err) != 0) {
        _exit(EX_OSERR);
    }
    serve(worker, lacks);
}
