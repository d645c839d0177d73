#include "data/picture.h"

#include "base/memory.h"

#include <stdlib.h>

enum { FINE = 256 }; /* between the two passes values have eight bits more */

/* One direction: `from` values, of which n in the middle become `to`. */
typedef struct axis {
    int first, n, to;
} axis;

/* The part in the middle of a x b that has the proportions of p x q, along a. */
static axis middle(int a, int b, int p, int q)
{
    int64_t n = (int64_t)a * q > (int64_t)b * p ? ((int64_t)p * b + q / 2) / q : a;
    n = n < 1 ? 1 : n;
    return (axis){(int)((a - n) / 2), (int)n, p};
}

/*
 * The weighted mean of values around output i.  Everything is in units of 1 / (2 to) of a value: value k has its
 * middle at (2 k + 1) to, output i at (2 i + 1) n.
 */
static uint16_t mean(const axis *along, int i, const uint16_t *from, size_t step)
{
    const int64_t n = along->n, to = along->to, at = (2 * (int64_t)i + 1) * n;
    const int64_t reach = 2 * (n > to ? n : to);
    int64_t low = (at - reach) / (2 * to) - 1, high = (at + reach) / (2 * to);
    int64_t sum = 0, weights = 0;
    if (n == to)
        return from[(size_t)i * step]; /* its own weight alone is not 0 */
    low = low < 0 ? 0 : low;
    high = high > n - 1 ? n - 1 : high;
    for (int64_t k = low; k <= high; k++) {
        int64_t weight = reach - llabs((2 * k + 1) * to - at);
        if (weight > 0) {
            sum += weight * from[(size_t)k * step];
            weights += weight;
        }
    }
    return weights > 0 ? (uint16_t)((sum + weights / 2) / weights)
                       : 0; /* some pixel is always within reach */
}

/* A row of one channel, its part in the middle. */
static void fit_row(const axis *x, const uint8_t *from, size_t step, uint16_t *line, uint16_t *to)
{
    for (int k = 0; k < x->n; k++)
        line[k] = (uint16_t)(from[(size_t)k * step] * FINE);
    for (int i = 0; i < x->to; i++)
        to[i] = mean(x, i, line, 1);
}

bool picture_fit(const uint8_t *pixels, int height, int width, image_shape shape, uint8_t *image,
                 error *err)
{
    const size_t n_channels = (size_t)shape.channels, n_out = (size_t)shape.width;
    const axis x = middle(width, height, shape.width, shape.height),
               y = middle(height, width, shape.height, shape.width);
    uint16_t *rows = memory_new((size_t)y.n * n_out + (size_t)x.n, sizeof *rows, err);
    if (!rows)
        return false;
    uint16_t *line = rows + (size_t)y.n * n_out;
    for (size_t c = 0; c < n_channels; c++) {
        for (int r = 0; r < y.n; r++) {
            size_t at = (size_t)(y.first + r) * (size_t)width + (size_t)x.first;
            fit_row(&x, pixels + at * n_channels + c, n_channels, line, rows + (size_t)r * n_out);
        }
        for (int i = 0; i < y.to; i++)
            for (size_t k = 0; k < n_out; k++)
                *image++ = (uint8_t)((mean(&y, i, rows + k, n_out) + FINE / 2) / FINE);
    }
    memory_free(rows);
    return true;
}
