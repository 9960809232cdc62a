#include "aws/fetch.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>

#include "base/clock.h"

/* What curl's own time-out may be late before we give up on it. */
#define LATE_MS 1000

struct waiting {
    struct fetched *ret;
    struct err *err;
    bool done;
    int result;
};

static void
on_done(void *context, const struct http_reply *reply, const struct err *err)
{
    struct waiting *waiting = context;
    waiting->done = true;
    if (err) {
        *waiting->err = *err;
        waiting->result = -1;
        return;
    }
    waiting->ret->status = reply->status;
    waiting->ret->retry_after_ms = reply->retry_after_ms;
    buf_append(&waiting->ret->body, reply->body, reply->size);
    buf_puts(&waiting->ret->headers, reply->headers ? reply->headers : "");
}

static int
give_up(struct http_client *client, struct waiting *waiting, int code,
        const char *why)
{
    http_client_forget(client, waiting);
    return err_set(waiting->err, ERR_RETRY, code, "%s", why);
}

static int
wait_for(struct http_client *client, int64_t timeout_ms, int wake_fd,
         struct waiting *waiting)
{
    int64_t deadline_ms = clock_boot_ms() + timeout_ms + LATE_MS;
    while (!waiting->done) {
        struct pollfd fds[] = {
            {.fd = http_client_poll_fd(client), .events = POLLIN},
            {.fd = wake_fd, .events = POLLIN},
        };
        int64_t left_ms = deadline_ms - clock_boot_ms();
        if (left_ms <= 0) {
            return give_up(client, waiting, ETIMEDOUT, "time-out");
        }
        poll(fds, 2, (int)left_ms);
        if (fds[1].revents) {
            return give_up(client, waiting, ECANCELED, "woken");
        }
        if (http_client_run(client, waiting->err)) {
            http_client_forget(client, waiting);
            return -1;
        }
    }
    return waiting->result;
}

int
fetch(struct http_client *client, const struct http_request *request,
      int wake_fd, struct fetched *ret, struct err *err)
{
    struct fetched fetched = {0};
    struct waiting waiting = {.ret = &fetched, .err = err};
    if (http_client_start(client, request, on_done, &waiting, err) ||
        wait_for(client, request->timeout_ms, wake_fd, &waiting)) {
        fetched_free(&fetched);
        return -1;
    }
    *ret = fetched;
    return 0;
}

void
fetched_free(struct fetched *fetched)
{
    buf_free(&fetched->body);
    buf_free(&fetched->headers);
}

void
fetched_header(const struct fetched *fetched, const char *name, char *ret,
               size_t size)
{
    struct http_reply reply = {.headers = fetched->headers.data};
    http_reply_header(&reply, name, ret, size);
}
