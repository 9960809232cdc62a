/* Which dead letters a command is about: tasks. */
#include "alexctl/dlq.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/conf_text.h"

#define PAGE_MAX 1000
#define CHUNK_BYTES (64u * 1024)
#define TIME_SIZE 40

void
dlq_list_free(struct dlq_list *list)
{
    arena_free(&list->arena);
    free(list->items);
}

struct dlq_entry *
dlq_list_add(struct dlq_list *list)
{
    /* Doubles at powers of two. */
    if ((list->count & (list->count - 1)) == 0) {
        size_t room = list->count ? list->count * 2 : 1;
        list->items = xrealloc(list->items, room * sizeof(*list->items));
    }
    struct dlq_entry *entry = &list->items[list->count++];
    memset(entry, 0, sizeof(*entry));
    return entry;
}

/* --- times ----------------------------------------------------------------*/

static bool
scan_time(const char *text, int64_t *ret_wall_ms)
{
    int year;
    int month;
    int day;
    int hour = 0;
    int minute = 0;
    int second = 0;
    int used = 0;
    if (sscanf(text, "%4d-%2d-%2d%n", &year, &month, &day, &used) != 3) {
        return false;
    }
    const char *rest = text + used;
    if (*rest != '\0') {
        used = 0;
        if (sscanf(rest, "%*1[T ]%2d:%2d%n", &hour, &minute, &used) != 2) {
            return false;
        }
        rest += used;
        used = 0;
        if (sscanf(rest, ":%2d%n", &second, &used) == 1) {
            rest += used;
        }
        rest += *rest == 'Z';
    }
    struct tm when = {.tm_year = year - 1900,
                      .tm_mon = month - 1,
                      .tm_mday = day,
                      .tm_hour = hour,
                      .tm_min = minute,
                      .tm_sec = second};
    *ret_wall_ms = (int64_t)timegm(&when) * 1000;
    return *rest == '\0' && when.tm_mon == month - 1 && when.tm_mday == day &&
           when.tm_hour == hour && when.tm_min == minute;
}

int
dlq_time(const char *text, const char *option, int64_t *ret_wall_ms,
         struct err *err)
{
    int64_t span_ms;
    if (conf_text_span(text, &span_ms)) {
        *ret_wall_ms = clock_wall_ms() - span_ms;
        return 0;
    }
    if (scan_time(text, ret_wall_ms)) {
        return 0;
    }
    return err_set(err, ERR_REJECT, CTL_EXIT_USAGE,
                   "--%s takes a span like 90s, 30m or 2h, or a time (UTC) "
                   "like 2026-11-24T10:00, not '%.40s'",
                   option, text);
}

/* --- what the engine is asked ---------------------------------------------*/

static void
write_text(struct buf *out, const char *key, const char *text)
{
    if (text != NULL) {
        buf_json_key(out, key);
        buf_json_string(out, text);
    }
}

static void
write_flag(struct buf *out, const char *key, bool flag)
{
    if (flag) {
        buf_json_key(out, key);
        buf_json_bool(out, true);
    }
}

static int
write_time(struct buf *out, const char *key, const char *text,
           const char *option, struct err *err)
{
    char time[TIME_SIZE];
    int64_t wall_ms = 0;
    if (text == NULL) {
        return 0;
    }
    if (dlq_time(text, option, &wall_ms, err) < 0) {
        return -1;
    }
    clock_format_utc(wall_ms, time, sizeof(time));
    write_text(out, key, time);
    return 0;
}

/* The ids among those asked for that are tasks; false if none is. */
static bool
write_ids(struct buf *out, const struct args_list *ids)
{
    bool any = false;
    for (size_t i = 0; i < ids->count; i++) {
        if (strchr(ids->items[i], '/') != NULL) {
            continue;
        }
        if (!any) {
            buf_json_key(out, "tasks");
            buf_json_array(out);
        }
        any = true;
        buf_json_string(out, ids->items[i]);
    }
    if (any) {
        buf_json_end(out);
    }
    return any;
}

