#include "layers/whitening.h"

#include "base/memory.h"

#include <math.h>

enum { MAX_SWEEPS = 60 };
#define EPSILON 5e-4

static int values_of(const whitening *self)
{
    return self->channels * self->kernel * self->kernel;
}

bool whitening_init(whitening *self, const layer *of, error *err)
{
    const tensor *t = &of->tensors[0];
    *self = (whitening){
        .channels = (int)t->dims[1], .kernel = (int)t->dims[2], .n_filters = (int)t->dims[0]};
    size_t d = (size_t)values_of(self);
    self->moments = memory_new(d * d, sizeof *self->moments, err);
    return self->moments != NULL;
}

void whitening_release(whitening *self)
{
    memory_free(self->moments);
    *self = (whitening){0};
}

static void add_patch(whitening *self, const double *patch)
{
    int d = values_of(self);
    for (int i = 0; i < d; i++)
        for (int j = 0; j <= i; j++)
            self->moments[i * d + j] += patch[i] * patch[j];
    self->n_patches += 1.0;
}

void whitening_add(whitening *self, const float *image, int height, int width)
{
    double patch[WHITENING_MAX_VALUES] = {0};
    for (int y = 0; y + self->kernel <= height; y++)
        for (int x = 0; x + self->kernel <= width; x++) {
            double *to = patch;
            for (int c = 0; c < self->channels; c++)
                for (int ky = 0; ky < self->kernel; ky++)
                    for (int kx = 0; kx < self->kernel; kx++)
                        *to++ = (double)image[(c * height + y + ky) * width + x + kx];
            add_patch(self, patch);
        }
}

/* The angle that makes a[p][q] zero: its sine and cosine. */
static void angle(const double *a, int d, int p, int q, double *sine, double *cosine)
{
    double theta = (a[q * d + q] - a[p * d + p]) / (2.0 * a[p * d + q]);
    double t = (theta < 0.0 ? -1.0 : 1.0) / (fabs(theta) + sqrt(theta * theta + 1.0));
    *cosine = 1.0 / sqrt(t * t + 1.0);
    *sine = t * *cosine;
}

/* Elements k apart in two rows, or columns, turned by the angle. */
static void turn(double *first, double *second, int apart, int d, double sine, double cosine)
{
    for (int k = 0; k < d; k++, first += apart, second += apart) {
        double a = *first, b = *second;
        *first = cosine * a - sine * b;
        *second = sine * a + cosine * b;
    }
}

/* Cyclic Jacobi: a becomes diagonal, the rows of v its eigenvectors (Golub and Van Loan, Matrix Computations, 8.5). */
static void diagonalise(double *a, double *v, int d)
{
    double size = 0.0;
    for (int k = 0; k < d * d; k++) {
        v[k] = k % (d + 1) == 0 ? 1.0 : 0.0;
        size = fmax(size, fabs(a[k]));
    }
    for (int sweep = 0, turned = 1; sweep < MAX_SWEEPS && turned; sweep++) {
        turned = 0;
        for (int p = 0; p < d; p++)
            for (int q = p + 1; q < d; q++) {
                double sine, cosine;
                if (fabs(a[p * d + q]) <= 1e-15 * size)
                    continue;
                angle(a, d, p, q, &sine, &cosine);
                turn(a + p, a + q, d, d, sine, cosine);
                turn(a + p * d, a + q * d, 1, d, sine, cosine);
                turn(v + p * d, v + q * d, 1, d, sine, cosine);
                turned = 1;
            }
    }
}

/* Which of them has the largest eigenvalue of those not taken. */
static int largest(const double *a, int d, const bool *taken)
{
    int best = -1;
    for (int k = 0; k < d; k++)
        if (!taken[k] && (best < 0 || a[k * d + k] > a[best * d + best]))
            best = k;
    return best;
}

static void put_filter(const double *v, double value, int d, float *plus, float *minus)
{
    int peak = 0;
    for (int k = 1; k < d; k++)
        if (fabs(v[k]) > fabs(v[peak]))
            peak = k;
    double factor = (v[peak] < 0.0 ? -1.0 : 1.0) / sqrt(fmax(value, 0.0) + EPSILON);
    for (int k = 0; k < d; k++) {
        plus[k] = (float)(factor * v[k]);
        minus[k] = -plus[k];
    }
}

bool whitening_filters(whitening *self, float *w, error *err)
{
    int d = values_of(self), half = self->n_filters / 2;
    bool taken[WHITENING_MAX_VALUES] = {false};
    double *a = self->moments, *v = memory_new((size_t)(d * d), sizeof *v, err);
    if (!v)
        return false;
    for (int i = 0; i < d; i++)
        for (int j = 0; j <= i; j++)
            a[i * d + j] = a[j * d + i] = a[i * d + j] / self->n_patches;
    diagonalise(a, v, d);
    for (int f = 0; f < half; f++) {
        int k = largest(a, d, taken);
        taken[k] = true;
        put_filter(v + k * d, a[k * d + k], d, w + (long)f * d, w + (long)(f + half) * d);
    }
    memory_free(v);
    return true;
}
