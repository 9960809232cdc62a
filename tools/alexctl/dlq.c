/* alexctl dlq ls, dlq show. */
#include "alexctl/dlq.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "alexctl/term.h"
#include "base/cleanup.h"

/* --- ls -------------------------------------------------------------------*/

struct ls_options {
    struct dlq_filter filter;
    int64_t limit;
    bool dismissed;
    bool json;
};

#define LS(field) offsetof(struct ls_options, field)

static const struct args_option ls_options[] = {
    DLQ_FILTER_ROWS(struct ls_options),
    {ARGS_INT, "limit", "N", LS(limit), 1, DLQ_MAX, "100", "so many of a kind"},
    {ARGS_FLAG, "dismissed", NULL, LS(dismissed), 0, 0, NULL,
     "also tasks that purge took off the list"},
    {ARGS_FLAG, "json", NULL, LS(json), 0, 0, NULL, "print one JSON array"},
};

static int
ls(struct ctl *ctl, const void *given, struct err *err)
{
    const struct ls_options *o = given;
    struct dlq_filter filter = o->filter;
    _cleanup(dlq_list_free) struct dlq_list list = {0};
    filter.dismissed = o->dismissed;
    if (dlq_select(ctl, &filter, (size_t)o->limit, &list, err) < 0) {
        return -1;
    }
    if (o->json) {
        _cleanup(buf_free) struct buf json = {0};
        dlq_write_list(&list, &json);
        puts(json.data);
        return CTL_EXIT_OK;
    }
    for (size_t i = 0; i < list.count; i++) {
        dlq_print_entry(&list.items[i], list.items[i].state);
    }
    if (list.count == 0) {
        ctl_say("no dead letters");
    } else {
        ctl_say("%zu%s; 'alexctl dlq show ID' has all of one, 'alexctl dlq "
                "replay --dry-run' what would run",
                list.count,
                list.more ? " shown, there are more (--limit)" : "");
    }
    return CTL_EXIT_OK;
}

const struct command command_dlq_ls = {
    .name = "dlq ls",
    .summary = "List tasks that died, and messages put aside.",
    .details =
        "Tasks first, of the job that ended first; then what is in the queues\n"
        "of dead letters: messages that no agent could read, and doorbells\n"
        "that the broker itself put aside.\n\n"
        "Examples:\n"
        "  alexctl dlq ls\n"
        "  alexctl dlq ls --agent reporter --since 2h\n"
        "  alexctl dlq ls --error-like timeout --json\n",
    .options = ls_options,
    .option_count = ARRAY_COUNT(ls_options),
    .options_size = sizeof(struct ls_options),
    .run = ls,
};

/* --- show -----------------------------------------------------------------*/

struct show_options {
    const char *id;
    bool json;
};

static const struct args_option show_options[] = {
    {ARGS_WORD, "ID", NULL, offsetof(struct show_options, id), 0, 0, NULL,
     "as dlq ls prints it"},
    {ARGS_FLAG, "json", NULL, offsetof(struct show_options, json), 0, 0, NULL,
     "print JSON"},
};

/* Every field of an object, one a line; 'indent' blanks before it. */
static void
print_fields(struct json_object *object, const char *indent)
{
    struct json_object_iterator at = json_object_iter_begin(object);
    struct json_object_iterator end = json_object_iter_end(object);
    for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
        _cleanup(buf_free) struct buf line = {0};
        struct json_object *value = json_object_iter_peek_value(&at);
        if (value == NULL || json_object_is_type(value, json_type_array)) {
            continue;
        }
        const char *text = json_object_get_string(value);
        buf_printf(&line, "%s%-15s ", indent, json_object_iter_peek_name(&at));
        term_escape(&line, text, strlen(text), false);
        puts(line.data);
    }
}

static void
print_lineage(struct json_object *task)
{
    struct json_object *lineage = NULL;
    struct err ignored;
    if (json_member(task, "lineage", json_type_array, &lineage, &ignored) < 0 ||
        lineage == NULL) {
        return;
    }
    for (size_t i = 0; i < json_object_array_length(lineage); i++) {
        printf("replay %zu\n", i + 1);
        print_fields(json_object_array_get_idx(lineage, i), "  ");
    }
}

static void
print_advice(const char *id, const char *verdict)
{
    bool fit = strcmp(verdict, "would_run") == 0;
    printf("replay: %s", dlq_verdict_text(verdict));
    if (strcmp(verdict, "cancelled") == 0) {
        printf(" (unless --cancelled)");
    } else if (strcmp(verdict, "deadline") == 0) {
        printf(" (unless --extend 1h)");
    } else if (fit) {
        printf(": alexctl dlq replay --id %s", id);
    }
    putchar('\n');
}

