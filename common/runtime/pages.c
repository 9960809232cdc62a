#include "runtime/pages.h"

#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "runtime/engine.h"

/* What is left of a frame when the answers' headers are paid for. */
#define PAGES_MAX_BYTES (CHANNEL_FRAME_MAX_BYTES - 256u * 1024)
/* A page moves at least 48 KB, so this many end any read. */
#define PAGES_MAX 1000

/* What one kind of rows is collected into. */
struct pages {
    struct run *run;
    struct buf bytes; /* Of the input, or of the answer being read. */
    int64_t ordinal;  /* -1: none. */
    char sha256[DIGEST_SHA256_SIZE];
    size_t total;
};

static void
pages_free(struct pages *pages)
{
    buf_free(&pages->bytes);
}

static void
end_answer(struct pages *pages)
{
    if (pages->ordinal >= 0) {
        size_t size = pages->bytes.size;
        run_add_answer(pages->run, (uint32_t)pages->ordinal, pages->sha256,
                       buf_steal(&pages->bytes), size, true, NULL);
    }
    pages->ordinal = -1;
}

static int
take_answer_head(struct pages *pages, struct json_object *head, struct err *err)
{
    int64_t from;
    int64_t ordinal;
    const char *sha256;

    if (json_int_required(head, "from", 0, INT32_MAX, &from, err) ||
        json_int_required(head, "ordinal", 0, UINT32_MAX, &ordinal, err) ||
        json_string_required(head, "sha256", DIGEST_SHA256_SIZE - 1, &sha256,
                             err)) {
        err->kind = ERR_FATAL;
        return err_wrap(err, "read's row");
    }
    if (from > 0 && ordinal == pages->ordinal) {
        return 0;
    }
    end_answer(pages);
    pages->ordinal = ordinal;
    memcpy(pages->sha256, sha256, strlen(sha256) + 1);
    return 0;
}

static int
take_row(struct pages *pages, bool answers, const struct store_row *row,
         struct err *err)
{
    _cleanup(json_put) struct json_object *head = NULL;

    if (answers &&
        (engine_head(row, &head, err) || take_answer_head(pages, head, err))) {
        return -1;
    }
    pages->total += row->body_size;
    if (pages->total > PAGES_MAX_BYTES) {
        return err_set(err, ERR_REJECT, 0,
                       "input and answers of over %u bytes, more than a "
                       "handler can be given",
                       PAGES_MAX_BYTES);
    }
    if (row->body != NULL) {
        buf_append(&pages->bytes, row->body, row->body_size);
    }
    return 0;
}

/* One call; '*ret_next' is where to go on, or -1. */
static int
read_pages(struct supervisor *sup, struct store *store, struct pages *pages,
           bool answers, int64_t from, int64_t *ret_next, struct err *err)
{
    _cleanup(store_reply_free) struct store_reply reply = {0};
    _cleanup(json_put) struct json_object *head = NULL;
    _cleanup(buf_free) struct buf request = {0};
    const char *verdict;
    int64_t next;

    engine_begin(&request);
    buf_json_key(&request, "task");
    buf_json_string(&request, pages->run->task);
    buf_json_key(&request, "fence");
    buf_json_int(&request, pages->run->fence);
    buf_json_key(&request, "what");
    buf_json_string(&request, answers ? "checkpoints" : "input");
    buf_json_key(&request, "from");
    buf_json_int(&request, from);
    buf_json_end(&request);
    if (engine_call(sup, store, ENGINE_READ, &request, sup->conf.lease_ms / 3,
                    &reply, &head, err)) {
        return -1;
    }
    if (json_string_required(head, "verdict", 64, &verdict, err) ||
        json_int(head, "next", 0, INT64_MAX, -1, &next, err)) {
        err->kind = ERR_FATAL;
        return err_wrap(err, "read's reply");
    }
    if (strcmp(verdict, "ok") != 0) {
        return err_set(err, ERR_LOST, 0, "read answered %s", verdict);
    }
    for (size_t i = 1; i < reply.count; i++) {
        if (take_row(pages, answers, &reply.rows[i], err)) {
            return -1;
        }
    }
    *ret_next = next;
    return 0;
}

static int
read_all(struct supervisor *sup, struct store *store, struct pages *pages,
         bool answers, struct err *err)
{
    int64_t next = 0;

    for (int page = 0; next >= 0; page++) {
        if (page == PAGES_MAX) {
            return err_set(err, ERR_FATAL, 0, "fleet.read does not end");
        }
        if (read_pages(sup, store, pages, answers, next, &next, err)) {
            return -1;
        }
    }
    return 0;
}

int
pages_read(struct supervisor *sup, struct store *store, struct run *run,
           struct err *err)
{
    if (run->input == NULL) {
        _cleanup(pages_free) struct pages pages = {.run = run, .ordinal = -1};
        if (read_all(sup, store, &pages, false, err)) {
            return -1;
        }
        run->input_size = pages.bytes.size;
        run->input = buf_steal(&pages.bytes);
    }
    if (run->lacks_answers) {
        _cleanup(pages_free) struct pages pages = {
            .run = run, .ordinal = -1, .total = run->input_size};
        run_drop_answers(run);
        if (read_all(sup, store, &pages, true, err)) {
            return -1;
        }
        end_answer(&pages);
        run->lacks_answers = false;
    }
    return 0;
}
