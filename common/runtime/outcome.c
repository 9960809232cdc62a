#include "runtime/outcome.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "runtime/flight.h"

/* HTTP's word for it, whoever says it: a provider, a breaker, a rate limit. */
#define CODE_THROTTLED 429
/* Free answers are recorded with a result only while they are small beside it:
 * a settle's request is bounded, and they cost nothing to get again. */
#define ANSWERS_MAX_BYTES (256u * 1024)

/* Longest wait that a handler may ask for. */
#define AFTER_MAX_MS (24LL * 3600 * 1000)

/* What was decided; the strings are constants. */
struct decision {
    enum metrics_id word;
    const char *class; /* NULL: no error. */
    const char *text;
    int64_t after_ms;
};

static const char *const words[] = {
    [METRICS_SUCCEEDED] = "succeeded",     [METRICS_RETRY] = "retry",
    [METRICS_DEFERRED] = "deferred",       [METRICS_DEAD] = "dead",
    [METRICS_CRASHED] = "crashed",         [METRICS_CANCELLED] = "cancelled",
    [METRICS_INTERRUPTED] = "interrupted",
};

const char *
outcome_word(const struct outcome *outcome)
{
    return words[outcome->word];
}

/* --- the result ---------------------------------------------------------- */

static int
check_result(const struct mail *mail, struct json_object *schema,
             size_t *ret_children, struct err *err)
{
    _cleanup(json_put) struct json_object *result = NULL;
    struct json_object *plan = NULL;

    if (mail->size > CHANNEL_RESULT_MAX_BYTES) {
        return err_set(err, ERR_REJECT, 0, "result of %zu bytes, limit %u",
                       mail->size, CHANNEL_RESULT_MAX_BYTES);
    }
    if (json_parse(mail->bytes, mail->size, "result", &result, err)) {
        return -1;
    }
    if (!json_object_is_type(result, json_type_object)) {
        return err_set(err, ERR_REJECT, 0, "result: not an object");
    }
    if (schema != NULL && json_validate(schema, result, err)) {
        return err_wrap(err, "result");
    }
    if (json_member(result, "plan", json_type_array, &plan, err)) {
        return -1;
    }
    *ret_children = plan != NULL ? json_object_array_length(plan) : 0;
    return 0;
}

/* --- the decision -------------------------------------------------------- */

static struct decision
decide_error(const struct err *err)
{
    static const struct decision by_kind[] = {
        [ERR_NONE] = {METRICS_RETRY, "error"},
        [ERR_RETRY] = {METRICS_RETRY, "retry"},
        [ERR_REJECT] = {METRICS_DEAD, "rejected"},
        [ERR_LOST] = {METRICS_RETRY, "error"},
        [ERR_SUSPEND] = {METRICS_RETRY, "suspended_without_asking"},
        [ERR_FATAL] = {METRICS_RETRY, "unfit"},
    };
    struct decision decision = by_kind[err->kind];

    if (err->kind == ERR_RETRY && err->code == CODE_THROTTLED) {
        decision.word = METRICS_DEFERRED;
        decision.class = "throttled";
    }
    decision.text = err->text;
    decision.after_ms =
        err->after_ms < AFTER_MAX_MS ? err->after_ms : AFTER_MAX_MS;
    return decision;
}

static struct decision
decide_stop(enum run_stop stop)
{
    static const struct decision by_stop[] = {
        [RUN_STOP_NONE] = {METRICS_INTERRUPTED},
        [RUN_STOP_CANCEL] = {METRICS_CANCELLED},
        [RUN_STOP_DEADLINE] = {METRICS_DEAD, "deadline",
                               "not done by its deadline"},
        [RUN_STOP_INTERRUPT] = {METRICS_INTERRUPTED},
    };

    return by_stop[stop];
}

