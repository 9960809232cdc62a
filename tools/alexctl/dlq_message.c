/* Which dead letters a command is about: messages.  And how both are shown. */
#include "alexctl/dlq.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "alexctl/term.h"
#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"

#define PAGES_MAX (DLQ_MAX / QUEUE_BATCH_MAX)

/* --- choosing -------------------------------------------------------------*/

struct choice {
    const struct dlq_filter *filter;
    int64_t since_ms;
    int64_t until_ms;
    size_t left; /* How many more. */
};

static bool
named(const struct args_list *ids, const char *id)
{
    bool found = ids->count == 0;
    for (size_t i = 0; i < ids->count && !found; i++) {
        found = strcmp(ids->items[i], id) == 0;
    }
    return found;
}

/* Time unknown: not older than anything. */
static bool
in_time(const struct choice *c, int64_t wall_ms)
{
    return wall_ms == 0 ? c->until_ms == INT64_MAX
                        : wall_ms >= c->since_ms && wall_ms < c->until_ms;
}

/* As the engine's LIKE '%text%', which people rarely use more of than this. */
static bool
contains(const char *text, const char *part)
{
    size_t size = strlen(part);
    for (const char *at = text; *at != '\0'; at++) {
        size_t i = 0;
        while (i < size && at[i] != '\0' &&
               (part[i] == '_' || strncasecmp(at + i, part + i, 1) == 0)) {
            i++;
        }
        if (i == size) {
            return true;
        }
    }
    return false;
}

static void
take(const struct choice *c, const char *queue, const struct queue_message *m,
     struct dlq_list *list)
{
    struct bell bell = {0};
    struct err why = {0};
    char id[DLQ_ID_SIZE];
    const struct dlq_filter *f = c->filter;
    const char *reason = m->reason ? m->reason : "";
    bool rings = bell_decode(m->body, m->body_size, &bell, &why) == 0;
    snprintf(id, sizeof(id), "%.90s/%.127s", queue, m->handle);
    if (!named(&f->ids, id) || !in_time(c, m->sent_wall_ms) ||
        (f->job != NULL && strcasecmp(f->job, bell.job) != 0) ||
        (f->error_like != NULL && !contains(reason, f->error_like))) {
        return;
    }
    struct dlq_entry *entry = dlq_list_add(list);
    memcpy(entry->id, id, sizeof(entry->id));
    memcpy(entry->job, bell.job, sizeof(entry->job));
    entry->message = true;
    entry->queue = arena_strdup(list->arena, queue);
    entry->handle = arena_strdup(list->arena, m->handle);
    entry->agent = entry->queue;
    entry->node = "";
    entry->user = "";
    entry->state = rings ? "doorbell" : "unparseable";
    entry->error_class = rings ? "put aside" : "message";
    entry->error_text =
        arena_strdup(list->arena, reason[0] || rings ? reason : why.text);
    entry->verdict = rings ? "would_run" : "invalid_input";
    entry->age_ms = m->sent_wall_ms ? clock_wall_ms() - m->sent_wall_ms : -1;
    entry->tries = m->deliveries;
}

static int
select_page(struct queue *queue, const char *name, struct choice *c,
            char after[QUEUE_HANDLE_SIZE], struct dlq_list *list,
            struct err *err)
{
    struct queue_message messages[QUEUE_BATCH_MAX] = {0};
    char next[QUEUE_HANDLE_SIZE] = "";
    size_t count = 0;
    if (queue_dead_peek(queue, name, after, QUEUE_BATCH_MAX, messages, &count,
                        next, err) < 0) {
        return err_wrap(err, "dead letters of %s", name);
    }
    for (size_t i = 0; i < count; i++) {
        size_t before = list->count;
        if (c->left > 0) {
            take(c, name, &messages[i], list);
            c->left -= list->count - before;
        } else {
            list->more = true;
        }
        queue_message_free(&messages[i]);
    }
    memcpy(after, next, QUEUE_HANDLE_SIZE);
    return 0;
}

static int
select_queue(struct queue *queue, const char *name, struct choice *c,
             struct dlq_list *list, struct err *err)
{
    char after[QUEUE_HANDLE_SIZE] = "";
    int pages = 0;
    do {
        if (select_page(queue, name, c, after, list, err) < 0) {
            return -1;
        }
    } while (after[0] != '\0' && c->left > 0 && ++pages < PAGES_MAX);
    return 0;
}

/* The queue of an id is looked at also when no agent of this fleet has it. */
static bool
is_named(const struct dlq_filter *f, const char *queue)
{
    size_t size = strlen(queue);
    bool any = f->ids.count == 0;
    for (size_t i = 0; i < f->ids.count && !any; i++) {
        any = strncmp(f->ids.items[i], queue, size) == 0 &&
              f->ids.items[i][size] == '/';
    }
    return any;
}

