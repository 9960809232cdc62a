/* The random numbers: published vectors, the normal law by moments, by
 * Kolmogorov-Smirnov and by its tails, independence, and equality to the bit
 * of every build of the kernel. */
#include "test.h"

#include <math.h>

#include "retirement/montecarlo_draws.h"
#include "retirement/montecarlo_kernel.h"

#define DRAWS (1 << 20)

static double draws[DRAWS];

/* 'count' draws, a multiple of four tiles. */
static void
fill(uint64_t seed, uint32_t first_path, uint32_t block, size_t count)
{
    const struct montecarlo_kernel *kernel = montecarlo_kernel_best();

    for (size_t at = 0; at < count; at += 4 * MONTECARLO_TILE) {
        double(*tile)[MONTECARLO_TILE] =
            (double(*)[MONTECARLO_TILE])(draws + at);

        kernel->draw_tile(seed, first_path + (uint32_t)(at / 4), block, tile);
    }
}

static double
normal_cdf(double z)
{
    return 0.5 * erfc(-z * 0.70710678118654752440);
}

/* The vectors that the authors of Threefry ship (kat_vectors, Random123). */
static void
test_threefry_gives_the_published_words(void **state)
{
    static const uint32_t rows[][12] = {
        {0, 0, 0, 0, 0, 0, 0, 0, 0x9c6ca96a, 0xe17eae66, 0xfc10ecd4,
         0x5256a7d8},
        {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff,
         0xffffffff, 0xffffffff, 0x2a881696, 0x57012287, 0xf6c7446e,
         0xa16a6732},
        {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0,
         0x082efa98, 0xec4e6c89, 0x59cd1dbb, 0xb8879579, 0x86b5d00c,
         0xac8b6d84},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint32_t x[4] = {rows[i][0], rows[i][1], rows[i][2], rows[i][3]};

        draws_threefry(&rows[i][4], x);
        for (size_t word = 0; word < 4; word++) {
            assert_int_equal(x[word], rows[i][8 + word]);
        }
    }
}

static void
test_series_agree_with_libm_to_1e_12(void **state)
{
    const double half_turn = 1.57079632679489661923;

    (void)state;
    for (int i = 0; i <= 1000000; i++) {
        const double u = 0x1p-33 + (1 - 0x1p-32) * i / 1000000;
        const double a = half_turn * (i - 500000) / 500000;
        double s, c;

        draws_sin_cos(a, &s, &c);
        assert_true(fabs(s - sin(a)) < 1e-13);
        assert_true(fabs(c - cos(a)) < 1e-12);
        assert_true(fabs(draws_minus_two_log(u) + 2 * log(u)) < 1e-13);
    }
    for (int e = 1; e <= 33; e++) {
        assert_true(fabs(draws_minus_two_log(ldexp(1, -e)) -
                         2 * e * 0.69314718055994530942) < 1e-13);
    }
}

/* Words at the ends of their range give finite draws, the largest as large as
 * the header says: sqrt(-2 ln 2^-33) = 6.7637. */
static void
test_extreme_words_stay_within_6_77(void **state)
{
    static const uint32_t words[] = {0,          1,          0x7fffffff,
                                     0x80000000, 0x80000001, 0xffffffff};
    double largest = 0;

    (void)state;
    for (size_t i = 0; i < 6; i++) {
        for (size_t k = 0; k < 6; k++) {
            double a, b;

            draws_normals(words[i], words[k], &a, &b);
            assert_true(isfinite(a) && isfinite(b));
            largest = fmax(largest, fmax(fabs(a), fabs(b)));
        }
    }
    assert_true(largest > 6.76 && largest < 6.77);
}

/* Standard errors of the sample moments of a normal: 1, 2, 15, 96 over n
 * (variances of z, z^2, z^3, z^4: 1, 3-1, 15, 105-9). */
static void
test_moments_are_those_of_a_normal(void **state)
{
    static const double expected[] = {0, 1, 0, 3}, variance[] = {1, 2, 15, 96};
    double sums[4] = {0};

    (void)state;
    fill(20261123, 0, 0, DRAWS);
    for (size_t i = 0; i < DRAWS; i++) {
        double power = 1;

        for (size_t k = 0; k < 4; k++) {
            power *= draws[i];
            sums[k] += power;
        }
    }
    for (size_t k = 0; k < 4; k++) {
        const double se = sqrt(variance[k] / DRAWS);

        assert_true(fabs(sums[k] / DRAWS - expected[k]) < 4 * se);
    }
}

static int
compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* 1.95 is the 0.1 % point of Kolmogorov's distribution. */
static void
test_distribution_passes_kolmogorov_smirnov(void **state)
{
    double distance = 0;

    (void)state;
    fill(7, 0, 3, DRAWS);
    qsort(draws, DRAWS, sizeof(draws[0]), compare);
    for (size_t i = 0; i < DRAWS; i++) {
        const double p = normal_cdf(draws[i]);

        distance = fmax(distance, fabs(p - (double)i / DRAWS));
        distance = fmax(distance, fabs(p - (double)(i + 1) / DRAWS));
    }
    assert_true(distance * sqrt(DRAWS) < 1.95);
}

