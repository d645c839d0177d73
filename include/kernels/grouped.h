/*
 * grouped.h - convolution by groups of channels and with dilation: an out channel sees the in channels of its own
 * group alone (depthwise: there is one)
 *
 * Arrays of vec as in conv.h, channels in the order of the groups.
 * out[o][y][x] = bias[o] + sum over i of the group, ky, kx of
 *                w[o][i][ky][kx] * in[i][y * stride + ky * dilation][x * stride + kx * dilation],
 * added in this order by fused multiply-adds, so the bits depend on nothing else.  Of the products with zeros around the
 * stored planes, and between a gradient's pixels, some are left out, which ones follows from the shape.
 * Nothing here allocates or fails.  Sizes are checked by whoever makes a grouped_shape.
 */
#ifndef BRAMBLE_KERNELS_GROUPED_H
#define BRAMBLE_KERNELS_GROUPED_H

#include "kernels/conv.h"

enum { GROUPED_MAX_KERNEL = 31 };

typedef struct grouped_shape {
    int groups, in_channels, out_channels; /* of each group */
    conv_embedding in;         /* a plane as it is stored, and among its zeros, as in[i] above */
    int out_height, out_width; /* (in - (kernel - 1) * dilation - 1) / stride + 1 */
    int kernel, stride, dilation;
} grouped_shape;

/* grouped_weights - of all groups: groups * out_channels * in_channels * kernel * kernel */
size_t grouped_weights(const grouped_shape *shape);

/* grouped_items - of grouped_forward, in each block; grouped_scratch - vecs that each thread needs: a group's planes */
size_t grouped_items(const grouped_shape *shape);
size_t grouped_scratch(const grouped_shape *shape);

/* What grouped_forward works on. */
typedef struct grouped_arrays {
    const float *w; /* [out][in of its group][ky][kx] */
    bool
        flipped; /* for the gradient of the input: the shape's in channels are w's out, its taps run backwards */
    const float *bias; /* of each out channel; NULL: none */
    const vec *in;
    vec *out;
    bool add;     /* the sums begin with what stands in out, and bias is left out */
    vec *scratch; /* grouped_scratch, this thread's own */
} grouped_arrays;

/* grouped_forward - items begin .. end - 1 of n_blocks * grouped_items: some out channels of a group of a block */
void grouped_forward(const grouped_shape *shape, const grouped_arrays *arrays, size_t begin,
                     size_t end);

/* grouped_planes - a group's in channels as its kernel wants them, most among their zeros: in the scratch, or as they are */
const vec *grouped_planes(const grouped_shape *shape, const vec *in, size_t group, vec *scratch);

/*
 * The gradients of weights and biases.  Each image's sum over its pixels, row by row, is taken first, then images are
 * added one by one in order: the bits do not depend on VEC_WIDTH.
 * grouped_gradient_sums - of groups begin .. end - 1 of one block: into [weights], then [out channels] for the biases
 * grouped_gradient_add  - images put together: to[k], numbers begin .. end - 1, from sums [block][n_sums]
 * grouped_weight_gradient, grouped_bias_gradient - both at once, with the same bits; items: pairs of an out and an in
 *   channel, groups * out_channels * in_channels; out channels
 */
typedef struct grouped_gradient_arrays {
    const vec *in, *gout; /* gout: as out */
    size_t n_images;      /* lanes past them hold finite numbers and are not added */
    vec *scratch;         /* grouped_scratch, this thread's own */
} grouped_gradient_arrays;

void grouped_gradient_sums(const grouped_shape *shape, const grouped_gradient_arrays *arrays,
                           vec *sums, size_t begin, size_t end);
void grouped_gradient_add(const vec *sums, size_t n_sums, size_t n, float *to, size_t begin,
                          size_t end);
void grouped_weight_gradient(const grouped_shape *shape, const grouped_gradient_arrays *arrays,
                             float *gw, size_t begin, size_t end);
void grouped_bias_gradient(const grouped_shape *shape, const grouped_gradient_arrays *arrays,
                           float *gb, size_t begin, size_t end);

#endif
