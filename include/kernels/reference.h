/*
 * reference.h - every kernel once more, plain and slow: the oracle of the fast ones
 *
 * Ordinary row-major arrays, [image][channel][y][x] or [image][feature]: no blocks, tiles, borders or
 * threads.  Inputs are floats as the fast kernels see them; sums are taken and returned in double, so
 * that what differs from them is the fast kernel's rounding.  The same call on the magnitudes of all
 * inputs gives the sum of the magnitudes of the terms, which bounds that rounding.
 * Outputs are overwritten.  Nothing here allocates or fails; sizes are the caller's promise.
 */
#ifndef BRAMBLE_KERNELS_REFERENCE_H
#define BRAMBLE_KERNELS_REFERENCE_H

#include "kernels/activation.h"
#include "kernels/loss.h"
#include "kernels/update.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct reference_conv {
    int n_images, in_channels, in_height, in_width;
    int out_channels, kernel, stride, padding; /* kernel x kernel; zeros on all four sides */
} reference_conv;

/* reference_side - output height or width of a convolution or pooling: floor, as in PyTorch */
int reference_side(int in, int kernel, int stride, int padding);

/*
 * reference_conv_forward - y[n][o] = bias[o] + sum over i of the correlation of w[o][i] with x[n][i]
 *   w     in  [out][in][ky][kx]
 *   bias  in  [out], or NULL for none
 *   x     in  [n][in][in_height][in_width]
 *   y     out [n][out][out_height][out_width]
 * The gradients take gy, the gradient of y, and give that of x (gx), w (gw) and bias (gb).
 */
void reference_conv_forward(const reference_conv *shape, const float *w, const float *bias,
                            const float *x, double *y);
void reference_conv_input_gradient(const reference_conv *shape, const float *w, const float *gy,
                                   double *gx);
void reference_conv_weight_gradient(const reference_conv *shape, const float *x, const float *gy,
                                    double *gw);
void reference_conv_bias_gradient(const reference_conv *shape, const float *gy, double *gb);

typedef struct reference_grouped {
    int n_images, groups, in_channels, out_channels; /* of each group */
    int in_height, in_width;                         /* nothing is padded */
    int kernel, stride, dilation;
} reference_grouped;

/* reference_grouped_forward - the same within each group, taps `dilation` apart; w: [out][in of its group][ky][kx] */
void reference_grouped_forward(const reference_grouped *r, const float *w, const float *x,
                               double *y);
void reference_grouped_input_gradient(const reference_grouped *r, const float *w, const float *gy,
                                      double *gx);
void reference_grouped_weight_gradient(const reference_grouped *r, const float *x, const float *gy,
                                       double *gw);

typedef struct reference_dense {
    int n_images, n_in, n_out;
} reference_dense;

/* reference_dense_forward - y[n][o] = bias[o] + sum over i of w[o][i] * x[n][i]; gradients as above */
void reference_dense_forward(const reference_dense *shape, const float *w, const float *bias,
                             const float *x, double *y);
void reference_dense_input_gradient(const reference_dense *shape, const float *w, const float *gy,
                                    double *gx);
void reference_dense_weight_gradient(const reference_dense *shape, const float *x, const float *gy,
                                     double *gw);
void reference_dense_bias_gradient(const reference_dense *shape, const float *gy, double *gb);

typedef struct reference_pool {
    int n_planes, in_height, in_width, window, stride; /* planes: images x channels */
    int padding;                                       /* on all four sides; at most window / 2 */
} reference_pool;

/*
 * reference_pool_forward - the maximum of each window, padding left out; NaN where there is one in it
 *   choice  out  which element of its window, row-major; the first of equals, as in PyTorch
 * reference_pool_backward - each gradient is added to the element that was chosen
 */
void reference_pool_forward(const reference_pool *shape, const float *x, float *y, int *choice);
void reference_pool_backward(const reference_pool *shape, const float *gy, const int *choice,
                             double *gx);