static int
write_request(const struct dlq_filter *f, size_t limit,
              struct json_object *next, struct buf *out, struct err *err)
{
    buf_json_object(out);
    buf_json_key(out, "v");
    buf_json_int(out, 1);
    write_ids(out, &f->ids);
    write_text(out, "agent", f->agent);
    write_text(out, "class", f->error_class);
    write_text(out, "like", f->error_like);
    write_text(out, "job", f->job);
    write_text(out, "user", f->user);
    if (write_time(out, "since", f->since, "since", err) < 0 ||
        write_time(out, "until", f->older, "older", err) < 0) {
        return -1;
    }
    write_flag(out, "cancelled", f->cancelled);
    write_flag(out, "dismissed", f->dismissed);
    write_flag(out, "replayed", f->replayed);
    write_flag(out, "extend", f->extend);
    if (f->max_replays >= 0) {
        buf_json_key(out, "max_replays");
        buf_json_int(out, f->max_replays);
    }
    buf_json_key(out, "limit");
    buf_json_int(out, (int64_t)limit);
    if (next != NULL) {
        const char *text =
            json_object_to_json_string_ext(next, JSON_C_TO_STRING_PLAIN);
        buf_json_key(out, "after");
        buf_json_raw(out, text, strlen(text));
    }
    buf_json_end(out);
    return 0;
}

/* --- what it answers ------------------------------------------------------*/

static int
read_texts(struct json_object *head, struct arena *arena,
           struct dlq_entry *entry, struct err *err)
{
    const struct {
        const char *key;
        const char **text;
    } fields[] = {
        {"agent", &entry->agent},       {"node", &entry->node},
        {"user", &entry->user},         {"state", &entry->state},
        {"class", &entry->error_class}, {"text", &entry->error_text},
        {"verdict", &entry->verdict},
    };
    for (size_t i = 0; i < ARRAY_COUNT(fields); i++) {
        const char *text = NULL;
        if (json_string(head, fields[i].key, 16384, "", &text, err) < 0) {
            return -1;
        }
        *fields[i].text = arena_strdup(arena, text);
    }
    return 0;
}

static int
read_counts(struct json_object *head, struct dlq_entry *entry, struct err *err)
{
    static const char *const charged[] = {"failures", "crashes", "losses"};
    for (size_t i = 0; i < ARRAY_COUNT(charged); i++) {
        int64_t n = 0;
        if (json_int(head, charged[i], 0, INT32_MAX, 0, &n, err) < 0) {
            return -1;
        }
        entry->tries += n;
    }
    entry->dismissed = json_flag(head, "dismissed", false);
    if (json_int(head, "fence", 0, INT64_MAX, 0, &entry->fence, err) < 0 ||
        json_int(head, "replays", 0, INT64_MAX, 0, &entry->replays, err) < 0) {
        return -1;
    }
    return json_int(head, "age_ms", INT64_MIN, INT64_MAX, 0, &entry->age_ms,
                    err);
}

static int
read_task(const struct store_reply *reply, size_t row, struct dlq_list *list,
          struct err *err)
{
    _cleanup(json_put) struct json_object *head = NULL;
    const char *task = NULL;
    const char *job = NULL;
    struct dlq_entry *entry = dlq_list_add(list);
    if (ctl_head(reply, row, &head, err) < 0 ||
        json_string_required(head, "task", UUID_SIZE - 1, &task, err) < 0 ||
        json_string_required(head, "job", UUID_SIZE - 1, &job, err) < 0) {
        return -1;
    }
    snprintf(entry->id, sizeof(entry->id), "%s", task);
    snprintf(entry->job, sizeof(entry->job), "%s", job);
    entry->queue = "";
    entry->handle = "";
    if (read_texts(head, list->arena, entry, err) < 0) {
        return -1;
    }
    return read_counts(head, entry, err);
}

