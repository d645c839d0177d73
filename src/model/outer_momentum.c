#include "model/outer.h"

/*
 * v <- beta1 v + (mean - before); w <- before + eta v
 * Source: FedAvgM, Hsu et al., arXiv:1909.06335.
 */
static void momentum(const outer_settings *settings, float *restrict w,
                     const float *restrict before, float *const *states, size_t n, uint64_t round)
{
    (void)round;
    const float lr = (float)settings->lr, beta = (float)settings->momentum;
    float *restrict v = states[0];
    for (size_t i = 0; i < n; i++) {
        v[i] = beta * v[i] + (w[i] - before[i]);
        w[i] = before[i] + lr * v[i];
    }
}

/*
 * v <- beta1 v + (mean - before); w <- before + eta (mean - before + beta1 v)
 * Source: DiLoCo, Douillard et al., arXiv:2311.08105 (outer optimizer).
 */
static void nesterov(const outer_settings *settings, float *restrict w,
                     const float *restrict before, float *const *states, size_t n, uint64_t round)
{
    (void)round;
    const float lr = (float)settings->lr, beta = (float)settings->momentum;
    float *restrict v = states[0];
    for (size_t i = 0; i < n; i++) {
        float way = w[i] - before[i];
        v[i] = beta * v[i] + way;
        w[i] = before[i] + lr * (way + beta * v[i]);
    }
}

const outer_rule outer_momentum = {
    .name = "momentum",
    .states = {{"server_momentum", NULL}},
    .lr = 1.0,
    .apply = momentum,
};

const outer_rule outer_nesterov = {
    .name = "nesterov",
    .states = {{"server_momentum", NULL}},
    .lr = 0.7,
    .apply = nesterov,
};