/* Both tails at 1 to 5 standard deviations, 16 million draws (at 5: 4.8
 * expected a side). */
static void
test_tails_have_the_normal_mass_to_5_sigma(void **state)
{
    const double n = 16.0 * DRAWS;
    double above[6] = {0}, below[6] = {0};

    (void)state;
    for (uint32_t part = 0; part < 16; part++) {
        fill(99, part * (DRAWS / 4), 5, DRAWS);
        for (size_t i = 0; i < DRAWS; i++) {
            for (int sigma = 1; sigma <= 5; sigma++) {
                above[sigma] += draws[i] > sigma;
                below[sigma] += draws[i] < -sigma;
            }
        }
    }
    for (int sigma = 1; sigma <= 5; sigma++) {
        const double p = normal_cdf(-sigma), se = sqrt(n * p * (1 - p));

        assert_true(fabs(above[sigma] - n * p) < 4 * se);
        assert_true(fabs(below[sigma] - n * p) < 4 * se);
    }
}

static void
assert_uncorrelated(const double *a, const double *b, size_t count)
{
    double plain = 0, squares = 0;

    for (size_t i = 0; i < count; i++) {
        plain += a[i] * b[i];
        squares += (a[i] * a[i] - 1) * (b[i] * b[i] - 1);
    }
    assert_true(fabs(plain) < 4 * sqrt((double)count));
    assert_true(fabs(squares) < 4 * 2 * sqrt((double)count));
}

/* Years, neighbouring paths, neighbouring seeds and neighbouring blocks: in
 * value and in size. */
static void
test_neighbours_are_independent(void **state)
{
    static double other[DRAWS];
    static const struct {
        uint64_t seed;
        uint32_t first_path, block;
    } rows[] = {
        {1, MONTECARLO_TILE, 0}, {2, 0, 0}, {1, 0, 1}, {1ULL << 32, 0, 0}};
    const size_t part = DRAWS - 4 * MONTECARLO_TILE;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        fill(rows[i].seed, rows[i].first_path, rows[i].block, DRAWS);
        memcpy(other, draws, sizeof(other));
        fill(1, 0, 0, DRAWS);
        assert_uncorrelated(draws, other, DRAWS);
    }
    /* Rows of a tile are years: shifts of 1 path, and of 1, 2 and 3 years. */
    for (size_t shift = 1; shift <= 3 * MONTECARLO_TILE;
         shift += shift == 1 ? MONTECARLO_TILE - 1 : MONTECARLO_TILE) {
        assert_uncorrelated(draws, draws + shift, part);
    }
}

static void
test_every_kernel_draws_the_same_bits(void **state)
{
    double expected[4][MONTECARLO_TILE], got[4][MONTECARLO_TILE];
    const struct montecarlo_kernel *base = montecarlo_kernels;

    (void)state;
    while (base[1].name) {
        base++;
    }
    for (const struct montecarlo_kernel *k = montecarlo_kernels; k < base;
         k++) {
        if (!k->usable()) {
            print_message("SKIP %s: not on this processor\n", k->name);
            continue;
        }
        for (uint32_t block = 0; block < 200; block++) {
            const uint64_t seed = 0x9e3779b97f4a7c15U * block;

            base->draw_tile(seed, block * MONTECARLO_TILE, block, expected);
            k->draw_tile(seed, block * MONTECARLO_TILE, block, got);
            assert_memory_equal(expected, got, sizeof(got));
        }
    }
}

/* The same numbers on every machine and in every version: a changed stream
 * would change the stored results of old jobs on replay.  Computed from the
 * published words for key 0, counter 0 with libm. */
static void
test_stream_of_seed_0_starts_as_documented(void **state)
{
    const double u = ((double)(int32_t)0x9c6ca96a + 0.5) / 4294967296.0 + 0.5;
    const double angle =
        ((double)(int32_t)0xe17eae66 + 1) * acos(-1) / 4294967296.0;
    const double r = sqrt(-2 * log(u)); /* Lowest bit 0: this side. */
    double tile[4][MONTECARLO_TILE];

    (void)state;
    montecarlo_kernel_best()->draw_tile(0, 0, 0, tile);
    assert_true(fabs(tile[0][0] - r * cos(angle)) < 1e-10);
    assert_true(fabs(tile[1][0] - r * sin(angle)) < 1e-10);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threefry_gives_the_published_words),
        cmocka_unit_test(test_series_agree_with_libm_to_1e_12),
        cmocka_unit_test(test_extreme_words_stay_within_6_77),
        cmocka_unit_test(test_moments_are_those_of_a_normal),
        cmocka_unit_test(test_distribution_passes_kolmogorov_smirnov),
        cmocka_unit_test(test_tails_have_the_normal_mass_to_5_sigma),
        cmocka_unit_test(test_neighbours_are_independent),
        cmocka_unit_test(test_every_kernel_draws_the_same_bits),
        cmocka_unit_test(test_stream_of_seed_0_starts_as_documented),
    };

    return RUN_TESTS(tests);
}
