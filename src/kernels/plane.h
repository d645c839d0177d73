/*
 * plane.h - a sum over a plane, for the gradients of biases; inside this room only
 */
#ifndef BRAMBLE_KERNELS_PLANE_H
#define BRAMBLE_KERNELS_PLANE_H

#include "kernels/simd.h"

/* plane_sum - of n pixels, lane by lane, in four chains to hide the additions' latency */
static inline vec plane_sum(const vec *g, size_t n)
{
    vec sum[4] = {{0}};
    size_t k = 0;
    for (; k + 4 <= n; k += 4)
        for (size_t c = 0; c < 4; c++)
            sum[c] += g[k + c];
    for (; k < n; k++)
        sum[0] += g[k];
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

#endif
