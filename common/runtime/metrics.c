#include "runtime/metrics.h"

struct metric metrics[METRICS_COUNT] = {
    [METRICS_SUCCEEDED] = {METRIC_COUNTER, "alex_tasks_total",
                           "outcome=\"succeeded\"", "Tasks settled."},
    [METRICS_RETRY] = {METRIC_COUNTER, "alex_tasks_total", "outcome=\"retry\"",
                       "Tasks settled."},
    [METRICS_DEFERRED] = {METRIC_COUNTER, "alex_tasks_total",
                          "outcome=\"deferred\"", "Tasks settled."},
    [METRICS_DEAD] = {METRIC_COUNTER, "alex_tasks_total", "outcome=\"dead\"",
                      "Tasks settled."},
    [METRICS_CRASHED] = {METRIC_COUNTER, "alex_tasks_total",
                         "outcome=\"crashed\"", "Tasks settled."},
    [METRICS_INTERRUPTED] = {METRIC_COUNTER, "alex_tasks_total",
                             "outcome=\"interrupted\"", "Tasks settled."},
    [METRICS_CANCELLED] = {METRIC_COUNTER, "alex_tasks_total",
                           "outcome=\"cancelled\"", "Tasks settled."},
    [METRICS_RUNS] = {METRIC_COUNTER, "alex_runs_total", NULL,
                      "Runs begun in a handler."},
    [METRICS_RUN_TIME] = {METRIC_HISTOGRAM, "alex_run_seconds", NULL,
                          "From a handler's start to its end."},
    [METRICS_TASK_TIME] = {METRIC_HISTOGRAM, "alex_task_seconds", NULL,
                           "From claim to settled."},
    [METRICS_CLAIM_TIME] = {METRIC_HISTOGRAM, "alex_engine_call_seconds",
                            "function=\"claim\"", "Calls of the engine."},
    [METRICS_READ_TIME] = {METRIC_HISTOGRAM, "alex_engine_call_seconds",
                           "function=\"read\"", "Calls of the engine."},
    [METRICS_BEAT_TIME] = {METRIC_HISTOGRAM, "alex_engine_call_seconds",
                           "function=\"beat\"", "Calls of the engine."},
    [METRICS_CHECKPOINT_TIME] = {METRIC_HISTOGRAM, "alex_engine_call_seconds",
                                 "function=\"checkpoint\"",
                                 "Calls of the engine."},
    [METRICS_SETTLE_TIME] = {METRIC_HISTOGRAM, "alex_engine_call_seconds",
                             "function=\"settle\"", "Calls of the engine."},
    [METRICS_REAP_TIME] = {METRIC_HISTOGRAM, "alex_engine_call_seconds",
                           "function=\"reap\"", "Calls of the engine."},
    [METRICS_ENGINE_FAILURES] = {METRIC_COUNTER, "alex_engine_failures_total",
                                 NULL, "Calls of the engine that failed."},
    [METRICS_QUEUE_FAILURES] = {METRIC_COUNTER, "alex_queue_failures_total",
                                NULL, "Operations of the queue that failed."},
    [METRICS_ACKED] = {METRIC_COUNTER, "alex_messages_total", "end=\"acked\"",
                       "Messages by how they ended."},
    [METRICS_RELEASED] = {METRIC_COUNTER, "alex_messages_total",
                          "end=\"released\"", "Messages by how they ended."},
    [METRICS_DEAD_LETTERS] = {METRIC_COUNTER, "alex_messages_total",
                              "end=\"dead\"", "Messages by how they ended."},
    [METRICS_FORGOTTEN] = {METRIC_COUNTER, "alex_messages_total",
                           "end=\"forgotten\"", "Messages by how they ended."},
    [METRICS_BELLS] = {METRIC_COUNTER, "alex_bells_total", NULL,
                       "Doorbells rung."},
    [METRICS_LOST] = {METRIC_COUNTER, "alex_leases_lost_total", NULL,
                      "Leases found lost by a beat."},
    [METRICS_PAID] = {METRIC_COUNTER, "alex_paid_answers_total", NULL,
                      "Answers stored before use."},
    [METRICS_IN_FLIGHT] = {METRIC_GAUGE, "alex_in_flight", NULL,
                           "Messages held."},
    [METRICS_RUNNABLE] = {METRIC_GAUGE, "alex_runnable", NULL,
                          "Tasks that wait for a handler."},
    [METRICS_RUNNING] = {METRIC_GAUGE, "alex_running", NULL,
                         "Tasks in a handler."},
    [METRICS_PARKED] = {METRIC_GAUGE, "alex_parked", NULL,
                        "Tasks that wait for answers."},
    [METRICS_HANDLERS] = {METRIC_GAUGE, "alex_handlers", NULL,
                          "Living handler processes."},
    [METRICS_BACKLOG_BYTES] = {METRIC_GAUGE, "alex_settler_backlog_bytes", NULL,
                               "Results not yet settled."},
    [METRICS_DEPTH_WAITING] = {METRIC_GAUGE, "alex_queue_depth",
                               "state=\"waiting\"",
                               "Own queue at the last reap."},
    [METRICS_DEPTH_IN_FLIGHT] = {METRIC_GAUGE, "alex_queue_depth",
                                 "state=\"in_flight\"",
                                 "Own queue at the last reap."},
    [METRICS_DEPTH_DELAYED] = {METRIC_GAUGE, "alex_queue_depth",
                               "state=\"delayed\"",
                               "Own queue at the last reap."},
    [METRICS_DEPTH_DEAD] = {METRIC_GAUGE, "alex_queue_depth", "state=\"dead\"",
                            "Own queue at the last reap."},
};

void
metrics_add(enum metrics_id id, int64_t by)
{
    metric_inc(&metrics[id], by);
}

void
metrics_set(enum metrics_id id, int64_t value)
{
    metric_set(&metrics[id], value);
}

void
metrics_observe_us(enum metrics_id id, int64_t us)
{
    metric_observe_us(&metrics[id], us);
}
