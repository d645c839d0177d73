#include "kernels/norm.h"

enum {
    PARTS = 4,
    PIECE = 256
}; /* of a sum; of the numbers that are added up before they are put to the others */

/* Two sums at once. */
typedef struct pair {
    vec a, b;
} pair;

/* What is added: of element k, this. */
typedef struct terms {
    const norm_channel *by;
    const vec *x, *gy;
} terms;

SIMD_INLINE vec let_through(const norm_channel *by, vec apart, vec gy)
{
    return vec_relu(apart * by->scale + by->shift, gy);
}

SIMD_INLINE pair squares_of(const terms *t, size_t k)
{
    vec apart = t->x[k] - t->by->mean;
    return (pair){apart, apart * apart};
}

SIMD_INLINE pair slopes_of(const terms *t, size_t k)
{
    vec apart = t->x[k] - t->by->mean;
    return (pair){t->gy[k], t->gy[k] * apart};
}

SIMD_INLINE pair slopes_through_relu(const terms *t, size_t k)
{
    vec apart = t->x[k] - t->by->mean, g = let_through(t->by, apart, t->gy[k]);
    return (pair){g, g * apart};
}

/* Up to PIECE terms. */
SIMD_INLINE pair add_piece(const terms *t, size_t begin, size_t end,
                           pair (*term)(const terms *, size_t))
{
    vec a[PARTS] = {{0}}, b[PARTS] = {{0}};
    size_t k = begin;
    for (; k + PARTS <= end; k += PARTS)
        SIMD_FOR (size_t j = 0; j < PARTS; j++) {
            pair p = term(t, k + j);
            a[j] += p.a;
            b[j] += p.b;
        }
    for (; k < end; k++) {
        pair p = term(t, k);
        a[0] += p.a;
        b[0] += p.b;
    }
    return (pair){(a[0] + a[1]) + (a[2] + a[3]), (b[0] + b[1]) + (b[2] + b[3])};
}

SIMD_INLINE pair add_terms(const terms *t, size_t n, pair (*term)(const terms *, size_t))
{
    pair total = {{0}, {0}};
    for (size_t begin = 0; begin < n; begin += PIECE) {
        pair p = add_piece(t, begin, begin + PIECE < n ? begin + PIECE : n, term);
        total.a += p.a;
        total.b += p.b;
    }
    return total;
}

void norm_moments(const vec *x, size_t n, vec *mean, vec *squares)
{
    norm_channel from_first = {.mean = x[0]};
    terms t = {.by = &from_first, .x = x};
    pair sum = add_terms(&t, n, squares_of);
    vec apart = sum.a / vec_set((float)n), rest = sum.b - sum.a * apart;
    *mean = x[0] + apart;
    *squares = (vec)(~(rest < vec_set(0.0F)) & (ivec)rest);
}

void norm_forward(const norm_channel *by, const vec *x, size_t n, vec *y)
{
    const norm_channel c = *by;
    for (size_t k = 0; k < n; k++) {
        vec value = (x[k] - c.mean) * c.scale + c.shift;
        y[k] = c.relu ? vec_relu(value, value) : value;
    }
}

void norm_sums(const norm_channel *by, const vec *x, const vec *gy, size_t n, vec *sum,
               vec *product)
{
    terms t = {by, x, gy};
    pair p = by->relu ? add_terms(&t, n, slopes_through_relu) : add_terms(&t, n, slopes_of);
    *sum = p.a;
    *product = p.b;
}

void norm_backward(const norm_channel *by, const norm_slope *slope, const vec *x, const vec *gy,
                   size_t n, vec *gx, bool add)
{
    const norm_channel c = *by;
    const norm_slope s = *slope;
    for (size_t k = 0; k < n; k++) {
        vec apart = x[k] - c.mean, g = c.relu ? let_through(&c, apart, gy[k]) : gy[k];
        vec rest = apart * s.across + s.along;
        vec slope_k = g * s.by + rest;
        gx[k] = add ? gx[k] + slope_k : slope_k;
    }
}

norm_pair norm_batch_sums(const vec *sums, size_t channels, size_t c, size_t n)
{
    norm_pair total = {0.0, 0.0};
    for (size_t k = 0; k < n; k++) {
        const vec *of = sums + (k / VEC_WIDTH * channels + c) * 2;
        total.first += (double)of[0][k % VEC_WIDTH];
        total.second += (double)of[1][k % VEC_WIDTH];
    }
    return total;
}

norm_pair norm_batch_moments(const vec *sums, size_t channels, size_t c, size_t n, size_t plane)
{
    norm_pair total = norm_batch_sums(sums, channels, c, n);
    double mean = total.first / (double)n, between = 0.0;
    for (size_t k = 0; k < n; k++) {
        double apart = (double)sums[(k / VEC_WIDTH * channels + c) * 2][k % VEC_WIDTH] - mean;
        between += apart * apart;
    }
    return (norm_pair){mean, total.second + between * (double)plane};
}
