#include "kernels/elementwise.h"
#include "layers/layer.h"

#include <string.h>

enum { HALF };

static bool infer(layer *self, error *err)
{
    static const char *const halves[] = {"first", "second", NULL};
    int half;
    if (!layer_setting_get_word(self, "half", halves, -1, &half, err))
        return false;
    if (self->in[0].channels % 2)
        return error_user(err, "an odd number of channels has no halves");
    self->values[HALF] = half;
    self->out = self->in[0];
    self->out.channels /= 2;
    self->by_blocks = self->forgets_x = self->forgets_y = true;
    return true;
}

static void forward(const layer *self, const layer_pass *pass, const team *us)
{
    size_t begin, end, n = layer_features(self->out);
    layer_share(pass, us, 1, &begin, &end);
    for (size_t b = begin; b < end; b++)
        elementwise_copy(pass->x[0] + (2 * b + (size_t)self->values[HALF]) * n, pass->y + b * n,
                         false, n);
}

static void backward(const layer *self, const layer_pass *pass, const team *us)
{
    if (!pass->gx[0])
        return;
    size_t begin, end, n = layer_features(self->out), half = (size_t)self->values[HALF];
    layer_share(pass, us, 1, &begin, &end);
    for (size_t b = begin; b < end; b++) {
        vec *gx = pass->gx[0] + 2 * b * n;
        elementwise_copy(pass->gy + b * n, gx + half * n, pass->add[0], n);
        if (!pass->add[0])
            memset(gx + (1 - half) * n, 0, n * sizeof *gx);
    }
}

/* The first or the second half of the channels. */
const layer_kind layer_split = {
    .name = "split",
    .settings = {"half"},
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .forward = forward,
    .backward = backward,
};
