#include "kernels/activation.h"
#include "layers/layer.h"

enum { FUNCTION };

static bool infer(layer *self, enum activation f)
{
    self->values[FUNCTION] = f;
    self->out = self->in[0];
    self->by_blocks = self->in_place = true;
    self->forgets_x = f == ACTIVATION_TANH;
    self->forgets_y = !self->forgets_x;
    return true;
}

static bool infer_gelu(layer *self, error *err)
{
    static const char *const forms[] = {"erf", "tanh", NULL};
    int form;
    return layer_setting_get_word(self, "form", forms, 0, &form, err) &&
           infer(self, form == 0 ? ACTIVATION_GELU : ACTIVATION_GELU_TANH);
}

static bool infer_silu(layer *self, error *err)
{
    (void)err;
    return infer(self, ACTIVATION_SILU);
}

static bool infer_tanh(layer *self, error *err)
{
    (void)err;
    return infer(self, ACTIVATION_TANH);
}

static void forward(const layer *self, const layer_pass *pass, const team *us)
{
    size_t begin, end;
    layer_share(pass, us, layer_features(self->out), &begin, &end);
    activation_forward((enum activation)self->values[FUNCTION], pass->x[0], pass->y, begin, end);
}

static void backward(const layer *self, const layer_pass *pass, const team *us)
{
    if (!pass->gx[0])
        return;
    size_t begin, end;
    layer_share(pass, us, layer_features(self->out), &begin, &end);
    activation_backward((enum activation)self->values[FUNCTION],
                        self->forgets_x ? pass->y : pass->x[0], pass->gy, pass->gx[0], pass->add[0],
                        begin, end);
}

/* x times the normal distribution at x (erf), or nearly so (tanh). */
const layer_kind layer_gelu = {
    .name = "gelu",
    .settings = {"form"},
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer_gelu,
    .forward = forward,
    .backward = backward,
};

/* x / (1 + exp(-x)) */
const layer_kind layer_silu = {
    .name = "silu",
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer_silu,
    .forward = forward,
    .backward = backward,
};

const layer_kind layer_tanh = {
    .name = "tanh",
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer_tanh,
    .forward = forward,
    .backward = backward,
};