static int
show_task(struct ctl *ctl, const struct show_options *o, struct err *err)
{
    struct store *store = NULL;
    _cleanup(buf_free) struct buf request = {0};
    _cleanup(store_reply_free) struct store_reply reply = {0};
    _cleanup(json_put) struct json_object *head = NULL;
    const char *verdict = NULL;
    char id[UUID_SIZE];
    if (ctl_job_id(o->id, id, err) < 0 ||
        ctl_store(ctl, true, &store, err) < 0) {
        return -1;
    }
    buf_printf(&request, "{\"v\":1,\"tasks\":[\"%s\"],\"detail\":true}", id);
    if (ctl_call(ctl, "dead", &request, &reply, err) < 0) {
        return -1;
    }
    if (reply.count < 2) {
        return err_set(err, ERR_REJECT, 0, "there is no task %s", id);
    }
    if (ctl_head(&reply, 1, &head, err) < 0 ||
        json_string(head, "verdict", 40, "", &verdict, err) < 0) {
        return -1;
    }
    if (o->json) {
        puts(reply.rows[1].head);
        return CTL_EXIT_OK;
    }
    print_fields(head, "");
    print_lineage(head);
    print_advice(id, verdict);
    return CTL_EXIT_OK;
}

static void
print_message(const struct queue_message *m, const char *id)
{
    struct bell bell = {0};
    struct err why = {0};
    _cleanup(buf_free) struct buf text = {0};
    bool rings = bell_decode(m->body, m->body_size, &bell, &why) == 0;
    const char *reason = m->reason ? m->reason : "-";
    buf_puts(&text, "reason          ");
    term_escape(&text, reason, strlen(reason), false);
    buf_printf(&text,
               "\ndeliveries      %" PRId64 "\nbytes           %zu\n"
               "job             %s\n\n",
               m->deliveries, m->body_size, rings ? bell.job : "-");
    term_escape(&text, m->body, m->body_size, true);
    buf_puts(&text, "\n\n");
    fwrite(text.data, 1, text.size, stdout);
    if (!rings) {
        printf("not a doorbell: %s\n", why.text);
    }
    print_advice(id, rings ? "would_run" : "invalid_input");
}

static void
print_message_json(const struct queue_message *m, const char *id)
{
    _cleanup(buf_free) struct buf json = {0};
    buf_json_object(&json);
    buf_json_key(&json, "id");
    buf_json_string(&json, id);
    buf_json_key(&json, "reason");
    buf_json_string(&json, m->reason);
    buf_json_key(&json, "deliveries");
    buf_json_int(&json, m->deliveries);
    buf_json_key(&json, "bytes");
    buf_json_int(&json, (int64_t)m->body_size);
    buf_json_key(&json, "body");
    buf_json_string_n(&json, m->body, m->body_size);
    buf_json_end(&json);
    puts(json.data);
}

/* One page; true in '*ret_found' once the message has been printed. */
static int
show_page(struct queue *queue, const char *name, const struct show_options *o,
          char after[QUEUE_HANDLE_SIZE], bool *ret_found, struct err *err)
{
    struct queue_message messages[QUEUE_BATCH_MAX] = {0};
    char next[QUEUE_HANDLE_SIZE] = "";
    size_t count = 0;
    const char *handle = strchr(o->id, '/') + 1;
    if (queue_dead_peek(queue, name, after, QUEUE_BATCH_MAX, messages, &count,
                        next, err) < 0) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        if (strcmp(messages[i].handle, handle) == 0 && !*ret_found) {
            *ret_found = true;
            (o->json ? print_message_json : print_message)(&messages[i], o->id);
        }
        queue_message_free(&messages[i]);
    }
    memcpy(after, next, QUEUE_HANDLE_SIZE);
    return 0;
}

static int
show_message(struct ctl *ctl, const struct show_options *o, struct err *err)
{
    struct queue *queue = NULL;
    char name[96];
    char after[QUEUE_HANDLE_SIZE] = "";
    bool found = false;
    size_t pages = 0;
    snprintf(name, sizeof(name), "%.*s", (int)strcspn(o->id, "/"), o->id);
    if (ctl_queue(ctl, &queue, err) < 0) {
        return -1;
    }
    do {
        if (show_page(queue, name, o, after, &found, err) < 0) {
            return -1;
        }
    } while (!found && after[0] && ++pages < DLQ_MAX / QUEUE_BATCH_MAX);
    return found ? CTL_EXIT_OK
                 : err_set(err, ERR_REJECT, 0, "there is no dead letter %s",
                           o->id);
}

static int
show(struct ctl *ctl, const void *given, struct err *err)
{
    const struct show_options *o = given;
    return strchr(o->id, '/') != NULL ? show_message(ctl, o, err)
                                      : show_task(ctl, o, err);
}

const struct command command_dlq_show = {
    .name = "dlq show",
    .summary = "Show all of one dead letter.",
    .details =
        "Of a task: its error, what it was charged, what it needs and what is\n"
        "stored for it, every replay with the death it was for, and what a\n"
        "replay would meet now. Of a message: its bytes, those that could\n"
        "steer a terminal as escapes, and why it is here.\n\n"
        "Examples:\n"
        "  alexctl dlq show 0b1e64b5-4f0c-5a0e-9d62-0a1e0c0ffee5\n"
        "  alexctl dlq show alex-reporter/1732400000000-0\n",
    .options = show_options,
    .option_count = ARRAY_COUNT(show_options),
    .options_size = sizeof(struct show_options),
    .run = show,
};

