#include "runtime/settle.h"

#include <inttypes.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "runtime/engine.h"

#define AGAIN_MAX_MS (11LL * 3600 * 1000)

/* --- outcomes ------------------------------------------------------------ */

static void
log_settled(const struct supervisor *sup, const struct outcome *outcome,
            const char *verdict, const char *state)
{
    const struct run *run = outcome->run;
    bool good = outcome->word == METRICS_SUCCEEDED ||
                outcome->word == METRICS_INTERRUPTED;

    log_line(good ? LOG_INFO : LOG_WARN, "task settled",
             "job=%s task=%s node=%s agent=%s attempt=%" PRId64
             " trace=%s outcome=%s verdict=%s state=%s took_ms=%" PRId64 "%s%s",
             run->job, run->task, run->node, sup->worker->name, run->attempt,
             run->trace, outcome_word(outcome), verdict, state,
             clock_boot_ms() - run->claimed_ms,
             outcome->error[0] != '\0' ? " error=" : "", outcome->error);
}

/* What settle says of one outcome. */
struct settled {
    const char *verdict;
    const char *state;
    struct json_object *ring;
    int64_t again_ms; /* -1: not again. */
};

static int
decode_settled(struct json_object *head, struct settled *ret, struct err *err)
{
    if (json_string_required(head, "verdict", 32, &ret->verdict, err) ||
        json_string(head, "state", 32, "", &ret->state, err) ||
        json_member(head, "ring", json_type_array, &ret->ring, err) ||
        json_int(head, "again_ms", 0, INT64_MAX, -1, &ret->again_ms, err)) {
        return -1;
    }
    if (ret->again_ms > AGAIN_MAX_MS) {
        ret->again_ms = AGAIN_MAX_MS;
    }
    return 0;
}

/* Only what the engine took from us may touch the message. */
static int
end_run(struct supervisor *sup, const struct outcome *outcome,
        const struct settled *settled, struct tail *tail, struct err *err)
{
    struct run *run = outcome->run;

    log_settled(sup, outcome, settled->verdict, settled->state);
    if (strcmp(settled->verdict, "applied") != 0 &&
        strcmp(settled->verdict, "cancelled") != 0) {
        flight_forget(sup->flight, run);
        return 0;
    }
    metrics_add(outcome->word, 1);
    metrics_observe_us(METRICS_TASK_TIME,
                       (clock_boot_ms() - run->claimed_ms) * 1000);
    flight_settled(sup->flight, run);
    if (tail_ring(tail, settled->ring, run->group, err)) {
        return -1;
    }
    if (settled->again_ms >= 0) {
        tail_release(tail, run, sup->worker->name, settled->again_ms);
    } else {
        tail_ack(tail, run);
    }
    return 0;
}

static size_t
find(struct outcome *const *outcomes, size_t count, size_t hint,
     const char *task, int64_t fence)
{
    for (size_t i = 0; i < count; i++) {
        size_t at = (hint + i) % count;
        const struct run *run = outcomes[at]->run;
        if (run->fence == fence && strcmp(run->task, task) == 0) {
            return at;
        }
    }
    return count;
}

static int
take_settled(struct supervisor *sup, struct outcome *const *outcomes,
             size_t count, const struct store_reply *reply, size_t row,
             struct tail *tail, struct err *err)
{
    _cleanup(json_put) struct json_object *head = NULL;
    struct settled settled = {0};
    const char *task;
    int64_t fence;

    if (engine_head(&reply->rows[row], &head, err) ||
        json_string_required(head, "task", UUID_SIZE - 1, &task, err) ||
        json_int_required(head, "fence", 0, INT64_MAX, &fence, err) ||
        decode_settled(head, &settled, err)) {
        return -1;
    }
    size_t at = find(outcomes, count, row - 1, task, fence);
    if (at == count) {
        return err_set(err, ERR_FATAL, 0, "an outcome we did not send");
    }
    return end_run(sup, outcomes[at], &settled, tail, err);
}

int
settle_outcomes(struct supervisor *sup, struct store *store,
                struct outcome *const *outcomes, size_t count,
                struct tail *tail, struct err *err)
{
    _cleanup(store_reply_free) struct store_reply reply = {0};
    _cleanup(buf_free) struct buf request = {0};

