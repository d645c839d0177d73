#include "kernels/dropout.h"
#include "base/memory.h"
#include "kernels/elementwise.h"
#include "layers/layer.h"

enum { P };

static bool infer(layer *self, error *err)
{
    self->out = self->in[0];
    self->by_blocks = self->in_place = self->forgets_x = self->forgets_y = true;
    return layer_setting_get_real(self, "p", 0.5, 0.0, DROPOUT_MAX, &self->reals[P], err);
}

static void plan(layer *self, int n_threads, void *out)
{
    (void)n_threads;
    *(dropout *)out = dropout_make(layer_features(self->out), self->reals[P], self->number);
}

/* Which elements are kept. */
static bool workspace_bytes(const layer *self, const void *plan, size_t n_blocks, bool training,
                            size_t *bytes)
{
    (void)self;
    *bytes = 0;
    return !training ||
           memory_multiply(n_blocks, ((const dropout *)plan)->n_groups * sizeof(ivec), bytes);
}

static void forward(const layer *self, const layer_pass *pass, const team *us)
{
    const dropout *of = pass->plan;
    dropout_batch in = {pass->seed, pass->epoch, pass->numbers};
    size_t begin, end;
    layer_share(pass, us, pass->training ? of->n_groups : layer_features(self->out), &begin, &end);
    if (pass->training)
        dropout_forward(of, &in, pass->x[0], pass->y, layer_kept(pass, of->n_groups * sizeof(ivec)),
                        begin, end);
    else
        elementwise_copy(pass->x[0] + begin, pass->y + begin, false, end - begin);
}

static void backward(const layer *self, const layer_pass *pass, const team *us)
{
    (void)self;
    const dropout *of = pass->plan;
    size_t begin, end;
    layer_share(pass, us, of->n_groups, &begin, &end);
    if (pass->gx[0])
        dropout_backward(of, layer_kept(pass, of->n_groups * sizeof(ivec)), pass->gy, pass->gx[0],
                         pass->add[0], begin, end);
}

/* In training each element is 0 with probability p, else divided by 1 - p; otherwise nothing happens. */
const layer_kind layer_dropout = {
    .name = "dropout",
    .settings = {"p"},
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .plan_bytes = sizeof(dropout),
    .plan = plan,
    .workspace_bytes = workspace_bytes,
    .forward = forward,
    .backward = backward,
};
