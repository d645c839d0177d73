/*
 * Server optimizers with a step size for each weight, d = mean - before:
 *   m <- beta1 m + (1 - beta1) d,  v <- a rule's own,  w <- before + eta m / (sqrt(v) + tau)
 * Source: Reddi et al., arXiv:2003.00295, algorithm 2.
 */
#include "model/outer.h"

#include <math.h>

/* x^k; pow of unlike C libraries may differ in the last bit. */
static double power(double x, uint64_t k)
{
    double result = 1;
    while (k > 0) {
        if (k & 1)
            result *= x;
        x *= x;
        k >>= 1;
    }
    return result;
}

static void first_moment(float *restrict m, const float *restrict w, const float *restrict before,
                         size_t n, float beta1)
{
    for (size_t i = 0; i < n; i++)
        m[i] = beta1 * m[i] + (1.0F - beta1) * (w[i] - before[i]);
}

static void squares(float *restrict v, const float *restrict w, const float *restrict before,
                    size_t n, float beta2)
{
    for (size_t i = 0; i < n; i++) {
        float d = w[i] - before[i];
        v[i] = beta2 * v[i] + (1.0F - beta2) * d * d;
    }
}

static void step(float *restrict w, const float *restrict before, float *const *states, size_t n,
                 double lr, double tau)
{
    const float *restrict m = states[0], *restrict v = states[1];
    for (size_t i = 0; i < n; i++)
        w[i] = before[i] + (float)lr * m[i] / (sqrtf(v[i]) + (float)tau);
}

static void adam_paper(const outer_settings *settings, float *restrict w,
                       const float *restrict before, float *const *states, size_t n, uint64_t round)
{
    (void)round;
    first_moment(states[0], w, before, n, (float)settings->momentum);
    squares(states[1], w, before, n, (float)settings->beta2);
    step(w, before, states, n, settings->lr, settings->tau);
}

/* With the bias correction of Flower's FedAdam, which counts from 2. */
static void adam(const outer_settings *settings, float *restrict w, const float *restrict before,
                 float *const *states, size_t n, uint64_t round)
{
    uint64_t t = round + 2;
    outer_settings corrected = *settings;
    corrected.lr *= sqrt(1 - power(settings->beta2, t)) / (1 - power(settings->momentum, t));
    adam_paper(&corrected, w, before, states, n, round);
}

static void yogi(const outer_settings *settings, float *restrict w, const float *restrict before,
                 float *const *states, size_t n, uint64_t round)
{
    (void)round;
    const float beta2 = (float)settings->beta2;
    float *restrict v = states[1];
    first_moment(states[0], w, before, n, (float)settings->momentum);
    for (size_t i = 0; i < n; i++) {
        float d = w[i] - before[i], square = d * d;
        v[i] -= (1.0F - beta2) * square * (float)((v[i] > square) - (v[i] < square));
    }
    step(w, before, states, n, settings->lr, settings->tau);
}

/* m is d itself, as in Flower's FedAdagrad. */
static void adagrad(const outer_settings *settings, float *restrict w, const float *restrict before,
                    float *const *states, size_t n, uint64_t round)
{
    (void)round;
    float *restrict v = states[0];
    for (size_t i = 0; i < n; i++) {
        float d = w[i] - before[i];
        v[i] += d * d;
        w[i] = before[i] + (float)settings->lr * d / (sqrtf(v[i]) + (float)settings->tau);
    }
}

/* The paper asks for v of tau^2 at least. */
static float tau_squared(const outer_settings *settings)
{
    return (float)(settings->tau * settings->tau);
}

const outer_rule outer_adam = {
    .name = "adam",
    .states = {{"server_m", NULL}, {"server_v", NULL}},
    .lr = 0.1,
    .apply = adam,
};

const outer_rule outer_adam_paper = {
    .name = "adam-paper",
    .states = {{"server_m", NULL}, {"server_v", tau_squared}},
    .lr = 0.1,
    .apply = adam_paper,
};

const outer_rule outer_yogi = {
    .name = "yogi",
    .states = {{"server_m", NULL}, {"server_v", NULL}},
    .lr = 0.01,
    .apply = yogi,
};

const outer_rule outer_adagrad = {
    .name = "adagrad",
    .states = {{"server_v", NULL}},
    .lr = 0.1,
    .apply = adagrad,
};
