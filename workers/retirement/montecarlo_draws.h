/* Random numbers as a function of where they are used.
 *
 * Threefry-4x32 with 20 rounds turns (seed, path, block of four years) into
 * four words, with no state: any path, year or thread can be computed alone.
 * Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as
 *   1, 2, 3", SC'11 (passes BigCrush; 12 rounds already do).
 *
 * Each pair of words becomes two normals by Box and Muller (1958).  Logarithm,
 * sine and cosine are series short enough for vector registers, so results do
 * not depend on a C library; absolute error below 1e-12.  Words have 32 bits,
 * so no draw is beyond 6.77 standard deviations.
 *
 * Private to the kernel and its tests. */
#pragma once

#include <stdint.h>
#include <string.h>

#define DRAWS_INLINE static inline __attribute__((always_inline))

#define DRAWS_MIX(a, b, bits)                                                  \
    do {                                                                       \
        (a) += (b);                                                            \
        (b) = ((b) << (bits) | (b) >> (32 - (bits))) ^ (a);                    \
    } while (0)

#define DRAWS_FOUR_ROUNDS(x, r0, r1, r2, r3, r4, r5, r6, r7)                   \
    do {                                                                       \
        DRAWS_MIX((x)[0], (x)[1], r0);                                         \
        DRAWS_MIX((x)[2], (x)[3], r1);                                         \
        DRAWS_MIX((x)[0], (x)[3], r2);                                         \
        DRAWS_MIX((x)[2], (x)[1], r3);                                         \
        DRAWS_MIX((x)[0], (x)[1], r4);                                         \
        DRAWS_MIX((x)[2], (x)[3], r5);                                         \
        DRAWS_MIX((x)[0], (x)[3], r6);                                         \
        DRAWS_MIX((x)[2], (x)[1], r7);                                         \
    } while (0)

DRAWS_INLINE void
draws_add_key(uint32_t x[4], const uint32_t k[5], uint32_t step)
{
    x[0] += k[step % 5];
    x[1] += k[(step + 1) % 5];
    x[2] += k[(step + 2) % 5];
    x[3] += k[(step + 3) % 5] + step;
}

/* Encrypts the counter 'x' in place. */
DRAWS_INLINE void
draws_threefry(const uint32_t key[4], uint32_t x[4])
{
    const uint32_t k[5] = {key[0], key[1], key[2], key[3],
                           0x1bd11bdaU ^ key[0] ^ key[1] ^ key[2] ^ key[3]};

    draws_add_key(x, k, 0);
    DRAWS_FOUR_ROUNDS(x, 10, 26, 11, 21, 13, 27, 23, 5);
    draws_add_key(x, k, 1);
    DRAWS_FOUR_ROUNDS(x, 6, 20, 17, 11, 25, 10, 18, 20);
    draws_add_key(x, k, 2);
    DRAWS_FOUR_ROUNDS(x, 10, 26, 11, 21, 13, 27, 23, 5);
    draws_add_key(x, k, 3);
    DRAWS_FOUR_ROUNDS(x, 6, 20, 17, 11, 25, 10, 18, 20);
    draws_add_key(x, k, 4);
    DRAWS_FOUR_ROUNDS(x, 10, 26, 11, 21, 13, 27, 23, 5);
    draws_add_key(x, k, 5);
}

/* -2 ln(u) for u in [2^-33, 1). */
DRAWS_INLINE double
draws_minus_two_log(double u)
{
    const uint64_t sqrt_half = 0x3fe6a09e00000000U; /* Bits of 0.7071... */
    const uint64_t one = 0x3ff0000000000000U;
    const uint64_t two_52 = 0x4330000000000000U; /* Integers as mantissas. */
    uint64_t bits, biased;
    double exponent, m, s, t, series;

    memcpy(&bits, &u, sizeof(bits));
    bits += one - sqrt_half;
    biased = bits >> 52 | two_52;
    bits = (bits & 0x000fffffffffffffU) + sqrt_half;
    memcpy(&exponent, &biased, sizeof(exponent));
    memcpy(&m, &bits, sizeof(m));
    exponent -= 0x1p52 + 1023;
    /* u = m * 2^exponent with m near 1; ln(m) = 2 atanh(s). */
    s = (m - 1) / (m + 1);
    t = s * s;
    series = 1.0 / 15;
    series = series * t + 1.0 / 13;
    series = series * t + 1.0 / 11;
    series = series * t + 1.0 / 9;
    series = series * t + 1.0 / 7;
    series = series * t + 1.0 / 5;
    series = series * t + 1.0 / 3;
    series = series * t + 1;
    return exponent * -1.38629436111989061883 - 4 * s * series;
}

/* Sine and cosine of 'a' in [-pi/2, pi/2]. */
DRAWS_INLINE void
draws_sin_cos(double a, double *ret_sin, double *ret_cos)
{
    const double t = a * a;
    double s = 1.0 / 355687428096000, c = 1.0 / 20922789888000;

    s = s * t - 1.0 / 1307674368000;
    s = s * t + 1.0 / 6227020800;
    s = s * t - 1.0 / 39916800;
    s = s * t + 1.0 / 362880;
    s = s * t - 1.0 / 5040;
    s = s * t + 1.0 / 120;
    s = s * t - 1.0 / 6;
    *ret_sin = a * (s * t + 1);
    c = c * t - 1.0 / 87178291200;
    c = c * t + 1.0 / 479001600;
    c = c * t - 1.0 / 3628800;
    c = c * t + 1.0 / 40320;
    c = c * t - 1.0 / 720;
    c = c * t + 1.0 / 24;
    c = c * t - 1.0 / 2;
    *ret_cos = c * t + 1;
}

/* Two independent standard normals from two uniform words.  'turn' is half a
 * turn in its upper 31 bits and which half in its lowest, which keeps the
 * series' argument small without a choice of branch. */
DRAWS_INLINE void
draws_normals(uint32_t radius, uint32_t turn, double *ret_a, double *ret_b)
{
    const double u = ((double)(int32_t)radius + 0.5) * 0x1p-32 + 0.5;
    const double angle = ((double)(int32_t)(turn & ~1U) + 1) *
                         (3.14159265358979323846 * 0x1p-32);
    const double side = 1 - 2 * (double)(int32_t)(turn & 1);
    const double r = side * __builtin_sqrt(draws_minus_two_log(u));
    double s, c;

    draws_sin_cos(angle, &s, &c);
    *ret_a = r * c;
    *ret_b = r * s;
}
