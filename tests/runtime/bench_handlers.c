#include "bench_handlers.h"

#include <poll.h>

#include "base/clock.h"

#define WAIT_MS 10000

void
bench_handlers_main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], HANDLERS_CHILD_FLAG) == 0) {
        handlers_child_main(&bench_worker, argc, argv);
    }
}

static void
on_ended(void *context, struct run *run, enum handlers_end end,
         const char *bytes, size_t size, const struct err *err)
{
    (void)context;
    run->ended = true;
    run->ends++;
    run->end = end;
    if (end == HANDLERS_RESULT) {
        buf_reset(&run->bytes);
        buf_append(&run->bytes, bytes, size);
    } else {
        run->err = *err;
    }
}

static void
on_asked(void *context, struct run *run, const struct channel_ask *ask)
{
    struct handlers **handlers = context;
    struct err suspend = {.kind = ERR_SUSPEND};

    run->asks++;
    run->ask = *ask;
    if (run->answer != NULL) {
        handlers_answer(*handlers, run, ask->ordinal, run->answer,
                        strlen(run->answer));
    } else {
        handlers_refuse(*handlers, run, &suspend);
    }
}

static void
on_progressed(void *context, struct run *run, const char *json, size_t size)
{
    (void)context;
    run->progresses++;
    snprintf(run->progress, sizeof(run->progress), "%.*s", (int)size, json);
}

struct handlers *
bench_handlers_start(const struct worker *worker, int count, int recycle_tasks)
{
    static struct handlers *handlers; /* One set at a time is enough. */
    const struct handlers_options options = {
        .worker = worker, .count = count, .recycle_tasks = recycle_tasks};
    const struct handlers_events events = {
        .ended = on_ended,
        .asked = on_asked,
        .progressed = on_progressed,
        .context = &handlers,
    };
    struct err err = {0};

    handlers = NULL;
    assert_int_equal(handlers_start_all(&options, &events, &handlers, &err), 0);
    return handlers;
}

void
bench_handlers_give(struct handlers *handlers, struct run *run,
                    const char *params)
{
    _cleanup(buf_free) struct buf input = {0};
    struct err err = {0};

    run->ended = false;
    buf_printf(&input, "{\"node\":\"t\",\"params\":%s}", params);
    assert_int_equal(
        handlers_start(handlers, run, input.data, input.size, NULL, 0, &err),
        0);
}

static void
serve_until(struct handlers *handlers, const bool *done, int64_t ms)
{
    const int64_t end_ms = clock_boot_ms() + ms;
    struct err err = {0};

    while (!*done) {
        int64_t next_ms = -1;
        if (handlers_run(handlers, &next_ms, &err) != 0) {
            print_error("%s\n", err.text);
            fail();
        }
        int64_t left_ms = end_ms - clock_boot_ms();
        if (*done || left_ms <= 0) {
            return;
        }
        struct pollfd fd = {.fd = handlers_poll_fd(handlers), .events = POLLIN};
        left_ms = next_ms >= 0 && next_ms < left_ms ? next_ms : left_ms;
        poll(&fd, 1, (int)left_ms);
    }
}

bool
bench_handlers_wait(struct handlers *handlers, struct run *run)
{
    serve_until(handlers, &run->ended, WAIT_MS);
    return run->ended;
}

void
bench_handlers_serve(struct handlers *handlers, int64_t ms)
{
    const bool never = false;

    serve_until(handlers, &never, ms);
}

void
run_free(struct run *run)
{
    buf_free(&run->bytes);
}
