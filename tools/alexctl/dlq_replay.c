/* alexctl dlq replay. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "alexctl/dlq.h"
#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/conf_text.h"

#define CHUNK_MAX 100
/* Of one call: all dead tasks of a job go together. */
#define CALL_MAX 1000
#define INSURANCE_DELAY_MS 30000
#define POLL_MS 300

struct options {
    struct dlq_filter filter;
    const char *by;
    const char *extend;
    const char *wait;
    int64_t rate;
    int64_t canary;
    int64_t stop_if_fail;
    bool fresh;
    bool dry_run;
    bool json;
};

#define FIELD(name) offsetof(struct options, name)

static const struct args_option options[] = {
    DLQ_FILTER_ROWS(struct options),
    {ARGS_FLAG, "dry-run", NULL, FIELD(dry_run), 0, 0, NULL,
     "only say what each would meet"},
    {ARGS_INT, "rate", "N", FIELD(rate), 1, 10000, NULL,
     "at most so many a second"},
    {ARGS_INT, "canary", "N", FIELD(canary), 1, 500, NULL,
     "so many tasks first, and wait how they end"},
    {ARGS_INT, "stop-if-fail", "PCT", FIELD(stop_if_fail), 0, 100, "0",
     "end after the canary if more than PCT % of it died"},
    {ARGS_TEXT, "wait", "SPAN", FIELD(wait), 1, 20, "10m",
     "how long to wait for the canary"},
    {ARGS_TEXT, "extend", "SPAN", FIELD(extend), 1, 20, NULL,
     "a new deadline from now; also replays what the old one ended"},
    {ARGS_FLAG, "fresh", NULL, FIELD(fresh), 0, 0, NULL,
     "forget stored answers and ask again"},
    {ARGS_TEXT, "by", "WHO", FIELD(by), 1, CTL_NAME_MAX, "alexctl",
     "who replays, for the record"},
    {ARGS_FLAG, "json", NULL, FIELD(json), 0, 0, NULL,
     "print one JSON array of what was chosen, with verdicts"},
};

struct replay {
    struct ctl *ctl;
    const struct options *options;
    struct dlq_list list;
    int64_t extend_ms; /* 0: as long as before. */
    int64_t wait_ms;
    char batch[UUID_SIZE];
    int64_t started_boot_ms; /* Of what --rate counts. */
    int64_t sent;
};

static void
replay_free(struct replay *r)
{
    dlq_list_free(&r->list);
}

static bool
runs(const struct dlq_entry *entry)
{
    return strcmp(entry->verdict, "would_run") == 0;
}

/* --- one call -------------------------------------------------------------*/

/* The tasks items[from..to) that would run, told to the engine. */
static void
write_request(const struct replay *r, size_t from, size_t to, struct buf *out)
{
    buf_json_object(out);
    buf_json_key(out, "v");
    buf_json_int(out, 1);
    buf_json_key(out, "by");
    buf_json_string(out, r->options->by);
    buf_json_key(out, "batch");
    buf_json_string(out, r->batch);
    buf_json_key(out, "fresh");
    buf_json_bool(out, r->options->fresh);
    buf_json_key(out, "cancelled");
    buf_json_bool(out, r->options->filter.cancelled);
    if (r->extend_ms > 0) {
        buf_json_key(out, "extend_ms");
        buf_json_int(out, r->extend_ms);
    }
    buf_json_key(out, "tasks");
    buf_json_array(out);
    for (size_t i = from; i < to; i++) {
        if (runs(&r->list.items[i])) {
            buf_json_string(out, r->list.items[i].id);
        }
    }
    buf_json_end(out);
    buf_json_key(out, "fences");
    buf_json_array(out);
    for (size_t i = from; i < to; i++) {
        if (runs(&r->list.items[i])) {
            buf_json_int(out, r->list.items[i].fence);
        }
    }
    buf_json_end(out);
    buf_json_end(out);
}