/* One page; '*next' is where the following one starts, or NULL. */
static int
read_page(struct ctl *ctl, const struct dlq_filter *filter, size_t limit,
          struct dlq_list *list, struct json_object **next, struct err *err)
{
    _cleanup(buf_free) struct buf request = {0};
    _cleanup(store_reply_free) struct store_reply reply = {0};
    _cleanup(json_put) struct json_object *head = NULL;
    struct json_object *found = NULL;
    if (write_request(filter, limit, *next, &request, err) < 0 ||
        ctl_call(ctl, "dead", &request, &reply, err) < 0 ||
        ctl_head(&reply, 0, &head, err) < 0 ||
        json_member(head, "next", json_type_object, &found, err) < 0) {
        return -1;
    }
    for (size_t row = 1; row < reply.count; row++) {
        if (read_task(&reply, row, list, err) < 0) {
            return -1;
        }
    }
    json_put(next);
    *next = json_object_get(found);
    return 0;
}

static int
select_tasks(struct ctl *ctl, const struct dlq_filter *filter, size_t most,
             struct dlq_list *list, struct err *err)
{
    _cleanup(json_put) struct json_object *next = NULL;
    struct store *store = NULL;
    if (ctl_store(ctl, true, &store, err) < 0) {
        return -1;
    }
    do {
        size_t left = most - list->count;
        if (read_page(ctl, filter, left < PAGE_MAX ? left : PAGE_MAX, list,
                      &next, err) < 0) {
            return -1;
        }
    } while (next != NULL && list->count < most);
    list->more = next != NULL;
    return 0;
}

/* --- both -----------------------------------------------------------------*/

static int
check(const struct dlq_filter *f, struct err *err)
{
    char job[UUID_SIZE];
    if (f->kind != NULL && strcmp(f->kind, "task") != 0 &&
        strcmp(f->kind, "message") != 0) {
        return err_set(err, ERR_REJECT, CTL_EXIT_USAGE,
                       "--kind is task or message, not '%s'", f->kind);
    }
    for (size_t i = 0; i < f->ids.count; i++) {
        const char *id = f->ids.items[i];
        if (strchr(id, '/') == NULL && !uuid_valid(id, strlen(id))) {
            return err_set(err, ERR_REJECT, CTL_EXIT_USAGE,
                           "'%.80s' is not an id as 'alexctl dlq ls' prints "
                           "it: a task's UUID, or QUEUE/HANDLE",
                           id);
        }
    }
    return f->job != NULL ? ctl_job_id(f->job, job, err) : 0;
}

/* Whether entries of this kind ("task") can be meant at all. */
static bool
wants(const struct dlq_filter *f, const char *kind)
{
    bool message = strcmp(kind, "message") == 0;
    if (f->kind != NULL && strcmp(f->kind, kind) != 0) {
        return false;
    }
    if (message && (f->error_class != NULL || f->user != NULL)) {
        return false;
    }
    bool any = f->ids.count == 0;
    for (size_t i = 0; i < f->ids.count; i++) {
        any = any || (strchr(f->ids.items[i], '/') != NULL) == message;
    }
    return any;
}

int
dlq_select(struct ctl *ctl, const struct dlq_filter *filter, size_t most,
           struct dlq_list *ret, struct err *err)
{
    ret->arena = arena_new(CHUNK_BYTES);
    if (check(filter, err) < 0) {
        return -1;
    }
    if (wants(filter, "task") &&
        select_tasks(ctl, filter, most, ret, err) < 0) {
        return -1;
    }
    if (!wants(filter, "message")) {
        return 0;
    }
    if (ctl->queue_url[0] == '\0' && filter->kind == NULL) {
        ctl_say("ALEX_QUEUE_URL is not set: tasks only, no messages");
        return 0;
    }
    return dlq_select_messages(ctl, filter, most, ret, err);
}
