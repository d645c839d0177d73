#include "layers/layer.h"

#include <stdio.h>
#include <string.h>

size_t layer_features(layer_shape shape)
{
    return (size_t)shape.channels * (size_t)shape.height * (size_t)shape.width;
}

bool layer_same_shapes(layer *self, error *err)
{
    const layer_shape *a = &self->in[0];
    for (int i = 1; i < self->n_inputs; i++) {
        const layer_shape *b = &self->in[i];
        if (b->channels == a->channels && b->height == a->height && b->width == a->width)
            continue;
        self->line = self->inputs_line;
        return error_user(err, "another of %d x %d x %d: all must have the same shape", b->channels,
                          b->height, b->width);
    }
    return true;
}

/* NULL stays what it is. */
static const void *ahead(const void *all, size_t bytes)
{
    return all ? (const char *)all + bytes : NULL;
}

layer_pass layer_pass_of(const layer *self, const layer_pass *all, size_t begin, size_t end)
{
    layer_pass part = *all;
    const size_t out = begin * layer_features(self->out) * sizeof(vec);
    part.by_blocks = true;
    part.block_begin = begin;
    part.block_end = end;
    part.numbers = ahead(all->numbers, begin * VEC_WIDTH * sizeof *all->numbers);
    part.y = (vec *)ahead(all->y, out);
    part.gy = ahead(all->gy, out);
    part.sums = (vec *)ahead(all->sums, begin * self->n_sums * sizeof(vec));
    for (int i = 0; i < self->n_inputs; i++) {
        const size_t in = begin * layer_features(self->in[i]) * sizeof(vec);
        part.x[i] = ahead(all->x[i], in);
        part.gx[i] = (vec *)ahead(all->gx[i], in);
    }
    return part;
}

void *layer_kept(const layer_pass *pass, size_t block_bytes)
{
    return (char *)pass->workspace + pass->block_begin * block_bytes;
}

void layer_share(const layer_pass *pass, const team *us, size_t per_block, size_t *begin,
                 size_t *end)
{
    team_share(us, (pass->block_end - pass->block_begin) * per_block, begin, end);
}

void layer_collect(const layer *self, const layer_pass *pass, const team *us)
{
    if (!pass->g || pass->by_blocks)
        return;
    team_barrier(us);
    self->kind->collect(self, pass, us);
}

void layer_tensor_add(layer *self, enum tensor_role role, const char *suffix, int n_dims,
                      const size_t *dims)
{
    tensor *t = &self->tensors[self->n_tensors++];
    size_t *n = role == TENSOR_TRAINED ? &self->n_trained : &self->n_statistics;
    snprintf(t->name, sizeof t->name, "%s.%s", self->name, suffix);
    t->role = role;
    t->training = (tensor_training){1.0F, 1.0F, TENSOR_ALWAYS};
    t->n_dims = n_dims;
    t->offset = *n;
    t->count = 1;
    for (int k = 0; k < n_dims; k++) {
        t->dims[k] = dims[k];
        t->count *= dims[k];
    }
    *n += t->count;
}

float *layer_bias(const layer *self, const float *of)
{
    return self->n_tensors > 1 ? (float *)of + self->tensors[1].offset : NULL;
}
