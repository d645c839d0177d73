#include "data/input.h"

#include "base/memory.h"

#include <assert.h>

bool input_values_init(input_values *self, image_shape from, error *err)
{
    size_t n = (size_t)from.channels;
    *self = (input_values){.from = from, .mean = memory_new(2 * n, sizeof *self->mean, err)};
    if (!self->mean)
        return false;
    self->deviation = self->mean + n;
    for (size_t k = 0; k < 2 * n; k++)
        self->mean[k] = 0.5F;
    return true;
}

void input_values_release(input_values *self)
{
    memory_free(self->mean);
    *self = (input_values){0};
}

bool input_rule_init(input_rule *self, const input_values *of, error *err)
{
    *self = (input_rule){.from = of->from, .to = of->from};
    self->runs = memory_new((size_t)of->from.channels, sizeof *self->runs, err);
    if (!self->runs)
        return false;
    for (int c = 0; c < of->from.channels; c++) {
        float middle = 255.0F * of->mean[c];
        float scale = 1.0F / (255.0F * of->deviation[c]);
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
    memory_free(self->others);
    memory_free(self->shares);
    *self = (input_rule){0};
}

static bool take_room(input_rule *self, size_t n_rooms, size_t max_images, error *err)
{
    size_t made = image_bytes(self->to);
    self->change_bytes = made > self->change_bytes ? made : self->change_bytes;
    self->n_rooms = n_rooms;
    memory_free(self->room);
    self->room = memory_new(max_images, n_rooms * self->change_bytes, err);
    return self->room != NULL;
}

bool input_rule_augment(input_rule *self, const augmentation *how, uint64_t seed, size_t max_images,
                        error *err)
{
    assert(self->n_augment < INPUT_MAX_CHANGES && !self->mix);
    self->to.height = how->height;
    self->to.width = how->width;
    self->seed = seed;
    self->augment[self->n_augment++] = how;
    return take_room(self, 2, max_images, err);
}

bool input_rule_mix(input_rule *self, const mixup *how, uint64_t seed, size_t max_images,
                    error *err)
{
    self->mix = how;
    self->seed = seed;
    self->others = memory_new(max_images, sizeof *self->others, err);
    self->shares = memory_new(max_images, sizeof *self->shares, err);
    return self->others && self->shares && take_room(self, 4, max_images, err);
}
