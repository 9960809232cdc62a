/* The simulation itself: tiles of paths, every year of them, in plain loops
 * that compilers turn into vector code.
 *
 * One body is compiled for several instruction sets.  It uses only operations
 * that IEEE 754 and C define to the bit (+ - * / sqrt, integers; no fused
 * multiply-add, no libm), so every set gives the same bits.
 *
 * Private to montecarlo.c, its tests and its benchmark. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Paths that are simulated together; results come in whole tiles. */
#define MONTECARLO_TILE 128
/* Plans that are simulated together, in the same markets. */
#define MONTECARLO_TOGETHER 8

/* Arrays over all paths, multiples of MONTECARLO_TILE long. */
struct montecarlo_out {
    double *at_retirement;
    double *at_end;
    double *limit;  /* The largest income that would have lasted. */
    double *lasted; /* Years of retirement with money left at their end. */
    double *yearly; /* [years][stride] values at the end of years, or NULL. */
    size_t stride;
};

struct montecarlo_plan {
    double value;   /* At the start of year 0. */
    double mean;    /* Of a year's return; 0.05 is 5 %. */
    double sd;      /* Of a year's return. */
    double income;  /* What a withdrawal would be at price level 1. */
    int accumulate; /* Years before retirement; then withdrawals. */
    int years;      /* Both phases. */
    /* By year: the contribution, then (retired) the price level. */
    const double *flow;
    struct montecarlo_out out;
};

struct montecarlo_kernel {
    const char *name;
    bool (*usable)(void); /* Does this processor have it? */
    /* Paths [first_path, first_path + MONTECARLO_TILE), first_path a multiple,
     * of 'count' plans, at most MONTECARLO_TOGETHER. */
    void (*run_tile)(uint64_t seed, uint32_t first_path,
                     const struct montecarlo_plan *plans, size_t count);
    /* Standard normal draws of years 4 * block .. 4 * block + 3. */
    void (*draw_tile)(uint64_t seed, uint32_t first_path, uint32_t block,
                      double ret[4][MONTECARLO_TILE]);
};

/* Fastest first, ends with a NULL name; the last works everywhere. */
extern const struct montecarlo_kernel montecarlo_kernels[];
/* The first usable one. */
const struct montecarlo_kernel *montecarlo_kernel_best(void);
