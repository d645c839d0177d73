#include "kernels/pool.h"
#include "layers/layer.h"

static bool infer(layer *self, error *err)
{
    (void)err;
    self->out = self->in[0];
    self->by_blocks = self->in_place = true;
    self->forgets_x = true;
    return true;
}

static void forward(const layer *self, const layer_pass *pass, const team *us)
{
    size_t begin, end;
    layer_share(pass, us, layer_features(self->in[0]), &begin, &end);
    relu_forward(pass->x[0], pass->y, begin, end);
}

static void backward(const layer *self, const layer_pass *pass, const team *us)
{
    if (!pass->gx[0])
        return;
    size_t begin, end;
    layer_share(pass, us, layer_features(self->in[0]), &begin, &end);
    relu_backward(pass->y, pass->gy, pass->gx[0], pass->add[0], begin, end);
}

/* y = max(x, 0) */
const layer_kind layer_relu = {
    .name = "relu",
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .forward = forward,
    .backward = backward,
};
