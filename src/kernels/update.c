#include "kernels/update.h"

#include "kernels/simd.h"

/* new w and v of VEC_WIDTH elements */
SIMD_INLINE void step(const update_rule *rule, vec *w, vec *v, vec g)
{
    vec momentum = vec_set(rule->momentum);
    vec d = g + vec_set(rule->weight_decay) * *w;
    *v = momentum * *v + d;
    vec move = rule->nesterov ? d + momentum * *v : *v;
    *w = *w - vec_set(rule->lr) * move;
}

void update_sgd(const update_rule *rule, float *w, float *v, const float *g, size_t begin,
                size_t end)
{
    size_t k = begin;
    for (; k + VEC_WIDTH <= end; k += VEC_WIDTH) {
        vec new_w = vec_load(w + k), new_v = vec_load(v + k);
        step(rule, &new_w, &new_v, vec_load(g + k));
        vec_store(w + k, new_w);
        vec_store(v + k, new_v);
    }
    for (; k < end; k++) { /* the rest as vectors too, so that they are rounded alike */
        vec new_w = vec_set(w[k]), new_v = vec_set(v[k]);
        step(rule, &new_w, &new_v, vec_set(g[k]));
        w[k] = new_w[0];
        v[k] = new_v[0];
    }
}

void update_statistics(float rate, float *w, const float *measured, size_t begin, size_t end)
{
    for (size_t k = begin; k < end; k++)
        w[k] += rate * (measured[k] - w[k]);
}

bool vector_finite_below(const float *w, size_t n, float limit)
{
    size_t bad = 0;
    for (size_t k = 0; k < n; k++)
        bad += !(__builtin_fabsf(w[k]) < limit); /* NaN compares false */
    return bad == 0;
}