/* Delayed doorbells, in case this process dies between commit and ring. */
static int
ring_insurance(struct replay *r, size_t from, size_t to, size_t *ret_count,
               struct err *err)
{
    struct bell bells[CALL_MAX] = {0};
    size_t count = 0;
    for (size_t i = from; i < to; i++) {
        const struct dlq_entry *entry = &r->list.items[i];
        if (runs(entry)) {
            struct bell *bell = &bells[count++];
            snprintf(bell->agent, sizeof(bell->agent), "%s", entry->agent);
            memcpy(bell->job, entry->job, UUID_SIZE);
            memcpy(bell->task, entry->id, UUID_SIZE - 1);
            bell_set_group(bell, entry->user);
            bell->delay_ms = INSURANCE_DELAY_MS;
        }
    }
    *ret_count = count;
    return ctl_ring(r->ctl, bells, count, err);
}

/* Puts the engine's answer in the place of the guess, and collects the bells.
 */
static int
take_row(struct replay *r, size_t from, size_t to,
         const struct store_reply *reply, size_t row, struct json_object *bells,
         struct err *err)
{
    _cleanup(json_put) struct json_object *head = NULL;
    struct json_object *ring = NULL;
    const char *task = NULL;
    const char *verdict = NULL;
    if (ctl_head(reply, row, &head, err) < 0 ||
        json_string_required(head, "task", UUID_SIZE - 1, &task, err) < 0 ||
        json_string_required(head, "verdict", 40, &verdict, err) < 0 ||
        json_member(head, "ring", json_type_array, &ring, err) < 0) {
        return -1;
    }
    for (size_t i = from; i < to; i++) {
        struct dlq_entry *entry = &r->list.items[i];
        if (strcmp(entry->id, task) == 0) {
            entry->verdict = arena_strdup(r->list.arena, verdict);
        }
    }
    for (size_t i = 0; ring && i < json_object_array_length(ring); i++) {
        json_object_array_add(
            bells, json_object_get(json_object_array_get_idx(ring, i)));
    }
    return 0;
}

static int
replay_tasks(struct replay *r, size_t from, size_t to, struct err *err)
{
    _cleanup(buf_free) struct buf request = {0};
    _cleanup(store_reply_free) struct store_reply reply = {0};
    _cleanup(json_put) struct json_object *bells = json_object_new_array();
    size_t count = 0;
    if (ring_insurance(r, from, to, &count, err) < 0) {
        return -1;
    }
    if (count == 0) {
        return 0;
    }
    write_request(r, from, to, &request);
    if (ctl_call(r->ctl, "replay", &request, &reply, err) < 0) {
        return -1;
    }
    for (size_t row = 1; row < reply.count; row++) {
        if (take_row(r, from, to, &reply, row, bells, err) < 0) {
            return -1;
        }
    }
    r->sent += (int64_t)count;
    return ctl_ring_json(r->ctl, bells, NULL, err);
}

/* Back to its queue; it is a doorbell, so once too often does no harm. */
static int
replay_message(struct replay *r, struct dlq_entry *entry, struct err *err)
{
    struct queue *queue = NULL;
    if (ctl_queue(r->ctl, &queue, err) < 0) {
        return -1;
    }
    entry->verdict = "replayed";
    r->sent++;
    if (queue_dead_take(queue, entry->queue, entry->handle, true, err) < 0) {
        if (err->kind != ERR_REJECT || err->code != 404) {
            return -1;
        }
        entry->verdict = "moved";
    }
    return 0;
}

/* --- all ------------------------------------------------------------------*/

/* Where a call that starts at 'from' ends: after at least 'least' tasks that
 * would run, and after all of a job, since its others could not be replayed
 * while those run. */
static size_t
chunk_end(const struct replay *r, size_t from, size_t least)
{
    const struct dlq_list *list = &r->list;
    size_t count = 0;
    size_t at = from;
    while (at < list->count && at - from < CALL_MAX &&
           !list->items[at].message &&
           (count < least ||
            strcmp(list->items[at].job, list->items[at - 1].job) == 0)) {
        count += runs(&list->items[at]);
        at++;
    }
    return at;
}

static void
keep_rate(const struct replay *r)
{
    if (r->options->rate > 0) {
        int64_t due_ms = r->started_boot_ms + r->sent * 1000 / r->options->rate;
        int64_t left_ms = due_ms - clock_boot_ms();
        if (left_ms > 0) {
            clock_sleep_ms(left_ms);
        }
    }
}

