/*
 * update.h - the step of stochastic gradient descent
 */
#ifndef BRAMBLE_KERNELS_UPDATE_H
#define BRAMBLE_KERNELS_UPDATE_H

#include <stdbool.h>
#include <stddef.h>

typedef struct update_rule {
    float lr, momentum, weight_decay;
    bool nesterov;
    double
        epoch; /* how many are over, and parts of one: for weights that are trained for some only */
} update_rule;

/*
 * update_sgd - d = g + weight_decay * w;  v = momentum * v + d;
 *              w = w - lr * (nesterov ? d + momentum * v : v)
 *   w, v  inout, g in: flat vectors, elements begin .. end - 1
 * Source: torch.optim.SGD, dampening 0 (Sutskever et al., ICML 2013, in its form with lr outside).
 */
void update_sgd(const update_rule *rule, float *w, float *v, const float *g, size_t begin,
                size_t end);

/* update_statistics - w += rate * (measured - w); elements begin .. end - 1 */
void update_statistics(float rate, float *w, const float *measured, size_t begin, size_t end);

/* vector_finite_below - are all n elements finite and below limit in magnitude? */
bool vector_finite_below(const float *w, size_t n, float limit);

#endif
