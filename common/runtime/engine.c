#include "runtime/engine.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "runtime/heartbeat.h"
#include "runtime/metrics.h"

#define WAKE_MAX_MS (400LL * 24 * 3600 * 1000)

static const struct {
    const char *name;
    enum metrics_id time;
} functions[] = {
    [ENGINE_CLAIM] = {"claim", METRICS_CLAIM_TIME},
    [ENGINE_READ] = {"read", METRICS_READ_TIME},
    [ENGINE_BEAT] = {"beat", METRICS_BEAT_TIME},
    [ENGINE_CHECKPOINT] = {"checkpoint", METRICS_CHECKPOINT_TIME},
    [ENGINE_SETTLE] = {"settle", METRICS_SETTLE_TIME},
    [ENGINE_REAP] = {"reap", METRICS_REAP_TIME},
};

void
engine_begin(struct buf *request)
{
    buf_json_object(request);
    buf_json_key(request, "v");
    buf_json_int(request, 1);
}

int
engine_head(const struct store_row *row, struct json_object **ret,
            struct err *err)
{
    struct json_object *head = NULL;

    if (json_parse(row->head, row->head_size, "engine's reply", &head, err)) {
        err->kind = ERR_FATAL; /* Not the input's fault, as REJECT would say. */
        return -1;
    }
    if (!json_object_is_type(head, json_type_object)) {
        json_put(&head);
        return err_set(err, ERR_FATAL, 0, "engine's reply: not an object");
    }
    *ret = head;
    return 0;
}

static int
take_first_row(struct supervisor *sup, const struct store_reply *reply,
               struct json_object **ret_head, struct err *err)
{
    _cleanup(json_put) struct json_object *head = NULL;
    int64_t wake_ms;

    if (reply->count == 0) {
        return err_set(err, ERR_FATAL, 0, "engine's reply: no rows");
    }
    if (engine_head(&reply->rows[0], &head, err) ||
        json_int(head, "wake_ms", 0, WAKE_MAX_MS, -1, &wake_ms, err)) {
        return -1;
    }
    if (wake_ms >= 0) {
        heartbeat_reap_by(sup->heartbeat, clock_boot_ms() + wake_ms);
    }
    if (ret_head != NULL) {
        *ret_head = STEAL(head);
    }
    return 0;
}

int
engine_call(struct supervisor *sup, struct store *store,
            enum engine_function function, const struct buf *request,
            int64_t timeout_ms, struct store_reply *reply,
            struct json_object **ret_head, struct err *err)
{
    _cleanup(store_reply_free) struct store_reply got = {0};
    int64_t start_us = clock_boot_us();

    if (store_call(store, functions[function].name, request->data,
                   request->size, timeout_ms, &got, err)) {
        metrics_add(METRICS_ENGINE_FAILURES, 1);
        return -1;
    }
    metrics_observe_us(functions[function].time, clock_boot_us() - start_us);
    if (take_first_row(sup, &got, ret_head, err)) {
        err->kind = ERR_FATAL;
        return err_wrap(err, "fleet.%s", functions[function].name);
    }
    supervisor_progress(sup);
    *reply = got;
    got = (struct store_reply){0};
    return 0;
}
