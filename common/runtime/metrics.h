/* What a worker measures about itself, on /metrics.
 *
 *   alex_tasks_total{outcome}            tasks settled, by outcome
 *   alex_runs_total                      runs begun in a handler
 *   alex_run_seconds                     from a handler's start to its end
 *   alex_task_seconds                    from claim to settled
 *   alex_engine_call_seconds{function}   one call of the engine
 *   alex_engine_failures_total           calls of the engine that failed
 *   alex_queue_failures_total            operations of the queue that failed
 *   alex_messages_total{end}             how messages ended: acked, released,
 *                                        dead (letters), forgotten
 *   alex_bells_total                     doorbells rung
 *   alex_leases_lost_total               leases found lost by a beat
 *   alex_paid_answers_total              answers stored before use
 *   alex_in_flight                       messages held
 *   alex_runnable alex_running alex_parked   tasks held, by stage
 *   alex_handlers                        living handler processes
 *   alex_settler_backlog_bytes           results not yet settled
 *   alex_queue_depth{state}              own queue at the last reap: waiting,
 *                                        in_flight, delayed, dead */
#pragma once

#include "base/metric.h"

enum metrics_id {
    METRICS_SUCCEEDED,
    METRICS_RETRY,
    METRICS_DEFERRED,
    METRICS_DEAD,
    METRICS_CRASHED,
    METRICS_INTERRUPTED,
    METRICS_CANCELLED,
    METRICS_RUNS,
    METRICS_RUN_TIME,
    METRICS_TASK_TIME,
    METRICS_CLAIM_TIME,
    METRICS_READ_TIME,
    METRICS_BEAT_TIME,
    METRICS_CHECKPOINT_TIME,
    METRICS_SETTLE_TIME,
    METRICS_REAP_TIME,
    METRICS_ENGINE_FAILURES,
    METRICS_QUEUE_FAILURES,
    METRICS_ACKED,
    METRICS_RELEASED,
    METRICS_DEAD_LETTERS,
    METRICS_FORGOTTEN,
    METRICS_BELLS,
    METRICS_LOST,
    METRICS_PAID,
    METRICS_IN_FLIGHT,
    METRICS_RUNNABLE,
    METRICS_RUNNING,
    METRICS_PARKED,
    METRICS_HANDLERS,
    METRICS_BACKLOG_BYTES,
    METRICS_DEPTH_WAITING,
    METRICS_DEPTH_IN_FLIGHT,
    METRICS_DEPTH_DELAYED,
    METRICS_DEPTH_DEAD,
    METRICS_COUNT,
};

extern struct metric metrics[METRICS_COUNT];

void metrics_add(enum metrics_id id, int64_t by);
void metrics_set(enum metrics_id id, int64_t value);
void metrics_observe_us(enum metrics_id id, int64_t us);
