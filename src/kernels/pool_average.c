#include "kernels/pool.h"
#include "pool_window.h"

/* A window that lies whole in its plane, of a side the compiler may know. */
SIMD_INLINE vec whole_sum(const vec *first, size_t width, const int size)
{
    vec sum = vec_set(0.0F);
    for (int y = 0; y < size; y++)
        for (int x = 0; x < size; x++)
            sum += first[(size_t)y * width + (size_t)x];
    return sum;
}

/* What of it is no padding, in the same order. */
static vec clipped_sum(const pool_shape *s, const vec *in, int y, int x)
{
    pool_window w = pool_window_at(s, y, x);
    vec sum = vec_set(0.0F);
    for (int row = w.top; row < w.bottom; row++)
        for (int column = w.left; column < w.right; column++)
            sum += in[(size_t)row * (size_t)s->in_width + (size_t)column];
    return sum;
}

SIMD_INLINE void put(vec *out, vec sum, vec share, bool add)
{
    vec mean = vec_in_register(sum * share); /* rounded before it is added */
    *out = add ? *out + mean : mean;
}

enum {
    SLIDING = 3
}; /* side up to which a window's columns stay in registers while it moves on by one */

SIMD_INLINE vec column_sum(const vec *first, size_t width, const int size)
{
    vec sum = first[0];
    SIMD_FOR (int y = 1; y < size; y++)
        sum += first[(size_t)y * width];
    return sum;
}

/* n outputs side by side whose windows are whole; the stride is 1. */
SIMD_INLINE void slide(const vec *first, size_t width, int n, vec *out, vec share, bool add,
                       const int size)
{
    vec column[SLIDING];
    SIMD_FOR (int x = 1; x < size; x++)
        column[x] = column_sum(first + x - 1, width, size);
    for (int k = 0; k < n; k++) {
        SIMD_FOR (int x = 1; x < size; x++)
            column[x - 1] = column[x];
        column[size - 1] = column_sum(first + k + size - 1, width, size);
        vec sum = column[0];
        SIMD_FOR (int x = 1; x < size; x++)
            sum += column[x];
        put(out + k, sum, share, add);
    }
}

SIMD_INLINE void average_row(const pool_shape *s, const vec *in, int y, vec *out, bool add,
                             const int size)
{
    const vec share = vec_set(1.0F / (float)(s->window * s->window));
    int top = y * s->stride - s->padding, x = 0;
    bool whole = top >= 0 && top + s->window <= s->in_height;
    for (; x < s->out_width && (!whole || x * s->stride < s->padding); x++)
        put(out + x, clipped_sum(s, in, y, x), share, add);
    const vec *first = in + (size_t)(whole ? top : 0) * (size_t)s->in_width;
    int n = s->in_width + s->padding - s->window + 1 - x; /* whole ones to come, with stride 1 */
    n = n < s->out_width - x ? n : s->out_width - x;
    if (s->stride == 1 && size <= SLIDING && n > 0) {
        slide(first + x - s->padding, (size_t)s->in_width, n, out + x, share, add, size);
        x += n;
    }
    for (; x < s->out_width && x * s->stride - s->padding + s->window <= s->in_width; x++)
        put(out + x, whole_sum(first + x * s->stride - s->padding, (size_t)s->in_width, size),
            share, add);
    for (; x < s->out_width; x++)
        put(out + x, clipped_sum(s, in, y, x), share, add);
}

static void average_plane(const pool_shape *s, const vec *in, vec *out, bool add)
{
    for (int y = 0; y < s->out_height; y++, out += s->out_width)
        switch (s->window) {
        case 1:
            average_row(s, in, y, out, add, 1);
            break;
        case 2:
            average_row(s, in, y, out, add, 2);
            break;
        case 3:
            average_row(s, in, y, out, add, 3);
            break;
        default: /* any that is larger */
            average_row(s, in, y, out, add, s->window > SLIDING ? s->window : SLIDING + 1);
        }
}

void pool_average_forward(const pool_shape *s, const vec *in, vec *out, size_t begin, size_t end)
{
    size_t in_plane = (size_t)s->in_height * (size_t)s->in_width;
    size_t out_plane = (size_t)s->out_height * (size_t)s->out_width;
    for (size_t p = begin; p < end; p++)
        average_plane(s, in + p * in_plane, out + p * out_plane, false);
}

