#include "retirement/montecarlo.h"

#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "retirement/montecarlo_kernel.h"

#define THREADS_MAX 64
#define RANKS_MAX 48 /* Three for each of 16 probabilities. */

struct outcome {
    int years;
    double flow[2 * MONTECARLO_YEARS_MAX];
    double *values[MONTECARLO_WHATS]; /* Unordered, 'stride' long. */
    double *yearly;                   /* [years][stride], or NULL. */
    struct montecarlo_estimate means[MONTECARLO_WHATS];
};

struct montecarlo {
    size_t paths;
    size_t stride; /* 'paths' rounded up to whole tiles. */
    size_t count;
    struct outcome outcomes[MONTECARLO_CASES_MAX];
};

_Static_assert(MONTECARLO_CASES_MAX <= MONTECARLO_TOGETHER,
               "the kernel takes all cases at once");

static int
check_range(const char *name, double value, double low, double high,
            struct err *err)
{
    if (value >= low && value <= high) {
        return 0;
    }
    return err_set(err, ERR_REJECT, 0, "%s is %g, must be %g to %g", name,
                   value, low, high);
}

static int
check_case(const struct montecarlo_case *plan, struct err *err)
{
    const struct {
        const char *name;
        double value, low, high;
    } rows[] = {
        {"value", plan->value, 0, 1e15},
        {"mean", plan->mean, -0.5, 1},
        {"sd", plan->sd, 0, 1},
        {"years_to_retirement", plan->years_to_retirement, 0,
         MONTECARLO_YEARS_MAX},
        {"years_in_retirement", plan->years_in_retirement, 0,
         MONTECARLO_YEARS_MAX},
        {"contribution", plan->contribution, 0, 1e15},
        {"income", plan->income, 0, 1e15},
        {"inflation_before", plan->inflation_before, -0.1, 0.5},
        {"inflation_after", plan->inflation_after, -0.1, 0.5},
    };

    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        if (check_range(rows[i].name, rows[i].value, rows[i].low, rows[i].high,
                        err)) {
            return -1;
        }
    }
    return 0;
}

static int
check_all(const struct montecarlo_market *market,
          const struct montecarlo_case *cases, size_t count, struct err *err)
{
    if (check_range("paths", (double)market->paths, 100, MONTECARLO_PATHS_MAX,
                    err) ||
        check_range("threads", market->threads, 0, THREADS_MAX, err) ||
        check_range("count", (double)count, 1, MONTECARLO_CASES_MAX, err)) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        if (check_case(&cases[i], err)) {
            return -1;
        }
    }
    return 0;
}

static const struct montecarlo_kernel *
find_kernel(const char *name, struct err *err)
{
    if (!name) {
        return montecarlo_kernel_best();
    }
    for (const struct montecarlo_kernel *k = montecarlo_kernels; k->name; k++) {
        if (strcmp(k->name, name) == 0 && k->usable()) {
            return k;
        }
    }
    err_set(err, ERR_REJECT, 0, "kernel %s does not run on this processor",
            name);
    return NULL;
}

/* Contributions, then price levels, by year.  Products in order instead of
 * pow(), so that they do not depend on a C library. */
static void
fill_flow(const struct montecarlo_case *plan, double *flow)
{
    double level = 1;

    for (int t = 0; t < plan->years_to_retirement; t++) {
        level *= 1 + plan->inflation_before;
        *flow++ = plan->contribution * level;
    }
    for (int k = 0; k < plan->years_in_retirement; k++) {
        level *= 1 + plan->inflation_after;
        *flow++ = level;
    }
}

struct share {
    pthread_t thread;
    const struct montecarlo_kernel *kernel;
    uint64_t seed;
    const struct montecarlo_plan *plans;
    size_t count;
    size_t begin, end; /* Paths, whole tiles. */
};

static void *
run_share(void *argument)
{
    const struct share *share = argument;

    for (size_t path = share->begin; path < share->end;
         path += MONTECARLO_TILE) {
        share->kernel->run_tile(share->seed, (uint32_t)path, share->plans,
                                share->count);
    }
    return NULL;
}

/* The caller's thread takes the first share. */
static int
run_shares(struct share *shares, unsigned count, struct err *err)
{
    unsigned started = 1;
    int failed = 0;

    while (started < count && !failed) {
        failed = pthread_create(&shares[started].thread, NULL, run_share,
                                &shares[started]);
        started += failed == 0;
    }
    run_share(&shares[0]);
    for (unsigned i = 1; i < started; i++) {
        pthread_join(shares[i].thread, NULL);
    }
    return failed ? err_set(err, ERR_RETRY, failed,
                            "can't start a thread for the simulation")
                  : 0;
}

