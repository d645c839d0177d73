/*
 * conv.h - two-dimensional convolution of blocks of images (cross-correlation, as in PyTorch)
 *
 * Arrays of vec, one image per lane:
 *   in    [block][in_channels][in_height][in_width]      borders of zeros included
 *   out   [block][out_channels][out_height][out_width]
 * out[o][y][x] = bias[o] + sum over i, ky, kx of
 *                w[o][i][ky][kx] * in[i][y * stride + ky][x * stride + kx],
 * added in this order by fused multiply-adds, so the bits depend on nothing else.  That is the order of the
 * direct method; those of Winograd's are below.  Which one is used changes the bits.
 * Nothing here allocates or fails.  Sizes are checked by whoever makes a conv_shape.
 */
#ifndef BRAMBLE_KERNELS_CONV_H
#define BRAMBLE_KERNELS_CONV_H

#include "kernels/simd.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct conv_shape {
    int in_channels, in_height, in_width;
    int out_channels, out_height, out_width; /* (in - kernel) / stride + 1 */
    int kernel, stride;
    /* Rows and columns at each edge of `in` that are known to be zero; their products are left out. */
    int border_top, border_bottom, border_left, border_right;
    /*
     * Rows and columns of zeros that belong to the input but are not in `in`: between neighbours, above the first row,
     * before the first column, and as many as it takes below the last row.  With `between`, stride is 1.
     */
    int between, above, before;
} conv_shape;

/*
 * How a convolution is cut into tiles of out channels x pixels that stay in registers.  With blocks narrower than a
 * register (simd.h, vec_row), stride 1 and no `between`, in rows of at least SIMD_WIDE pixels, each of these pixels is
 * SIMD_WIDE neighbours; what is left of a row is a tile of pixels one by one.
 */
typedef struct conv_tiling {
    int channels, pixels; /* largest tile */
    int chunk;            /* in channels whose rows of a tile stay in the level-1 cache */
    int strip; /* at least 1: tiles side by side whose pixels do, with that many in channels */
} conv_tiling;

/* conv_tiling_choose - the cheapest tiles for a shape on this target */
conv_tiling conv_tiling_choose(const conv_shape *shape);

/*
 * Taps of a kernel row or column that meet neighbours in `in`: n from place `tap` on in the order of the packed weights,
 * the first of them pixel `in`.  The order is 0, s, 2s, .., 1, s + 1, .. with s = between + 1.
 */
typedef struct conv_reach {
    int tap, n, in;
} conv_reach;

/* Tiles of pixels between + 1 apart in a row of the output that are alike: from x on, n of them, of the same taps. */
typedef struct conv_run {
    int x, width, n;
    conv_reach taps; /* of the first one */
} conv_run;

enum { CONV_MAX_KERNEL = 31 };

/*
 * Ways to compute a convolution.  CONV_F2, CONV_F4: Winograd's F(2x2,3x3) or F(2x2,5x5), and F(4x4,3x3), for stride 1:
 * tiles of 2x2 or 4x4 pixels of the output, from squares of 4x4 or, of both others, 6x6 of the input.  Pixels and
 * weights are transformed (in float32), multiplied value by value and added up over the in channels in ascending order
 * by fused multiply-adds, and the sums are transformed back; bias, or what they are added to, comes last.  2.25, 2.8 and
 * 4 times fewer products; the error of F(2x2,3x3) is that of the direct sums, with squares of 6x6 some five times as large.
 * Source: Lavin and Gray, arXiv:1509.09308.
 */
enum conv_method { CONV_DIRECT, CONV_F2, CONV_F4 };

/* conv_method_names - by number, NULL behind; conv_method_fits - can it compute such a convolution? */
extern const char *const conv_method_names[];
bool conv_method_fits(enum conv_method method, int kernel, int stride);

/*
 * conv_method_choose - the one for a layer, by the shape of its forward pass alone: the same on every machine
 * F(4x4,3x3) and F(2x2,5x5) from 16 channels in and out and outputs of 6 x 6 on, where all three passes together were
 * faster; else direct.
 */
