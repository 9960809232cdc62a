#include "runtime/loop.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "runtime/health.h"
#include "runtime/heartbeat.h"
#include "runtime/wait.h"

#define EVENTS_MAX 8
#define EXIT_UNFIT 70
#define EXIT_CONFIG 78
/* After the grace: for killing, settling and giving back. */
#define AFTER_GRACE_MS 900

/* In what order the other threads are told to end, and end. */
enum loop_end {
    LOOP_RECEIVER_LEFT,
    LOOP_SETTLER_LEFT,
    LOOP_HEARTBEAT_LEFT,
    LOOP_NONE_LEFT,
};

struct loop {
    struct supervisor *sup;
    struct runs *runs;
    struct receiver *receiver;
    struct health *health;
    int epoll_fd;
    int signal_fd;
    bool draining;
    bool settler_told;
    bool interrupted;
    int64_t grace_end_ms;
    enum loop_end end;
    int code;
};

static void
signals(sigset_t *ret)
{
    sigemptyset(ret);
    sigaddset(ret, SIGTERM);
    sigaddset(ret, SIGINT);
    sigaddset(ret, SIGHUP);
}

void
loop_block_signals(void)
{
    sigset_t set;

    signals(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* --- drain --------------------------------------------------------------- */

static void
drain(struct loop *loop, const char *why, int code)
{
    if (loop->draining) {
        return;
    }
    log_info("draining", "grace_ms=%" PRId64 " why=%s",
             loop->sup->conf.grace_ms, why);
    loop->draining = true;
    loop->code = code;
    loop->grace_end_ms = clock_boot_ms() + loop->sup->conf.grace_ms;
    runs_drain(loop->runs);
    receiver_stop(loop->receiver);
}

/* The receiver may still bring runs, and runs outcomes: they end in turn. */
static void
drain_on(struct loop *loop)
{
    if (!loop->interrupted && clock_boot_ms() >= loop->grace_end_ms) {
        loop->interrupted = true;
        runs_interrupt(loop->runs);
    }
    if (loop->end == LOOP_SETTLER_LEFT && !loop->settler_told &&
        runs_empty(loop->runs)) {
        loop->settler_told = true;
        mailbox_post(&loop->sup->to_settler, mail_new(MAIL_STOP, NULL));
    }
}

static void
thread_ended(struct loop *loop)
{
    loop->end++;
    if (loop->end == LOOP_HEARTBEAT_LEFT) {
        heartbeat_stop(loop->sup->heartbeat);
    }
}

/* --- events -------------------------------------------------------------- */

static void
unfit(struct loop *loop, const struct err *err)
{
    if (!loop->draining) {
        log_error("unfit, stopping", "error=%s", err->text);
    }
    drain(loop, "unfit", err->code == EXIT_CONFIG ? EXIT_CONFIG : EXIT_UNFIT);
}

static void
take_mail(struct loop *loop)
{
    struct mail_list list = mailbox_take(&loop->sup->to_loop);
    struct mail *mail;

    while ((mail = mail_take(&list)) != NULL) {
        switch (mail->kind) {
        case MAIL_UNFIT:
            unfit(loop, &mail->err);
            mail_free(&mail);
            break;
        case MAIL_ENDED:
            thread_ended(loop);
            mail_free(&mail);
            break;
        default:
            runs_take(loop->runs, mail);
            break;
        }
    }
}

static void
take_signal(struct loop *loop)
{
    struct signalfd_siginfo info;

    if (read(loop->signal_fd, &info, sizeof(info)) != sizeof(info)) {
        return;
    }
    int signo = (int)info.ssi_signo;
    if (loop->draining) {
        log_warn("second signal, leaving leases to lapse", "signal=%d", signo);
        _exit(128 + signo);
    }
    drain(loop, strsignal(signo), 0);
}

static int
watch(struct loop *loop, int fd, struct err *err)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    if (fd >= 0 && epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event)) {
        return err_errno(err, ERR_FATAL, "epoll_ctl");
    }
    return 0;
}

static int
loop_open(struct loop *loop, struct err *err)
{
    sigset_t set;

    signals(&set);
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (loop->epoll_fd < 0 || loop->signal_fd < 0) {
        return err_errno(err, ERR_FATAL, "epoll");
    }
    if (health_open(loop->sup, loop->runs, &loop->health, err) ||
        watch(loop, loop->signal_fd, err) ||
        watch(loop, loop->sup->to_loop.fd, err) ||
        watch(loop, runs_handlers_fd(loop->runs), err) ||
        watch(loop, runs_asks_fd(loop->runs), err) ||
        watch(loop, health_fd(loop->health), err)) {
        return -1;
    }
    return 0;
}

static void
loop_close(struct loop *loop)
{
    health_close(&loop->health);
    cleanup_close(&loop->epoll_fd);
    cleanup_close(&loop->signal_fd);
}

/* How long to wait at most; -1: for an event. */
static int
wait_ms(const struct loop *loop, int64_t next_ms)
{
    if (loop->draining) {
        int64_t end_ms = loop->grace_end_ms;
        end_ms += loop->interrupted ? AFTER_GRACE_MS : 0;
        int64_t left_ms = end_ms - clock_boot_ms();
        next_ms = wait_sooner(next_ms, left_ms > 0 ? left_ms : 0);
    }
    return next_ms > INT_MAX ? INT_MAX : (int)next_ms;
}

/* Everything that can be done without waiting, then one wait. */
static void
turn(struct loop *loop)
{
    struct epoll_event events[EVENTS_MAX];
    int64_t runs_ms = -1;
    int64_t health_ms = -1;
    struct err err = {0};

    take_mail(loop);
    if (runs_step(loop->runs, &runs_ms, &err)) {
        unfit(loop, &err);
        runs_ms = 100; /* It may say so each time. */
    }
    health_run(loop->health, &health_ms);
    if (loop->draining) {
        drain_on(loop);
    }
    if (loop->end == LOOP_NONE_LEFT) {
        return;
    }
    int count = epoll_wait(loop->epoll_fd, events, EVENTS_MAX,
                           wait_ms(loop, wait_sooner(runs_ms, health_ms)));
    for (int i = 0; i < count; i++) {
        if (events[i].data.fd == loop->signal_fd) {
            take_signal(loop);
        }
    }
}

/* A thread may hang in a call for longer than we may: its leases lapse. */
static void
give_up_late(const struct loop *loop)
{
    if (loop->interrupted &&
        clock_boot_ms() >= loop->grace_end_ms + AFTER_GRACE_MS) {
        log_warn("not all could be given back in time", "held=%zu",
                 flight_count(loop->sup->flight));
        _exit(loop->code);
    }
}

int
loop_run(struct supervisor *sup, struct runs *runs, struct receiver *receiver,
         int *ret_code, struct err *err)
{
    _cleanup(loop_close) struct loop loop = {
        .sup = sup,
        .runs = runs,
        .receiver = receiver,
        .epoll_fd = -1,
        .signal_fd = -1,
    };

    if (loop_open(&loop, err)) {
        return -1;
    }
    while (loop.end != LOOP_NONE_LEFT) {
        turn(&loop);
        give_up_late(&loop);
    }
    *ret_code = loop.code;
    return 0;
}
