/*
 * update.h - steps of the weights, element by element: stochastic gradient descent, AdamW
 */
#ifndef BRAMBLE_KERNELS_UPDATE_H
#define BRAMBLE_KERNELS_UPDATE_H

#include <stdbool.h>
#include <stddef.h>

typedef struct update_rule {
    float lr, momentum, weight_decay;
    bool nesterov, decoupled;
} update_rule;

/*
 * update_sgd - d = g + weight_decay * w;  v = momentum * v + d;
 *              w = w - lr * (nesterov ? d + momentum * v : v)
 *              decoupled: d = g, and lr * weight_decay * w more is taken from w
 *   w, v  inout, g in: flat vectors, elements begin .. end - 1
 * Sources: torch.optim.SGD, dampening 0 (Sutskever et al., ICML 2013, in its form with lr outside); Loshchilov and
 * Hutter, arXiv:1711.05101 (decoupled weight decay).
 */
void update_sgd(const update_rule *rule, float *w, float *v, const float *g, size_t begin,
                size_t end);

/* What AdamW comes to in its step of number t, from 1. */
typedef struct adamw_rule {
    float step;         /* lr / (1 - beta1^t) */
    float keep;         /* 1 - lr * weight_decay */
    float rate1, rate2; /* 1 - beta1, 1 - beta2 */
    float root;         /* 1 / sqrt(1 - beta2^t) */
    float epsilon;
} adamw_rule;

typedef struct adamw_vectors {
    float *w, *m, *v; /* weights, means of the gradient and of its square */
    const float *g;
} adamw_vectors;

/*
 * update_adamw - m = m + rate1 * (g - m);  v = v + rate2 * (g * g - v);
 *                w = keep * w - step * m / (root * sqrt(v) + epsilon);  elements begin .. end - 1
 * Source: torch.optim.AdamW (Loshchilov and Hutter, arXiv:1711.05101).
 */
void update_adamw(const adamw_rule *rule, const adamw_vectors *at, size_t begin, size_t end);

/* update_statistics - w += rate * (measured - w); elements begin .. end - 1 */
void update_statistics(float rate, float *w, const float *measured, size_t begin, size_t end);

/* vector_pull - g += factor * (w - anchor); elements begin .. end - 1 */
void vector_pull(float *g, const float *w, const float *anchor, float factor, size_t begin,
                 size_t end);

/* vector_add - x += y; elements begin .. end - 1 */
void vector_add(float *x, const float *y, size_t begin, size_t end);

/* vector_squares - the sum of the squares of n elements, in double; the same bits for any VEC_WIDTH */
double vector_squares(const float *x, size_t n);

/* vector_largest - the largest magnitude of n elements; NaN where one is */
float vector_largest(const float *x, size_t n);

/* vector_scale - n elements times factor */
void vector_scale(float *x, size_t n, float factor);

/* vector_finite_below - are all n elements finite and below limit in magnitude? */
bool vector_finite_below(const float *w, size_t n, float limit);

#endif
