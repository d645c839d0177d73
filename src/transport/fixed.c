#include "transport/fixed.h"

#include <math.h>
#include <string.h>

/*
 * Few machines convert vectors between doubles and 64-bit integers, all can add.  Near 2^52 a
 * double's last bit is worth 1: adding MAGIC rounds to an integer, which is then in the low bits of
 * the sum.  That holds 51 bits, so a number is cut into a multiple of 2^30 and the rest.
 */
static const double MAGIC = 0x1.8p52;
static const uint64_t MAGIC_BITS = 0x4338000000000000;

static double share_scale(double share)
{
    int exponent;
    double digits = frexp(share, &exponent);
    return ldexp(rint(ldexp(digits, 29)), exponent - 29 + 40);
}

static inline uint64_t bits_of(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline double double_of(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* The integer nearest to x, |x| < 2^62, modulo 2^64: unsigned, for a shift may lose the sign. */
static inline uint64_t round_double(double x)
{
    double high = x * 0x1p-30 + MAGIC;
    double low = x - (high - MAGIC) * 0x1p30 + MAGIC;
    return ((bits_of(high) - MAGIC_BITS) << 30) + (bits_of(low) - MAGIC_BITS);
}

void fixed_from_floats(int64_t *restrict q, const float *restrict w, size_t n, double share)
{
    double scale = share_scale(share);
    for (size_t i = 0; i < n; i++)
        q[i] = (int64_t)round_double((double)w[i] * scale);
}

void fixed_add_floats(int64_t *restrict q, const float *restrict w, size_t n, double share)
{
    double scale = share_scale(share);
    for (size_t i = 0; i < n; i++)
        q[i] = (int64_t)((uint64_t)q[i] + round_double((double)w[i] * scale));
}

void fixed_to_floats(float *restrict w, const int64_t *restrict q, size_t n)
{
    const uint64_t bits_2_52 = 0x4330000000000000; /* those of 2^52 */
    for (size_t i = 0; i < n; i++) {
        uint64_t positive = (uint64_t)q[i] + (UINT64_C(1) << 62);
        double high = double_of((positive >> 30) | bits_2_52) - (0x1p52 + 0x1p32);
        double low = double_of((positive & ((1U << 30) - 1)) | bits_2_52) - 0x1p52;
        w[i] = (float)(high * 0x1p-10 + low * 0x1p-40);
    }
}
