#include "kernels/pool.h"
#include "pool_window.h"

SIMD_INLINE vec window_sum(const pool_shape *s, const vec *in, pool_window w)
{
    vec sum = vec_set(0.0F);
    for (int y = w.top; y < w.bottom; y++)
        for (int x = w.left; x < w.right; x++)
            sum += in[(size_t)y * (size_t)s->in_width + (size_t)x];
    return sum;
}

void pool_average_forward(const pool_shape *s, const vec *in, vec *out, size_t begin, size_t end)
{
    size_t in_plane = (size_t)s->in_height * (size_t)s->in_width;
    vec share = vec_set(1.0F / (float)(s->window * s->window));
    out += begin * (size_t)s->out_height * (size_t)s->out_width;
    for (size_t p = begin; p < end; p++)
        for (int y = 0; y < s->out_height; y++)
            for (int x = 0; x < s->out_width; x++)
                *out++ = window_sum(s, in + p * in_plane, pool_window_at(s, y, x)) * share;
}

static void spread(const pool_shape *s, vec g, pool_window w, vec *gin)
{
    for (int y = w.top; y < w.bottom; y++)
        for (int x = w.left; x < w.right; x++)
            gin[(size_t)y * (size_t)s->in_width + (size_t)x] += g;
}

void pool_average_backward(const pool_shape *s, const vec *gout, vec *gin, bool add, size_t begin,
                           size_t end)
{
    size_t in_plane = (size_t)s->in_height * (size_t)s->in_width;
    float share = 1.0F / (float)(s->window * s->window);
    gout += begin * (size_t)s->out_height * (size_t)s->out_width;
    for (size_t p = begin; p < end; p++) {
        if (!add)
            memset(gin + p * in_plane, 0, in_plane * sizeof *gin);
        for (int y = 0; y < s->out_height; y++)
            for (int x = 0; x < s->out_width; x++) {
                vec g = vec_in_register(*gout++ * vec_set(share)); /* rounded before it is added */
                spread(s, g, pool_window_at(s, y, x), gin + p * in_plane);
            }
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
