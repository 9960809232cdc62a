/* alexctl queue ls, queue create, reap. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "alexctl/ctl.h"
#include "base/cleanup.h"
#include "base/conf_text.h"

struct options {
    bool json;
};

static const struct args_option options[] = {
    {ARGS_FLAG, "json", NULL, offsetof(struct options, json), 0, 0, NULL,
     "print JSON"},
};

#define NAME_SIZE 96

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
    while (ctl_next_agent(&at, agent)) {
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

/* --- queue create ---------------------------------------------------------*/

#define LEASE_MAX_MS (60 * 60 * 1000)
#define AGENT_MAX 60

struct create_options {
    const char *agents;
    const char *lease;
    const char *intake;
    int64_t partitions;
    bool json;
};

#define CREATE(field) offsetof(struct create_options, field)

static const struct args_option create_options[] = {
    {ARGS_TEXT, "agent", "LIST", CREATE(agents), 1, 1000, CTL_AGENTS,
     "whose queues, with commas between"},
    {ARGS_TEXT, "lease", "SPAN", CREATE(lease), 1, 20, "60s",
     "the workers' ALEX_LEASE; SQS keeps it with the queue"},
    {ARGS_TEXT, "intake", "NAME", CREATE(intake), 1, 80, NULL,
     "also this queue, the planner's ALEX_INTAKE_QUEUE"},
    {ARGS_INT, "partitions", "N", CREATE(partitions), 1, 1000, NULL,
     "Kafka: of each topic, so at most this many workers share a queue"},
    {ARGS_FLAG, "json", NULL, CREATE(json), 0, 0, NULL, "print JSON"},
};

struct creation {
    struct queue *queue;
    struct queue_attributes attributes;
    struct buf json;
    bool quiet;
};

static int
create_one(struct creation *c, const char *name, struct err *err)
{
    if (queue_create(c->queue, name, &c->attributes, err) < 0) {
        return err_wrap(err, "%s", name);
    }
    buf_json_object(&c->json);
    buf_json_key(&c->json, "queue");
    buf_json_string(&c->json, name);
    buf_json_end(&c->json);
    if (!c->quiet) {
        printf("%s and %s-dlq are ready\n", name, name);
    }
    return 0;
}

static int
create_all(struct creation *c, const struct create_options *o, struct err *err)
{
    const char *at = o->agents;
    char agent[64];
    buf_json_array(&c->json);
    while (ctl_next_agent(&at, agent)) {
        char name[NAME_SIZE];
        if (strlen(agent) >= AGENT_MAX) {
            return err_set(err, ERR_REJECT, CTL_EXIT_USAGE,
                           "--agent takes names of up to %d characters",
                           AGENT_MAX - 1);
        }
        bell_queue_name(agent, name);
        if (create_one(c, name, err) < 0) {
            return -1;
        }
    }
    if (o->intake != NULL && create_one(c, o->intake, err) < 0) {
        return -1;
    }
    buf_json_end(&c->json);
    return 0;
}

static void
creation_free(struct creation *c)
{
    buf_free(&c->json);
}

static int
create_queues(struct ctl *ctl, const void *given, struct err *err)
{
    const struct create_options *o = given;
    _cleanup(creation_free) struct creation c = {
        .attributes.partitions = (int)o->partitions,
        .quiet = o->json,
    };
    if (!conf_text_span(o->lease, &c.attributes.lease_ms) ||
        c.attributes.lease_ms < 1000 || c.attributes.lease_ms > LEASE_MAX_MS) {
        return err_set(err, ERR_REJECT, CTL_EXIT_USAGE,
                       "--lease takes a span from 1s to 1h, like 90s or 5m, "
                       "not '%.20s'",
                       o->lease);
    }
    if (ctl_queue(ctl, &c.queue, err) < 0 || create_all(&c, o, err) < 0) {
        return -1;
    }
    if (o->json) {
        puts(c.json.data);
    }
    return CTL_EXIT_OK;
}

const struct command command_queue_create = {
    .name = "queue create",
    .summary = "Make the agents' queues, each with its queue of dead letters.",
    .details =
        "Needed once on SQS and Kafka, before the first worker starts, with "
        "an\n"
        "account that may create queues; the workers' need not. Safe to "
        "repeat:\n"
        "what is there already gets these settings and keeps its messages. On\n"
        "Redis there is nothing to do.\n\n"
        "Examples:\n"
        "  alexctl queue create\n"
        "  alexctl queue create --agent planner,reporter --lease 2m\n"
        "  alexctl queue create --intake alex-analysis-jobs\n"
        "  ALEX_QUEUE_URL=kafka://broker:9092 alexctl queue create "
        "--partitions 32\n",
    .options = create_options,
    .option_count = ARRAY_COUNT(create_options),
    .options_size = sizeof(struct create_options),
    .run = create_queues,
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
    while (ctl_next_agent(&at, agent)) {
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
