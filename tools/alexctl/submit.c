/* alexctl submit. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "alexctl/ctl.h"
#include "alexctl/submitter.h"
#include "alexctl/watcher.h"
#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"

#define KEY_MAX 200
#define KEY_SIZE (4 * KEY_MAX + 24) /* With the number of its job. */
#define REQUEST_MAX_BYTES 60000     /* What the engine takes, with room. */
#define SAY_EVERY_MS 2000

struct options {
    const char *user;
    const char *type;
    const char *key;
    struct args_list options;
    int64_t count;
    bool wait;
    int64_t timeout_s;
    bool json;
};

#define FIELD(name) offsetof(struct options, name)

static const struct args_option options[] = {
    {ARGS_TEXT, "user", "U", FIELD(user), 1, CTL_NAME_MAX, NULL,
     "whose portfolio (default: the only user)"},
    {ARGS_TEXT, "type", "T", FIELD(type), 0, 0, "portfolio_analysis",
     "type of job"},
    {ARGS_TEXT, "idempotency-key", "K", FIELD(key), 1, KEY_MAX, NULL,
     "the same key and request give the same job"},
    {ARGS_LIST, "option", "NAME=VALUE", FIELD(options), 0, 0, NULL,
     "option of the analysis; may be repeated"},
    {ARGS_INT, "count", "N", FIELD(count), 1, 1000000, "1",
     "submit this many (for load)"},
    {ARGS_FLAG, "wait", NULL, FIELD(wait), 0, 0, NULL,
     "watch the job until it ends; exit code as watch"},
    {ARGS_INT, "timeout", "S", FIELD(timeout_s), 1, 86400, "3600",
     "with --wait: seconds"},
    {ARGS_FLAG, "json", NULL, FIELD(json), 0, 0, NULL,
     "print one JSON object a job"},
};

/* {"analysis_type": "portfolio", "options": {...}}, as upstream's API. */
static int
write_request(const struct args_list *list, struct buf *out, struct err *err)
{
    buf_json_object(out);
    buf_json_key(out, "analysis_type");
    buf_json_string(out, "portfolio");
    buf_json_key(out, "options");
    buf_json_object(out);
    for (size_t i = 0; i < list->count; i++) {
        const char *equals = strchr(list->items[i], '=');
        if (equals == NULL || equals == list->items[i]) {
            return err_set(err, ERR_REJECT, CTL_EXIT_USAGE,
                           "--option takes NAME=VALUE, not '%.60s'",
                           list->items[i]);
        }
        _cleanup(cleanup_free) char *name =
            xasprintf("%.*s", (int)(equals - list->items[i]), list->items[i]);
        buf_json_key(out, name);
        buf_json_string(out, equals + 1);
    }
    buf_json_end(out);
    buf_json_end(out);
    if (out->size > REQUEST_MAX_BYTES) {
        return err_set(err, ERR_REJECT, CTL_EXIT_USAGE,
                       "the options have %zu bytes, at most %d are taken",
                       out->size, REQUEST_MAX_BYTES);
    }
    return json_check(out->data, out->size, err);
}

/* As Alex's own API knows them. */
static int
check_type(const char *type, struct err *err)
{
    static const char *const types[] = {
        "portfolio_analysis",    "rebalance_recommendation",
        "retirement_projection", "risk_assessment",
        "tax_optimization",      "instrument_research",
    };
    for (size_t i = 0; i < ARRAY_COUNT(types); i++) {
        if (strcmp(type, types[i]) == 0) {
            return 0;
        }
    }
    return err_set(err, ERR_REJECT, CTL_EXIT_USAGE,
                   "--type is portfolio_analysis, rebalance_recommendation, "
                   "retirement_projection, risk_assessment, tax_optimization "
                   "or instrument_research, not '%.40s'",
                   type);
}

static int
check_verdict(const struct submitter_job *job, struct err *err)
{
    switch (job->verdict) {
    case SUBMITTER_CREATED:
    case SUBMITTER_EXISTING:
        return 0;
    case SUBMITTER_CONFLICT:
        return err_set(err, ERR_REJECT, 0,
                       "the key '%.60s' belongs to job %s, whose request is "
                       "another one: use a new key",
                       job->key ? job->key : "", job->id);
    case SUBMITTER_NO_USER:
        return err_set(err, ERR_REJECT, 0,
                       "there is no user '%.100s': import a portfolio first "
                       "(alexctl import FILE --user U)",
                       job->user);
    }
    return 0;
}

