/*
 * dense.h - fully connected layers over blocks of images: matrix products with the batch as a dimension
 *
 * x is [block][n_in], y is [block][n_out], arrays of vec with one image per lane; w is [n_out][n_in].
 * Sums run over their index in ascending order with fused multiply-adds: the bits depend neither on the
 * number of threads nor on VEC_WIDTH.  Nothing here allocates or fails.
 */
#ifndef BRAMBLE_KERNELS_DENSE_H
#define BRAMBLE_KERNELS_DENSE_H

#include "kernels/simd.h"

#include <stdbool.h>
#include <stddef.h>

/* dense_forward - y[o] = bias[o] (NULL: 0) + sum over i of w[o][i] * x[i]; items: outputs begin .. end - 1 */
void dense_forward(int n_in, int n_out, const float *w, const float *bias, const vec *x, vec *y,
                   size_t n_blocks, size_t begin, size_t end);

/*
 * dense_input_gradient - gx[i] = (add ? gx[i] : 0) + sum over o of w[o][i] * gy[o]
 * Items: inputs begin .. end - 1.
 */
void dense_input_gradient(int n_in, int n_out, const float *w, const vec *gy, vec *gx, bool add,
                          size_t n_blocks, size_t begin, size_t end);

/* dense_row_floats - length of a row of the transposed input: n_in rounded up to whole vectors */
size_t dense_row_floats(int n_in);

/*
 * dense_transpose - x as one row per image, for dense_weight_gradient
 *   rows  out  [n_blocks * VEC_WIDTH][dense_row_floats(n_in)], aligned; the padding becomes 0
 * Items: blocks begin .. end - 1.
 */
void dense_transpose(int n_in, const vec *x, float *rows, size_t begin, size_t end);

/*
 * dense_weight_gradient - gw[o][i] = sum over images of gy[o] * x[i], gb[o] (NULL: not wanted) = sum over images of gy[o]
 *   rows  in   from dense_transpose
 *   n     in   images
 * Items: outputs begin .. end - 1, whose rows of gw and elements of gb are overwritten.
 */
void dense_weight_gradient(int n_in, int n_out, const float *rows, const vec *gy, size_t n,
                           float *gw, float *gb, size_t begin, size_t end);

#endif
