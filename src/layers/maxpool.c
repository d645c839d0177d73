#include "base/memory.h"
#include "kernels/pool.h"
#include "pooling.h"

#include <string.h>

enum { RELU = POOLING_VALUES };

static void plan(layer *self, int n_threads, void *out)
{
    pooling_plan(self, n_threads, out);
    ((pool_shape *)out)->relu = self->values[RELU] != 0;
}

static bool infer(layer *self, error *err)
{
    self->forgets_x = self->forgets_y = true; /* choices are kept */
    return pooling_infer(self, err);
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

static ivec *choices(const layer *self, const layer_pass *pass)
{
    return layer_kept(pass, layer_features(self->out) * sizeof(ivec));
}

static void forward(const layer *self, const layer_pass *pass, const team *us)
{
    size_t begin, end;
    layer_share(pass, us, (size_t)self->in[0].channels, &begin, &end);
    pool_forward(pass->plan, pass->x[0], pass->y, pass->training ? choices(self, pass) : NULL,
                 begin, end);
}

static void backward(const layer *self, const layer_pass *pass, const team *us)
{
    if (!pass->gx[0])
        return;
    size_t begin, end;
    layer_share(pass, us, (size_t)self->in[0].channels, &begin, &end);
    pool_backward(pass->plan, pass->gy, choices(self, pass), pass->gx[0], pass->add[0], begin, end);
}

/* Maximum of each window x window; stride defaults to window. */
const layer_kind layer_maxpool = {
    .name = "maxpool",
    .settings = {POOLING_SETTINGS},
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
