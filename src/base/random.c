#include "base/random.h"

#include <math.h>

static void philox_round(uint32_t c[4], const uint32_t k[2])
{
    uint64_t p0 = (uint64_t)0xD2511F53U * c[0];
    uint64_t p1 = (uint64_t)0xCD9E8D57U * c[2];
    uint32_t n0 = (uint32_t)(p1 >> 32) ^ c[1] ^ k[0];
    uint32_t n2 = (uint32_t)(p0 >> 32) ^ c[3] ^ k[1];
    c[0] = n0;
    c[1] = (uint32_t)p1;
    c[2] = n2;
    c[3] = (uint32_t)p0;
}

uint64_t random_u64(uint64_t seed, uint64_t stream, uint64_t index)
{
    uint32_t c[4] = {(uint32_t)index, (uint32_t)(index >> 32), (uint32_t)stream,
                     (uint32_t)(stream >> 32)};
    uint32_t k[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    for (int round = 0; round < 10; round++) {
        philox_round(c, k);
        k[0] += 0x9E3779B9U;
        k[1] += 0xBB67AE85U;
    }
    return (uint64_t)c[1] << 32 | c[0];
}

uint64_t random_stream(enum random_use use, uint32_t major, uint32_t minor)
{
    return (uint64_t)use << 56 | (uint64_t)(major & 0xFFFFFFU) << 32 | minor;
}

uint64_t random_below(uint64_t seed, uint64_t stream, uint64_t index, uint64_t n)
{
    /* The high half of the product: Lemire, arXiv:1805.10941, without the rejection. */
    return (uint64_t)((unsigned __int128)random_u64(seed, stream, index) * n >> 64);
}

float random_uniform(uint64_t seed, uint64_t stream, uint64_t index, float low, float high)
{
    double unit = (double)(random_u64(seed, stream, index) >> 40) * 0x1p-24;
    float x = (float)((double)low + ((double)high - (double)low) * unit);
    return x < high ? x : nextafterf(high, low); /* where floats are wider apart than the grid */
}

/* ln x, x > 0, to some 1e-16: 2 artanh((x - 1) / (x + 1)) of what is left without a power of two. */
static double logarithm(double x)
{
    int exponent;
    double m = frexp(x, &exponent), sum = 0.0;
    if (m < 0.7071) {
        m *= 2.0;
        exponent--;
    }
    const double s = (m - 1.0) / (m + 1.0);
    for (int k = 23; k > 0; k -= 2)
        sum = sum * s * s + 1.0 / k;
    return 2.0 * s * sum + exponent * 0.69314718055994531;
}

double random_normal(uint64_t seed, uint64_t stream, uint64_t index)
{
    for (uint64_t draw = index << 8;;
         draw++) { /* a point in the circle: more than three of four are */
        const uint64_t bits = random_u64(seed, stream, draw);
        const double x = ((double)(bits >> 32) + 0.5) * 0x1p-31 - 1.0,
                     y = ((double)(bits & 0xFFFFFFFFU) + 0.5) * 0x1p-31 - 1.0,
                     square = x * x + y * y;
        if (square < 1.0)
            return x * sqrt(-2.0 * logarithm(square) / square);
    }
}

void random_shuffle(uint64_t seed, uint64_t stream, uint32_t *order, size_t n)
{
    for (size_t i = 0; i < n; i++)
        order[i] = (uint32_t)i;
    for (size_t i = n; i-- > 1;) {
        size_t j = (size_t)random_below(seed, stream, i, i + 1);
        uint32_t swapped = order[i];
        order[i] = order[j];
        order[j] = swapped;
    }
}
