#include "kernels/pool.h"
#include "pooling.h"

static void forward(const layer *self, const layer_pass *pass, const team *us)
{
    size_t begin, end;
    layer_share(pass, us, (size_t)self->in[0].channels, &begin, &end);
    pool_average_forward(pass->plan, pass->x[0], pass->y, begin, end);
}

static void backward(const layer *self, const layer_pass *pass, const team *us)
{
    if (!pass->gx[0])
        return;
    size_t begin, end;
    layer_share(pass, us, (size_t)self->in[0].channels, &begin, &end);
    pool_average_backward(pass->plan, pass->gy, pass->gx[0], pass->add[0], begin, end);
}

static bool infer(layer *self, error *err)
{
    self->forgets_x = self->forgets_y = true;
    return pooling_infer(self, err);
}

/* Mean of each window x window, padding counted as zeros; stride defaults to window. */
const layer_kind layer_avgpool = {
    .name = "avgpool",
    .settings = {POOLING_SETTINGS},
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .plan_bytes = sizeof(pool_shape),
    .plan = pooling_plan,
    .forward = forward,
    .backward = backward,
};