/* Added to what stands in gin. */
static void spread_plane(const pool_shape *s, const vec *gout, vec *gin)
{
    const vec share = vec_set(1.0F / (float)(s->window * s->window));
    for (int y = 0; y < s->out_height; y++)
        for (int x = 0; x < s->out_width; x++) {
            pool_window w = pool_window_at(s, y, x);
            vec g = vec_in_register(*gout++ * share);
            for (int row = w.top; row < w.bottom; row++)
                for (int column = w.left; column < w.right; column++)
                    gin[(size_t)row * (size_t)s->in_width + (size_t)column] += g;
        }
}

/* A row of gradients to one of elements whose windows lie side by side. */
SIMD_INLINE void spread_row(const pool_shape *s, const vec *gout, vec *gin, bool add,
                            const int size)
{
    const vec share = vec_set(1.0F / (float)(s->window * s->window)), zero = vec_set(0.0F);
    int x = 0;
    for (; x < s->out_width * size; x += size) {
        vec g = vec_in_register(*gout++ * share);
        SIMD_FOR (int k = 0; k < size; k++)
            gin[x + k] = (add ? gin[x + k] : zero) + g;
    }
    for (; !add && x < s->in_width; x++)
        gin[x] = zero;
}

/* Of windows side by side each element is in one at most, and is written once. */
static void spread_apart(const pool_shape *s, const vec *gout, vec *gin, bool add)
{
    int y = 0;
    for (; y < s->out_height * s->window; y++, gin += s->in_width) {
        const vec *row = gout + (size_t)(y / s->window) * (size_t)s->out_width;
        if (s->window == 2)
            spread_row(s, row, gin, add, 2);
        else
            spread_row(s, row, gin, add, s->window);
    }
    if (!add)
        memset(gin, 0, (size_t)(s->in_height - y) * (size_t)s->in_width * sizeof *gin);
}

/* With stride 1 an element is in the windows of a window of outputs: their mean, in place of so many additions. */
static pool_shape turned_round(const pool_shape *s)
{
    return (pool_shape){.in_height = s->out_height,
                        .in_width = s->out_width,
                        .out_height = s->in_height,
                        .out_width = s->in_width,
                        .window = s->window,
                        .stride = 1,
                        .padding = s->window - 1 - s->padding};
}

void pool_average_backward(const pool_shape *s, const vec *gout, vec *gin, bool add, size_t begin,
                           size_t end)
{
    size_t in_plane = (size_t)s->in_height * (size_t)s->in_width;
    size_t out_plane = (size_t)s->out_height * (size_t)s->out_width;
    const pool_shape back = turned_round(s);
    for (size_t p = begin; p < end; p++) {
        vec *to = gin + p * in_plane;
        if (s->stride == 1) {
            average_plane(&back, gout + p * out_plane, to, add);
            continue;
        }
        if (s->stride == s->window && s->padding == 0) {
            spread_apart(s, gout + p * out_plane, to, add);
            continue;
        }
        if (!add)
            memset(to, 0, in_plane * sizeof *to);
        spread_plane(s, gout + p * out_plane, to);
    }
}

enum { PARTS = 8 }; /* of a sum: additions that do not wait for each other */

void pool_mean_forward(size_t n, const vec *in, vec *out, size_t begin, size_t end)
{
    vec share = vec_set(1.0F / (float)n);
    for (size_t p = begin; p < end; p++) {
        const vec *x = in + p * n;
        vec sum[PARTS] = {{0}};
        size_t k = 0;
        for (; k + PARTS <= n; k += PARTS)
            SIMD_FOR (int j = 0; j < PARTS; j++)
                sum[j] += x[k + (size_t)j];
        for (; k < n; k++)
            sum[0] += x[k];
        for (int half = PARTS / 2; half > 0; half /= 2)
            for (int j = 0; j < half; j++)
                sum[j] += sum[j + half];
        out[p] = sum[0] * share;
    }
}

void pool_mean_backward(size_t n, const vec *gout, vec *gin, bool add, size_t begin, size_t end)
{
    float share = 1.0F / (float)n;
    for (size_t p = begin; p < end; p++) {
        vec g = vec_in_register(gout[p] * vec_set(share)), *to = gin + p * n;
        for (size_t k = 0; k < n; k++)
            to[k] = add ? to[k] + g : g;
    }
}
