#include "runtime/supervisor.h"

#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "queue/bell.h"
#include "runtime/heartbeat.h"
#include "runtime/loop.h"
#include "runtime/metrics.h"
#include "runtime/receiver.h"
#include "runtime/runs.h"
#include "runtime/settler.h"

#define EXIT_UNFIT 70
#define EXIT_CONFIG 78

/* --- for the threads ----------------------------------------------------- */

void
links_close(struct links *links)
{
    store_close(&links->store);
    queue_close(&links->queue);
}

int
links_open(const struct supervisor *sup, const char *queue_name,
           struct links *ret, struct err *err)
{
    _cleanup(links_close) struct links links = {0};
    struct queue_options options = {
        .name = queue_name,
        .consumer = sup->owner,
        .lease_ms = sup->conf.lease_ms,
    };

    if (store_open(sup->conf.store_url, sup->queue_name, &links.store, err)) {
        return err_wrap(err, "ALEX_STORE_URL");
    }
    if (queue_open(sup->conf.queue_url, &options, &links.queue, err)) {
        return err_wrap(err, "ALEX_QUEUE_URL");
    }
    *ret = links;
    links = (struct links){0};
    return 0;
}

int
supervisor_thread(void *(*main)(void *), void *arg, pthread_t *ret,
                  struct err *err)
{
    sigset_t all;
    sigset_t before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(ret, NULL, main, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0) {
        return err_set(err, ERR_FATAL, error, "cannot start a thread: %s",
                       strerror(error));
    }
    return 0;
}

void
supervisor_progress(struct supervisor *sup)
{
    atomic_store_explicit(&sup->progress_ms, clock_boot_ms(),
                          memory_order_relaxed);
}

void
supervisor_unfit(struct supervisor *sup, const struct err *err)
{
    struct mail *mail = mail_new(MAIL_UNFIT, NULL);

    mail->err = *err;
    mailbox_post(&sup->to_loop, mail);
}

/* --- the whole ----------------------------------------------------------- */

/* Secrets are in this process's memory and handlers have the same user: nobody
 * may look into it.  Small arenas: the threads share what they free. */
static void
harden(void)
{
    const struct rlimit no_core = {0, 0};

    prctl(PR_SET_DUMPABLE, 0);
    setrlimit(RLIMIT_CORE, &no_core);
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_TRIM_THRESHOLD, 512 * 1024);
}

static int
supervisor_open(struct supervisor *sup, const struct worker *worker,
                const struct worker_conf *conf, struct err *err)
{
    *sup = (struct supervisor){
        .worker = worker, .conf = *conf, .to_loop.fd = -1, .to_settler.fd = -1};
    uuid_v4(sup->owner);
    bell_queue_name(worker->name, sup->queue_name);
    sup->flight = flight_new((size_t)conf->in_flight);
    supervisor_progress(sup);
    if (mailbox_open(&sup->to_loop, err) ||
        mailbox_open(&sup->to_settler, err)) {
        return -1;
    }
    return 0;
}

static void
supervisor_close(struct supervisor *sup)
{
    mailbox_close(&sup->to_loop);
    mailbox_close(&sup->to_settler);
    flight_free(&sup->flight);
}

static int
work(struct supervisor *sup, int *ret_code, struct err *err)
{
    struct settler *settler = NULL;
    struct receiver *receiver = NULL;
    struct runs *runs = NULL;

    if (heartbeat_start(sup, err) || settler_start(sup, &settler, err) ||
        runs_open(sup, &runs, err) || receiver_start(sup, &receiver, err)) {
        return -1;
    }
    log_info("working",
             "owner=%s queue=%s handlers=%" PRId64 " in_flight=%" PRId64,
             sup->owner, sup->queue_name, sup->conf.concurrency,
             sup->conf.in_flight);
    if (loop_run(sup, runs, receiver, ret_code, err)) {
        return -1;
    }
    receiver_free(&receiver);
    settler_free(&settler);
    heartbeat_free(&sup->heartbeat);
    runs_close(&runs);
    return 0;
}

int
supervisor_run(const struct worker *worker, const struct worker_conf *conf)
{
    struct supervisor sup;
    struct err err = {0};
    int code = EXIT_UNFIT;

    harden();
    loop_block_signals();
    metric_add_table(metrics, METRICS_COUNT);
    if (supervisor_open(&sup, worker, conf, &err) || work(&sup, &code, &err)) {
        log_error("cannot work", "error=%s", err.text);
        _exit(err.code == EXIT_CONFIG ? EXIT_CONFIG : EXIT_UNFIT);
    }
    log_info("stopped", "code=%d", code);
    supervisor_close(&sup);
    return code;
}

int
supervisor_check(const struct worker *worker, const struct worker_conf *conf,
                 struct err *err)
{
    _cleanup(links_close) struct links links = {0};
    _cleanup(json_put) struct json_object *schema = NULL;
    struct supervisor sup = {.worker = worker, .conf = *conf};

    bell_queue_name(worker->name, sup.queue_name);
    if (links_open(&sup, sup.queue_name, &links, err)) {
        return -1;
    }
    if (worker->result_schema != NULL &&
        json_parse(worker->result_schema, strlen(worker->result_schema),
                   "result schema", &schema, err)) {
        err->kind = ERR_FATAL;
        return -1;
    }
    return 0;
}
