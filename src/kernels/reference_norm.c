#include "kernels/reference.h"

#include <math.h>

typedef struct element {
    size_t at; /* in the array */
    int channel;
} element;

int reference_norm_sets(const reference_norm *s)
{
    switch (s->over) {
    case REFERENCE_BATCH:
        return s->channels;
    case REFERENCE_GROUP:
        return s->n_images * s->groups;
    case REFERENCE_PIXEL:
        return s->n_images * s->plane;
    }
    return 0;
}

static int set_size(const reference_norm *s)
{
    return s->n_images * s->channels * s->plane / reference_norm_sets(s);
}

/* Element j of a set. */
static element element_of(const reference_norm *s, int set, int j)
{
    int image = j / s->plane, channel = set, pixel = j % s->plane;
    if (s->over == REFERENCE_GROUP) {
        image = set / s->groups;
        channel = set % s->groups * (s->channels / s->groups) + j / s->plane;
    } else if (s->over == REFERENCE_PIXEL) {
        image = set / s->plane;
        channel = j;
        pixel = set % s->plane;
    }
    return (element){(size_t)((image * s->channels + channel) * s->plane + pixel), channel};
}

static void moments(const reference_norm *s, const float *x, int set, double *mean,
                    double *variance)
{
    int n = set_size(s);
    double sum = 0.0, squares = 0.0;
    for (int j = 0; j < n; j++)
        sum += (double)x[element_of(s, set, j).at];
    *mean = sum / n;
    for (int j = 0; j < n; j++) {
        double apart = (double)x[element_of(s, set, j).at] - *mean;
        squares += apart * apart;
    }
    *variance = squares / n;
}

static double scale_of(const reference_norm *s, int channel)
{
    return s->w ? (double)s->w[channel] : 1.0;
}

static double shift_of(const reference_norm *s, int channel)
{
    return s->b ? (double)s->b[channel] : 0.0;
}

void reference_norm_forward(const reference_norm *s, const float *x, double *y, double *mean,
                            double *variance)
{
    for (int set = 0; set < reference_norm_sets(s); set++) {
        moments(s, x, set, &mean[set], &variance[set]);
        for (int j = 0; j < set_size(s); j++) {
            element e = element_of(s, set, j);
            double normal = ((double)x[e.at] - mean[set]) / sqrt(variance[set] + s->eps);
            y[e.at] = normal * scale_of(s, e.channel) + shift_of(s, e.channel);
            if (s->relu && y[e.at] <= 0.0)
                y[e.at] = 0.0;
        }
    }
}

/* A set's: with h = gy * w, gx = (h - mean of h - normal * mean of h * normal) / sqrt(variance + eps). */
static void set_backward(const reference_norm *s, const float *x, const float *gy, int set,
                         double *gx, double *gw, double *gb)
{
    int n = set_size(s);
    double mean, variance, sum = 0.0, product = 0.0;
    moments(s, x, set, &mean, &variance);
    double inverse = 1.0 / sqrt(variance + s->eps);
    for (int j = 0; j < n; j++) {
        element e = element_of(s, set, j);
        double normal = ((double)x[e.at] - mean) * inverse, g = (double)gy[e.at];
        if (s->relu && normal * scale_of(s, e.channel) + shift_of(s, e.channel) <= 0.0)
            g = 0.0;
        gx[e.at] = g * scale_of(s, e.channel);
        gb[e.channel] += g;
        gw[e.channel] += g * normal;
        sum += gx[e.at];
        product += gx[e.at] * normal;
    }
    for (int j = 0; j < n; j++) {
        size_t at = element_of(s, set, j).at;
        double normal = ((double)x[at] - mean) * inverse;
        gx[at] = (gx[at] - sum / n - normal * product / n) * inverse;
    }
}

void reference_norm_backward(const reference_norm *s, const float *x, const float *gy, double *gx,
                             double *gw, double *gb)
{
    for (int c = 0; c < s->channels; c++)
        gw[c] = gb[c] = 0.0;
    for (int set = 0; set < reference_norm_sets(s); set++)
        set_backward(s, x, gy, set, gx, gw, gb);
}