static int
replay_from(struct replay *r, size_t at, struct err *err)
{
    int64_t rate = r->options->rate;
    size_t least = rate > 0 && rate < CHUNK_MAX ? (size_t)rate : CHUNK_MAX;
    r->started_boot_ms = clock_boot_ms();
    r->sent = 0;
    while (at < r->list.count) {
        struct dlq_entry *entry = &r->list.items[at];
        keep_rate(r);
        if (entry->message) {
            if (runs(entry) && replay_message(r, entry, err) < 0) {
                return -1;
            }
            at++;
            continue;
        }
        size_t end = chunk_end(r, at, least);
        if (replay_tasks(r, at, end, err) < 0) {
            return -1;
        }
        at = end;
    }
    return 0;
}

/* --- the canary -----------------------------------------------------------*/

struct canary {
    size_t count; /* That were replayed. */
    size_t ended;
    size_t failed;
};

static int
count_row(const struct store_reply *reply, size_t row, struct canary *c,
          struct err *err)
{
    static const char *const failures[] = {"dead", "quarantined", "cancelled",
                                           "skipped"};
    _cleanup(json_put) struct json_object *head = NULL;
    const char *state = NULL;
    if (ctl_head(reply, row, &head, err) < 0 ||
        json_string_required(head, "state", 40, &state, err) < 0) {
        return -1;
    }
    c->ended += strcmp(state, "succeeded") == 0;
    for (size_t i = 0; i < ARRAY_COUNT(failures); i++) {
        bool failed = strcmp(state, failures[i]) == 0;
        c->ended += failed;
        c->failed += failed;
    }
    return 0;
}

/* How the tasks before 'end' that were replayed are now. */
static int
look(struct replay *r, size_t end, struct canary *ret, struct err *err)
{
    _cleanup(buf_free) struct buf request = {0};
    _cleanup(store_reply_free) struct store_reply reply = {0};
    struct canary c = {0};
    buf_puts(&request, "{\"v\":1,\"limit\":1000,\"tasks\":");
    buf_json_array(&request);
    for (size_t i = 0; i < end; i++) {
        if (strcmp(r->list.items[i].verdict, "replayed") == 0) {
            buf_json_string(&request, r->list.items[i].id);
            c.count++;
        }
    }
    buf_json_end(&request);
    buf_puts(&request, "}");
    if (c.count == 0) {
        *ret = c;
        return 0;
    }
    if (ctl_call(r->ctl, "dead", &request, &reply, err) < 0) {
        return -1;
    }
    for (size_t row = 1; row < reply.count; row++) {
        if (count_row(&reply, row, &c, err) < 0) {
            return -1;
        }
    }
    *ret = c;
    return 0;
}

static int
await(struct replay *r, size_t end, struct canary *ret, struct err *err)
{
    int64_t until_ms = clock_boot_ms() + r->wait_ms;
    size_t said = SIZE_MAX;
    for (;;) {
        if (look(r, end, ret, err) < 0) {
            return -1;
        }
        if (ret->ended != said) {
            ctl_say("canary: %zu of %zu ended, %zu failed", ret->ended,
                    ret->count, ret->failed);
            said = ret->ended;
        }
        if (ret->ended >= ret->count) {
            return 0;
        }
        if (clock_boot_ms() >= until_ms) {
            return err_set(err, ERR_RETRY, CTL_TIMED_OUT,
                           "the canary has not ended within %s: %zu of %zu; "
                           "the others wait. 'alexctl why JOB' says for what",
                           r->options->wait, ret->ended, ret->count);
        }
        clock_sleep_ms(POLL_MS);
    }
}

/* '*ret_end' is where the others start, '*ret_go' whether they may. */
static int
run_canary(struct replay *r, size_t *ret_end, bool *ret_go, struct err *err)
{
    struct canary c = {0};
    size_t end = chunk_end(r, 0, (size_t)r->options->canary);
    *ret_end = end;
    *ret_go = true;
    if (replay_tasks(r, 0, end, err) < 0 || await(r, end, &c, err) < 0) {
        return -1;
    }
    if (c.failed * 100 > c.count * (size_t)r->options->stop_if_fail) {
        ctl_say("stopped: %zu of %zu of the canary failed, more than %" PRId64
                " %%; 'alexctl dlq ls' says of what",
                c.failed, c.count, r->options->stop_if_fail);
        *ret_go = false;
    }
    return 0;
}

