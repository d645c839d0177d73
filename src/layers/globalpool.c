#include "kernels/pool.h"
#include "layers/layer.h"

static bool infer(layer *self, error *err)
{
    (void)err;
    self->out = (layer_shape){self->in[0].channels, 1, 1};
    self->by_blocks = self->forgets_x = self->forgets_y = true;
    return true;
}

static size_t plane(const layer *self)
{
    return (size_t)self->in[0].height * (size_t)self->in[0].width;
}

static void forward(const layer *self, const layer_pass *pass, const team *us)
{
    size_t begin, end;
    layer_share(pass, us, (size_t)self->in[0].channels, &begin, &end);
    pool_mean_forward(plane(self), pass->x[0], pass->y, begin, end);
}

static void backward(const layer *self, const layer_pass *pass, const team *us)
{
    if (!pass->gx[0])
        return;
    size_t begin, end;
    layer_share(pass, us, (size_t)self->in[0].channels, &begin, &end);
    pool_mean_backward(plane(self), pass->gy, pass->gx[0], pass->add[0], begin, end);
}

/* Mean of each channel's plane. */
const layer_kind layer_globalpool = {
    .name = "globalpool",
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .forward = forward,
    .backward = backward,
};
