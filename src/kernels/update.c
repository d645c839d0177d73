#include "kernels/update.h"

#include "kernels/simd.h"

#include <stdint.h>
#include <string.h>

/* new w and v of VEC_WIDTH elements; decoupled is a constant, so that products stay beside their sums, to be fused */
SIMD_INLINE void step(const update_rule *rule, bool decoupled, vec *w, vec *v, vec g)
{
    vec momentum = vec_set(rule->momentum), decay = vec_set(rule->weight_decay);
    vec d = decoupled ? g : g + decay * *w;
    *v = momentum * *v + d;
    vec move = rule->nesterov ? d + momentum * *v : *v;
    if (decoupled)
        move = move + decay * *w;
    *w = *w - vec_set(rule->lr) * move;
}

SIMD_INLINE void descend(const update_rule *rule, bool decoupled, float *w, float *v,
                         const float *g, size_t begin, size_t end)
{
    size_t k = begin;
    for (; k + VEC_WIDTH <= end; k += VEC_WIDTH) {
        vec new_w = vec_load(w + k), new_v = vec_load(v + k);
        step(rule, decoupled, &new_w, &new_v, vec_load(g + k));
        vec_store(w + k, new_w);
        vec_store(v + k, new_v);
    }
    for (; k < end; k++) { /* the rest as vectors too, so that they are rounded alike */
        vec new_w = vec_set(w[k]), new_v = vec_set(v[k]);
        step(rule, decoupled, &new_w, &new_v, vec_set(g[k]));
        w[k] = new_w[0];
        v[k] = new_v[0];
    }
}

void update_sgd(const update_rule *rule, float *w, float *v, const float *g, size_t begin,
                size_t end)
{
    if (rule->decoupled)
        descend(rule, true, w, v, g, begin, end);
    else
        descend(rule, false, w, v, g, begin, end);
}

/* new w, m and v of VEC_WIDTH elements; no sum is of two products, either of which could be fused */
SIMD_INLINE void step_adamw(const adamw_rule *rule, vec *w, vec *m, vec *v, vec g)
{
    *m = *m + vec_set(rule->rate1) * (g - *m);
    *v = *v + vec_set(rule->rate2) * (g * g - *v);
    vec size = vec_sqrt(*v) * vec_set(rule->root) + vec_set(rule->epsilon);
    *w = *w * vec_set(rule->keep) - vec_set(rule->step) * *m / size;
}

void update_adamw(const adamw_rule *rule, const adamw_vectors *at, size_t begin, size_t end)
{
    size_t k = begin;
    for (; k + VEC_WIDTH <= end; k += VEC_WIDTH) {
        vec w = vec_load(at->w + k), m = vec_load(at->m + k), v = vec_load(at->v + k);
        step_adamw(rule, &w, &m, &v, vec_load(at->g + k));
        vec_store(at->w + k, w);
        vec_store(at->m + k, m);
        vec_store(at->v + k, v);
    }
    for (; k < end; k++) {
        /* in registers: else products of equal lanes are taken as one number, and not fused */
        vec w = vec_in_register(vec_set(at->w[k])), m = vec_in_register(vec_set(at->m[k]));
        vec v = vec_in_register(vec_set(at->v[k])), g = vec_in_register(vec_set(at->g[k]));
        step_adamw(rule, &w, &m, &v, g);
        at->w[k] = w[0];
        at->m[k] = m[0];
        at->v[k] = v[0];
    }
}

void update_statistics(float rate, float *w, const float *measured, size_t begin, size_t end)
{
    for (size_t k = begin; k < end; k++)
        w[k] += rate * (measured[k] - w[k]);
}

/* One product a sum, fused wherever it can be. */
void vector_pull(float *g, const float *w, const float *anchor, float factor, size_t begin,
                 size_t end)
{
    for (size_t k = begin; k < end; k++)
        g[k] = g[k] + factor * (w[k] - anchor[k]);
}

void vector_add(float *x, const float *y, size_t begin, size_t end)
{
    for (size_t k = begin; k < end; k++)
        x[k] += y[k];
}

double vector_squares(const float *x, size_t n)
{
    enum { SUMS = 16 }; /* whatever the width */
    double sums[SUMS] = {0.0}, all = 0.0;
    size_t k = 0;
    for (; k + SUMS <= n; k += SUMS)
        for (size_t i = 0; i < SUMS; i++)
            sums[i] += (double)x[k + i] * (double)x[k + i];
    for (size_t i = 0; k + i < n; i++)
        sums[i] += (double)x[k + i] * (double)x[k + i];
    for (size_t i = 0; i < SUMS; i++)
        all += sums[i];
    return all;
}

/* Magnitudes are ordered as their bits are, and those of NaN are the largest. */
float vector_largest(const float *x, size_t n)
{
    int32_t largest = 0;
    for (size_t k = 0; k < n; k++) {
        int32_t bits;
        memcpy(&bits, x + k, sizeof bits);
        bits &= INT32_MAX;
        largest = bits > largest ? bits : largest;
    }
    float magnitude;
    memcpy(&magnitude, &largest, sizeof magnitude);
    return magnitude;
}

void vector_scale(float *x, size_t n, float factor)
{
    for (size_t k = 0; k < n; k++)
        x[k] *= factor;
}

bool vector_finite_below(const float *w, size_t n, float limit)
{
    size_t bad = 0;
    for (size_t k = 0; k < n; k++)
        bad += !(__builtin_fabsf(w[k]) < limit); /* NaN compares false */
    return bad == 0;
}
