/* Counters, gauges and histograms in Prometheus's text format 0.0.4.
 *
 * A module owns a static table of metrics and adds it once; values are atomics,
 * so any thread may move them and any thread may render. */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

#define METRIC_BUCKETS 12 /* Seconds from 0.001 to 60: see metric.c. */

struct metric {
    enum metric_type type;
    const char *name;   /* With unit: "alex_engine_call_seconds". */
    const char *labels; /* "function=\"claim\"" or NULL. */
    const char *help;
    _Atomic int64_t value; /* Counter and gauge. */
    _Atomic uint64_t buckets[METRIC_BUCKETS + 1];
    _Atomic int64_t sum_us;
};

/* Adds 'count' metrics; the array must live as long as the process. */
void metric_add_table(struct metric *table, size_t count);
void metric_inc(struct metric *m, int64_t by);
void metric_set(struct metric *m, int64_t value);
void metric_observe_us(struct metric *m, int64_t us);
void metric_render(struct buf *out);
