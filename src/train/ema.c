#include "ema.h"

#include "base/memory.h"

#include <string.h>

bool ema_init(ema *self, double decay, size_t n, bool begun, error *err)
{
    *self = (ema){.decay = decay, .n = n, .begun = begun};
    if (decay > 0.0)
        self->w = memory_new(n, sizeof *self->w, err);
    return decay <= 0.0 || self->w;
}

void ema_release(ema *self)
{
    memory_free(self->w);
    *self = (ema){0};
}

void ema_add(ema *self, const float *w)
{
    const float rate = (float)(1.0 - self->decay);
    if (!self->w)
        return;
    if (!self->begun)
        memcpy(self->w, w, self->n * sizeof *w);
    self->begun = true;
    for (size_t k = 0; k < self->n; k++)
        self->w[k] += rate * (w[k] - self->w[k]);
}