enum conv_method conv_method_choose(const conv_shape *shape);

/*
 * What is decided once for a shape, before there are images: the algorithm, and what it derives from the shape.
 * From left to right the taps that are needed never move to higher ones: so there are few runs.
 */
typedef struct conv_plan {
    const struct conv_algorithm *algorithm;
    conv_shape shape;
    conv_tiling tiling;
    bool bare;      /* `in` is to be without its borders of zeros */
    int n_together; /* Winograd's: filters' panels whose products are transformed back together */
    size_t n_items; /* of conv_forward, in each block */
    size_t n_packed, n_pack_items; /* floats of the packed weights; items of conv_pack */
    size_t n_scratch;              /* vecs that each thread needs for itself */
    int n_runs;
    conv_run runs[4 * CONV_MAX_KERNEL];
} conv_plan;

/* What a convolution works on. */
typedef struct conv_arrays {
    const float *packed, *bias; /* bias: out_channels, or NULL for none */
    const vec *in;
    vec *out;
    bool add;     /* to what stands in out; bias is left out */
    vec *scratch; /* n_scratch, this thread's own */
} conv_arrays;

/*
 * What a method consists of.
 *   plan     what it derives from the shape, the direct method also from the tiling
 *   pack     the weights, at[0] floats apart from out to out channel, at[1] from in to in, at[2] from tap to tap
 *   forward  as conv_forward
 */
typedef struct conv_algorithm {
    void (*plan)(conv_plan *plan);
    void (*pack)(const conv_plan *plan, const float *w, const long at[3], float *packed,
                 size_t begin, size_t end);
    void (*forward)(const conv_plan *plan, const conv_arrays *arrays, size_t begin, size_t end);
} conv_algorithm;

/*
 * conv_plan_make - for a shape, its kernel at most CONV_MAX_KERNEL
 *   tiling  in  of the direct method, others read none; NULL: the one chosen for the shape
 */
conv_plan conv_plan_make(const conv_shape *shape, enum conv_method method,
                         const conv_tiling *tiling);

/* conv_in_vecs - vecs of a block of `in` as the plan wants it */
size_t conv_in_vecs(const conv_plan *plan);

/* conv_weights - out_channels * in_channels * kernel * kernel */
size_t conv_weights(const conv_shape *shape);

/*
 * conv_pack - weights in the order in which the plan's algorithm reads them
 *   w       in   [out][in][ky][kx]
 *   packed  out  n_packed floats
 * conv_pack_flipped does it for the gradient of the input: the plan is then that convolution's own (its
 * in_channels are w's out), w is read as [in][out][kernel-1-ky][kernel-1-kx].
 * Items: begin .. end - 1 of n_pack_items.
 */
void conv_pack(const conv_plan *plan, const float *w, float *packed, size_t begin, size_t end);
void conv_pack_flipped(const conv_plan *plan, const float *w, float *packed, size_t begin,
                       size_t end);

/*
 * conv_forward - items begin .. end - 1 of n_blocks * n_items: rows of all out channels, or strips of tiles
 * With add, the direct method's sums begin with what stands in out.
 */
void conv_forward(const conv_plan *plan, const conv_arrays *arrays, size_t begin, size_t end);

/* What is decided once for the gradient of the weights: how kernel rows and out channels are cut. */
enum { CONV_MAX_TAP_PIECES = 7 };
typedef struct conv_gradient_plan {
    const struct conv_gradient_algorithm *algorithm;
    conv_shape shape;
    /* pieces of a kernel row, groups of out and in channels, kernel rows of an item */
    int n_taps, n_groups, n_in, n_ky;
    int taps[CONV_MAX_TAP_PIECES + 1]; /* where the pieces begin */
    size_t n_items, n_sums; /* of the functions below; vecs that the sums of a block take */
    /* Winograd's: items of conv_weight_finish (none), floats of `transformed`, vecs that each thread needs */
    size_t n_finish, n_transformed, n_scratch;
} conv_gradient_plan;

