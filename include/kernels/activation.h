/*
 * activation.h - smooth functions of each element, and their gradients
 */
#ifndef BRAMBLE_KERNELS_ACTIVATION_H
#define BRAMBLE_KERNELS_ACTIVATION_H

#include "kernels/simd.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * gelu       x Phi(x), Phi the normal distribution; absolute error < 4e-7
 * gelu tanh  x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))); < 4e-7
 * silu       x / (1 + e^-x), also called swish; < 4e-7
 * tanh       < 2e-7
 * Errors grow with |x| beyond 1 as x's own rounding does.  Source of the first two: Hendrycks, Gimpel,
 * arXiv:1606.08415.
 */
enum activation { ACTIVATION_GELU, ACTIVATION_GELU_TANH, ACTIVATION_SILU, ACTIVATION_TANH };

/*
 * activation_forward - y = f(x)
 * activation_backward - gx = f'(x) gy, or, with add, gx + that
 *   at  in  x, for tanh y
 * y may be x, and gx gy.  Items: vectors begin .. end - 1.
 */
void activation_forward(enum activation f, const vec *x, vec *y, size_t begin, size_t end);
void activation_backward(enum activation f, const vec *at, const vec *gy, vec *gx, bool add,
                         size_t begin, size_t end);

#endif
