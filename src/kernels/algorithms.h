/*
 * algorithms.h - the ways to compute a convolution; inside this room only
 */
#ifndef BRAMBLE_KERNELS_ALGORITHMS_H
#define BRAMBLE_KERNELS_ALGORITHMS_H

#include "kernels/conv.h"

extern const conv_algorithm conv_direct, conv_f2, conv_f4, conv_f2_5x5;
extern const conv_gradient_algorithm conv_gradient_direct, conv_gradient_f2, conv_gradient_f4,
    conv_gradient_f2_5x5;

#endif
