#include "merge.h"

#include "base/memory.h"
#include "kernels/update.h"
#include "transport/transport.h"

#include <math.h>
#include <string.h>

bool merge_init(merge *self, const merge_rules *rules, const model *of, error *err)
{
    size_t n = of->n_weights;
    *self = (merge){.of = of, .privacy = rules->privacy};
    if (rules->average->uses_before || rules->outer->apply || rules->keeps_before ||
        rules->privacy.clip > 0.0)
        self->before = memory_new(n, sizeof *self->before, err);
    return (!rules->keeps_local || local_init(&self->local, of, err)) &&
           average_init(&self->average, rules->average, n, err) &&
           aggregate_init(&self->aggregate, &rules->aggregate, n, err) &&
           outer_init(&self->outer, rules->outer, &rules->settings, of->n_trained, err);
}

void merge_release(merge *self)
{
    average_release(&self->average);
    aggregate_release(&self->aggregate);
    outer_release(&self->outer);
    local_release(&self->local);
    memory_free(self->before);
    self->before = NULL;
}

/* The same on every rank. */
static void keep_before(merge *self, const float *w)
{
    if (!self->before)
        return;
    memcpy(self->before, w, self->average.n * sizeof *w);
    model_to_moments(self->of, w, self->before);
}

void merge_begin(merge *self, float *w, bool resumed)
{
    keep_before(self, w);
    local_begin(&self->local, w, resumed);
}

/* What takes the place of the statistics while they are averaged; kept below what an average can hold. */
static void to_moments(const merge *self, float *w)
{
    model_to_moments(self->of, w, w);
    for (size_t k = self->of->n_trained; k < self->of->n_weights; k++)
        w[k] = w[k] < AVERAGE_LIMIT ? w[k] : nextafterf(AVERAGE_LIMIT, 0.0F);
}

/* How many ranks have a part in it. */
static int count(const double *weights)
{
    int n = 0;
    for (int r = 0; r < transport_size(); r++)
        n += weights[r] > 0.0;
    return n;
}

void merge_outer(merge *self, float *w, uint64_t round)
{
    outer_apply(&self->outer, w, self->before, round);
    local_share(&self->local, w);
    keep_before(self, w);
}

/* Statistics as moments, which may be averaged. */
static double mean_of_weights(merge *self, float *w, const double *weights)
{
    bool several = count(weights) > 1; /* one's statistics are as they are */
    if (several)
        to_moments(self, w);
    double t_wire_s = transport_average(&self->average, w, self->before, weights);
    if (several)
        model_from_moments(self->of, w, w);
    return t_wire_s;
}

/* A robust aggregate takes statistics as they stand: a median of moments may be no variance's. */
static double combine(merge *self, float *w, const double *weights)
{
    return self->aggregate.choice.rule->combine
               ? transport_aggregate(&self->aggregate, w, weights, self->of->n_trained)
               : mean_of_weights(self, w, weights);
}

static void stretch(const merge *self, float *w, double factor)
{
    for (size_t k = 0; k < self->of->n_trained; k++)
        w[k] = self->before[k] + (float)factor * (w[k] - self->before[k]);
}

double merge_weights(merge *self, float *w, const merge_shares *by, uint64_t round)
{
    const size_t n = self->of->n_trained;
    const int n_updates = count(by->weights);
    local_take(&self->local, w);
    if (self->privacy.clip > 0.0 && by->weights[transport_rank()] > 0.0)
        privacy_clip(&self->privacy, w, self->before, n);
    double t_wire_s = combine(self, w, by->weights);
    local_mean(&self->local, w);
    if (by->stretch != 1.0)
        stretch(self, w, by->stretch);
    if (self->privacy.noise > 0.0 && n_updates > 0)
        privacy_noise(&self->privacy, w, n, n_updates, round);
    merge_outer(self, w, round);
    local_give(&self->local, w, by->lost);
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
    if (self->aggregate.choice.rule->combine)
        return combine(self, g, weights);
    bool several = count(weights) > 1;
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
