#include "asking.h"

#include <poll.h>

#include "base/clock.h"

void
answer_free(struct answer *answer)
{
    buf_free(&answer->text);
}

static void
on_done(void *loop, void *context, const char *text, size_t size, bool paid,
        const struct err *err)
{
    struct answer *answer = context;

    (void)loop;
    answer->count++;
    answer->paid = paid;
    answer->err = err != NULL ? *err : (struct err){0};
    buf_reset(&answer->text);
    buf_append(&answer->text, text, size);
}

static void
set_environment(const char *const settings[])
{
    clearenv();
    for (; *settings != NULL; settings++) {
        const char *equals = strchr(*settings, '=');
        _cleanup(cleanup_free) char *name =
            strndup(*settings, (size_t)(equals - *settings));
        setenv(name, equals + 1, 1);
    }
}

struct asks *
asking_open(const char *const settings[])
{
    static const struct asks_events events = {.done = on_done};
    struct asks *asks = NULL;
    struct err err = {0};

    set_environment(settings);
    if (asks_open(&events, &asks, &err) != 0) {
        print_error("%s\n", err.text);
        fail();
    }
    return asks;
}

struct err
asking_refused(const char *const settings[])
{
    struct asks *asks = NULL;
    struct err err = {0};
    const struct asks_events events = {.done = on_done};

    set_environment(settings);
    assert_int_equal(asks_open(&events, &asks, &err), -1);
    return err;
}

void
asking_start(struct asks *asks, const char *kind, const char *request,
             int64_t timeout_ms, struct answer *answer)
{
    const struct asks_request ask = {.kind = kind,
                                     .request = request,
                                     .request_size = strlen(request),
                                     .timeout_ms = timeout_ms,
                                     .context = answer};
    struct err err = {0};

    if (asks_start(asks, &ask, &err) != 0) {
        print_error("%s\n", err.text);
        fail();
    }
}

void
asking_serve(struct asks *asks, const struct answer *answer, int64_t ms)
{
    const int64_t end_ms = clock_boot_ms() + ms;
    const int before = answer->count;
    struct err err = {0};

    while (answer->count == before && clock_boot_ms() < end_ms) {
        assert_int_equal(asks_run(asks, &err), 0);
        struct pollfd fd = {.fd = asks_poll_fd(asks), .events = POLLIN};
        const int64_t left_ms = end_ms - clock_boot_ms();
        if (answer->count == before && left_ms > 0) {
            poll(&fd, 1, (int)left_ms);
        }
    }
}

void
asking_get(struct asks *asks, const char *kind, const char *request,
           struct answer *answer)
{
    asking_start(asks, kind, request, 5000, answer);
    if (answer->count == 0) {
        asking_serve(asks, answer, 6000);
    }
    assert_int_equal(answer->count, 1);
}
