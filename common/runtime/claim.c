#include "runtime/claim.h"

#include <inttypes.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "runtime/engine.h"
#include "runtime/verdict.h"

struct claim {
    struct supervisor *sup;
    struct run *const *runs;
    size_t count;
    struct tail *tail;
    int64_t sent_ms;
    bool answered[QUEUE_BATCH_MAX];
    int64_t checkpoints[QUEUE_BATCH_MAX]; /* Stored answers of each. */
    size_t last; /* The run of the row before: rows mostly come in order. */
};

static void
write_request(const struct claim *claim, struct buf *request)
{
    engine_begin(request);
    buf_json_key(request, "owner");
    buf_json_string(request, claim->sup->owner);
    buf_json_key(request, "agent");
    buf_json_string(request, claim->sup->worker->name);
    buf_json_key(request, "lease_ms");
    buf_json_int(request, claim->sup->conf.lease_ms);
    buf_json_key(request, "bells");
    buf_json_array(request);
    for (size_t i = 0; i < claim->count; i++) {
        const struct run *run = claim->runs[i];
        buf_json_object(request);
        buf_json_key(request, "n");
        buf_json_string(request, run->nonce);
        buf_json_key(request, "job");
        buf_json_string(request, run->job);
        if (run->task[0] != '\0') {
            buf_json_key(request, "task");
            buf_json_string(request, run->task);
        }
        if (run->intake) {
            buf_json_key(request, "intake");
            buf_json_bool(request, true);
        }
        buf_json_end(request);
    }
    buf_json_end(request);
    buf_json_end(request);
}

/* The run of a row; NULL for a nonce we did not send. */
static struct run *
find(struct claim *claim, const char *nonce)
{
    for (size_t i = 0; i < claim->count; i++) {
        size_t at = (claim->last + i) % claim->count;
        if (strcmp(claim->runs[at]->nonce, nonce) == 0) {
            claim->last = at;
            return claim->runs[at];
        }
    }
    return NULL;
}

static void
unknown_job(struct claim *claim, struct run *run)
{
    int64_t delay_ms = verdict_unknown_delay_ms(&run->message, clock_wall_ms());

    if (delay_ms >= 0) {
        tail_release(claim->tail, run, claim->sup->worker->name, delay_ms);
        return;
    }
    log_warn("doorbell for an unknown job, dropping it", "job=%s", run->job);
    tail_ack(claim->tail, run);
}

static void
end_message(struct claim *claim, const struct verdict *verdict, struct run *run)
{
    struct err err = {0};

    flight_settled(claim->sup->flight, run);
    if (tail_ring(claim->tail, verdict->ring, run->group, &err)) {
        log_error("engine's bells cannot be read, ignoring", "error=%s",
                  err.text);
    }
    log_debug("doorbell without a run", "job=%s task=%s verdict=%s", run->job,
              run->task, verdict->word);
    switch (verdict->action) {
    case VERDICT_RUN:
    case VERDICT_RING_ACK:
        tail_ack(claim->tail, run);
        break;
    case VERDICT_RELEASE:
        tail_release(claim->tail, run, claim->sup->worker->name,
                     verdict->until_ms);
        break;
    case VERDICT_UNKNOWN:
        unknown_job(claim, run);
        break;
    }
}

static int
take_lease(struct claim *claim, const struct verdict *verdict, struct run *run,
           const struct store_row *row, struct err *err)
{
    if (verdict_fill(verdict, claim->sent_ms, run, err)) {
        return -1;
    }
    if (row->body != NULL) {
        run->input = xmemdup(row->body, row->body_size);
        run->input_size = row->body_size;
    }
    claim->checkpoints[claim->last] = verdict->checkpoints;
    run->claimed_ms = clock_boot_ms();
    flight_leased(claim->sup->flight, run, claim->sent_ms, verdict->lease_ms);
    return 0;
}

static int
take_answer(struct run *run, struct json_object *head,
            const struct store_row *row, struct err *err)
{
    int64_t ordinal;
    const char *sha256;

    if (json_int_required(head, "ordinal", 0, UINT32_MAX, &ordinal, err) ||
        json_string_required(head, "sha256", DIGEST_SHA256_SIZE - 1, &sha256,
                             err)) {
        err->kind = ERR_FATAL;
        return err_wrap(err, "claim's checkpoint");
    }
    if (row->body != NULL) {
        run_add_answer(run, (uint32_t)ordinal, sha256,
                       xmemdup(row->body, row->body_size), row->body_size, true,
                       NULL);
    }
    return 0;
}

static int
take_row(struct claim *claim, const struct store_row *row, struct err *err)
{
    _cleanup(json_put) struct json_object *head = NULL;
    _cleanup(verdict_free) struct verdict verdict = {0};
    const char *nonce;

    if (engine_head(row, &head, err) ||
        json_string_required(head, "n", UUID_SIZE - 1, &nonce, err)) {
        err->kind = ERR_FATAL;
        return err_wrap(err, "claim's row");
    }
    struct run *run = find(claim, nonce);
    if (run == NULL) {
        return err_set(err, ERR_FATAL, 0, "claim answered an unknown nonce");
    }
    if (json_object_object_get_ex(head, "ordinal", NULL)) {
        return take_answer(run, head, row, err);
    }
    if (verdict_decode(STEAL(head), &verdict, err)) {
        return -1;
    }
    claim->answered[claim->last] = true;
    if (verdict.action == VERDICT_RUN) {
        return take_lease(claim, &verdict, run, row, err);
    }
    end_message(claim, &verdict, run);
    return 0;
}

static int
take_reply(struct claim *claim, const struct store_reply *reply,
           struct err *err)
{
    for (size_t i = 1; i < reply->count; i++) {
        if (take_row(claim, &reply->rows[i], err)) {
            return -1;
        }
    }
    for (size_t i = 0; i < claim->count; i++) {
        struct run *run = claim->runs[i];
        if (!claim->answered[i]) {
            return err_set(err, ERR_FATAL, 0, "claim left a bell unanswered");
        }
        run->lacks_answers = (int64_t)run->answer_count < claim->checkpoints[i];
    }
    return 0;
}

int
claim_runs(struct supervisor *sup, struct store *store, struct run *const *runs,
           size_t count, struct tail *tail, struct err *err)
{
    _cleanup(store_reply_free) struct store_reply reply = {0};
    _cleanup(buf_free) struct buf request = {0};
    struct claim claim = {
        .sup = sup, .runs = runs, .count = count, .tail = tail};

    flight_wait_beat(sup->flight);
    write_request(&claim, &request);
    claim.sent_ms = clock_boot_ms();
    if (engine_call(sup, store, ENGINE_CLAIM, &request, sup->conf.lease_ms / 3,
                    &reply, NULL, err)) {
        return -1;
    }
    return take_reply(&claim, &reply, err);
}
