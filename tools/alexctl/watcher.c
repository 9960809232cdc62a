#include "alexctl/watcher.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "alexctl/term.h"
#include "base/cleanup.h"
#include "base/clock.h"

#define POLL_MS 250
#define ROWS_MAX 30 /* Drawn on a terminal. */
#define BAR_COLUMNS 12

enum view { VIEW_LINES, VIEW_SCREEN, VIEW_JSON };

struct watcher {
    struct ctl *ctl;
    const char *job;
    enum view view;
    int64_t started_ms;
    struct json_object *last; /* The status before; NULL at first. */
    int drawn;                /* Rows on the screen. */
};

static void
watcher_free(struct watcher *w)
{
    json_put(&w->last);
}

struct look { /* How a task's state looks. */
    const char *state;
    const char *mark;
    const char *colour; /* SGR parameters. */
};

static const struct look looks[] = {
    {"blocked", "\xc2\xb7", "2"},
    {"ready", "\xe2\x97\x8b", "0"},
    {"leased", "\xe2\x96\xb6", "36"},
    {"retry_wait", "\xe2\x86\xbb", "33"},
    {"succeeded", "\xe2\x9c\x93", "32"},
    {"dead", "\xe2\x9c\x97", "31"},
    {"quarantined", "\xe2\x9c\x97", "31"},
    {"cancelled", "-", "2"},
    {"skipped", "-", "2"},
};

static const struct look *
look_of(const char *state)
{
    static const struct look other = {"", "?", "0"};
    for (size_t i = 0; i < ARRAY_COUNT(looks); i++) {
        if (strcmp(looks[i].state, state) == 0) {
            return &looks[i];
        }
    }
    return &other;
}

/* --- one task -------------------------------------------------------------*/

struct task {
    const char *node;
    const char *agent;
    const char *state;
    const char *text; /* Of its progress. */
    const char *error;
    int64_t percent;
    int64_t ms;
};

static int
decode_task(struct json_object *object, struct task *ret, struct err *err)
{
    struct json_object *progress = NULL;
    struct json_object *error = NULL;
    struct task t = {.text = "", .error = ""};
    if (json_string_required(object, "node", 64, &t.node, err) < 0 ||
        json_string_required(object, "agent", 64, &t.agent, err) < 0 ||
        json_string_required(object, "state", 20, &t.state, err) < 0 ||
        json_int(object, "ms", 0, INT64_MAX, 0, &t.ms, err) < 0 ||
        json_member(object, "progress", json_type_object, &progress, err) < 0 ||
        json_member(object, "error", json_type_object, &error, err) < 0) {
        return -1;
    }
    if (progress != NULL &&
        (json_int(progress, "percent", 0, 100, 0, &t.percent, err) < 0 ||
         json_string(progress, "text", 2000, "", &t.text, err) < 0)) {
        return -1;
    }
    if (error != NULL &&
        json_string(error, "text", 4000, "", &t.error, err) < 0) {
        return -1;
    }
    *ret = t;
    return 0;
}

static void
describe(const struct watcher *w, const struct task *t, struct buf *out)
{
    term_pad(out, t->node, 14);
    buf_puts(out, " ");
    term_pad(out, t->agent, 12);
    buf_puts(out, " ");
    term_pad(out, t->state, 12);
    if (t->ms > 0) {
        buf_printf(out, " %7.1f s", (double)t->ms / 1000);
    }
    if (strcmp(t->state, "leased") == 0 && t->percent > 0) {
        buf_printf(out, " %3" PRId64 " %% ", t->percent);
        if (w->view == VIEW_SCREEN) {
            term_bar(out, (double)t->percent / 100, BAR_COLUMNS);
            buf_puts(out, " ");
        }
        term_escape(out, t->text, strlen(t->text), false);
    }
    if (t->error[0] != '\0') {
        buf_puts(out, "  ");
        term_escape(out, t->error, strlen(t->error), false);
    }
}

/* --- views ----------------------------------------------------------------*/

static struct json_object *
tasks_of(struct json_object *status)
{
    struct json_object *tasks = NULL;
    json_object_object_get_ex(status, "tasks", &tasks);
    return json_object_is_type(tasks, json_type_array) ? tasks : NULL;
}

static struct json_object *
find_task(struct json_object *tasks, struct json_object *like)
{
    struct json_object *node = json_object_object_get(like, "node");
    size_t count = tasks ? json_object_array_length(tasks) : 0;
    for (size_t i = 0; i < count; i++) {
        struct json_object *task = json_object_array_get_idx(tasks, i);
        if (json_object_equal(json_object_object_get(task, "node"), node)) {
            return task;
        }
    }
    return NULL;
}

/* Whether there is something to say about a task; its time always grows. */
static bool
has_changed(struct json_object *task, struct json_object *before)
{
    static const char *const keys[] = {"state", "progress", "error", "attempt"};
    for (size_t i = 0; i < ARRAY_COUNT(keys); i++) {
        if (before == NULL ||
            !json_object_equal(json_object_object_get(task, keys[i]),
                               json_object_object_get(before, keys[i]))) {
            return true;
        }
    }
    return false;
}

static bool
any_has_changed(struct json_object *tasks, struct json_object *before)
{
    size_t count = json_object_array_length(tasks);
    for (size_t i = 0; i < count; i++) {
        struct json_object *task = json_object_array_get_idx(tasks, i);
        if (has_changed(task, find_task(before, task))) {
            return true;
        }
    }
    return false;
}

