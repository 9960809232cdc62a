#include "runtime/runs_internal.h"

#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"

/* A provider that has not answered by then has failed. */
#define ASK_TIMEOUT_MS (10 * 60 * 1000)

/* One ask under way: at its provider or, if it is paid, at the settler. */
struct run_ask {
    struct run_ask *next;
    struct runs *runs;
    struct run *run;
    uint32_t ordinal;
    char sha256[DIGEST_SHA256_SIZE];
    bool storing;
};

static struct run_ask *
add_ask(struct runs *runs, struct run *run, const struct channel_ask *asked)
{
    struct run_ask *ask = xcalloc(1, sizeof(*ask));

    ask->runs = runs;
    ask->run = run;
    ask->ordinal = asked->ordinal;
    memcpy(ask->sha256, asked->sha256, sizeof(ask->sha256));
    ask->next = run->asks;
    run->asks = ask;
    return ask;
}

/* The run has its answer: it goes on once it has all. */
static void
end_ask(struct run_ask *ask)
{
    struct run *run = ask->run;
    struct runs *runs = ask->runs;
    struct run_ask **at = &run->asks;

    while (*at != ask) {
        at = &(*at)->next;
    }
    *at = ask->next;
    free(ask);
    if (run->asks == NULL && run->stage == RUN_PARKED) {
        runs_resume(runs, run);
    }
}

static size_t
count_asks(const struct run *run)
{
    size_t count = 0;

    for (const struct run_ask *ask = run->asks; ask != NULL; ask = ask->next) {
        count++;
    }
    return count;
}

void
runs_forget_asks(struct runs *runs, struct run *run)
{
    struct run_ask *next;

    for (struct run_ask *ask = run->asks; ask != NULL; ask = next) {
        next = ask->next;
        if (!ask->storing) {
            asks_forget(runs->asks, ask);
        }
        free(ask);
    }
    run->asks = NULL;
}

/* What costs something is stored before the handler sees it. */
static void
store(struct run_ask *ask, const char *answer, size_t size)
{
    struct mail *mail = mail_new(MAIL_CHECKPOINT, run_ref(ask->run));

    ask->storing = true;
    mail->ordinal = ask->ordinal;
    memcpy(mail->sha256, ask->sha256, sizeof(mail->sha256));
    mail->bytes = xmemdup(answer, size);
    mail->size = size;
    mailbox_post(&ask->runs->sup->to_settler, mail);
}

/* An answer, or an error, which the handler gets as the ask's result. */
static void
done(void *loop, void *context, const char *answer, size_t size, bool paid,
     const struct err *err)
{
    struct runs *runs = loop;
    struct run_ask *ask = context;
    struct run *run = ask->run;
    bool at_once = runs->starting == ask;

    if (err == NULL && paid) {
        store(ask, answer, size);
        return;
    }
    if (err != NULL) {
        run_add_answer(run, ask->ordinal, ask->sha256, NULL, 0, false, err);
    } else {
        run_add_answer(run, ask->ordinal, ask->sha256, xmemdup(answer, size),
                       size, false, NULL);
    }
    runs_grew(runs, run, size);
    if (at_once && err != NULL) {
        handlers_refuse(runs->handlers, run, err);
    } else if (at_once) {
        handlers_answer(runs->handlers, run, ask->ordinal, answer, size);
    }
    if (at_once) {
        runs->starting = NULL;
    }
    end_ask(ask);
}

static struct run_ask *
find_ask(const struct run *run, uint32_t ordinal, const char *sha256)
{
    struct run_ask *ask = run->asks;

    while (ask != NULL &&
           (ask->ordinal != ordinal || strcmp(ask->sha256, sha256) != 0)) {
        ask = ask->next;
    }
    return ask;
}

void
runs_stored(struct mail *mail)
{
    struct run *run = mail->run;
    struct run_ask *ask = find_ask(run, mail->ordinal, mail->sha256);

    if (ask == NULL) {
        return; /* The run has left meanwhile. */
    }
    if (mail->err.kind != ERR_NONE) {
        run_add_answer(run, mail->ordinal, mail->sha256, NULL, 0, false,
                       &mail->err);
    } else {
        run_add_answer(run, mail->ordinal, mail->sha256, STEAL(mail->bytes),
                       mail->size, true, NULL);
        runs_grew(ask->runs, run, mail->size);
    }
    end_ask(ask);
}

static void
suspend(struct runs *runs, struct run *run)
{
    struct err err;

    run->asked = true;
    err_set(&err, ERR_SUSPEND, 0, "not answered yet");
    handlers_refuse(runs->handlers, run, &err);
}

static void
start(struct runs *runs, struct run *run, const struct channel_ask *asked)
{
    char kind[CHANNEL_KIND_MAX_BYTES + 1];
    struct err err = {0};
    struct run_ask *ask = add_ask(runs, run, asked);
    int64_t left_ms = run->deadline_ms - clock_boot_ms();
    struct asks_request request = {
        .kind = kind,
        .request = asked->request,
        .request_size = asked->request_size,
        .timeout_ms = left_ms < ASK_TIMEOUT_MS ? left_ms : ASK_TIMEOUT_MS,
        .context = ask,
    };

    memcpy(kind, asked->kind, asked->kind_size);
    kind[asked->kind_size] = '\0';
    runs->starting = ask;
    if (asks_start(runs->asks, &request, &err)) {
        runs->starting = NULL;
        end_ask(ask);
        handlers_refuse(runs->handlers, run, &err);
        return;
    }
    if (runs->starting == NULL) {
        return; /* Answered at once. */
    }
    runs->starting = NULL;
    suspend(runs, run);
}

void
runs_asked(struct runs *runs, struct run *run, const struct channel_ask *asked)
{
    struct err err = {0};

    const struct run_answer *known =
        run_find_answer(run, asked->ordinal, asked->sha256);
    if (known != NULL && known->err != NULL) {
        handlers_refuse(runs->handlers, run, known->err);
    } else if (known != NULL) {
        handlers_answer(runs->handlers, run, asked->ordinal, known->bytes,
                        known->size);
    } else if (find_ask(run, asked->ordinal, asked->sha256) != NULL) {
        suspend(runs, run);
    } else if (run->answer_count + count_asks(run) >= CHANNEL_ASKS_MAX) {
        err_set(&err, ERR_REJECT, 0, "asked more than %u times",
                CHANNEL_ASKS_MAX);
        handlers_refuse(runs->handlers, run, &err);
    } else if (run_fenced(run)) {
        /* Somebody else may run it by now and ask, and pay, the same. */
        runs_stop(runs, run, RUN_STOP_INTERRUPT);
    } else {
        start(runs, run, asked);
    }
}

int
runs_open_asks(struct runs *runs, struct err *err)
{
    struct asks_events events = {.done = done, .loop = runs};

    return asks_open(&events, &runs->asks, err);
}