    engine_begin(&request);
    buf_json_key(&request, "owner");
    buf_json_string(&request, sup->owner);
    buf_json_key(&request, "outcomes");
    buf_json_array(&request);
    for (size_t i = 0; i < count; i++) {
        buf_json_raw(&request, outcomes[i]->text.data, outcomes[i]->text.size);
    }
    buf_json_end(&request);
    buf_json_end(&request);
    FAULT_POINT(FAULT_BEFORE_COMMIT);
    FAULT_STOP(FAULT_STOP_SETTLING);
    if (engine_call(sup, store, ENGINE_SETTLE, &request, sup->conf.lease_ms / 3,
                    &reply, NULL, err)) {
        return -1;
    }
    FAULT_POINT(FAULT_AFTER_COMMIT);
    if (reply.count != count + 1) {
        return err_set(err, ERR_FATAL, 0,
                       "settle answered %zu rows for %zu outcomes", reply.count,
                       count);
    }
    for (size_t i = 1; i < reply.count; i++) {
        if (take_settled(sup, outcomes, count, &reply, i, tail, err)) {
            err->kind = ERR_FATAL;
            return err_wrap(err, "settle's row");
        }
    }
    return 0;
}

/* --- answers ------------------------------------------------------------- */

static void
write_answer(const struct mail *mail, struct buf *request)
{
    buf_json_object(request);
    buf_json_key(request, "task");
    buf_json_string(request, mail->run->task);
    buf_json_key(request, "fence");
    buf_json_int(request, mail->run->fence);
    buf_json_key(request, "ordinal");
    buf_json_int(request, mail->ordinal);
    buf_json_key(request, "sha256");
    buf_json_string(request, mail->sha256);
    buf_json_key(request, "answer");
    buf_json_string_n(request, mail->bytes, mail->size);
    buf_json_end(request);
}

/* The answer that counts may be another's: it was stored first. */
static int
take_stored(struct mail **mail, size_t count, const struct store_row *row,
            struct err *err)
{
    _cleanup(json_put) struct json_object *head = NULL;
    const char *task;
    const char *verdict;
    int64_t ordinal;
    size_t i = 0;

    if (engine_head(row, &head, err) ||
        json_string_required(head, "task", UUID_SIZE - 1, &task, err) ||
        json_int_required(head, "ordinal", 0, UINT32_MAX, &ordinal, err) ||
        json_string_required(head, "verdict", 32, &verdict, err)) {
        return -1;
    }
    while (i < count &&
           (mail[i]->kind != MAIL_CHECKPOINT || mail[i]->ordinal != ordinal ||
            strcmp(mail[i]->run->task, task) != 0)) {
        i++;
    }
    if (i == count) {
        return err_set(err, ERR_FATAL, 0, "an answer we did not send");
    }
    bool applied = strcmp(verdict, "applied") == 0;
    mail[i]->kind = applied ? MAIL_STORED : MAIL_LOST;
    if (applied && row->body != NULL) {
        free(mail[i]->bytes);
        mail[i]->bytes = xmemdup(row->body, row->body_size);
        mail[i]->size = row->body_size;
    }
    return 0;
}

int
settle_answers(struct supervisor *sup, struct store *store, struct mail **mail,
               size_t count, struct err *err)
{
    _cleanup(store_reply_free) struct store_reply reply = {0};
    _cleanup(buf_free) struct buf request = {0};

    engine_begin(&request);
    buf_json_key(&request, "items");
    buf_json_array(&request);
    for (size_t i = 0; i < count; i++) {
        write_answer(mail[i], &request);
    }
    buf_json_end(&request);
    buf_json_end(&request);
    if (engine_call(sup, store, ENGINE_CHECKPOINT, &request,
                    sup->conf.lease_ms / 3, &reply, NULL, err)) {
        return -1;
    }
    FAULT_POINT(FAULT_AFTER_CHECKPOINT);
    if (reply.count != count + 1) {
        return err_set(err, ERR_FATAL, 0,
                       "checkpoint answered %zu rows for %zu answers",
                       reply.count, count);
    }
    for (size_t i = 0; i < count; i++) {
        if (take_stored(mail, count, &reply.rows[i + 1], err)) {
            err->kind = ERR_FATAL;
            return err_wrap(err, "checkpoint's row");
        }
    }
    for (size_t i = 0; i < count; i++) {
        metrics_add(METRICS_PAID, mail[i]->kind == MAIL_STORED);
        mailbox_post(&sup->to_loop, STEAL(mail[i]));
    }
    return 0;
}