static void
print_job(const struct submitter_job *job, bool json)
{
    if (json) {
        printf("{\"job\":\"%s\",\"verdict\":\"%s\"}\n", job->id,
               submitter_verdict_name(job->verdict));
    } else {
        puts(job->id);
    }
}

/* Jobs 'from'.. of all; with a key, each but the first has its number added. */
static int
submit_some(struct ctl *ctl, const struct submitter_job *model, int64_t from,
            size_t count, bool json, char ret_last[UUID_SIZE], struct err *err)
{
    struct submitter_job jobs[SUBMITTER_BATCH_MAX];
    char keys[SUBMITTER_BATCH_MAX][KEY_SIZE];
    for (size_t i = 0; i < count; i++) {
        int64_t number = from + (int64_t)i;
        jobs[i] = *model;
        if (model->key != NULL && number > 0) {
            snprintf(keys[i], sizeof(keys[i]), "%s-%" PRId64, model->key,
                     number);
            jobs[i].key = keys[i];
        }
        submitter_job_id(model->user, jobs[i].key, jobs[i].id);
    }
    if (submitter_submit(ctl, jobs, count, err) < 0) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        if (check_verdict(&jobs[i], err) < 0) {
            return -1;
        }
        print_job(&jobs[i], json);
    }
    memcpy(ret_last, jobs[count - 1].id, UUID_SIZE);
    return 0;
}

static int
submit_all(struct ctl *ctl, const struct submitter_job *model,
           const struct options *o, char ret_last[UUID_SIZE], struct err *err)
{
    int64_t said_ms = clock_boot_ms();
    for (int64_t done = 0; done < o->count;) {
        int64_t left = o->count - done;
        int64_t some = left < SUBMITTER_BATCH_MAX ? left : SUBMITTER_BATCH_MAX;
        if (submit_some(ctl, model, done, (size_t)some, o->json, ret_last,
                        err) < 0) {
            return -1;
        }
        done += some;
        if (clock_boot_ms() - said_ms > SAY_EVERY_MS) {
            said_ms = clock_boot_ms();
            ctl_say("%" PRId64 " of %" PRId64 " jobs submitted", done,
                    o->count);
        }
    }
    return 0;
}

static int
submit(struct ctl *ctl, const void *given, struct err *err)
{
    const struct options *o = given;
    _cleanup(cleanup_free) char *user = NULL;
    _cleanup(buf_free) struct buf request = {0};
    char last[UUID_SIZE];
    if (o->wait && o->count > 1) {
        return err_set(err, ERR_REJECT, CTL_EXIT_USAGE,
                       "--wait watches one job: not together with --count");
    }
    if (check_type(o->type, err) < 0 ||
        write_request(&o->options, &request, err) < 0 ||
        ctl_user(ctl, o->user, &user, err) < 0) {
        return -1;
    }
    struct submitter_job model = {.user = user,
                                  .type = o->type,
                                  .key = o->key,
                                  .agent = "planner",
                                  .node = "plan",
                                  .request = request.data};
    if (submit_all(ctl, &model, o, last, err) < 0) {
        return -1;
    }
    if (!o->wait) {
        return CTL_EXIT_OK;
    }
    fflush(stdout);
    return watcher_watch(ctl, last, o->timeout_s, o->json, err);
}

const struct command command_submit = {
    .name = "submit",
    .summary = "Submit an analysis; prints the job's id.",
    .details =
        "Safe to repeat when the outcome is unknown, with a key: the job is\n"
        "the same one.\n\n"
        "Examples:\n"
        "  alexctl submit --user me --wait\n"
        "  alexctl submit --user me --idempotency-key monday\n"
        "  alexctl submit --user me --option assumptions=upstream-v1\n"
        "  job=$(alexctl submit) && alexctl watch $job && alexctl show $job\n",
    .options = options,
    .option_count = ARRAY_COUNT(options),
    .options_size = sizeof(struct options),
    .run = submit,
};
