#include "base/memory.h"
#include "kernels/pool.h"
#include "layers/layer.h"

#include <string.h>

enum { WINDOW, STRIDE, RELU };

static void plan(layer *self, void *out)
{
    *(pool_shape *)out = (pool_shape){.in_height = self->in[0].height,
                                      .in_width = self->in[0].width,
                                      .out_height = self->out.height,
                                      .out_width = self->out.width,
                                      .window = (int)self->values[WINDOW],
                                      .stride = (int)self->values[STRIDE],
                                      .relu = self->values[RELU] != 0};
}

static bool infer(layer *self, error *err)
{
    int side = self->in[0].height < self->in[0].width ? self->in[0].height : self->in[0].width;
    long window, stride;
    if (!layer_setting_get(self, "window", 0, 1, side, &window, err) ||
        !layer_setting_get(self, "stride", window, 1, LAYER_MAX_SIDE, &stride, err))
        return false;
    self->values[WINDOW] = window;
    self->values[STRIDE] = stride;
    self->by_blocks = true;
    self->forgets_x = self->forgets_y = true; /* choices are kept */
    self->out.channels = self->in[0].channels;
    self->out.height = (self->in[0].height - (int)window) / (int)stride + 1;
    self->out.width = (self->in[0].width - (int)window) / (int)stride + 1;
    return true;
}

/* max(relu(x)) = relu(max(x)), on a quarter of the numbers */
static bool absorb(layer *self, const layer *previous)
{
    if (strcmp(previous->kind->name, "relu") != 0)
        return false;
    self->values[RELU] = 1;
    return true;
}

static bool workspace_bytes(const layer *self, const void *plan, size_t n_blocks, bool training,
                            size_t *bytes)
{
    (void)plan;
    *bytes = 0;
    return !training || memory_multiply(n_blocks, layer_features(self->out) * sizeof(ivec), bytes);
}

static void forward(const layer *self, const layer_pass *pass, const team *us)
{
    size_t begin, end;
    layer_share(pass, us, (size_t)self->in[0].channels, &begin, &end);
    pool_forward(pass->plan, pass->x[0], pass->y, pass->training ? pass->workspace : NULL, begin,
                 end);
}

static void backward(const layer *self, const layer_pass *pass, const team *us)
{
    if (!pass->gx[0])
        return;
    size_t begin, end;
    layer_share(pass, us, (size_t)self->in[0].channels, &begin, &end);
    pool_backward(pass->plan, pass->gy, pass->workspace, pass->gx[0], pass->add[0], begin, end);
}

/* Maximum of each window x window; stride defaults to window. */
const layer_kind layer_maxpool = {
    .name = "maxpool",
    .settings = {"window", "stride"},
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .absorb = absorb,
    .plan_bytes = sizeof(pool_shape),
    .plan = plan,
    .workspace_bytes = workspace_bytes,
    .forward = forward,
    .backward = backward,
};
