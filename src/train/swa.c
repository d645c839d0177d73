#include "swa.h"

#include "base/memory.h"

#include <string.h>

bool swa_init(swa *self, double share, size_t n, error *err)
{
    *self = (swa){.share = share, .n = n};
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
        memset(self->sum, 0, self->n * sizeof *self->sum);
}

void swa_add(swa *self, const float *w, uint64_t segment, uint64_t n_segments)
{
    if (self->share <= 0.0 || (double)(segment + 1) <= (1.0 - self->share) * (double)n_segments)
        return;
    for (size_t k = 0; k < self->n; k++)
        self->sum[k] += (double)w[k];
    self->n_summed++;
}

const float *swa_model(swa *self, const float *w)
{
    if (self->n_summed <= 1)
        return w;
    for (size_t k = 0; k < self->n; k++)
        self->mean[k] = (float)(self->sum[k] / (double)self->n_summed);
    return self->mean;
}
