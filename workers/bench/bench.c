#include "bench/bench.h"

#include <string.h>

#include "base/cleanup.h"
#include "bench/ops.h"

#define BENCH_WIDTH_MAX 999
#define BENCH_ASKS_MAX 100
#define BENCH_DELAY_MAX_MS 600000

extern const char embed_bench_result[];

static int
op_noop(const struct ops_call *call, struct buf *output, struct err *err)
{
    (void)call;
    (void)output;
    (void)err;
    return 0;
}

static void
append_child(struct buf *plan, const char *node, struct json_object *params,
             const char *needs)
{
    const char *text =
        json_object_to_json_string_ext(params, JSON_C_TO_STRING_PLAIN);

    buf_json_object(plan);
    buf_json_key(plan, "node");
    buf_json_string(plan, node);
    buf_json_key(plan, "agent");
    buf_json_string(plan, "bench");
    buf_json_key(plan, "needs");
    buf_json_raw(plan, needs, strlen(needs));
    buf_json_key(plan, "required");
    buf_json_bool(plan, true);
    buf_json_key(plan, "params");
    buf_json_raw(plan, text, strlen(text));
    buf_json_end(plan);
}

static void
append_children(const struct ops_call *call, struct json_object *child,
                int64_t width, bool join, struct buf *output)
{
    _cleanup(buf_free) struct buf needs = {0};
    _cleanup(json_put) struct json_object *nothing = json_object_new_object();
    struct arena *arena = task_arena(call->task);

    buf_json_array(&needs);
    for (int64_t i = 0; i < width; i++) {
        const char *node = arena_printf(arena, "%s.%d", call->node, (int)i);
        append_child(output, node, child, "[]");
        buf_json_string(&needs, node);
    }
    buf_json_end(&needs);
    if (join) {
        append_child(output, arena_printf(arena, "%s.join", call->node),
                     nothing, needs.data);
    }
}

static int
op_fan(const struct ops_call *call, struct buf *output, struct err *err)
{
    _cleanup(json_put) struct json_object *nothing = json_object_new_object();
    struct json_object *child = NULL;
    int64_t width = 0;

    if (json_int(call->params, "width", 1, BENCH_WIDTH_MAX, 8, &width, err) !=
            0 ||
        json_member(call->params, "child", json_type_object, &child, err) !=
            0) {
        return -1;
    }
    buf_json_key(output, "children");
    buf_json_int(output, width);
    buf_json_end(output); /* detail */
    buf_json_key(output, "plan");
    buf_json_array(output);
    append_children(call, child != NULL ? child : nothing, width,
                    json_flag(call->params, "join", false), output);
    return 0;
}

static int
op_ask(const struct ops_call *call, struct buf *output, struct err *err)
{
    struct arena *arena = task_arena(call->task);
    int64_t count = 0;
    int64_t delay_ms = 0;

    if (json_int(call->params, "count", 1, BENCH_ASKS_MAX, 1, &count, err) !=
            0 ||
        json_int(call->params, "delay_ms", 0, BENCH_DELAY_MAX_MS, 0, &delay_ms,
                 err) != 0) {
        return -1;
    }
    buf_json_key(output, "answers");
    buf_json_array(output);
    for (int64_t i = 0; i < count; i++) {
        const char *request = arena_printf(
            arena, "{\"delay_ms\":%d,\"answer\":%d}", (int)delay_ms, (int)i);
        const char *answer = NULL;
        size_t size = 0;
        if (task_ask(call->task, "delay", request, strlen(request), &answer,
                     &size, err) != 0) {
            return -1;
        }
        buf_json_raw(output, answer, size);
    }
    buf_json_end(output);
    return 0;
}

static int
op_progress(const struct ops_call *call, struct buf *output, struct err *err)
{
    const char *text = NULL;
    int64_t percent = 0;

    if (json_int(call->params, "percent", 0, 100, 50, &percent, err) != 0 ||
        json_string(call->params, "text", 1000, "half", &text, err) != 0) {
        return -1;
    }
    task_progress(call->task, (int)percent, text);
    return ops_sleep(call, output, err);
}

static const struct op {
    const char *name;
    int (*run)(const struct ops_call *call, struct buf *output,
               struct err *err);
} bench_ops[] = {
    {"noop", op_noop},        {"fan", op_fan},
    {"ask", op_ask},          {"progress", op_progress},
    {"echo", ops_echo},       {"spin", ops_spin},
    {"sleep", ops_sleep},     {"memory", ops_memory},
    {"reject", ops_reject},   {"retry", ops_retry},
    {"crash", ops_crash},     {"exit", ops_exit},
    {"raw", ops_raw},         {"oversize", ops_oversize},
    {"garbage", ops_garbage}, {"probe", ops_probe},
};

static const struct op *
find_op(const char *name)
{
    for (size_t i = 0; i < ARRAY_COUNT(bench_ops); i++) {
        if (strcmp(bench_ops[i].name, name) == 0) {
            return &bench_ops[i];
        }
    }
    return NULL;
}

static int
run_op(const struct ops_call *call, struct buf *output, struct err *err)
{
    const char *name = "noop";

    if (call->params != NULL &&
        json_string(call->params, "op", 32, "noop", &name, err) != 0) {
        return -1;
    }
    const struct op *op = find_op(name);
    if (op == NULL) {
        return err_set(err, ERR_REJECT, 0, "params.op: unknown word %s", name);
    }
    buf_json_object(output);
    buf_json_key(output, "detail");
    buf_json_object(output);
    buf_json_key(output, "op");
    buf_json_string(output, name);
    if (op->run(call, output, err) != 0) {
        return -1;
    }
    while (output->json_depth > 0) {
        buf_json_end(output);
    }
    return 0;
}

int
bench_handle(struct task *task, const char *input, size_t input_size,
             struct buf *output, struct err *err)
{
    _cleanup(json_put) struct json_object *root = NULL;
    struct ops_call call = {
        .task = task, .input = input, .input_size = input_size};

    if (json_parse(input, input_size, "input", &root, err) != 0 ||
        json_string(root, "node", 100, "bench", &call.node, err) != 0 ||
        json_member(root, "params", json_type_object, &call.params, err) != 0) {
        return -1;
    }
    return run_op(&call, output, err);
}

const struct worker bench_worker = {
    .name = "bench",
    .summary = "does nothing, fans out, asks or misbehaves on command",
    .handle = bench_handle,
    .result_schema = embed_bench_result,
    .cpu_limit_ms = 5000,
    .memory_bytes = (int64_t)128 * 1024 * 1024,
};
