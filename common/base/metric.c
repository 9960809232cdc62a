#include "base/metric.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define METRIC_TABLES_MAX 32

static const int64_t metric_bounds_us[METRIC_BUCKETS] = {
    1000,   2500,   5000,    10000,   25000,    50000,
    100000, 250000, 1000000, 5000000, 20000000, 60000000,
};

static struct {
    pthread_mutex_t lock; /* Of the list, not of the values. */
    struct {
        struct metric *rows;
        size_t count;
    } tables[METRIC_TABLES_MAX];
    size_t count;
} metric_registry = {.lock = PTHREAD_MUTEX_INITIALIZER};

void
metric_add_table(struct metric *table, size_t count)
{
    pthread_mutex_lock(&metric_registry.lock);
    if (metric_registry.count == METRIC_TABLES_MAX) {
        abort();
    }
    metric_registry.tables[metric_registry.count].rows = table;
    metric_registry.tables[metric_registry.count].count = count;
    metric_registry.count++;
    pthread_mutex_unlock(&metric_registry.lock);
}

void
metric_inc(struct metric *m, int64_t by)
{
    atomic_fetch_add_explicit(&m->value, by, memory_order_relaxed);
}

void
metric_set(struct metric *m, int64_t value)
{
    atomic_store_explicit(&m->value, value, memory_order_relaxed);
}

void
metric_observe_us(struct metric *m, int64_t us)
{
    size_t i = 0;

    while (i < METRIC_BUCKETS && us > metric_bounds_us[i]) {
        i++;
    }
    atomic_fetch_add_explicit(&m->buckets[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&m->sum_us, us, memory_order_relaxed);
}

static void
metric_render_histogram(const struct metric *m, struct buf *out)
{
    const char *labels = m->labels != NULL ? m->labels : "";
    const char *comma = m->labels != NULL ? "," : "";
    const char *open = m->labels != NULL ? "{" : "";
    const char *close = m->labels != NULL ? "}" : "";
    uint64_t total = 0;

    for (size_t i = 0; i <= METRIC_BUCKETS; i++) {
        total += atomic_load_explicit(&m->buckets[i], memory_order_relaxed);
        buf_printf(out, "%s_bucket{%s%sle=\"", m->name, labels, comma);
        if (i < METRIC_BUCKETS) {
            buf_printf(out, "%g", (double)metric_bounds_us[i] / 1e6);
        } else {
            buf_puts(out, "+Inf");
        }
        buf_printf(out, "\"} %" PRIu64 "\n", total);
    }
    int64_t sum_us = atomic_load_explicit(&m->sum_us, memory_order_relaxed);
    buf_printf(out, "%s_sum%s%s%s %.6f\n", m->name, open, labels, close,
               (double)sum_us / 1e6);
    buf_printf(out, "%s_count%s%s%s %" PRIu64 "\n", m->name, open, labels,
               close, total);
}

static void
metric_render_row(const struct metric *m, struct buf *out)
{
    if (m->type == METRIC_HISTOGRAM) {
        metric_render_histogram(m, out);
        return;
    }
    buf_puts(out, m->name);
    if (m->labels != NULL) {
        buf_printf(out, "{%s}", m->labels);
    }
    buf_printf(out, " %" PRId64 "\n",
               atomic_load_explicit(&m->value, memory_order_relaxed));
}

/* The n-th metric over all tables, or NULL. */
static const struct metric *
metric_at(size_t n)
{
    for (size_t i = 0; i < metric_registry.count; i++) {
        if (n < metric_registry.tables[i].count) {
            return &metric_registry.tables[i].rows[n];
        }
        n -= metric_registry.tables[i].count;
    }
    return NULL;
}

static bool
metric_is_first_of_name(size_t n)
{
    const char *name = metric_at(n)->name;

    for (size_t i = 0; i < n; i++) {
        if (strcmp(metric_at(i)->name, name) == 0) {
            return false;
        }
    }
    return true;
}

/* The format wants all lines of one name together, wherever they come from. */
static void
metric_render_name(size_t first, struct buf *out)
{
    static const char *const types[] = {
        [METRIC_COUNTER] = "counter",
        [METRIC_GAUGE] = "gauge",
        [METRIC_HISTOGRAM] = "histogram",
    };
    const struct metric *head = metric_at(first);
    const struct metric *m;

    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", head->name, head->help,
               head->name, types[head->type]);
    for (size_t i = first; (m = metric_at(i)) != NULL; i++) {
        if (strcmp(m->name, head->name) == 0) {
            metric_render_row(m, out);
        }
    }
}

void
metric_render(struct buf *out)
{
    pthread_mutex_lock(&metric_registry.lock);
    for (size_t i = 0; metric_at(i) != NULL; i++) {
        if (metric_is_first_of_name(i)) {
            metric_render_name(i, out);
        }
    }
    pthread_mutex_unlock(&metric_registry.lock);
}
