#include "data/sampler.h"

#include "base/memory.h"
#include "base/random.h"

#include <assert.h>

static void set_order(sampler *self)
{
    if (self->order == ORDER_SHUFFLE)
        random_shuffle(self->seed, random_stream(RANDOM_SHUFFLE, self->client, self->epoch),
                       self->permutation, self->n);
    else
        for (size_t i = 0; i < self->n; i++)
            self->permutation[i] = (uint32_t)i;
}

bool sampler_init(sampler *self, size_t n, uint64_t seed, uint32_t client, enum sampler_order order,
                  error *err)
{
    assert(n >= 1 && n <= UINT32_MAX);
    *self = (sampler){.n = n, .seed = seed, .client = client, .order = order};
    self->permutation = memory_new(n, sizeof *self->permutation, err);
    if (!self->permutation)
        return false;
    set_order(self);
    return true;
}

void sampler_release(sampler *self)
{
    memory_free(self->permutation);
    *self = (sampler){0};
}

samples sampler_take(sampler *self, uint32_t epoch, size_t first, size_t n)
{
    assert(first <= self->n && n <= self->n - first);
    if (epoch != self->epoch) {
        self->epoch = epoch;
        set_order(self);
    }
    return (samples){.indices = self->permutation + first, .n = n, .epoch = epoch};
}
