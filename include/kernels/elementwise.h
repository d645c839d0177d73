/*
 * elementwise.h - sums and products of arrays, element by element, and by a weight of each channel
 *
 * Where it says so, an output may be one of the inputs: an element is read before it is written.
 */
#ifndef BRAMBLE_KERNELS_ELEMENTWISE_H
#define BRAMBLE_KERNELS_ELEMENTWISE_H

#include "kernels/simd.h"

#include <stdbool.h>
#include <stddef.h>

enum { ELEMENTWISE_MAX = 4 }; /* arrays that are put together */

/* ---- vectors begin .. end - 1 ------------------------------------------------------------------- */

/*
 * elementwise_add - y = x[0] + x[1] + ... of n arrays, 1 .. ELEMENTWISE_MAX, in this order; y may be one of them
 *   relu  in  y = max(that, 0), NaN of NaN
 */
void elementwise_add(int n, const vec *const x[], bool relu, vec *y, size_t begin, size_t end);

/*
 * elementwise_add_backward - each gx[i] that is not NULL becomes gy, or, with add[i], gx[i] + gy
 *   y  in  NULL, or, of a sum with relu, the sum: where y <= 0, 0 stands for gy
 * One gx[i] without add may be gy.
 */
void elementwise_add_backward(int n, const vec *y, const vec *gy, vec *const gx[], const bool add[],
                              size_t begin, size_t end);

/* elementwise_multiply - y = a * b; y may be one of them */
void elementwise_multiply(const vec *a, const vec *b, vec *y, size_t begin, size_t end);

/* elementwise_multiply_add - y = a * b, or, with add, y + a * b, rounded once; y may be one of them */
void elementwise_multiply_add(const vec *a, const vec *b, vec *y, bool add, size_t begin,
                              size_t end);

/* elementwise_copy - to[k] = from[k], or, with add, to[k] + from[k], of n vectors; from and to: apart, or the same */
void elementwise_copy(const vec *from, vec *to, bool add, size_t n);

/* ---- planes begin .. end - 1 (block x channel) -------------------------------------------------- */

typedef struct channel_weights {
    size_t n_channels, plane; /* vectors of a plane */
    bool one;                 /* a weight for all channels, instead of one for each */
} channel_weights;

/*
 * channel_scale - y = w x; y may be x
 * channel_scale_backward - gx = w gy, or, with add, gx + w gy, rounded once; gx may be gy
 * channel_scale_sums - sums[plane] = sum of gy x, for the gradient of w: four sums of every fourth element each,
 *                      with fused multiply-adds, then (0 + 1) + (2 + 3)
 *   w  in  n_channels floats, or one
 */
void channel_scale(const channel_weights *of, const float *w, const vec *x, vec *y, size_t begin,
                   size_t end);
void channel_scale_backward(const channel_weights *of, const float *w, const vec *gy, vec *gx,
                            bool add, size_t begin, size_t end);
void channel_scale_sums(const channel_weights *of, const vec *x, const vec *gy, vec *sums,
                        size_t begin, size_t end);

/*
 * channel_prelu - y = x > 0 ? x : w x, NaN of NaN
 * channel_prelu_backward - gx = x > 0 ? gy : w gy, or, with add, gx + that, rounded once
 * channel_prelu_sums - sums[plane] = sum of x > 0 ? 0 : gy x, in the order of channel_scale_sums
 */
void channel_prelu(const channel_weights *of, const float *w, const vec *x, vec *y, size_t begin,
                   size_t end);
void channel_prelu_backward(const channel_weights *of, const float *w, const vec *x, const vec *gy,
                            vec *gx, bool add, size_t begin, size_t end);
void channel_prelu_sums(const channel_weights *of, const vec *x, const vec *gy, vec *sums,
                        size_t begin, size_t end);

/*
 * channel_collect - g = the planes' sums, images one by one in their order, channels in theirs within an image
 *   sums  in   [block][n_channels], as above; lanes past the images are left out
 *   g     out  n_channels floats, or one
 * Items: weights begin .. end - 1.
 */
void channel_collect(const channel_weights *of, const vec *sums, size_t n_images, float *g,
                     size_t begin, size_t end);

#endif