/* --- purge ----------------------------------------------------------------*/

struct purge_options {
    struct dlq_filter filter;
    const char *by;
    bool yes;
    bool undo;
};

#define PURGE(field) offsetof(struct purge_options, field)

static const struct args_option purge_options[] = {
    DLQ_FILTER_ROWS(struct purge_options),
    {ARGS_TEXT, "by", "WHO", PURGE(by), 1, CTL_NAME_MAX, "alexctl",
     "who does it, for the record"},
    {ARGS_FLAG, "yes", NULL, PURGE(yes), 0, 0, NULL,
     "do it; without, only say what would be done"},
    {ARGS_FLAG, "undo", NULL, PURGE(undo), 0, 0, NULL,
     "list dismissed tasks again; messages are gone"},
};

#define DISMISS_MAX 1000

/* Up to DISMISS_MAX tasks from '*at' on. */
static int
dismiss_some(struct ctl *ctl, const struct purge_options *o,
             const struct dlq_list *list, size_t *at, struct err *err)
{
    _cleanup(buf_free) struct buf request = {0};
    _cleanup(store_reply_free) struct store_reply reply = {0};
    buf_json_object(&request);
    buf_json_key(&request, "v");
    buf_json_int(&request, 1);
    buf_json_key(&request, "by");
    buf_json_string(&request, o->by);
    buf_json_key(&request, "undo");
    buf_json_bool(&request, o->undo);
    buf_json_key(&request, "tasks");
    buf_json_array(&request);
    for (size_t n = 0;
         n < DISMISS_MAX && *at < list->count && !list->items[*at].message;
         n++) {
        buf_json_string(&request, list->items[(*at)++].id);
    }
    buf_json_end(&request);
    buf_json_end(&request);
    return ctl_call(ctl, "dismiss", &request, &reply, err);
}

/* Somebody else may have taken it meanwhile. */
static int
remove_message(struct ctl *ctl, const struct dlq_entry *entry, struct err *err)
{
    struct queue *queue = NULL;
    if (ctl_queue(ctl, &queue, err) < 0) {
        return -1;
    }
    if (queue_dead_take(queue, entry->queue, entry->handle, false, err) < 0 &&
        !(err->kind == ERR_REJECT && err->code == 404)) {
        return -1;
    }
    return 0;
}

static int
purge_all(struct ctl *ctl, const struct purge_options *o,
          const struct dlq_list *list, struct err *err)
{
    size_t at = 0;
    while (at < list->count) {
        if (!list->items[at].message) {
            if (dismiss_some(ctl, o, list, &at, err) < 0) {
                return -1;
            }
            continue;
        }
        if (!o->undo && remove_message(ctl, &list->items[at], err) < 0) {
            return -1;
        }
        at++;
    }
    return 0;
}

static int
purge(struct ctl *ctl, const void *given, struct err *err)
{
    const struct purge_options *o = given;
    struct dlq_filter filter = o->filter;
    size_t messages = 0;
    _cleanup(dlq_list_free) struct dlq_list list = {0};
    filter.dismissed = o->undo;
    if (dlq_select(ctl, &filter, DLQ_MAX, &list, err) < 0) {
        return -1;
    }
    for (size_t i = 0; i < list.count; i++) {
        messages += list.items[i].message;
        if (!o->yes) {
            dlq_print_entry(&list.items[i], list.items[i].state);
        }
    }
    size_t tasks = list.count - messages;
    if (!o->yes) {
        return err_set(err, ERR_REJECT, CTL_EXIT_USAGE,
                       "%zu tasks would be %s and %zu messages removed for "
                       "good: say --yes",
                       tasks, o->undo ? "listed again" : "dismissed",
                       o->undo ? 0 : messages);
    }
    if (purge_all(ctl, o, &list, err) < 0) {
        return -1;
    }
    printf("%zu tasks %s, %zu messages removed\n", tasks,
           o->undo ? "listed again" : "dismissed", o->undo ? 0 : messages);
    return CTL_EXIT_OK;
}

const struct command command_dlq_purge = {
    .name = "dlq purge",
    .summary = "Take dead letters off the list.",
    .details =
        "Messages are removed. A task stays, with its job and its error, but\n"
        "is not listed any more (ls --dismissed does) and not replayed by a\n"
        "filter; when it dies again after a replay, it is listed again. The\n"
        "database's own history goes with fleet.prune.\n\n"
        "Examples:\n"
        "  alexctl dlq purge --older 720h --kind message --yes\n"
        "  alexctl dlq purge --job $job --yes\n"
        "  alexctl dlq purge --job $job --undo --yes\n",
    .options = purge_options,
    .option_count = ARRAY_COUNT(purge_options),
    .options_size = sizeof(struct purge_options),
    .run = purge,
};
