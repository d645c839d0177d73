#include "kernels/elementwise.h"

/* ---- vectors ------------------------------------------------------------------------------------ */

SIMD_INLINE void add_arrays(const int n, const vec *const x[], const bool relu, vec *y,
                            size_t begin, size_t end)
{
    const vec *a = x[0], *b = n > 1 ? x[1] : NULL, *c = n > 2 ? x[2] : NULL,
              *d = n > 3 ? x[3] : NULL;
    for (size_t k = begin; k < end; k++) {
        vec sum = a[k];
        sum = b ? sum + b[k] : sum;
        sum = c ? sum + c[k] : sum;
        sum = d ? sum + d[k] : sum;
        y[k] = relu ? vec_relu(sum, sum) : sum;
    }
}

void elementwise_add(int n, const vec *const x[], bool relu, vec *y, size_t begin, size_t end)
{
    if (n == 2 && relu)
        add_arrays(2, x, true, y, begin, end);
    else if (n == 2)
        add_arrays(2, x, false, y, begin, end);
    else if (n == 3)
        add_arrays(3, x, relu, y, begin, end);
    else
        add_arrays(n, x, relu, y, begin, end);
}

/* The gradient goes to n arrays; where one of them is gy, it is the last. */
SIMD_INLINE void spread(const int n, const vec *y, const vec *gy, vec *const to[], const bool add[],
                        size_t begin, size_t end)
{
    for (size_t k = begin; k < end; k++) {
        vec g = y ? vec_relu(y[k], gy[k]) : gy[k];
        for (int i = 0; i < n; i++)
            to[i][k] = add[i] ? to[i][k] + g : g;
    }
}

void elementwise_add_backward(int n, const vec *y, const vec *gy, vec *const gx[], const bool add[],
                              size_t begin, size_t end)
{
    vec *to[ELEMENTWISE_MAX], *itself = NULL;
    bool adding[ELEMENTWISE_MAX];
    int n_to = 0;
    for (int i = 0; i < n; i++) {
        if (gx[i] == gy)
            itself = gx[i];
        if (!gx[i] || gx[i] == gy)
            continue;
        to[n_to] = gx[i];
        adding[n_to++] = add[i];
    }
    if (itself && y) { /* without a ReLU it is what it should be */
        to[n_to] = itself;
        adding[n_to++] = false;
    }
    if (n_to == 1)
        spread(1, y, gy, to, adding, begin, end);
    else if (n_to == 2)
        spread(2, y, gy, to, adding, begin, end);
    else if (n_to > 2)
        spread(n_to, y, gy, to, adding, begin, end);
}

void elementwise_multiply(const vec *a, const vec *b, vec *y, size_t begin, size_t end)
{
    for (size_t k = begin; k < end; k++)
        y[k] = a[k] * b[k];
}

void elementwise_multiply_add(const vec *a, const vec *b, vec *y, bool add, size_t begin,
                              size_t end)
{
    if (!add)
        elementwise_multiply(a, b, y, begin, end);
    for (size_t k = begin; add && k < end; k++)
        y[k] = a[k] * b[k] + y[k];
}

void elementwise_copy(const vec *from, vec *to, bool add, size_t n)
{
    if (!add)
        memmove(to, from, from == to ? 0 : n * sizeof *to);
    for (size_t k = 0; add && k < n; k++)
        to[k] += from[k];
}

/* ---- planes ------------------------------------------------------------------------------------- */

SIMD_INLINE vec weight_of(const channel_weights *of, const float *w, size_t plane)
{
    return vec_set(w[of->one ? 0 : plane % of->n_channels]);
}

void channel_scale(const channel_weights *of, const float *w, const vec *x, vec *y, size_t begin,
                   size_t end)
{
    for (size_t p = begin; p < end; p++) {
        vec weight = weight_of(of, w, p);
        for (size_t k = p * of->plane; k < (p + 1) * of->plane; k++)
            y[k] = weight * x[k];
    }
}

void channel_scale_backward(const channel_weights *of, const float *w, const vec *gy, vec *gx,
                            bool add, size_t begin, size_t end)
{
    if (!add)
        channel_scale(of, w, gy, gx, begin, end);
    for (size_t p = begin; add && p < end; p++) {
        vec weight = weight_of(of, w, p);
        for (size_t k = p * of->plane; k < (p + 1) * of->plane; k++)
            gx[k] = weight * gy[k] + gx[k];
    }
}

/* What an element and its gradient are multiplied by. */
SIMD_INLINE vec slope(vec x, vec weight)
{
    return vec_select(x > vec_set(0.0F), vec_set(1.0F), weight);
}

void channel_prelu(const channel_weights *of, const float *w, const vec *x, vec *y, size_t begin,
                   size_t end)
{
    for (size_t p = begin; p < end; p++) {
        vec weight = weight_of(of, w, p);
        for (size_t k = p * of->plane; k < (p + 1) * of->plane; k++)
            y[k] = slope(x[k], weight) * x[k];
    }
}

void channel_prelu_backward(const channel_weights *of, const float *w, const vec *x, const vec *gy,
                            vec *gx, bool add, size_t begin, size_t end)
{
    for (size_t p = begin; p < end; p++) {
        vec weight = weight_of(of, w, p);
        size_t first = p * of->plane, last = (p + 1) * of->plane;
        for (size_t k = first; !add && k < last; k++)
            gx[k] = slope(x[k], weight) * gy[k];
        for (size_t k = first; add && k < last; k++)
            gx[k] = slope(x[k], weight) * gy[k] + gx[k];
    }
}

/* The sum over a plane of gy x, or of gy times what is not positive in x. */
SIMD_INLINE vec plane_sum(const vec *x, const vec *gy, size_t n, const bool negative)
{
    vec sum[4] = {vec_set(0.0F), vec_set(0.0F), vec_set(0.0F), vec_set(0.0F)};
    size_t k = 0;
    for (; k + 4 <= n; k += 4)
        SIMD_FOR (size_t j = 0; j < 4; j++) {
            vec a = x[k + j];
            a = negative ? (vec)(~(a > vec_set(0.0F)) & (ivec)a) : a;
            sum[j] = a * gy[k + j] + sum[j];
        }
    SIMD_FOR (size_t j = 0; j < 3; j++)
        if (k + j < n) {
            vec a = x[k + j];
            a = negative ? (vec)(~(a > vec_set(0.0F)) & (ivec)a) : a;
            sum[j] = a * gy[k + j] + sum[j];
        }
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

void channel_scale_sums(const channel_weights *of, const vec *x, const vec *gy, vec *sums,
                        size_t begin, size_t end)
{
    for (size_t p = begin; p < end; p++)
        sums[p] = plane_sum(x + p * of->plane, gy + p * of->plane, of->plane, false);
}

void channel_prelu_sums(const channel_weights *of, const vec *x, const vec *gy, vec *sums,
                        size_t begin, size_t end)
{
    for (size_t p = begin; p < end; p++)
        sums[p] = plane_sum(x + p * of->plane, gy + p * of->plane, of->plane, true);
}

void channel_collect(const channel_weights *of, const vec *sums, size_t n_images, float *g,
                     size_t begin, size_t end)
{
    for (size_t w = begin; w < end; w++) {
        size_t first = of->one ? 0 : w, last = of->one ? of->n_channels : w + 1;
        float sum = 0.0F;
        for (size_t k = 0; k < n_images; k++)
            for (size_t c = first; c < last; c++)
                sum += sums[k / VEC_WIDTH * of->n_channels + c][k % VEC_WIDTH];
        g[w] = sum;
    }
}
