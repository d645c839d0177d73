#include "kernels/pool.h"
#include "layers/layer.h"

static bool infer(layer *self, error *err)
{
    (void)err;
    self->out = self->in;
    self->by_blocks = true;
    return true;
}

static void forward(const layer *self, const layer_pass *pass, const team *us)
{
    size_t begin, end;
    layer_share(pass, us, layer_features(self->in), &begin, &end);
    relu_forward(pass->x, pass->y, begin, end);
}

static void backward(const layer *self, const layer_pass *pass, const team *us)
{
    if (!pass->gx)
        return;
    size_t begin, end;
    layer_share(pass, us, layer_features(self->in), &begin, &end);
    relu_backward(pass->y, pass->gy, pass->gx, begin, end);
}

extern const layer_kind layer_relu;
const layer_kind layer_relu = {
    .name = "relu",
    .about = "y = max(x, 0)",
    .infer = infer,
    .forward = forward,
    .backward = backward,
};