/* What a gradient of weights is made from. */
typedef struct conv_gradient_arrays {
    const vec *in, *gout; /* in: as conv_forward has it, with borders or bare */
    size_t n_images;      /* lanes past them hold finite numbers and are not added */
    float *gw;            /* [out][in][ky][kx]: what comes out */
    float *transformed;   /* n_transformed, shared by all */
    vec *scratch;         /* n_scratch, this thread's own */
} conv_gradient_arrays;

typedef struct conv_gradient_algorithm {
    void (*plan)(conv_gradient_plan *plan, int n_threads);
    void (*gradient)(const conv_gradient_plan *plan, const conv_gradient_arrays *arrays,
                     size_t begin, size_t end);
    void (*finish)(const conv_gradient_plan *plan, const float *transformed, float *gw,
                   size_t begin, size_t end);
} conv_gradient_algorithm;

/*
 * conv_gradient_plan_make - for the shape of the forward pass
 *   n_threads  in  that will share its items: Winograd's, which are few, are as many as that asks for; not the bits
 */
conv_gradient_plan conv_gradient_plan_make(const conv_shape *shape, enum conv_method method,
                                           int n_threads);

/*
 * conv_weight_gradient - gw[o][i][ky][kx] = sum over images, y, x of gout[o][y][x] * in[i][..][..]
 * conv_weight_finish - its second half, from what all items of the first have left: gw has its result
 * Items begin .. end - 1 of n_items and of n_finish, which is 0 where the first half does it all.
 * Direct: each image's sum is taken first, then images are added one by one in order.
 * Winograd's: products of transformed pixels and gradients are added up, and the sums transformed back.  Pairs (group
 * of CONV_WINOGRAD_GROUP images, tile), the groups' tiles one after the other, are taken CONV_WINOGRAD_RUN at a
 * time; within a run each image of a group has its own sum (over the run's pairs, in order); four neighbours a, b, c
 * and d give (a + c) + (b + d), and these are added to the sums of the runs before, one by one.
 * So the bits do not depend on VEC_WIDTH.
 */
enum { CONV_WINOGRAD_GROUP = 16, CONV_WINOGRAD_RUN = 16 };
void conv_weight_gradient(const conv_gradient_plan *plan, const conv_gradient_arrays *arrays,
                          size_t begin, size_t end);
void conv_weight_finish(const conv_gradient_plan *plan, const float *transformed, float *gw,
                        size_t begin, size_t end);

/* conv_bias_gradient - gb[o] = sum over images, y, x of gout[o][y][x]; items: out channels */
void conv_bias_gradient(const conv_gradient_plan *plan, const vec *gout, size_t n, float *gb,
                        size_t begin, size_t end);

/*
 * The same two gradients in two stages, with the same bits, by the direct method alone: first the sums of each block, its images side
 * by side, by whoever has the block in its cache; then the addition of the images.
 * conv_gradient_sums - the sums of one block; in, gout and sums are that block's
 * conv_gradient_add  - gw from the sums [block][n_sums] of n images; items as conv_weight_gradient
 * conv_bias_add      - gb likewise; items: out channels
 */
void conv_gradient_sums(const conv_gradient_plan *plan, const vec *in, const vec *gout, vec *sums);
void conv_gradient_add(const conv_gradient_plan *plan, const vec *sums, size_t n, float *gw,
                       size_t begin, size_t end);
void conv_bias_add(const conv_gradient_plan *plan, const vec *sums, size_t n, float *gb,
                   size_t begin, size_t end);

/*
 * conv_embed - copy planes of height x width into the middle of zeroed larger ones
 *   from  in   [n_planes][height][width]
 *   to    out  [n_planes][to_height][to_width]; element (y, x) goes to (top + y * stride, left + x *
 *              stride), everything else in the plane becomes 0
 * Items: planes begin .. end - 1.
 */
typedef struct conv_embedding {
    int height, width, to_height, to_width, top, left, stride;
} conv_embedding;
void conv_embed(const conv_embedding *shape, const vec *from, vec *to, size_t begin, size_t end);

#endif
