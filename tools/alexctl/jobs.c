/* alexctl jobs, why. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "alexctl/ctl.h"
#include "alexctl/term.h"
#include "base/cleanup.h"

struct options {
    const char *user;
    const char *job;
    int64_t limit;
    bool json;
};

#define FIELD(name) offsetof(struct options, name)

static const struct args_option jobs_options[] = {
    {ARGS_TEXT, "user", "U", FIELD(user), 1, CTL_NAME_MAX, NULL,
     "whose jobs (default: everybody's)"},
    {ARGS_INT, "limit", "N", FIELD(limit), 1, 100, "20", "newest so many"},
    {ARGS_FLAG, "json", NULL, FIELD(json), 0, 0, NULL, "print one JSON array"},
};

/* "2026-11-23T10:11:12.345678Z" without what nobody reads. */
static void
append_time(struct buf *out, const char *time)
{
    char text[20];
    snprintf(text, sizeof(text), "%s", time);
    char *t = strchr(text, 'T');
    if (t != NULL) {
        *t = ' ';
    }
    term_pad(out, text, 21);
}

static int
print_job(const struct store_reply *reply, size_t row, struct err *err)
{
    _cleanup(json_put) struct json_object *head = NULL;
    _cleanup(buf_free) struct buf line = {0};
    const char *job = NULL;
    const char *user = NULL;
    const char *state = NULL;
    const char *submitted = NULL;
    const char *error = NULL;
    if (ctl_head(reply, row, &head, err) < 0 ||
        json_string_required(head, "job", UUID_SIZE, &job, err) < 0 ||
        json_string(head, "user", 2000, "", &user, err) < 0 ||
        json_string(head, "state", 40, "", &state, err) < 0 ||
        json_string(head, "submitted", 60, "", &submitted, err) < 0 ||
        json_string(head, "error", 8000, "", &error, err) < 0) {
        return -1;
    }
    term_pad(&line, job, 38);
    append_time(&line, submitted);
    term_pad(&line, state, 11);
    term_escape(&line, user, strlen(user), false);
    if (error[0] != '\0') {
        buf_puts(&line, ": ");
        term_escape(&line, error, strlen(error), false);
    }
    puts(line.data);
    return 0;
}

static int
jobs(struct ctl *ctl, const void *given, struct err *err)
{
    const struct options *o = given;
    _cleanup(buf_free) struct buf request = {0};
    _cleanup(store_reply_free) struct store_reply reply = {0};
    buf_json_object(&request);
    buf_json_key(&request, "v");
    buf_json_int(&request, 1);
    if (o->user != NULL) {
        buf_json_key(&request, "user");
        buf_json_string(&request, o->user);
    }
    buf_json_key(&request, "limit");
    buf_json_int(&request, o->limit);
    buf_json_end(&request);
    if (ctl_call(ctl, "status", &request, &reply, err) < 0) {
        return -1;
    }
    if (o->json) {
        ctl_print_items(&reply);
        return CTL_EXIT_OK;
    }
    for (size_t i = 1; i < reply.count; i++) {
        if (print_job(&reply, i, err) < 0) {
            return -1;
        }
    }
    if (reply.count <= 1) {
        ctl_say("no jobs yet: alexctl submit");
    }
    return CTL_EXIT_OK;
}

const struct command command_jobs = {
    .name = "jobs",
    .summary = "List jobs, newest first.",
    .details = "Examples:\n"
               "  alexctl jobs\n"
               "  alexctl jobs --user me --limit 5 --json\n",
    .options = jobs_options,
    .option_count = ARRAY_COUNT(jobs_options),
    .options_size = sizeof(struct options),
    .run = jobs,
};

/* --- why ------------------------------------------------------------------*/

static const struct args_option why_options[] = {
    {ARGS_WORD, "JOB", NULL, FIELD(job), 0, 0, NULL, "the job's id"},
    {ARGS_FLAG, "json", NULL, FIELD(json), 0, 0, NULL, "print one JSON array"},
};

/* A worker that lives takes a message well within this. */
#define ALIVE_MS 3000

/* What a task waits for, in words around how long. */
static const struct phrase {
    const char *word, *before, *after;
} phrases[] = {
    {"needs", "has waited for others for ", ""},
    {"worker", "has been worked on for ", ""},
    {"back-off", "failed ", " ago and will be tried again"},
    {"claim", "has waited for a worker for ", ""},
    {"nothing", "ended ", " ago"},
    {NULL, "has been like this for ", ""},
};

static const struct phrase *
find_phrase(const char *waits_for)
{
    const struct phrase *phrase = phrases;
    while (phrase->word != NULL && strcmp(phrase->word, waits_for) != 0) {
        phrase++;
    }
    return phrase;
}

static void
append_span(struct buf *out, int64_t ms)
{
    int64_t seconds = ms / 1000;
    if (seconds < 120) {
        buf_printf(out, "%" PRId64 " s", seconds);
    } else if (seconds < 7200) {
        buf_printf(out, "%" PRId64 " min", seconds / 60);
    } else {
        buf_printf(out, "%" PRId64 " h", seconds / 3600);
    }
}

