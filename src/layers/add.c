#include "kernels/elementwise.h"
#include "layers/layer.h"

#include <string.h>

enum { RELU };

_Static_assert((int)LAYER_MAX_INPUTS <= (int)ELEMENTWISE_MAX, "as many as the kernel adds");

static bool infer(layer *self, error *err)
{
    if (!layer_same_shapes(self, err))
        return false;
    self->out = self->in[0];
    self->by_blocks = self->in_place = self->forgets_x = self->forgets_y = true;
    return true;
}

/* max(a + b, 0) in one pass: the end of a residual block */
static bool extend(layer *self, const layer *next)
{
    if (strcmp(next->kind->name, "relu") != 0)
        return false;
    self->values[RELU] = 1;
    self->forgets_y = false;
    return true;
}

static void forward(const layer *self, const layer_pass *pass, const team *us)
{
    size_t begin, end;
    layer_share(pass, us, layer_features(self->out), &begin, &end);
    elementwise_add(self->n_inputs, pass->x, self->values[RELU], pass->y, begin, end);
}

static void backward(const layer *self, const layer_pass *pass, const team *us)
{
    size_t begin, end;
    layer_share(pass, us, layer_features(self->out), &begin, &end);
    elementwise_add_backward(self->n_inputs, self->values[RELU] ? pass->y : NULL, pass->gy,
                             pass->gx, pass->add, begin, end);
}

/* y = x[0] + x[1] + ..., element by element. */
const layer_kind layer_add = {
    .name = "add",
    .min_inputs = 2,
    .max_inputs = LAYER_MAX_INPUTS,
    .infer = infer,
    .extend = extend,
    .forward = forward,
    .backward = backward,
};