/* reference_average_forward - the mean of each window, padding being zeros that count; backward: its gradient */
void reference_average_forward(const reference_pool *shape, const float *x, double *y);
void reference_average_backward(const reference_pool *shape, const float *gy, double *gx);

/* reference_mean_forward - the mean of each plane of n numbers; backward: its gradient */
void reference_mean_forward(int n_planes, int n, const float *x, double *y);
void reference_mean_backward(int n_planes, int n, const float *gy, double *gx);

/* What is normalised together: a channel of all images, a group of channels of an image, a pixel's channels. */
enum reference_over { REFERENCE_BATCH, REFERENCE_GROUP, REFERENCE_PIXEL };

typedef struct reference_norm {
    enum reference_over over;
    int n_images, channels, plane;
    int groups; /* REFERENCE_GROUP: divides channels */
    double eps;
    bool relu;
    const float *w, *b; /* of each channel; NULL: 1, and 0 */
} reference_norm;

/* reference_norm_sets - how many sets of numbers are normalised, each by its own mean and variance */
int reference_norm_sets(const reference_norm *shape);

/*
 * reference_norm_forward - y = (x - mean) / sqrt(variance + eps) * w + b, and of that the ReLU
 *   x               in   [n][channels][plane]
 *   mean, variance  out  reference_norm_sets of them; the variance that of the set itself
 * reference_norm_backward - gradients of x, w and b
 */
void reference_norm_forward(const reference_norm *shape, const float *x, double *y, double *mean,
                            double *variance);
void reference_norm_backward(const reference_norm *shape, const float *x, const float *gy,
                             double *gx, double *gw, double *gb);

/* reference_relu_forward - y = max(x, 0), NaN stays NaN; the gradient passes where y is not <= 0 */
void reference_relu_forward(const float *x, float *y, size_t n);
void reference_relu_backward(const float *y, const float *gy, float *gx, size_t n);

/* reference_activation - f(x) and f'(x) (activation.h) */
void reference_activation(enum activation f, double x, double *value, double *slope);

typedef struct reference_channels {
    int n_images, n_channels, plane;
    bool one; /* a weight for all channels */
} reference_channels;

/*
 * reference_scale, reference_prelu - y = w x, and y = x > 0 ? x : w x, with a weight of each channel
 * The gradients take gy, the gradient of y, and give that of x (gx) and w (gw); x: [n][channel][plane].
 */
void reference_scale(const reference_channels *of, const float *w, const float *x, double *y);
void reference_scale_backward(const reference_channels *of, const float *w, const float *x,
                              const float *gy, double *gx, double *gw);
void reference_prelu(const reference_channels *of, const float *w, const float *x, double *y);
void reference_prelu_backward(const reference_channels *of, const float *w, const float *x,
                              const float *gy, double *gx, double *gw);

/* reference_kept - does dropout keep an element?  (dropout.h: below is p * 2^16, rounded) */
typedef struct reference_element {
    uint64_t seed;
    uint32_t element, image, epoch, layer;
} reference_element;
bool reference_kept(reference_element of, uint32_t below);

/*
 * reference_softmax - cross-entropy of one image's logits and the label, smoothed, and scale * its gradient (loss.h)
 *   p  out  n_classes: the softmax; g: the gradient; either may be NULL
 * Returns the loss.
 */
double reference_softmax(int n_classes, const float *logits, int label, const loss_rule *rule,
                         double *p, double *g);

/* reference_sgd - torch.optim.SGD's step (update.h) on n weights and velocities */
void reference_sgd(const update_rule *rule, double *w, double *v, const float *g, size_t n);

/* reference_adamw - torch.optim.AdamW's step (update.h) on n weights, means and mean squares */
void reference_adamw(const adamw_rule *rule, double *w, double *m, double *v, const float *g,
                     size_t n);

#endif
