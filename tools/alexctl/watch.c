/* alexctl watch, cancel: one job, given by its id. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "alexctl/ctl.h"
#include "alexctl/watcher.h"
#include "base/cleanup.h"

struct options {
    const char *job;
    const char *by;
    int64_t timeout_s;
    bool json;
};

#define FIELD(name) offsetof(struct options, name)

static const struct args_option watch_options[] = {
    {ARGS_WORD, "JOB", NULL, FIELD(job), 0, 0, NULL, "the job's id"},
    {ARGS_INT, "timeout", "S", FIELD(timeout_s), 1, 86400, "3600",
     "give up watching after so many seconds"},
    {ARGS_FLAG, "json", NULL, FIELD(json), 0, 0, NULL,
     "print one JSON object a change"},
};

static int
watch(struct ctl *ctl, const void *given, struct err *err)
{
    const struct options *o = given;
    char job[UUID_SIZE];
    if (ctl_job_id(o->job, job, err) < 0) {
        return -1;
    }
    return watcher_watch(ctl, job, o->timeout_s, o->json, err);
}

const struct command command_watch = {
    .name = "watch",
    .summary = "Follow a job, agent by agent, until it ends.",
    .details = "Ends with 0 when the job completed, 1 when it failed or was\n"
               "cancelled (saying which agent and why), 75 after --timeout.\n\n"
               "Examples:\n"
               "  alexctl watch 6f0c1c2e-9b0e-4f57-9c37-0b6d7b1a3a55\n"
               "  alexctl watch $job --timeout 60 || alexctl why $job\n",
    .options = watch_options,
    .option_count = ARRAY_COUNT(watch_options),
    .options_size = sizeof(struct options),
    .run = watch,
};

/* --- cancel ---------------------------------------------------------------*/

static const struct args_option cancel_options[] = {
    {ARGS_WORD, "JOB", NULL, FIELD(job), 0, 0, NULL, "the job's id"},
    {ARGS_TEXT, "by", "WHO", FIELD(by), 1, CTL_NAME_MAX, "alexctl",
     "who cancels, for the record"},
    {ARGS_FLAG, "json", NULL, FIELD(json), 0, 0, NULL,
     "print the engine's answer as JSON"},
};

static int
print_cancelled(const char *verdict, int64_t left, const char *job,
                struct err *err)
{
    if (strcmp(verdict, "unknown") == 0) {
        return err_set(err, ERR_REJECT, 0, "there is no job %s", job);
    }
    if (strcmp(verdict, "already") == 0) {
        puts("the job had already ended");
    } else if (left > 0) {
        printf("cancelled; %" PRId64 " running task%s will be stopped within "
               "a heartbeat\n",
               left, left == 1 ? "" : "s");
    } else {
        puts("cancelled");
    }
    return CTL_EXIT_OK;
}

static int
cancel(struct ctl *ctl, const void *given, struct err *err)
{
    const struct options *o = given;
    char job[UUID_SIZE];
    const char *verdict = NULL;
    int64_t left = 0;
    _cleanup(buf_free) struct buf request = {0};
    _cleanup(store_reply_free) struct store_reply reply = {0};
    _cleanup(json_put) struct json_object *head = NULL;
    if (ctl_job_id(o->job, job, err) < 0) {
        return -1;
    }
    buf_json_object(&request);
    buf_json_key(&request, "v");
    buf_json_int(&request, 1);
    buf_json_key(&request, "job");
    buf_json_string(&request, job);
    buf_json_key(&request, "by");
    buf_json_string(&request, o->by);
    buf_json_end(&request);
    if (ctl_call(ctl, "cancel", &request, &reply, err) < 0 ||
        ctl_head(&reply, 0, &head, err) < 0 ||
        json_string_required(head, "verdict", 40, &verdict, err) < 0 ||
        json_int(head, "left", 0, INT64_MAX, 0, &left, err) < 0) {
        return -1;
    }
    if (o->json) {
        puts(reply.rows[0].head);
        return strcmp(verdict, "unknown") == 0 ? CTL_EXIT_DATA : CTL_EXIT_OK;
    }
    return print_cancelled(verdict, left, job, err);
}

const struct command command_cancel = {
    .name = "cancel",
    .summary = "Cancel a job.",
    .details = "What is finished stays; what runs is stopped.\n\n"
               "Examples:\n"
               "  alexctl cancel $job --by anna\n",
    .options = cancel_options,
    .option_count = ARRAY_COUNT(cancel_options),
    .options_size = sizeof(struct options),
    .run = cancel,
};
