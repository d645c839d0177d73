#include "kernels/elementwise.h"
#include "layers/layer.h"

static bool infer(layer *self, error *err)
{
    int line = self->line;
    const layer_shape *first = &self->in[0];
    self->out = *first;
    self->line = self->inputs_line; /* where anything is wrong */
    for (int i = 1; i < self->n_inputs; i++) {
        const layer_shape *s = &self->in[i];
        if (s->height != first->height || s->width != first->width)
            return error_user(err,
                              "another of %d x %d x %d: all must have the same height and width",
                              s->channels, s->height, s->width);
        self->out.channels += s->channels;
    }
    if (self->out.channels > LAYER_MAX_CHANNELS)
        return error_user(err, "%d channels together: at most %d", self->out.channels,
                          LAYER_MAX_CHANNELS);
    self->line = line;
    self->by_blocks = self->forgets_x = self->forgets_y = true;
    return true;
}

static void forward(const layer *self, const layer_pass *pass, const team *us)
{
    size_t begin, end, n_out = layer_features(self->out);
    layer_share(pass, us, 1, &begin, &end);
    for (size_t b = begin; b < end; b++) {
        vec *to = pass->y + b * n_out;
        for (int i = 0; i < self->n_inputs; i++) {
            size_t n = layer_features(self->in[i]);
            elementwise_copy(pass->x[i] + b * n, to, false, n);
            to += n;
        }
    }
}

static void backward(const layer *self, const layer_pass *pass, const team *us)
{
    size_t begin, end, n_out = layer_features(self->out);
    layer_share(pass, us, 1, &begin, &end);
    for (size_t b = begin; b < end; b++) {
        const vec *from = pass->gy + b * n_out;
        for (int i = 0; i < self->n_inputs; i++) {
            size_t n = layer_features(self->in[i]);
            if (pass->gx[i])
                elementwise_copy(from, pass->gx[i] + b * n, pass->add[i], n);
            from += n;
        }
    }
}

/* The channels of all inputs, one after the other. */
const layer_kind layer_concat = {
    .name = "concat",
    .min_inputs = 2,
    .max_inputs = LAYER_MAX_INPUTS,
    .infer = infer,
    .forward = forward,
    .backward = backward,
};
