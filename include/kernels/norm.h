/*
 * norm.h - normalisation over blocks of images: by channel (batch norm, group norm) and by pixel (layer norm)
 *
 * Everything is lane by lane: an image per lane, whose sums no other touches; who needs those of a batch puts them
 * together.  Sums are taken of what remains when a number of the same kind is taken off, so that a large mean costs no
 * digits of a small variance, in four parts and pieces of a fixed length: the bits depend neither on VEC_WIDTH nor on
 * threads.  Nothing here allocates or fails.
 * Sources: Ioffe and Szegedy, arXiv:1502.03167; Ba et al., arXiv:1607.06450; Wu and He, arXiv:1803.08494; Chan, Golub
 * and LeVeque, "Algorithms for computing the sample variance" (1983).
 */
#ifndef BRAMBLE_KERNELS_NORM_H
#define BRAMBLE_KERNELS_NORM_H

#include "kernels/simd.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * norm_inverse_root - 1 / sqrt(x) of positive numbers, to some roundings: Newton's steps from a first guess by the exponent
 * Source: Lomont, "Fast inverse square root" (2003).
 */
SIMD_INLINE vec norm_inverse_root(vec x)
{
    vec y = (vec)(ivec_set(0x5f375a86) - ((ivec)x >> 1));
    for (int k = 0; k < 3; k++) {
        vec half = x * vec_set(0.5F) * y;
        y = y * (vec_set(1.5F) - half * y);
    }
    return y;
}

/* What becomes of a channel: y = (x - mean) * scale + shift, and with relu max(y, 0), NaN of NaN. */
typedef struct norm_channel {
    vec mean, scale, shift;
    bool relu;
} norm_channel;

/* The gradient of x: of gy * by + (x - mean) * across + along, gy being what a ReLU let through. */
typedef struct norm_slope {
    vec by, across, along;
} norm_slope;

/*
 * norm_moments - mean of n >= 1 numbers, and the sum of squared differences from it, never negative
 * norm_forward - y, by the channel
 * norm_sums    - sum of gy, and of gy * (x - mean), where a ReLU lets it through
 * norm_backward - gx, or, with add, gx + that
 * Of n vecs: a channel of a block.
 */
void norm_moments(const vec *x, size_t n, vec *mean, vec *squares);
void norm_forward(const norm_channel *by, const vec *x, size_t n, vec *y);
void norm_sums(const norm_channel *by, const vec *x, const vec *gy, size_t n, vec *sum,
               vec *product);
void norm_backward(const norm_channel *by, const norm_slope *slope, const vec *x, const vec *gy,
                   size_t n, vec *gx, bool add);

/* Normalisation of each pixel over the channels: x and y are [channels][plane], of one block. */
typedef struct norm_pixels {
    size_t channels, plane;
    float eps;
    const float *scale, *shift; /* of each channel; NULL: 1, and 0 */
    bool relu;
} norm_pixels;

/*
 * norm_pixels_forward - y = (x - mean) / sqrt(variance + eps) * scale + shift, the variance that of all channels
 *   kept  out  [plane][2]: mean and 1 / sqrt(variance + eps), for the way back; NULL where there is none
 * norm_pixels_backward
 *   gx    inout  as above; NULL: not wanted
 *   sums  out    [channels][2]: over the plane, of gy and of gy * (x - mean) / sqrt(...): the gradients of shift and
 *                scale, of each image
 */
void norm_pixels_forward(const norm_pixels *self, const vec *x, vec *y, vec *kept);
void norm_pixels_backward(const norm_pixels *self, const vec *x, const vec *gy, const vec *kept,
                          vec *gx, bool add, vec *sums);

/*
 * What each image has left in sums, [block][channels][2], together, in the images' order: channel c, n images.
 *   norm_batch_moments  of norm_moments' mean and squares over `plane` pixels: those of the whole batch
 *   norm_batch_sums     of any two sums: their totals
 */
typedef struct norm_pair {
    double first, second;
} norm_pair;
norm_pair norm_batch_moments(const vec *sums, size_t channels, size_t c, size_t n, size_t plane);
norm_pair norm_batch_sums(const vec *sums, size_t channels, size_t c, size_t n);

#endif