static int
print_changes(const struct watcher *w, struct json_object *tasks,
              struct err *err)
{
    struct json_object *before = w->last ? tasks_of(w->last) : NULL;
    for (size_t i = 0; i < json_object_array_length(tasks); i++) {
        struct json_object *object = json_object_array_get_idx(tasks, i);
        struct task task;
        if (!has_changed(object, find_task(before, object))) {
            continue;
        }
        if (decode_task(object, &task, err) < 0) {
            return -1;
        }
        _cleanup(buf_free) struct buf line = {0};
        describe(w, &task, &line);
        printf("%6.1f s  %s\n",
               (double)(clock_boot_ms() - w->started_ms) / 1000, line.data);
    }
    return 0;
}

/* A mark and a task, no wider than the terminal: a wrapped line would put
 * the next drawing in the wrong place. */
static void
append_row(const struct watcher *w, const struct task *task, struct buf *out)
{
    const struct look *look = look_of(task->state);
    _cleanup(buf_free) struct buf line = {0};
    describe(w, task, &line);
    buf_puts(out, "\x1b[2K");
    if (w->ctl->colour) {
        buf_printf(out, "\x1b[%sm%s\x1b[0m ", look->colour, look->mark);
    } else {
        buf_printf(out, "%s ", look->mark);
    }
    term_pad(out, line.data, term_width() - 3);
    buf_puts(out, "\n");
}

static int
draw(struct watcher *w, struct json_object *tasks, struct err *err)
{
    _cleanup(buf_free) struct buf screen = {0};
    size_t count = json_object_array_length(tasks);
    size_t rows = count < ROWS_MAX ? count : ROWS_MAX;
    if (w->drawn > 0) {
        buf_printf(&screen, "\x1b[%dA", w->drawn);
    }
    for (size_t i = 0; i < rows; i++) {
        struct task task;
        if (decode_task(json_object_array_get_idx(tasks, i), &task, err) < 0) {
            return -1;
        }
        append_row(w, &task, &screen);
    }
    w->drawn = (int)rows;
    if (count > rows) {
        buf_printf(&screen, "\x1b[2K  and %zu more\n", count - rows);
        w->drawn++;
    }
    fwrite(screen.data, 1, screen.size, stdout);
    fflush(stdout);
    return 0;
}

/* The exit code of a job that has ended, or -1 while it goes on. */
static int
verdict(struct json_object *status, enum view view)
{
    const char *state = "";
    const char *error = "";
    struct err ignored;
    if (json_string(status, "state", 40, "", &state, &ignored) < 0 ||
        json_string(status, "error", 8000, "", &error, &ignored) < 0) {
        return -1;
    }
    if (strcmp(state, "completed") == 0) {
        if (view != VIEW_JSON) {
            puts("completed");
        }
        return CTL_EXIT_OK;
    }
    if (strcmp(state, "failed") != 0 && strcmp(state, "cancelled") != 0) {
        return -1;
    }
    if (view != VIEW_JSON) {
        printf("%s%s", state, error[0] ? ": " : "\n");
        if (error[0] != '\0') {
            term_print_line(stdout, error);
        }
    }
    return CTL_EXIT_FAILED;
}

static int
show_status(struct watcher *w, struct json_object *status, const char *text,
            struct err *err)
{
    struct json_object *tasks = tasks_of(status);
    if (tasks == NULL) {
        return 0;
    }
    if (w->view == VIEW_JSON) {
        bool ended = verdict(status, VIEW_JSON) >= 0;
        if (ended ||
            any_has_changed(tasks, w->last ? tasks_of(w->last) : NULL)) {
            puts(text);
        }
        fflush(stdout);
        return 0;
    }
    int result = w->view == VIEW_SCREEN ? draw(w, tasks, err)
                                        : print_changes(w, tasks, err);
    fflush(stdout);
    return result;
}

/* --- the loop -------------------------------------------------------------*/

static int
ask(struct watcher *w, struct store_reply *reply, struct json_object **ret,
    struct err *err)
{
    _cleanup(buf_free) struct buf request = {0};
    buf_printf(&request, "{\"v\":1,\"job\":\"%s\",\"watch\":true}", w->job);
    if (ctl_call(w->ctl, "status", &request, reply, err) < 0) {
        return -1;
    }
    if (reply->count < 2) {
        return err_set(err, ERR_REJECT, 0, "there is no job %s", w->job);
    }
    return ctl_head(reply, 1, ret, err);
}

static int
look_once(struct watcher *w, struct err *err)
{
    _cleanup(store_reply_free) struct store_reply reply = {0};
    struct json_object *status = NULL;
    if (ask(w, &reply, &status, err) < 0) {
        return -2;
    }
    int shown = show_status(w, status, reply.rows[1].head, err);
    json_put(&w->last);
    w->last = status;
    return shown < 0 ? -2 : verdict(status, w->view);
}

int
watcher_watch(struct ctl *ctl, const char *job, int64_t timeout_s, bool json,
              struct err *err)
{
    _cleanup(watcher_free) struct watcher w = {
        .ctl = ctl,
        .job = job,
        .view = json                       ? VIEW_JSON
                : term_is_terminal(stdout) ? VIEW_SCREEN
                                           : VIEW_LINES,
        .started_ms = clock_boot_ms()};
    for (;;) {
        int code = look_once(&w, err);
        if (code != -1) {
            return code < 0 ? -1 : code;
        }
        if (clock_boot_ms() - w.started_ms > timeout_s * 1000) {
            return err_set(err, ERR_RETRY, CTL_TIMED_OUT,
                           "job %s has not ended after %" PRId64
                           " s; it goes on: 'alexctl why %s' says what it "
                           "waits for",
                           job, timeout_s, job);
        }
        clock_sleep_ms(POLL_MS);
    }
}