/* What the queue knows of a task that is ready and that nobody claims. */
static int
append_queue(struct ctl *ctl, const char *agent, int64_t rung_ms,
             struct buf *out, struct err *err)
{
    struct queue *queue = NULL;
    struct queue_depth d = {0};
    char name[96];
    bell_queue_name(agent, name);
    if (ctl->queue_url[0] == '\0') {
        return 0;
    }
    if (ctl_queue(ctl, &queue, err) < 0 ||
        queue_depth(queue, name, &d, err) < 0) {
        buf_printf(out, "; the queue can't be asked (%s)", err->text);
        return err->kind == ERR_RETRY ? 0 : -1;
    }
    if (d.in_flight > 0) {
        buf_printf(out,
                   "; %" PRId64 " messages of %s are with workers, %" PRId64
                   " wait",
                   d.in_flight, name, d.waiting);
    } else if (d.waiting > 0) {
        buf_printf(out,
                   "; %" PRId64 " messages wait in %s and nobody takes "
                   "them%s",
                   d.waiting, name,
                   rung_ms > ALIVE_MS ? ": no worker is alive, start alex-"
                                      : "");
        buf_puts(out, rung_ms > ALIVE_MS ? agent : "");
    } else {
        buf_printf(out,
                   "; its doorbell is lost, %s holds none%s: 'alexctl "
                   "reap' rings it now, workers' own reap a little later",
                   name, d.delayed > 0 ? " that is due" : "");
    }
    return 0;
}

static int
append_replay(struct json_object *head, const char *state, struct buf *out,
              struct err *err)
{
    const char *task = NULL;
    if (strcmp(state, "dead") != 0 && strcmp(state, "quarantined") != 0) {
        return 0;
    }
    if (json_string_required(head, "task", UUID_SIZE - 1, &task, err) < 0) {
        return -1;
    }
    buf_printf(out, "; to run it again: alexctl dlq replay --id %s", task);
    return 0;
}

/* "reporter (report) has waited for a worker for 12 s: no worker ..." */
static int
print_reason(struct ctl *ctl, const struct store_reply *reply, size_t row,
             struct err *err)
{
    _cleanup(json_put) struct json_object *head = NULL;
    _cleanup(buf_free) struct buf line = {0};
    const char *node = NULL;
    const char *agent = NULL;
    const char *state = NULL;
    const char *waits_for = NULL;
    const char *detail = NULL;
    int64_t since_ms = 0;
    int64_t rung_ms = 0;
    if (ctl_head(reply, row, &head, err) < 0 ||
        json_string_required(head, "node", 64, &node, err) < 0 ||
        json_string(head, "agent", 64, "", &agent, err) < 0 ||
        json_string(head, "state", 64, "", &state, err) < 0 ||
        json_string(head, "waits_for", 64, "", &waits_for, err) < 0 ||
        json_string(head, "detail", 8000, "", &detail, err) < 0 ||
        json_int(head, "rung_ms", 0, INT64_MAX, 0, &rung_ms, err) < 0 ||
        json_int(head, "since_ms", 0, INT64_MAX, 0, &since_ms, err) < 0) {
        return -1;
    }
    const struct phrase *phrase = find_phrase(waits_for);
    buf_printf(&line, "%s (%s) %s", agent, node, phrase->before);
    append_span(&line, since_ms);
    buf_printf(&line, "%s: %s", phrase->after, detail);
    if ((strcmp(waits_for, "claim") == 0 &&
         append_queue(ctl, agent, rung_ms, &line, err) < 0) ||
        append_replay(head, state, &line, err) < 0) {
        return -1;
    }
    term_print_line(stdout, line.data);
    return 0;
}

static int
print_reasons(struct ctl *ctl, const struct store_reply *reply,
              struct json_object *job, const char *state, struct err *err)
{
    const char *detail = NULL;
    if (json_string(job, "detail", 8000, "", &detail, err) < 0) {
        return -1;
    }
    printf("The job is %s%s", state, detail[0] ? ": " : ".\n");
    if (detail[0] != '\0') {
        term_print_line(stdout, detail);
    }
    for (size_t i = 1; i < reply->count; i++) {
        if (print_reason(ctl, reply, i, err) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
why(struct ctl *ctl, const void *given, struct err *err)
{
    const struct options *o = given;
    char job[UUID_SIZE];
    const char *state = NULL;
    _cleanup(buf_free) struct buf request = {0};
    _cleanup(store_reply_free) struct store_reply reply = {0};
    _cleanup(json_put) struct json_object *head = NULL;
    if (ctl_job_id(o->job, job, err) < 0) {
        return -1;
    }
    buf_printf(&request, "{\"v\":1,\"job\":\"%s\"}", job);
    if (ctl_call(ctl, "why", &request, &reply, err) < 0 ||
        ctl_head(&reply, 0, &head, err) < 0 ||
        json_string(head, "state", 40, "", &state, err) < 0) {
        return -1;
    }
    if (strcmp(state, "unknown") == 0) {
        return err_set(err, ERR_REJECT, 0, "there is no job %s", job);
    }
    if (o->json) {
        ctl_print_items(&reply);
        return CTL_EXIT_OK;
    }
    return print_reasons(ctl, &reply, head, state, err) < 0 ? -1 : CTL_EXIT_OK;
}

const struct command command_why = {
    .name = "why",
    .summary = "Say what a job waits for, or why it failed.",
    .details =
        "A sentence for each task that has not succeeded: what it waits "
        "for\n(what it needs, a worker that has it, a next try, a "
        "doorbell, a worker\nthat is not there), since when, what it "
        "was charged, and what to do.\nWith ALEX_QUEUE_URL set the queue "
        "is asked too.\n\n"
        "Examples:\n"
        "  alexctl why $job\n",
    .options = why_options,
    .option_count = ARRAY_COUNT(why_options),
    .options_size = sizeof(struct options),
    .run = why,
};
