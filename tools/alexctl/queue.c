/* alexctl queue ls, reap. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "alexctl/ctl.h"
#include "base/cleanup.h"

struct options {
    bool json;
};

static const struct args_option options[] = {
    {ARGS_FLAG, "json", NULL, offsetof(struct options, json), 0, 0, NULL,
     "print JSON"},
};

#define NAME_SIZE 96

/* The agent after '*at' in CTL_AGENTS ("planner,tagger"); false at the end. */
static bool
next_agent(const char **at, char ret[64])
{
    size_t size = strcspn(*at, ",");
    if (size == 0) {
        return false;
    }
    snprintf(ret, 64, "%.*s", (int)size, *at);
    *at += size + ((*at)[size] == ',');
    return true;
}

/* --- queue ls -------------------------------------------------------------*/

static void
write_depth(const char *name, const struct queue_depth *depth, struct buf *out)
{
    const struct {
        const char *key;
        int64_t value;
    } counts[] = {{"waiting", depth->waiting},
                  {"in_flight", depth->in_flight},
                  {"delayed", depth->delayed},
                  {"dead", depth->dead}};
    buf_json_object(out);
    buf_json_key(out, "queue");
    buf_json_string(out, name);
    for (size_t i = 0; i < ARRAY_COUNT(counts); i++) {
        buf_json_key(out, counts[i].key);
        buf_json_int(out, counts[i].value);
    }
    buf_json_end(out);
}

static int
queue_ls(struct ctl *ctl, const void *given, struct err *err)
{
    const struct options *o = given;
    struct queue *queue = NULL;
    const char *at = CTL_AGENTS;
    char agent[64];
    _cleanup(buf_free) struct buf json = {0};
    if (ctl_queue(ctl, &queue, err) < 0) {
        return -1;
    }
    buf_json_array(&json);
    if (!o->json) {
        printf("%-22s %9s %9s %9s %9s\n", "queue", "waiting", "in flight",
               "delayed", "dead");
    }
    while (next_agent(&at, agent)) {
        char name[NAME_SIZE];
        struct queue_depth d = {0};
        bell_queue_name(agent, name);
        if (queue_depth(queue, name, &d, err) < 0) {
            return -1;
        }
        write_depth(name, &d, &json);
        if (!o->json) {
            printf("%-22s %9" PRId64 " %9" PRId64 " %9" PRId64 " %9" PRId64
                   "\n",
                   name, d.waiting, d.in_flight, d.delayed, d.dead);
        }
    }
    buf_json_end(&json);
    if (o->json) {
        puts(json.data);
    }
    return CTL_EXIT_OK;
}

const struct command command_queue_ls = {
    .name = "queue ls",
    .summary = "Show how many messages each agent's queue holds.",
    .details = "Waiting, delivered but not done, not yet due, and dead "
               "letters.\n\n"
               "Examples:\n"
               "  alexctl queue ls\n"
               "  alexctl queue ls --json | jq '.[] | select(.dead > 0)'\n",
    .options = options,
    .option_count = ARRAY_COUNT(options),
    .options_size = sizeof(struct options),
    .run = queue_ls,
};

/* --- reap -----------------------------------------------------------------*/

/* {"v":1,"depth":{"reporter":0,...}}: an empty queue's bells are lost. */
static int
write_reap(struct ctl *ctl, struct buf *out, struct err *err)
{
    struct queue *queue = NULL;
    const char *at = CTL_AGENTS;
    char agent[64];
    if (ctl_queue(ctl, &queue, err) < 0) {
        return -1;
    }
    buf_json_object(out);
    buf_json_key(out, "v");
    buf_json_int(out, 1);
    buf_json_key(out, "depth");
    buf_json_object(out);
    while (next_agent(&at, agent)) {
        char name[NAME_SIZE];
        struct queue_depth d = {0};
        bell_queue_name(agent, name);
        if (queue_depth(queue, name, &d, err) < 0) {
            return -1;
        }
        buf_json_key(out, agent);
        buf_json_int(out, d.waiting + d.in_flight + d.delayed);
    }
    buf_json_end(out);
    buf_json_end(out);
    return 0;
}

/* Every row after the first is a bell. */
static int
ring_rows(struct ctl *ctl, const struct store_reply *reply, struct err *err)
{
    _cleanup(json_put) struct json_object *bells = json_object_new_array();
    for (size_t i = 1; i < reply->count; i++) {
        struct json_object *bell = NULL;
        if (ctl_head(reply, i, &bell, err) < 0) {
            return -1;
        }
        json_object_array_add(bells, bell);
    }
    return ctl_ring_json(ctl, bells, NULL, err);
}

static int
reap(struct ctl *ctl, const void *given, struct err *err)
{
    const struct options *o = given;
    _cleanup(buf_free) struct buf request = {0};
    _cleanup(store_reply_free) struct store_reply reply = {0};
    _cleanup(json_put) struct json_object *head = NULL;
    int64_t moved = 0;
    if (write_reap(ctl, &request, err) < 0 ||
        ctl_call(ctl, "reap", &request, &reply, err) < 0 ||
        ctl_head(&reply, 0, &head, err) < 0 ||
        json_int(head, "moved", 0, INT64_MAX, 0, &moved, err) < 0 ||
        ring_rows(ctl, &reply, err) < 0) {
        return -1;
    }
    if (o->json) {
        puts(reply.rows[0].head);
    } else {
        printf("%" PRId64 " tasks moved, %zu doorbells rung%s\n", moved,
               reply.count - 1,
               json_flag(head, "skipped", false)
                   ? " (somebody else is at it right now)"
                   : "");
    }
    return CTL_EXIT_OK;
}

const struct command command_reap = {
    .name = "reap",
    .summary = "Make every task move that waits for nobody.",
    .details =
        "Workers do this themselves when it is due; this is the backstop for\n"
        "a fleet of which no process is left: from cron every 30 s, or hourly\n"
        "where the database pauses when idle.\n\n"
        "Examples:\n"
        "  alexctl reap\n"
        "  * * * * *  alexctl reap >/dev/null\n",
    .options = options,
    .option_count = ARRAY_COUNT(options),
    .options_size = sizeof(struct options),
    .run = reap,
};
