#include "test.h"

#include <pthread.h>

#include "base/metric.h"

static struct metric calls[] = {
    {METRIC_COUNTER, "calls_total", "kind=\"a\"", "calls made"},
    {METRIC_GAUGE, "depth", NULL, "messages waiting"},
    {METRIC_HISTOGRAM, "call_seconds", "kind=\"a\"", "time of a call"},
};
static struct metric more[] = {
    {METRIC_COUNTER, "calls_total", "kind=\"b\"", "calls made"},
    {METRIC_HISTOGRAM, "wait_seconds", NULL, "time waited"},
};

static int
add_tables(void **state)
{
    (void)state;
    metric_add_table(calls, ARRAY_COUNT(calls));
    metric_add_table(more, ARRAY_COUNT(more));
    return 0;
}

static void
assert_rendered(const char *lines)
{
    _cleanup(buf_free) struct buf out = {0};

    metric_render(&out);
    if (strstr(out.data, lines) == NULL) {
        fail_msg("not there:\n%s\nin:\n%s", lines, out.data);
    }
}

static void
test_lines_of_one_name_stand_together_under_one_head(void **state)
{
    (void)state;
    metric_inc(&calls[0], 3);
    metric_inc(&more[0], 4);
    assert_rendered("# HELP calls_total calls made\n"
                    "# TYPE calls_total counter\n"
                    "calls_total{kind=\"a\"} 3\n"
                    "calls_total{kind=\"b\"} 4\n"
                    "# HELP depth messages waiting\n");
}

static void
test_a_gauge_shows_the_last_value(void **state)
{
    (void)state;
    metric_set(&calls[1], 12);
    metric_inc(&calls[1], -20);
    assert_rendered("# TYPE depth gauge\ndepth -8\n");
}

static void
test_buckets_are_cumulative_and_bounds_inclusive(void **state)
{
    (void)state;
    metric_observe_us(&calls[2], 0);
    metric_observe_us(&calls[2], 1000);
    metric_observe_us(&calls[2], 1001);
    metric_observe_us(&calls[2], 60000000);
    metric_observe_us(&calls[2], 60000001);
    assert_rendered("# TYPE call_seconds histogram\n"
                    "call_seconds_bucket{kind=\"a\",le=\"0.001\"} 2\n"
                    "call_seconds_bucket{kind=\"a\",le=\"0.0025\"} 3\n"
                    "call_seconds_bucket{kind=\"a\",le=\"0.005\"} 3\n");
    assert_rendered("call_seconds_bucket{kind=\"a\",le=\"20\"} 3\n"
                    "call_seconds_bucket{kind=\"a\",le=\"60\"} 4\n"
                    "call_seconds_bucket{kind=\"a\",le=\"+Inf\"} 5\n"
                    "call_seconds_sum{kind=\"a\"} 120.002002\n"
                    "call_seconds_count{kind=\"a\"} 5\n");
}

static void
test_a_histogram_without_labels_has_no_empty_braces(void **state)
{
    (void)state;
    assert_rendered("wait_seconds_bucket{le=\"+Inf\"} 0\n"
                    "wait_seconds_sum 0.000000\n"
                    "wait_seconds_count 0\n");
}

static void *
count_up(void *metric)
{
    for (int i = 0; i < 20000; i++) {
        metric_inc(metric, 1);
    }
    return NULL;
}

static void
test_no_count_is_lost_between_threads(void **state)
{
    (void)state;
    pthread_t threads[4];

    metric_set(&more[0], 0);
    for (size_t i = 0; i < ARRAY_COUNT(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, &more[0]),
                         0);
    }
    for (size_t i = 0; i < ARRAY_COUNT(threads); i++) {
        pthread_join(threads[i], NULL);
    }
    assert_rendered("calls_total{kind=\"b\"} 80000\n");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_of_one_name_stand_together_under_one_head),
        cmocka_unit_test(test_a_gauge_shows_the_last_value),
        cmocka_unit_test(test_buckets_are_cumulative_and_bounds_inclusive),
        cmocka_unit_test(test_a_histogram_without_labels_has_no_empty_braces),
        cmocka_unit_test(test_no_count_is_lost_between_threads),
    };

    return cmocka_run_group_tests(tests, add_tables, NULL);
}
