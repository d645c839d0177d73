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

void sampler_seek(sampler *self, uint32_t epoch, size_t position)
{
    assert(position <= self->n);
    bool other = epoch != self->epoch;
    self->epoch = epoch;
    self->position = position;
    if (other)
        set_order(self);
}

samples sampler_next(sampler *self, size_t batch)
{
    assert(batch >= 1);
    if (self->position == self->n)
        sampler_seek(self, self->epoch + 1, 0);
    size_t left = self->n - self->position;
    samples next = {.indices = self->permutation + self->position,
                    .n = batch < left ? batch : left,
                    .epoch = self->epoch};
    self->position += next.n;
    return next;
}