/* The tiles in equal shares, one a thread. */
static int
simulate(const struct montecarlo *run, const struct montecarlo_market *market,
         const struct montecarlo_kernel *kernel,
         const struct montecarlo_plan *plans, struct err *err)
{
    const unsigned threads = market->threads ? market->threads : 1;
    const size_t tiles = run->stride / MONTECARLO_TILE;
    struct share shares[THREADS_MAX];

    for (size_t i = 0; i < threads; i++) {
        shares[i] = (struct share){
            .kernel = kernel,
            .seed = market->seed,
            .plans = plans,
            .count = run->count,
            .begin = tiles * i / threads * MONTECARLO_TILE,
            .end = tiles * (i + 1) / threads * MONTECARLO_TILE,
        };
    }
    return run_shares(shares, threads, err);
}

/* In path order, before any selection moves values about. */
static struct montecarlo_estimate
mean_of(const double *values, size_t count)
{
    const double n = (double)count;
    double sum = 0, squares = 0, mean;

    for (size_t i = 0; i < count; i++) {
        sum += values[i];
    }
    mean = sum / n;
    for (size_t i = 0; i < count; i++) {
        squares += (values[i] - mean) * (values[i] - mean);
    }
    return (struct montecarlo_estimate){mean, sqrt(squares / (n - 1) / n)};
}

/* Makes room for a case's results and says where they go. */
static struct montecarlo_plan
prepare(const struct montecarlo_case *plan, size_t stride, struct outcome *ret)
{
    const size_t row = stride * sizeof(double);

    ret->years = plan->years_to_retirement + plan->years_in_retirement;
    fill_flow(plan, ret->flow);
    for (int what = 0; what < MONTECARLO_WHATS; what++) {
        ret->values[what] = xmalloc(row);
    }
    if (plan->yearly && ret->years > 0) {
        ret->yearly = xmalloc(row * (size_t)ret->years);
    }
    return (struct montecarlo_plan){
        .value = plan->value,
        .mean = plan->mean,
        .sd = plan->sd,
        .income = plan->income,
        .accumulate = plan->years_to_retirement,
        .years = ret->years,
        .flow = ret->flow,
        .out = {.at_retirement = ret->values[MONTECARLO_AT_RETIREMENT],
                .at_end = ret->values[MONTECARLO_AT_END],
                .limit = ret->values[MONTECARLO_INCOME],
                .lasted = ret->values[MONTECARLO_LASTED],
                .yearly = ret->yearly,
                .stride = stride},
    };
}

int
montecarlo_run(const struct montecarlo_market *market,
               const struct montecarlo_case *cases, size_t count,
               struct montecarlo **ret, struct err *err)
{
    _cleanup(montecarlo_free) struct montecarlo *run = NULL;
    const struct montecarlo_kernel *kernel = find_kernel(market->kernel, err);
    struct montecarlo_plan plans[MONTECARLO_CASES_MAX];

    if (!kernel || check_all(market, cases, count, err)) {
        return -1;
    }
    run = xcalloc(1, sizeof(*run));
    run->paths = market->paths;
    run->stride = (market->paths + MONTECARLO_TILE - 1) / MONTECARLO_TILE *
                  MONTECARLO_TILE;
    run->count = count;
    for (size_t i = 0; i < count; i++) {
        plans[i] = prepare(&cases[i], run->stride, &run->outcomes[i]);
    }
    if (simulate(run, market, kernel, plans, err)) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        for (int what = 0; what < MONTECARLO_WHATS; what++) {
            run->outcomes[i].means[what] =
                mean_of(run->outcomes[i].values[what], run->paths);
        }
    }
    *ret = STEAL(run);
    return 0;
}

void
montecarlo_free(struct montecarlo **run)
{
    for (size_t i = 0; *run && i < (*run)->count; i++) {
        for (int what = 0; what < MONTECARLO_WHATS; what++) {
            free((*run)->outcomes[i].values[what]);
        }
        free((*run)->outcomes[i].yearly);
    }
    free(*run);
    *run = NULL;
}