static struct decision
decide(struct outcome *outcome, struct mail *mail, struct json_object *schema)
{
    enum run_stop stop = (enum run_stop)atomic_load(&mail->run->stop);

    switch (mail->end) {
    case HANDLERS_RESULT:
        if (check_result(mail, schema, &outcome->children, &mail->err)) {
            return (struct decision){METRICS_DEAD, "bad_result", mail->err.text,
                                     0};
        }
        return (struct decision){METRICS_SUCCEEDED};
    case HANDLERS_ERROR:
        return stop == RUN_STOP_NONE ? decide_error(&mail->err)
                                     : decide_stop(stop);
    case HANDLERS_CRASHED:
        return (struct decision){METRICS_CRASHED, "crash", mail->err.text, 0};
    case HANDLERS_KILLED:
        break;
    }
    return decide_stop(stop);
}

/* --- the text ------------------------------------------------------------ */

static void
write_answers(const struct run *run, struct buf *text)
{
    bool any = false;

    for (size_t i = 0; i < run->answer_count; i++) {
        const struct run_answer *answer = &run->answers[i];
        if (answer->stored || answer->err != NULL) {
            continue;
        }
        if (!any) {
            buf_json_key(text, "answers");
            buf_json_array(text);
            any = true;
        }
        buf_json_object(text);
        buf_json_key(text, "ordinal");
        buf_json_int(text, answer->ordinal);
        buf_json_key(text, "sha256");
        buf_json_string(text, answer->sha256);
        buf_json_key(text, "answer");
        buf_json_string_n(text, answer->bytes, answer->size);
        buf_json_end(text);
    }
    if (any) {
        buf_json_end(text);
    }
}

static void
write_error(const struct decision *decision, struct buf *text)
{
    buf_json_key(text, "error");
    buf_json_object(text);
    buf_json_key(text, "class");
    buf_json_string(text, decision->class);
    buf_json_key(text, "text");
    buf_json_string(text, decision->text);
    buf_json_end(text);
}

/* 'output' is the handler's own bytes, checked above: they are not written
 * anew. */
static void
write_text(struct outcome *outcome, const struct decision *decision,
           const char *output, size_t size)
{
    struct buf *text = &outcome->text;
    const struct run *run = outcome->run;

    outcome->word = decision->word;
    if (decision->class != NULL) {
        snprintf(outcome->error, sizeof(outcome->error), "%s: %s",
                 decision->class, decision->text);
    }
    buf_reset(text);
    buf_json_object(text);
    buf_json_key(text, "job");
    buf_json_string(text, run->job);
    buf_json_key(text, "task");
    buf_json_string(text, run->task);
    buf_json_key(text, "fence");
    buf_json_int(text, run->fence);
    buf_json_key(text, "outcome");
    buf_json_string(text, words[decision->word]);
    if (decision->after_ms > 0) {
        buf_json_key(text, "after_ms");
        buf_json_int(text, decision->after_ms);
    }
    if (decision->class != NULL) {
        write_error(decision, text);
    }
    if (decision->word == METRICS_SUCCEEDED) {
        if (run->answer_bytes <= ANSWERS_MAX_BYTES) {
            write_answers(run, text);
        }
        buf_json_key(text, "output");
        buf_json_raw(text, output, size);
    }
    buf_json_end(text);
}

struct outcome *
outcome_new(struct mail *mail, struct json_object *schema)
{
    struct outcome *outcome = xcalloc(1, sizeof(*outcome));

    outcome->run = mail->run;
    struct decision decision = decide(outcome, mail, schema);
    write_text(outcome, &decision, mail->bytes, mail->size);
    mail->run = NULL;
    mail_free(&mail);
    return outcome;
}

void
outcome_make_dead(struct outcome *outcome, const struct err *err)
{
    struct decision decision = {METRICS_DEAD, "data", err->text, 0};

    outcome->children = 0;
    outcome->buried = true;
    write_text(outcome, &decision, NULL, 0);
}

void
outcome_free(struct outcome **outcome)
{
    if (*outcome == NULL) {
        return;
    }
    run_unref((*outcome)->run);
    buf_free(&(*outcome)->text);
    free(*outcome);
    *outcome = NULL;
}
