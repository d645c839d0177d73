#include "kernels/reference.h"

#include "kernels/dropout.h"

#include <math.h>

#define PI 3.14159265358979323846

/* ---- activations -------------------------------------------------------------------------------- */

static double sigmoid(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

void reference_activation(enum activation f, double x, double *value, double *slope)
{
    double c = sqrt(2.0 / PI), u = c * (x + 0.044715 * x * x * x), t;
    switch (f) {
    case ACTIVATION_GELU:
        t = 0.5 * erfc(-x / sqrt(2.0));
        *value = x * t;
        *slope = t + x * exp(-x * x / 2.0) / sqrt(2.0 * PI);
        break;
    case ACTIVATION_GELU_TANH:
        t = tanh(u);
        *value = 0.5 * x * (1.0 + t);
        *slope = 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * c * (1.0 + 3.0 * 0.044715 * x * x);
        break;
    case ACTIVATION_SILU:
        t = sigmoid(x);
        *value = x * t;
        *slope = t + x * t * (1.0 - t);
        break;
    default:
        *value = tanh(x);
        *slope = 1.0 - *value * *value;
    }
}

/* ---- a weight of each channel ------------------------------------------------------------------- */

static size_t weight_of(const reference_channels *of, size_t k)
{
    return of->one ? 0 : k / (size_t)of->plane % (size_t)of->n_channels;
}

static size_t count(const reference_channels *of)
{
    return (size_t)of->n_images * (size_t)of->n_channels * (size_t)of->plane;
}

static void clear(const reference_channels *of, double *gw)
{
    for (int c = 0; c < (of->one ? 1 : of->n_channels); c++)
        gw[c] = 0.0;
}

void reference_scale(const reference_channels *of, const float *w, const float *x, double *y)
{
    for (size_t k = 0; k < count(of); k++)
        y[k] = (double)w[weight_of(of, k)] * (double)x[k];
}

void reference_scale_backward(const reference_channels *of, const float *w, const float *x,
                              const float *gy, double *gx, double *gw)
{
    clear(of, gw);
    for (size_t k = 0; k < count(of); k++) {
        gx[k] = (double)w[weight_of(of, k)] * (double)gy[k];
        gw[weight_of(of, k)] += (double)x[k] * (double)gy[k];
    }
}

void reference_prelu(const reference_channels *of, const float *w, const float *x, double *y)
{
    for (size_t k = 0; k < count(of); k++)
        y[k] = (x[k] > 0.0F ? 1.0 : (double)w[weight_of(of, k)]) * (double)x[k];
}

void reference_prelu_backward(const reference_channels *of, const float *w, const float *x,
                              const float *gy, double *gx, double *gw)
{
    clear(of, gw);
    for (size_t k = 0; k < count(of); k++) {
        bool above = x[k] > 0.0F;
        gx[k] = (above ? 1.0 : (double)w[weight_of(of, k)]) * (double)gy[k];
        gw[weight_of(of, k)] += above ? 0.0 : (double)x[k] * (double)gy[k];
    }
}

/* ---- dropout ------------------------------------------------------------------------------------ */

static void mix(uint32_t *a, uint32_t *b, int by)
{
    *a += *b;
    *b = (*b << by | *b >> (32 - by)) ^ *a;
}

static void threefry_4x32_13(const uint32_t key[4], uint32_t x[4])
{
    static const int by[8][2] = {{10, 26}, {11, 21}, {13, 27}, {23, 5},
                                 {6, 20},  {17, 11}, {25, 10}, {18, 20}};
    const uint32_t k[5] = {key[0], key[1], key[2], key[3],
                           0x1BD11BDA ^ key[0] ^ key[1] ^ key[2] ^ key[3]};
    for (int round = 0; round <= 13; round++) {
        for (uint32_t i = 0; round % 4 == 0 && i < 4; i++)
            x[i] += k[((uint32_t)round / 4 + i) % 5] + (i == 3 ? (uint32_t)round / 4 : 0);
        if (round == 13)
            break;
        mix(&x[0], &x[round % 2 ? 3 : 1], by[round % 8][0]);
        mix(&x[2], &x[round % 2 ? 1 : 3], by[round % 8][1]);
    }
}

bool reference_kept(reference_element of, uint32_t below)
{
    const uint32_t key[4] = {(uint32_t)of.seed, (uint32_t)(of.seed >> 32), DROPOUT_USE, 0};
    uint32_t x[4] = {of.element / 8, of.image, of.epoch, of.layer};
    threefry_4x32_13(key, x);
    return (x[of.element / 2 % 4] >> of.element % 2 * 16 & 0xffff) >= below;
}