int
dlq_select_messages(struct ctl *ctl, const struct dlq_filter *filter,
                    size_t most, struct dlq_list *list, struct err *err)
{
    struct choice c = {.filter = filter, .until_ms = INT64_MAX, .left = most};
    struct queue *queue = NULL;
    const char *at = CTL_AGENTS;
    char agent[64];
    char name[96];
    if (ctl_queue(ctl, &queue, err) < 0 ||
        (filter->since != NULL &&
         dlq_time(filter->since, "since", &c.since_ms, err) < 0) ||
        (filter->older != NULL &&
         dlq_time(filter->older, "older", &c.until_ms, err) < 0)) {
        return -1;
    }
    while (ctl_next_agent(&at, agent)) {
        bell_queue_name(agent, name);
        if (filter->agent != NULL && strcmp(filter->agent, agent) != 0) {
            continue;
        }
        if (is_named(filter, name) &&
            select_queue(queue, name, &c, list, err) < 0) {
            return -1;
        }
    }
    if (filter->queue != NULL) {
        return select_queue(queue, filter->queue, &c, list, err);
    }
    return 0;
}

/* --- showing --------------------------------------------------------------*/

const char *
dlq_verdict_text(const char *verdict)
{
    static const struct {
        const char *word, *text;
    } texts[] = {
        {"would_run", "would run"},
        {"replayed", "replayed"},
        {"succeeded", "already succeeded"},
        {"cancelled", "job cancelled"},
        {"invalid_input", "input no longer valid"},
        {"deadline", "deadline passed"},
        {"not_over", "job still running"},
        {"skipped", "comes back with what it needs"},
        {"needs", "needs what also died"},
        {"replayed_before", "replayed often enough"},
        {"moved", "replayed by somebody else"},
        {"unknown", "no such task"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        if (strcmp(texts[i].word, verdict) == 0) {
            return texts[i].text;
        }
    }
    return verdict;
}

void
dlq_append_age(struct buf *out, int64_t ms)
{
    static const struct {
        int64_t from_s, unit_s;
        const char *name;
    } units[] = {
        {172800, 86400, "d"}, {7200, 3600, "h"}, {120, 60, "min"}, {0, 1, "s"}};
    size_t i = 0;
    int64_t s = ms < 0 ? 0 : ms / 1000;
    while (s < units[i].from_s) {
        i++;
    }
    buf_printf(out, "%" PRId64 " %s", s / units[i].unit_s, units[i].name);
}

void
dlq_print_entry(const struct dlq_entry *entry, const char *word)
{
    _cleanup(buf_free) struct buf age = {0};
    _cleanup(buf_free) struct buf line = {0};
    buf_puts(&line, entry->message ? "message  " : "task     ");
    buf_printf(&line, "%-36s  ", entry->id);
    term_pad(&line, entry->agent, 14);
    term_pad(&line, word, 12);
    if (entry->age_ms >= 0) {
        dlq_append_age(&age, entry->age_ms);
    }
    term_pad(&line, age.data ? age.data : "-", 8);
    term_escape(&line, entry->error_class, strlen(entry->error_class), false);
    if (entry->error_text[0] != '\0') {
        buf_puts(&line, ": ");
        term_escape(&line, entry->error_text, strlen(entry->error_text), false);
    }
    if (entry->replays > 0) {
        buf_printf(&line, " (replayed %" PRId64 "x)", entry->replays);
    }
    puts(line.data);
}

void
dlq_print_summary(const struct dlq_list *list)
{
    _cleanup(buf_free) struct buf line = {0};
    _cleanup(cleanup_free) bool *counted =
        xcalloc(list->count + 1, sizeof(*counted));
    for (size_t i = 0; i < list->count; i++) {
        size_t same = 0;
        const char *verdict = list->items[i].verdict;
        for (size_t k = i; k < list->count && !counted[i]; k++) {
            if (strcmp(list->items[k].verdict, verdict) == 0) {
                same++;
                counted[k] = k > i;
            }
        }
        if (same > 0) {
            buf_printf(&line, "%s%zu %s", line.size ? ", " : "", same,
                       dlq_verdict_text(verdict));
        }
    }
    puts(line.size ? line.data : "nothing to replay");
}

void
dlq_write_entry(const struct dlq_entry *entry, struct buf *json)
{
    const struct {
        const char *key, *text;
    } texts[] = {
        {"kind", entry->message ? "message" : "task"},
        {"id", entry->id},
        {"job", entry->job},
        {"agent", entry->message ? "" : entry->agent},
        {"queue", entry->queue},
        {"node", entry->node},
        {"user", entry->user},
        {"state", entry->state},
        {"class", entry->error_class},
        {"text", entry->error_text},
        {"verdict", entry->verdict},
    };
    const struct {
        const char *key;
        int64_t value;
    } counts[] = {{"age_ms", entry->age_ms},
                  {"tries", entry->tries},
                  {"replays", entry->replays}};
    buf_json_object(json);
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        if (texts[i].text[0] != '\0') {
            buf_json_key(json, texts[i].key);
            buf_json_string(json, texts[i].text);
        }
    }
    for (size_t i = 0; i < ARRAY_COUNT(counts); i++) {
        buf_json_key(json, counts[i].key);
        buf_json_int(json, counts[i].value);
    }
    buf_json_key(json, "dismissed");
    buf_json_bool(json, entry->dismissed);
    buf_json_end(json);
}

void
dlq_write_list(const struct dlq_list *list, struct buf *json)
{
    buf_json_array(json);
    for (size_t i = 0; i < list->count; i++) {
        dlq_write_entry(&list->items[i], json);
    }
    buf_json_end(json);
}