struct montecarlo_estimate
montecarlo_success(const struct montecarlo *run, size_t which, double income)
{
    const double *limits = run->outcomes[which].values[MONTECARLO_INCOME];
    const double n = (double)run->paths;
    size_t lasted = 0;
    double p;

    for (size_t i = 0; i < run->paths; i++) {
        lasted += limits[i] > income;
    }
    p = (double)lasted / n;
    return (struct montecarlo_estimate){p, sqrt(p * (1 - p) / n)};
}

struct montecarlo_estimate
montecarlo_mean(const struct montecarlo *run, size_t which,
                enum montecarlo_what what)
{
    return run->outcomes[which].means[what];
}

/* Moves what is less than 'pivot' (or, with 'equal', not more) to the front
 * and returns how many that are.  Branch-free: the order of random numbers
 * can't be predicted. */
static size_t
partition(double *values, size_t count, double pivot, bool equal)
{
    size_t front = 0;

    for (size_t i = 0; i < count; i++) {
        const double v = values[i];
        const bool goes = equal ? v <= pivot : v < pivot;

        values[i] = values[front];
        values[front] = v;
        front += goes;
    }
    return front;
}

static double
median_of_three(double a, double b, double c)
{
    const double low = a < b ? a : b, high = a < b ? b : a;

    return c < low ? low : c > high ? high : c;
}

/* Puts the order statistics 'ranks' (ascending, of values[0..count)) into their
 * places: Hoare's selection for several ranks at once.  'base' is the rank of
 * values[0]. */
static void
select_ranks(double *values, size_t count, size_t base, const size_t *ranks,
             size_t rank_count)
{
    while (rank_count > 0 && count > 1) {
        const double pivot =
            median_of_three(values[0], values[count / 2], values[count - 1]);
        size_t front = partition(values, count, pivot, false);
        size_t below = 0;
        bool equal = front == 0;

        if (equal) { /* Nothing is less: take all its equals off at once. */
            front = partition(values, count, pivot, true);
        }
        while (below < rank_count && ranks[below] < base + front) {
            below++;
        }
        if (!equal) {
            select_ranks(values, front, base, ranks, below);
        }
        values += front;
        count -= front;
        base += front;
        ranks += below;
        rank_count -= below;
    }
}

/* The rank of quantile 'p', moved by 'deviations' of the binomial. */
static size_t
rank_at(const struct montecarlo *run, double p, double deviations)
{
    const double n = (double)run->paths;
    const double rank = floor(n * p + deviations * sqrt(n * p * (1 - p)));

    return rank < 0 ? 0 : rank > n - 1 ? run->paths - 1 : (size_t)rank;
}

static int
compare_ranks(const void *a, const void *b)
{
    const size_t x = *(const size_t *)a, y = *(const size_t *)b;

    return (x > y) - (x < y);
}

void
montecarlo_quantiles(struct montecarlo *run, size_t which,
                     enum montecarlo_what what, const double *p, size_t count,
                     struct montecarlo_estimate *ret)
{
    double *values = run->outcomes[which].values[what];
    size_t ranks[RANKS_MAX] = {0};

    assert(count * 3 <= RANKS_MAX);
    for (size_t i = 0; i < count; i++) {
        for (size_t side = 0; side < 3; side++) {
            ranks[3 * i + side] = rank_at(run, p[i], (double)side - 1);
        }
    }
    qsort(ranks, 3 * count, sizeof(*ranks), compare_ranks);
    select_ranks(values, run->paths, 0, ranks, 3 * count);
    for (size_t i = 0; i < count; i++) {
        ret[i].value = values[rank_at(run, p[i], 0)];
        ret[i].se =
            (values[rank_at(run, p[i], 1)] - values[rank_at(run, p[i], -1)]) /
            2;
    }
}

void
montecarlo_year_quantiles(struct montecarlo *run, size_t which, int year,
                          const double *p, size_t count, double *ret)
{
    const struct outcome *outcome = &run->outcomes[which];
    double *values = outcome->yearly + (size_t)(year - 1) * run->stride;
    size_t ranks[RANKS_MAX] = {0};

    assert(outcome->yearly && year >= 1 && year <= outcome->years);
    assert(count <= RANKS_MAX);
    for (size_t i = 0; i < count; i++) {
        ranks[i] = rank_at(run, p[i], 0);
    }
    select_ranks(values, run->paths, 0, ranks, count);
    for (size_t i = 0; i < count; i++) {
        ret[i] = values[ranks[i]];
    }
}
