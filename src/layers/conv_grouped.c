#include "base/memory.h"
#include "conv.h"
#include "kernels/grouped.h"

_Static_assert((int)CONV_MAX_KERNEL <= (int)GROUPED_MAX_KERNEL, "kernels of a model file");

static grouped_shape forward_shape(const layer *self)
{
    int groups = (int)self->values[CONV_GROUPS];
    conv_embedding padded = conv_padding(self);
    return (grouped_shape){.groups = groups,
                           .in_channels = self->in[0].channels / groups,
                           .out_channels = self->out.channels / groups,
                           .in_height = padded.to_height,
                           .in_width = padded.to_width,
                           .out_height = self->out.height,
                           .out_width = self->out.width,
                           .kernel = (int)self->values[CONV_KERNEL],
                           .stride = (int)self->values[CONV_STRIDE],
                           .dilation = (int)self->values[CONV_DILATION]};
}

static grouped_shape backward_shape(const layer *self)
{
    grouped_shape s = forward_shape(self), back = s;
    conv_embedding spread = conv_spreading(self);
    back.in_channels = s.out_channels;
    back.out_channels = s.in_channels;
    back.in_height = spread.to_height;
    back.in_width = spread.to_width;
    back.out_height = self->in[0].height;
    back.out_width = self->in[0].width;
    back.stride = 1;
    return back;
}

static size_t plane_of(const conv_embedding *e)
{
    return (size_t)e->to_height * (size_t)e->to_width;
}

/* Vecs of a block of the embedded input, 0 where it is as it comes, and of the embedded gradient. */
static size_t padded_vecs(const layer *self)
{
    conv_embedding e = conv_padding(self);
    return conv_is_padded(self) ? (size_t)self->in[0].channels * plane_of(&e) : 0;
}

static size_t spread_vecs(const layer *self)
{
    conv_embedding e = conv_spreading(self);
    return (size_t)self->out.channels * plane_of(&e);
}

/* Workspace: the embedded input, then the embedded gradient. */
static bool workspace_bytes(const layer *self, const void *plan, size_t n_blocks, bool training,
                            size_t *bytes)
{
    (void)plan;
    bool back = training && self->inputs[0] != LAYER_IMAGES; /* nobody wants the images' gradient */
    size_t vecs = padded_vecs(self) + (back ? spread_vecs(self) : 0);
    return memory_multiply(vecs * sizeof(vec), n_blocks, bytes);
}

static vec *padded_of(const layer *self, const layer_pass *pass)
{
    return layer_kept(pass, padded_vecs(self) * sizeof(vec));
}

static const vec *padded_input(const layer *self, const layer_pass *pass)
{
    return conv_is_padded(self) ? padded_of(self, pass) : pass->x[0];
}

static vec *spread_of(const layer *self, const layer_pass *pass)
{
    vec *of_blocks = layer_kept(pass, spread_vecs(self) * sizeof(vec));
    return of_blocks + pass->n_blocks * padded_vecs(self);
}

static void forward(const layer *self, const layer_pass *pass, const team *us)
{
    grouped_shape s = forward_shape(self);
    size_t begin, end;
    if (conv_is_padded(self)) {
        conv_embedding e = conv_padding(self);
        layer_share(pass, us, (size_t)self->in[0].channels, &begin, &end);
        conv_embed(&e, pass->x[0], padded_of(self, pass), begin, end);
        team_barrier(us);
    }
    grouped_arrays a = {.w = pass->w,
                        .bias = layer_bias(self, pass->w),
                        .in = padded_input(self, pass),
                        .out = pass->y};
    layer_share(pass, us, grouped_items(&s), &begin, &end);
    grouped_forward(&s, &a, begin, end);
}

static void weight_gradient(const layer *self, const layer_pass *pass, const team *us)
{
    if (!pass->g)
        return;
    grouped_shape s = forward_shape(self);
    const vec *in = padded_input(self, pass);
    float *gb = layer_bias(self, pass->g);
    size_t begin, end;
    if (pass->by_blocks) {
        size_t n_in = conv_is_padded(self) ? padded_vecs(self) : layer_features(self->in[0]);
        layer_share(pass, us, 1, &begin, &end);
        for (size_t b = begin; b < end; b++)
            grouped_gradient_sums(&s, in + b * n_in, pass->gy + b * layer_features(self->out),
                                  pass->sums + b * self->n_sums);
        return;
    }
    team_share(us, (size_t)self->out.channels * (size_t)s.in_channels, &begin, &end);
    grouped_weight_gradient(&s, in, pass->gy, pass->n_images, pass->g, begin, end);
    team_share(us, (size_t)self->out.channels, &begin, &end);
    if (gb)
        grouped_bias_gradient(&s, pass->gy, pass->n_images, gb, begin, end);
}

static void backward(const layer *self, const layer_pass *pass, const team *us)
{
    size_t begin, end;
    if (pass->gx[0]) {
        conv_embedding e = conv_spreading(self);
        layer_share(pass, us, (size_t)self->out.channels, &begin, &end);
        conv_embed(&e, pass->gy, spread_of(self, pass), begin, end);
    }
    weight_gradient(self, pass, us);
    if (pass->gx[0]) {
        grouped_shape s = backward_shape(self);
        grouped_arrays a = {.w = pass->w,
                            .flipped = true,
                            .in = spread_of(self, pass),
                            .out = pass->gx[0],
                            .add = pass->add[0]};
        team_barrier(us);
        layer_share(pass, us, grouped_items(&s), &begin, &end);
        grouped_forward(&s, &a, begin, end);
    }
}

static void collect(const layer *self, const layer_pass *pass, const team *us)
{
    size_t begin, end; /* biases stand behind the weights, in the sums as in the gradient */
    team_share(us, self->n_trained, &begin, &end);
    grouped_gradient_add(pass->sums, self->n_sums, pass->n_images, pass->g, begin, end);
}

const layer_kind layer_conv_grouped = {
    .name = "conv",
    .min_inputs = 1,
    .max_inputs = 1,
    .init = conv_init,
    .workspace_bytes = workspace_bytes,
    .forward = forward,
    .backward = backward,
    .collect = collect,
};

void conv_grouped_infer(layer *self)
{
    self->kind = &layer_conv_grouped;
    self->forgets_x = conv_is_padded(self); /* it is kept, embedded */
    self->n_sums = self->tensors[0].count + (size_t)self->out.channels;
    self->by_blocks = conv_by_blocks(self);
}
