#include "merge.h"

#include "base/memory.h"
#include "kernels/update.h"
#include "transport/transport.h"

#include <math.h>
#include <string.h>

bool merge_init(merge *self, const average_rule *rule, const outer_rule *then,
                const outer_settings *settings, const model *of, error *err)
{
    size_t n = of->n_weights;
    *self = (merge){.of = of};
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
    if (!self->before)
        return;
    memcpy(self->before, w, self->average.n * sizeof *w);
    model_to_moments(self->of, w, self->before);
}

/* What takes the place of the statistics while they are averaged; kept below what an average can hold. */
static void to_moments(const merge *self, float *w)
{
    model_to_moments(self->of, w, w);
    for (size_t k = self->of->n_trained; k < self->of->n_weights; k++)
        w[k] = w[k] < AVERAGE_LIMIT ? w[k] : nextafterf(AVERAGE_LIMIT, 0.0F);
}

/* Does more than one rank have a part in it? */
static bool of_several(const double *weights)
{
    int n = 0;
    for (int r = 0; r < transport_size(); r++)
        n += weights[r] > 0.0;
    return n > 1;
}

void merge_outer(merge *self, float *w, uint64_t round)
{
    outer_apply(&self->outer, w, self->before, round);
    merge_begin(self, w);
}

double merge_weights(merge *self, float *w, const double *weights, uint64_t round)
{
    bool several = of_several(weights); /* one's statistics are as they are */
    if (several)
        to_moments(self, w);
    double t_wire_s = transport_average(&self->average, w, self->before, weights);
    if (several)
        model_from_moments(self->of, w, w);
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
    bool several = of_several(weights);
    int exponent = exponent_of(largest);
    if (several)
        to_moments(self, g); /* behind the gradient stand the batch's statistics */
    vector_scale(g, n_trained, ldexpf(1.0F, exponent));
    double t_wire_s = transport_average(&self->average, g, self->before, weights);
    vector_scale(g, n_trained, ldexpf(1.0F, -exponent));
    if (several)
        model_from_moments(self->of, g, g);
    return t_wire_s;
}
