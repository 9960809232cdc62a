/* Path-years a second of the retirement simulation, on one core:
 *
 *   plain    what one writes first: a path at a time, xoshiro256+, Box-Muller
 *            with libm, stops at ruin (only years walked are counted)
 *   NAME     the vector kernel, built for that instruction set
 *   run      montecarlo_run: kernel, allocation, means
 *   bands    the same, keeping every year, and five quantiles of each
 *   5 cases  five of them in one run, as the retirement agent does
 *
 * Each line is the best of several runs, and its ratio to 'plain' in the same
 * process. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "retirement/montecarlo.h"
#include "retirement/montecarlo_kernel.h"

#define PATHS (80 * MONTECARLO_TILE)
#define ROUNDS 20

static const struct montecarlo_case plan = {
    .value = 99437.50,
    .mean = 0.05790723,
    .sd = 0.13,
    .years_to_retirement = 25,
    .years_in_retirement = 30,
    .contribution = 10000,
    .income = 50000,
    .inflation_after = 0.03,
};

static const struct montecarlo_market market = {.paths = PATHS, .seed = 1};

static double flow[55];
static double sink; /* Results are used: nothing may be optimised away. */

static double
now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Blackman and Vigna's xoshiro256+. */
static uint64_t xoshiro[4] = {1, 2, 3, 4};

static double
uniform(void)
{
    const uint64_t result = xoshiro[0] + xoshiro[3], t = xoshiro[1] << 17;

    xoshiro[2] ^= xoshiro[0];
    xoshiro[3] ^= xoshiro[1];
    xoshiro[1] ^= xoshiro[2];
    xoshiro[0] ^= xoshiro[3];
    xoshiro[2] ^= t;
    xoshiro[3] = xoshiro[3] << 45 | xoshiro[3] >> 19;
    return ((double)(result >> 11) + 0.5) * 0x1p-53;
}

static double
normal(void)
{
    static double spare;
    static int have;
    double r, angle;

    have = !have;
    if (!have) {
        return spare;
    }
    r = sqrt(-2 * log(uniform()));
    angle = 6.28318530717958647693 * uniform();
    spare = r * sin(angle);
    return r * cos(angle);
}

/* Returns the path-years walked. */
static double
run_plain(const void *unused)
{
    double walked = 0;

    (void)unused;
    for (int path = 0; path < PATHS; path++) {
        double v = plan.value;
        int year = 0;

        for (; year < 25; year++) {
            v = v * (1 + plan.mean + plan.sd * normal()) + flow[year];
        }
        for (; year < 55 && v > 0; year++) {
            v = v * (1 + plan.mean + plan.sd * normal());
            v -= plan.income * flow[year];
        }
        walked += year;
        sink += v;
    }
    return walked;
}

static double
run_kernel(const void *kernel_row)
{
    static double out[4][PATHS];
    const struct montecarlo_kernel *kernel = kernel_row;
    const struct montecarlo_plan kernel_plan = {
        .value = plan.value,
        .mean = plan.mean,
        .sd = plan.sd,
        .income = plan.income,
        .accumulate = 25,
        .years = 55,
        .flow = flow,
        .out = {out[0], out[1], out[2], out[3]},
    };

    for (uint32_t path = 0; path < PATHS; path += MONTECARLO_TILE) {
        kernel->run_tile(market.seed, path, &kernel_plan, 1);
    }
    sink += out[1][7] + out[2][9];
    return 55.0 * PATHS;
}

struct library_run {
    bool yearly;
    size_t count;
};

static double
run_library(const void *argument)
{
    static const double p[] = {0.1, 0.25, 0.5, 0.75, 0.9};
    const struct library_run *row = argument;
    _cleanup(montecarlo_free) struct montecarlo *run = NULL;
    struct montecarlo_case cases[MONTECARLO_CASES_MAX];
    struct err err = {0};
    double band[5];

    for (size_t i = 0; i < row->count; i++) {
        cases[i] = plan;
        cases[i].value += (double)i;
        cases[i].yearly = row->yearly;
    }
    if (montecarlo_run(&market, cases, row->count, &run, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 0;
    }
    for (int year = 1; row->yearly && year <= 55; year++) {
        montecarlo_year_quantiles(run, 0, year, p, 5, band);
        sink += band[2];
    }
    sink += montecarlo_success(run, 0, plan.income).value;
    return 55.0 * PATHS * (double)row->count;
}

static double
report(const char *name, double (*run)(const void *), const void *argument,
       double plain)
{
    double best = 0, rate;

    for (int i = 0; i < ROUNDS; i++) {
        const double start = now_s(), walked = run(argument);

        rate = walked / (now_s() - start);
        best = rate > best ? rate : best;
    }
    printf(
        "%-8s %8.1f million path-years/s  x %5.1f  (%.2f ms a 10,240 x 55)\n",
        name, best / 1e6, best / (plain > 0 ? plain : best),
        55.0 * PATHS / best * 1e3);
    return best;
}

int
main(void)
{
    double plain;

    for (int year = 0; year < 55; year++) {
        flow[year] = year < 25 ? plan.contribution : pow(1.03, year - 24);
    }
    plain = report("plain", run_plain, NULL, 0);
    for (const struct montecarlo_kernel *k = montecarlo_kernels; k->name; k++) {
        if (k->usable()) {
            report(k->name, run_kernel, k, plain);
        } else {
            printf("%-8s SKIP: not on this processor\n", k->name);
        }
    }
    report("run", run_library, &(struct library_run){false, 1}, plain);
    report("bands", run_library, &(struct library_run){true, 1}, plain);
    report("5 cases", run_library, &(struct library_run){false, 5}, plain);
    return isfinite(sink) ? 0 : 1;
}
