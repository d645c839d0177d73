#include "data/input.h"

#include "base/memory.h"

#include <assert.h>

static const float HALF = 0.5F;

bool input_rule_init(input_rule *self, image_shape from, const float *mean, const float *deviation,
                     error *err)
{
    *self = (input_rule){.from = from, .to = from};
    self->runs = memory_new((size_t)from.channels, sizeof *self->runs, err);
    if (!self->runs)
        return false;
    for (int c = 0; c < from.channels; c++) {
        float middle = 255.0F * (mean ? mean[c] : HALF);
        float scale = 1.0F / (255.0F * (deviation ? deviation[c] : HALF));
        input_run *last = self->n_runs > 0 ? &self->runs[self->n_runs - 1] : NULL;
        if (last && last->middle == middle && last->scale == scale)
            last->n_channels++;
        else
            self->runs[self->n_runs++] = (input_run){1, middle, scale};
    }
    return true;
}

void input_rule_release(input_rule *self)
{
    memory_free(self->runs);
    memory_free(self->room);
    *self = (input_rule){0};
}

bool input_rule_augment(input_rule *self, const augmentation *how, uint64_t seed, size_t max_images,
                        error *err)
{
    assert(!self->augment);
    self->to.height = how->height;
    self->to.width = how->width;
    self->seed = seed;
    self->augment = how;
    self->room = memory_new(max_images, image_bytes(self->to), err);
    return self->room != NULL;
}
