#include "conv.h"
#include "kernels/grouped.h"

_Static_assert((int)CONV_MAX_KERNEL <= (int)GROUPED_MAX_KERNEL, "kernels of a model file");

static grouped_shape forward_shape(const layer *self)
{
    int groups = (int)self->values[CONV_GROUPS];
    return (grouped_shape){.groups = groups,
                           .in_channels = self->in[0].channels / groups,
                           .out_channels = self->out.channels / groups,
                           .in = conv_padding(self),
                           .out_height = self->out.height,
                           .out_width = self->out.width,
                           .kernel = (int)self->values[CONV_KERNEL],
                           .stride = (int)self->values[CONV_STRIDE],
                           .dilation = (int)self->values[CONV_DILATION]};
}

static grouped_shape backward_shape(const layer *self)
{
    grouped_shape s = forward_shape(self), back = s;
    back.in_channels = s.out_channels;
    back.out_channels = s.in_channels;
    back.in = conv_spreading(self);
    back.out_height = self->in[0].height;
    back.out_width = self->in[0].width;
    back.stride = 1;
    return back;
}

static size_t scratch_bytes(const layer *self, const void *plan)
{
    (void)plan;
    const grouped_shape s = forward_shape(self), back = backward_shape(self);
    const size_t of_input = grouped_scratch(&s);
    const size_t of_gradient = self->inputs[0] != LAYER_IMAGES ? grouped_scratch(&back) : 0;
    return (of_input > of_gradient ? of_input : of_gradient) * sizeof(vec);
}

static void forward(const layer *self, const layer_pass *pass, const team *us)
{
    grouped_shape s = forward_shape(self);
    grouped_arrays a = {.w = pass->w,
                        .bias = layer_bias(self, pass->w),
                        .in = pass->x[0],
                        .out = pass->y,
                        .scratch = pass->scratch};
    size_t begin, end;
    layer_share(pass, us, grouped_items(&s), &begin, &end);
    grouped_forward(&s, &a, begin, end);
}

/* From all images. */
static void weight_gradient(const layer *self, const layer_pass *pass, const team *us)
{
    grouped_shape s = forward_shape(self);
    grouped_gradient_arrays a = {pass->x[0], pass->gy, pass->n_images, pass->scratch};
    float *gb = layer_bias(self, pass->g);
    size_t begin, end;
    team_share(us, (size_t)self->out.channels * (size_t)s.in_channels, &begin, &end);
    grouped_weight_gradient(&s, &a, pass->g, begin, end);
    team_share(us, (size_t)self->out.channels, &begin, &end);
    if (gb)
        grouped_bias_gradient(&s, &a, gb, begin, end);
}

static void input_gradient(const layer *self, const layer_pass *pass, size_t begin, size_t end)
{
    grouped_shape back = backward_shape(self);
    grouped_arrays a = {.w = pass->w,
                        .flipped = true,
                        .in = pass->gy,
                        .out = pass->gx[0],
                        .add = pass->add[0],
                        .scratch = pass->scratch};
    grouped_forward(&back, &a, begin, end);
}

/* Both gradients of a group one after the other: what they read of it stays in the cache. */
static void backward_by_blocks(const layer *self, const layer_pass *pass)
{
    grouped_shape s = forward_shape(self), back = backward_shape(self);
    const size_t n = (size_t)s.groups, items = grouped_items(&back) / n;
    for (size_t b = 0; b < pass->block_end - pass->block_begin; b++) {
        grouped_gradient_arrays a = {pass->x[0] + b * layer_features(self->in[0]),
                                     pass->gy + b * layer_features(self->out), VEC_WIDTH,
                                     pass->scratch};
        for (size_t group = 0; group < n; group++) {
            const size_t item = (b * n + group) * items;
            if (pass->g)
                grouped_gradient_sums(&s, &a, pass->sums + b * self->n_sums, group, group + 1);
            if (pass->gx[0])
                input_gradient(self, pass, item, item + items);
        }
    }
}

static void backward(const layer *self, const layer_pass *pass, const team *us)
{
    if (pass->by_blocks) {
        backward_by_blocks(self, pass);
        return;
    }
    if (pass->g)
        weight_gradient(self, pass, us);
    if (pass->gx[0]) {
        grouped_shape back = backward_shape(self);
        size_t begin, end;
        layer_share(pass, us, grouped_items(&back), &begin, &end);
        input_gradient(self, pass, begin, end);
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
    .scratch_bytes = scratch_bytes,
    .forward = forward,
    .backward = backward,
    .collect = collect,
};

void conv_grouped_infer(layer *self)
{
    self->kind = &layer_conv_grouped;
    self->n_sums = self->tensors[0].count + (size_t)self->out.channels;
    self->by_blocks = conv_by_blocks(self);
}
