#include "runtime/task.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/uuid.h"

#define TASK_CHUNK_BYTES ((size_t)16 * 1024)
#define TASK_PROGRESS_TEXT_BYTES 200

/* Hashes "kind\n" and the canonical request: what an answer is stored under. */
static void
hash_ask(struct channel_ask *ask)
{
    _cleanup(buf_free) struct buf text = {0};

    buf_append(&text, ask->kind, ask->kind_size);
    buf_puts(&text, "\n");
    buf_append(&text, ask->request, ask->request_size);
    digest_sha256_hex(text.data, text.size, ask->sha256);
}

int
task_ask(struct task *task, const char *kind, const char *request,
         size_t request_size, const char **answer, size_t *answer_size,
         struct err *err)
{
    _cleanup(json_put) struct json_object *value = NULL;
    _cleanup(buf_free) struct buf canonical = {0};

    if (task->asked == CHANNEL_ASKS_MAX) {
        return err_set(err, ERR_REJECT, 0, "more than %u asks in one run",
                       CHANNEL_ASKS_MAX);
    }
    if (json_parse(request, request_size, "request", &value, err) != 0) {
        return err_wrap(err, "ask %s", kind);
    }
    json_canonical(value, &canonical);
    if (canonical.size > CHANNEL_REQUEST_MAX_BYTES ||
        strlen(kind) > CHANNEL_KIND_MAX_BYTES) {
        return err_set(err, ERR_REJECT, 0,
                       "ask %.32s: request has %zu bytes, at most %u", kind,
                       canonical.size, CHANNEL_REQUEST_MAX_BYTES);
    }
    struct channel_ask ask = {
        .ordinal = task->asked++,
        .kind = kind,
        .kind_size = strlen(kind),
        .request = canonical.data,
        .request_size = canonical.size,
    };
    hash_ask(&ask);
    return task->ops->ask(task, &ask, answer, answer_size, err);
}

void
task_progress(struct task *task, int percent, const char *text)
{
    _cleanup(buf_free) struct buf json = {0};
    const int bounded = percent < 0 ? 0 : percent > 100 ? 100 : percent;

    buf_json_object(&json);
    buf_json_key(&json, "percent");
    buf_json_int(&json, bounded);
    buf_json_key(&json, "text");
    buf_json_string_n(&json, text, strnlen(text, TASK_PROGRESS_TEXT_BYTES));
    buf_json_end(&json);
    if (json.size <= CHANNEL_PROGRESS_MAX_BYTES) {
        task->ops->progress(task, json.data, json.size);
    }
}

struct arena *
task_arena(struct task *task)
{
    return task->arena;
}

/* An entry of an answers file; the texts live in the task's arena. */
struct offline_answer {
    const char *kind;
    const char *request; /* Canonical; NULL answers any. */
    const char *answer;
    size_t answer_size;
};

struct offline {
    struct task task;
    bool suspends;
    struct offline_answer *answers;
    size_t answer_count;
    struct buf missing;
};

static int
offline_ask(struct task *task, const struct channel_ask *ask,
            const char **answer, size_t *answer_size, struct err *err)
{
    struct offline *offline = (struct offline *)task;

    for (size_t i = 0; i < offline->answer_count; i++) {
        const struct offline_answer *entry = &offline->answers[i];
        if (strcmp(entry->kind, ask->kind) == 0 &&
            (entry->request == NULL ||
             strcmp(entry->request, ask->request) == 0)) {
            *answer = entry->answer;
            *answer_size = entry->answer_size;
            return 0;
        }
    }
    buf_reset(&offline->missing);
    buf_json_object(&offline->missing);
    buf_json_key(&offline->missing, "kind");
    buf_json_string(&offline->missing, ask->kind);
    buf_json_key(&offline->missing, "request");
    buf_json_raw(&offline->missing, ask->request, ask->request_size);
    buf_json_key(&offline->missing, "answer");
    buf_json_null(&offline->missing);
    buf_json_end(&offline->missing);
    return err_set(err, offline->suspends ? ERR_SUSPEND : ERR_REJECT, 0,
                   "no answer to ask %u (%s)", ask->ordinal, ask->kind);
}

static void
offline_progress(struct task *task, const char *json, size_t size)
{
    (void)task;
    (void)json;
    (void)size;
}

static const struct task_ops offline_ops = {
    .ask = offline_ask,
    .progress = offline_progress,
};

static const char *
canonical_text(struct arena *arena, struct json_object *value, size_t *ret_size)
{
    _cleanup(buf_free) struct buf text = {0};

    json_canonical(value, &text);
    *ret_size = text.size;
    return arena_memdup(arena, text.data, text.size);
}

static int
offline_entry(struct offline *offline, struct json_object *object,
              struct offline_answer *ret, struct err *err)
{
    struct json_object *request = NULL;
    struct json_object *answer = NULL;
    const char *kind = NULL;
    size_t size = 0;

    if (json_string_required(object, "kind", CHANNEL_KIND_MAX_BYTES, &kind,
                             err) != 0) {
        return -1;
    }
    if (!json_object_object_get_ex(object, "answer", &answer)) {
        return err_set(err, ERR_REJECT, 0, "answer: missing");
    }
    ret->kind = arena_strdup(offline->task.arena, kind);
    if (json_object_object_get_ex(object, "request", &request)) {
        ret->request = canonical_text(offline->task.arena, request, &size);
    }
    ret->answer =
        canonical_text(offline->task.arena, answer, &ret->answer_size);
    return 0;
}

static int
offline_load(struct offline *offline, const char *answers, size_t size,
             struct err *err)
{
    _cleanup(json_put) struct json_object *root = NULL;

    if (json_parse(answers, size, "answers", &root, err) != 0) {
        return -1;
    }
    if (!json_object_is_type(root, json_type_array)) {
        return err_set(err, ERR_REJECT, 0, "answers: not an array");
    }
    const size_t count = json_object_array_length(root);
    offline->answers =
        arena_alloc(offline->task.arena, count * sizeof(*offline->answers));
    for (size_t i = 0; i < count; i++) {
        if (offline_entry(offline, json_object_array_get_idx(root, i),
                          &offline->answers[i], err) != 0) {
            return err_wrap(err, "answers[%zu]", i);
        }
    }
    offline->answer_count = count;
    return 0;
}

int
task_offline_new(const char *answers, size_t size, struct task **ret,
                 struct err *err)
{
    struct offline *offline = xcalloc(1, sizeof(*offline));
    _cleanup(task_offline_free) struct task *task = &offline->task;

    task->ops = &offline_ops;
    task->arena = arena_new(TASK_CHUNK_BYTES);
    if (answers != NULL && offline_load(offline, answers, size, err) != 0) {
        return -1;
    }
    *ret = STEAL(task);
    return 0;
}

void
task_offline_free(struct task **task)
{
    struct offline *offline = (struct offline *)STEAL(*task);

    if (offline != NULL) {
        buf_free(&offline->missing);
        arena_free(&offline->task.arena);
        free(offline);
    }
}

void
task_offline_suspends(struct task *task)
{
    ((struct offline *)task)->suspends = true;
}

bool
task_offline_missing(const struct task *task, struct buf *out)
{
    const struct offline *offline = (const struct offline *)task;

    buf_append(out, offline->missing.data, offline->missing.size);
    return offline->missing.size > 0;
}
