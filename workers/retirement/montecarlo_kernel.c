#include "retirement/montecarlo_kernel.h"

#include "retirement/montecarlo_draws.h"

/* What a path carries from year to year, one lane a path. */
struct lanes {
    double value[MONTECARLO_TILE];
    double untouched[MONTECARLO_TILE]; /* Value if nothing were withdrawn. */
    double need[MONTECARLO_TILE]; /* What income 1 would have cost by now. */
    double lasted[MONTECARLO_TILE];
};

DRAWS_INLINE void
draw(uint64_t seed, uint32_t first_path, uint32_t block,
     double ret[4][MONTECARLO_TILE])
{
    const uint32_t key[4] = {(uint32_t)seed, (uint32_t)(seed >> 32), 0, 0};
    uint32_t words[4][MONTECARLO_TILE];

    for (uint32_t i = 0; i < MONTECARLO_TILE; i++) {
        uint32_t x[4] = {first_path + i, block, 0, 0};

        draws_threefry(key, x);
        words[0][i] = x[0];
        words[1][i] = x[1];
        words[2][i] = x[2];
        words[3][i] = x[3];
    }
    for (int pair = 0; pair < 4; pair += 2) {
        for (int i = 0; i < MONTECARLO_TILE; i++) {
            draws_normals(words[pair][i], words[pair + 1][i], &ret[pair][i],
                          &ret[pair + 1][i]);
        }
    }
}

/* A year's growth; nobody loses more than everything. */
DRAWS_INLINE double
growth(const struct montecarlo_plan *plan, double draw)
{
    const double g = 1 + plan->mean + plan->sd * draw;

    return g > 0 ? g : 0;
}

DRAWS_INLINE void
accumulate(const struct montecarlo_plan *plan, double flow, const double *draws,
           struct lanes *lanes)
{
    for (int i = 0; i < MONTECARLO_TILE; i++) {
        lanes->value[i] = lanes->value[i] * growth(plan, draws[i]) + flow;
    }
}

DRAWS_INLINE void
withdraw(const struct montecarlo_plan *plan, double level, const double *draws,
         struct lanes *lanes)
{
    const double amount = plan->income * level;

    for (int i = 0; i < MONTECARLO_TILE; i++) {
        const double g = growth(plan, draws[i]);
        const double v = lanes->value[i] * g - amount;

        lanes->value[i] = v > 0 ? v : 0;
        lanes->lasted[i] += v > 0 ? 1 : 0;
        lanes->untouched[i] *= g;
        lanes->need[i] = lanes->need[i] * g + level;
    }
}

DRAWS_INLINE void
copy(double *to, const double *from)
{
    memcpy(to, from, MONTECARLO_TILE * sizeof(*to));
}

DRAWS_INLINE void
begin(const struct montecarlo_plan *plan, struct lanes *lanes)
{
    for (int i = 0; i < MONTECARLO_TILE; i++) {
        lanes->value[i] = plan->value;
        lanes->need[i] = 0;
        lanes->lasted[i] = 0;
    }
}

/* From here on there are two accounts: with withdrawals and without. */
DRAWS_INLINE void
retire(const struct montecarlo_plan *plan, size_t first, struct lanes *lanes)
{
    copy(lanes->untouched, lanes->value);
    copy(plan->out.at_retirement + first, lanes->value);
}

DRAWS_INLINE void
step(const struct montecarlo_plan *plan, size_t first, int year,
     const double *draws, struct lanes *lanes)
{
    const struct montecarlo_out *out = &plan->out;

    if (year == plan->accumulate) {
        retire(plan, first, lanes);
    }
    if (year < plan->accumulate) {
        accumulate(plan, plan->flow[year], draws, lanes);
    } else {
        withdraw(plan, plan->flow[year], draws, lanes);
    }
    if (out->yearly) {
        copy(out->yearly + (size_t)year * out->stride + first, lanes->value);
    }
}

DRAWS_INLINE void
finish(const struct montecarlo_plan *plan, size_t first, struct lanes *lanes)
{
    const struct montecarlo_out *out = &plan->out;

    if (plan->years == plan->accumulate) {
        retire(plan, first, lanes);
    }
    copy(out->at_end + first, lanes->value);
    copy(out->lasted + first, lanes->lasted);
    for (int i = 0; i < MONTECARLO_TILE; i++) {
        out->limit[first + (size_t)i] = lanes->untouched[i] / lanes->need[i];
    }
}

DRAWS_INLINE int
longest(const struct montecarlo_plan *plans, size_t count)
{
    int years = 0;

    for (size_t p = 0; p < count; p++) {
        years = plans[p].years > years ? plans[p].years : years;
    }
    return years;
}

/* Draws are made once, four years at a time, for all plans. */
DRAWS_INLINE void
run(uint64_t seed, uint32_t first_path, const struct montecarlo_plan *plans,
    size_t count)
{
    const int years = longest(plans, count);
    struct lanes lanes[MONTECARLO_TOGETHER];
    double draws[4][MONTECARLO_TILE];

    for (size_t p = 0; p < count; p++) {
        begin(&plans[p], &lanes[p]);
    }
    for (int block = 0; block * 4 < years; block++) {
        draw(seed, first_path, (uint32_t)block, draws);
        for (size_t p = 0; p < count; p++) {
            for (int k = 0; k < 4 && block * 4 + k < plans[p].years; k++) {
                step(&plans[p], first_path, block * 4 + k, draws[k], &lanes[p]);
            }
        }
    }
    for (size_t p = 0; p < count; p++) {
        finish(&plans[p], first_path, &lanes[p]);
    }
}

/* One row a build of the same body. */
#define KERNEL_BUILD(set, target)                                              \
    target static void run_##set(uint64_t seed, uint32_t first_path,           \
                                 const struct montecarlo_plan *plans,          \
                                 size_t count)                                 \
    {                                                                          \
        run(seed, first_path, plans, count);                                   \
    }                                                                          \
    target static void draw_##set(uint64_t seed, uint32_t first_path,          \
                                  uint32_t block,                              \
                                  double ret[4][MONTECARLO_TILE])              \
    {                                                                          \
        draw(seed, first_path, block, ret);                                    \
    }

KERNEL_BUILD(base, )

static bool
usable_base(void)
{
    return true;
}

#ifdef __x86_64__
KERNEL_BUILD(avx2, __attribute__((target("avx2"))))
KERNEL_BUILD(avx512, __attribute__((target("avx512f,avx512dq,avx512vl"))))

static bool
usable_avx2(void)
{
    return __builtin_cpu_supports("avx2");
}

static bool
usable_avx512(void)
{
    return __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
}
#endif

const struct montecarlo_kernel montecarlo_kernels[] = {
#ifdef __x86_64__
    {"avx512", usable_avx512, run_avx512, draw_avx512},
    {"avx2", usable_avx2, run_avx2, draw_avx2},
#endif
    {"base", usable_base, run_base, draw_base},
    {NULL, NULL, NULL, NULL},
};

const struct montecarlo_kernel *
montecarlo_kernel_best(void)
{
    const struct montecarlo_kernel *kernel = montecarlo_kernels;

    while (!kernel->usable()) {
        kernel++;
    }
    return kernel;
}
