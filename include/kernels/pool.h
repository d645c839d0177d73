/*
 * pool.h - pooling and ReLU over blocks of images
 */
#ifndef BRAMBLE_KERNELS_POOL_H
#define BRAMBLE_KERNELS_POOL_H

#include "kernels/simd.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct pool_shape {
    int in_height, in_width, out_height, out_width;
    int window, stride;
    bool relu;   /* of the input; taken after the maximum, which is the same */
    int padding; /* on all four sides, at most window / 2: every window has an element */
} pool_shape;

/*
 * pool_forward - the maximum of each window, padding left out; NaN where there is one in it
 *   in      in   [plane][in_height][in_width]
 *   out     out  [plane][out_height][out_width]
 *   choice  out  as out: which element of the window it was (row-major, padding counted; the first of equals, as in
 *                PyTorch), -1 where the ReLU cut it off; NULL when no backward pass follows
 * Items: planes (block x channel) begin .. end - 1.
 */
void pool_forward(const pool_shape *shape, const vec *in, vec *out, ivec *choice, size_t begin,
                  size_t end);

/*
 * pool_backward - each gradient goes to the element chosen
 *   add  in  to what stands in gin; else all of gin is overwritten
 * Items: planes.
 */
void pool_backward(const pool_shape *shape, const vec *gout, const ivec *choice, vec *gin, bool add,
                   size_t begin, size_t end);

/*
 * pool_average_forward - the mean of each window, padding being zeros that count, as PyTorch's avg_pool2d has it unless
 * told otherwise; pool_average_backward - its gradient, or, with add, gin + that.  relu is not looked at.
 * Items: planes.
 */
void pool_average_forward(const pool_shape *shape, const vec *in, vec *out, size_t begin,
                          size_t end);
void pool_average_backward(const pool_shape *shape, const vec *gout, vec *gin, bool add,
                           size_t begin, size_t end);

/*
 * pool_mean_forward - the mean of each plane of n vecs; pool_mean_backward - its gradient, or, with add, gin + that.
 * Items: planes.
 */
void pool_mean_forward(size_t n, const vec *in, vec *out, size_t begin, size_t end);
void pool_mean_backward(size_t n, const vec *gout, vec *gin, bool add, size_t begin, size_t end);

/*
 * relu_forward - y = max(x, 0), NaN of NaN; relu_backward - gx = y <= 0 ? 0 : gy, or, with add, gx + that.
 * Items: vectors.
 */
void relu_forward(const vec *x, vec *y, size_t begin, size_t end);
void relu_backward(const vec *y, const vec *gy, vec *gx, bool add, size_t begin, size_t end);

#endif