/* --- the command ----------------------------------------------------------*/

static void
print_list(const struct replay *r)
{
    _cleanup(buf_free) struct buf json = {0};
    if (r->options->json) {
        dlq_write_list(&r->list, &json);
        puts(json.data);
        return;
    }
    for (size_t i = 0; i < r->list.count; i++) {
        const struct dlq_entry *entry = &r->list.items[i];
        if (r->options->dry_run || strcmp(entry->verdict, "replayed") != 0) {
            printf("%-48s %s\n", entry->id, dlq_verdict_text(entry->verdict));
        }
    }
    dlq_print_summary(&r->list);
    if (r->list.more) {
        printf("there are more than %d: run it again for the others\n",
               DLQ_MAX);
    }
}

static int
replay_all(struct replay *r, bool *ret_stopped, struct err *err)
{
    size_t at = 0;
    bool go = true;
    if (r->options->canary > 0 && run_canary(r, &at, &go, err) < 0) {
        return -1;
    }
    *ret_stopped = !go;
    return go ? replay_from(r, at, err) : 0;
}

static int
span(const char *text, const char *option, int64_t *ret_ms, struct err *err)
{
    if (text == NULL) {
        return 0;
    }
    if (!conf_text_span(text, ret_ms) || *ret_ms < 1000 ||
        *ret_ms > INT64_C(30) * 86400 * 1000) {
        return err_set(err, ERR_REJECT, CTL_EXIT_USAGE,
                       "--%s takes a span from 1s to 720h, like 90s, 30m or "
                       "2h, not '%.20s'",
                       option, text);
    }
    return 0;
}

static int
replay(struct ctl *ctl, const void *given, struct err *err)
{
    const struct options *o = given;
    _cleanup(replay_free) struct replay r = {.ctl = ctl, .options = o};
    struct dlq_filter filter = o->filter;
    bool stopped = false;
    if (span(o->extend, "extend", &r.extend_ms, err) < 0 ||
        span(o->wait, "wait", &r.wait_ms, err) < 0) {
        return -1;
    }
    filter.extend = r.extend_ms > 0;
    filter.replayed = o->dry_run;
    uuid_v4(r.batch);
    if (dlq_select(ctl, &filter, DLQ_MAX, &r.list, err) < 0 ||
        (!o->dry_run && replay_all(&r, &stopped, err) < 0)) {
        return -1;
    }
    print_list(&r);
    return stopped ? CTL_EXIT_FAILED : CTL_EXIT_OK;
}

const struct command command_dlq_replay = {
    .name = "dlq replay",
    .summary = "Run dead tasks again, and send doorbells put aside again.",
    .details =
        "Only what died runs again, with what was skipped because of it; its\n"
        "job then ends anew. Everything is decided again by the database at\n"
        "the moment of the replay: run it twice at once, or again after it\n"
        "was stopped, and each death is replayed once. What died again since\n"
        "is dead again, and replayed again unless --max-replays says no. Of\n"
        "one job, all that is chosen goes at once, also in a canary. A job\n"
        "that its deadline ended needs --extend; others get a deadline as\n"
        "long as their first. Every replay is on record: dlq show.\n\n"
        "Ends with 1 when the canary failed, 75 when it did not end in time.\n"
        "\n"
        "Examples:\n"
        "  alexctl dlq replay --dry-run\n"
        "  alexctl dlq replay --agent reporter --error-like 'HTTP 503' "
        "--since 2h \\\n"
        "      --canary 2 --stop-if-fail 50 --rate 5\n"
        "  alexctl dlq replay --job $job --extend 1h\n"
        "  alexctl dlq replay --max-replays 0\n",
    .options = options,
    .option_count = ARRAY_COUNT(options),
    .options_size = sizeof(struct options),
    .run = replay,
};
