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
    {ARGS_TEXT, "user", "U", FIELD(user), 0, 0, NULL,
     "whose jobs (default: the only user's)"},
    {ARGS_INT, "limit", "N", FIELD(limit), 1, 100, "20", "newest so many"},
    {ARGS_FLAG, "json", NULL, FIELD(json), 0, 0, NULL, "print one JSON array"},
};

/* Items of a reply (all rows but the first) as a JSON array. */
static void
print_array(const struct store_reply *reply)
{
    fputs("[", stdout);
    for (size_t i = 1; i < reply->count; i++) {
        fputs(i > 1 ? "," : "", stdout);
        fputs(reply->rows[i].head, stdout);
    }
    puts("]");
}

static int
print_job(const struct store_reply *reply, size_t row, struct err *err)
{
    _cleanup(json_put) struct json_object *head = NULL;
    _cleanup(buf_free) struct buf line = {0};
    const char *job = NULL;
    const char *type = NULL;
    const char *state = NULL;
    const char *submitted = NULL;
    const char *error = NULL;
    if (ctl_head(reply, row, &head, err) < 0 ||
        json_string_required(head, "job", UUID_SIZE, &job, err) < 0 ||
        json_string(head, "type", 60, "", &type, err) < 0 ||
        json_string(head, "state", 40, "", &state, err) < 0 ||
        json_string(head, "submitted", 60, "", &submitted, err) < 0 ||
        json_string(head, "error", 8000, "", &error, err) < 0) {
        return -1;
    }
    term_pad(&line, job, 37);
    term_pad(&line, state, 11);
    term_pad(&line, submitted, 20);
    buf_puts(&line, " ");
    term_escape(&line, type, strlen(type), false);
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
    _cleanup(cleanup_free) char *user = NULL;
    _cleanup(buf_free) struct buf request = {0};
    _cleanup(store_reply_free) struct store_reply reply = {0};
    if (ctl_user(ctl, o->user, &user, err) < 0) {
        return -1;
    }
    buf_json_object(&request);
    buf_json_key(&request, "v");
    buf_json_int(&request, 1);
    buf_json_key(&request, "user");
    buf_json_string(&request, user);
    buf_json_key(&request, "limit");
    buf_json_int(&request, o->limit);
    buf_json_end(&request);
    if (ctl_call(ctl, "status", &request, &reply, err) < 0) {
        return -1;
    }
    if (o->json) {
        print_array(&reply);
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
    .summary = "List a user's jobs, newest first.",
    .details = "Examples:\n"
               "  alexctl jobs\n"
               "  alexctl jobs --user me --limit 5 --json\n",
    .options = jobs_options,
    .option_count = ARRAY_COUNT(jobs_options),
    .options_size = sizeof(struct options),
    .run = jobs,
};
