#include "merge.h"

#include "base/memory.h"
#include "kernels/update.h"

#include <math.h>
#include <string.h>

bool merge_init(merge *self, const average_rule *rule, const outer_rule *then,
                const outer_settings *settings, const model *of, error *err)
{
    size_t n = of->n_weights;
    *self = (merge){.before = NULL};
    if (rule->uses_before || then->apply)
        self->before = memory_new(n, sizeof *self->before, err);
    return average_init(&self->average, rule, n, err) &&
           outer_init(&self->outer, then, settings, of->n_trained, err);
}

void merge_release(merge *self)
{
    average_release(&self->average);
    outer_release(&self->outer);
    memory_free(self->before);
    self->before = NULL;
}

void merge_begin(merge *self, const float *w)
{
    if (self->before)
        memcpy(self->before, w, self->average.n * sizeof *w);
}

void merge_outer(merge *self, float *w, uint64_t round)
{
    outer_apply(&self->outer, w, self->before, round);
    merge_begin(self, w);
}

double merge_weights(merge *self, float *w, const double *weights, uint64_t round)
{
    double t_wire_s = transport_average(&self->average, w, self->before, weights);
    merge_outer(self, w, round);
    return t_wire_s;
}

/* Floats are multiplied exactly: no exponent beyond those of normal numbers. */
static int exponent_of(float largest)
{
    int exponent = largest > 0.0F ? 19 - (ilogbf(largest) + 1) : 0;
    return exponent > 126 ? 126 : exponent < -126 ? -126 : exponent;
}

double merge_gradients(merge *self, float *g, size_t n_trained, float largest,
                       const double *weights)
{
    int exponent = exponent_of(largest);
    vector_scale(g, n_trained, ldexpf(1.0F, exponent));
    double t_wire_s = transport_average(&self->average, g, self->before, weights);
    vector_scale(g, n_trained, ldexpf(1.0F, -exponent));
    return t_wire_s;
}
