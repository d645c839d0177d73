#include "kernels/elementwise.h"
#include "layers/layer.h"

static bool infer(layer *self, error *err)
{
    if (!layer_same_shapes(self, err))
        return false;
    self->out = self->in[0];
    self->by_blocks = self->in_place = self->forgets_y = true;
    return true;
}

static void forward(const layer *self, const layer_pass *pass, const team *us)
{
    size_t begin, end;
    layer_share(pass, us, layer_features(self->out), &begin, &end);
    elementwise_multiply(pass->x[0], pass->x[1], pass->y, begin, end);
}

static void backward(const layer *self, const layer_pass *pass, const team *us)
{
    size_t begin, end;
    layer_share(pass, us, layer_features(self->out), &begin, &end);
    int last = pass->gx[0] == pass->gy ? 0 : 1; /* what takes the place of gy comes last */
    for (int turn = 0; turn < 2; turn++) {
        int i = turn ? last : 1 - last;
        if (pass->gx[i])
            elementwise_multiply_add(pass->gy, pass->x[1 - i], pass->gx[i], pass->add[i], begin,
                                     end);
    }
}

/* y = x[0] * x[1], element by element: a gate. */
const layer_kind layer_multiply = {
    .name = "multiply",
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer,
    .forward = forward,
    .backward = backward,
};
