#include "swa.h"

#include "base/memory.h"

#include <string.h>

bool swa_init(swa *self, double share, const model *of, error *err)
{
    const size_t n = of->n_weights;
    *self = (swa){.share = share, .of = of};
    if (share <= 0.0)
        return true;
    self->sum = memory_new(n, sizeof *self->sum, err);
    self->mean = memory_new(n, sizeof *self->mean, err);
    return self->sum && self->mean;
}

void swa_release(swa *self)
{
    memory_free(self->sum);
    memory_free(self->mean);
    *self = (swa){0};
}

void swa_begin(swa *self)
{
    self->n_summed = 0;
    if (self->sum)
        memset(self->sum, 0, self->of->n_weights * sizeof *self->sum);
}

void swa_add(swa *self, const float *w, uint64_t segment, uint64_t n_segments)
{
    if (self->share <= 0.0 || (double)(segment + 1) <= (1.0 - self->share) * (double)n_segments)
        return;
    const size_t n_trained = self->of->n_trained, n = self->of->n_weights;
    model_to_moments(self->of, w, self->mean); /* of statistics, that is the mean */
    for (size_t k = 0; k < n; k++)
        self->sum[k] += (double)(k < n_trained ? w : self->mean)[k];
    self->n_summed++;
}

const float *swa_model(swa *self, const float *w)
{
    if (self->n_summed <= 1)
        return w;
    for (size_t k = 0; k < self->of->n_weights; k++)
        self->mean[k] = (float)(self->sum[k] / (double)self->n_summed);
    model_from_moments(self->of, self->mean, self->mean);
    return self->mean;
}
