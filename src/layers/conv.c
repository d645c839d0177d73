#include "conv.h"
#include "base/memory.h"

#include <stdio.h>

/* The forward convolution, its input embedded in its padding. */
static conv_shape forward_shape(const layer *self)
{
    conv_embedding padded = conv_padding(self);
    return (conv_shape){.in_channels = self->in[0].channels,
                        .in_height = padded.to_height,
                        .in_width = padded.to_width,
                        .out_channels = self->out.channels,
                        .out_height = self->out.height,
                        .out_width = self->out.width,
                        .kernel = (int)self->values[CONV_KERNEL],
                        .stride = (int)self->values[CONV_STRIDE],
                        .border_top = (int)self->values[CONV_TOP],
                        .border_bottom = (int)self->values[CONV_BOTTOM],
                        .border_left = (int)self->values[CONV_LEFT],
                        .border_right = (int)self->values[CONV_RIGHT]};
}

/* The gradient of the output as its kernel wants it: of the zeros around it only columns, and as many as neighbours. */
static conv_embedding gradient_margins(const layer *self)
{
    conv_embedding e = conv_spreading(self);
    return (conv_embedding){.height = e.height,
                            .width = e.width,
                            .to_height = e.height,
                            .to_width = (e.to_width - 1 - e.left % e.stride) / e.stride + 1,
                            .left = e.left / e.stride,
                            .stride = 1};
}

static conv_shape gradient_shape(const layer *self)
{
    conv_embedding e = conv_spreading(self), margins = gradient_margins(self);
    return (conv_shape){.in_channels = self->out.channels,
                        .in_height = margins.to_height,
                        .in_width = margins.to_width,
                        .out_channels = self->in[0].channels,
                        .out_height = self->in[0].height,
                        .out_width = self->in[0].width,
                        .kernel = (int)self->values[CONV_KERNEL],
                        .stride = 1,
                        .border_left = margins.left,
                        .border_right = margins.to_width - margins.left - margins.width,
                        .between = e.stride - 1,
                        .above = e.top,
                        .before = e.left % e.stride};
}

static bool is_grouped(const layer *self)
{
    return self->values[CONV_GROUPS] > 1 || self->values[CONV_DILATION] > 1;
}

/* Which way of computing it is the shape's alone, or the model file's. */
static bool choose_method(layer *self, error *err)
{
    conv_shape shape = forward_shape(self);
    int method = is_grouped(self) ? CONV_DIRECT : (int)conv_method_choose(&shape);
    if (!layer_setting_get_word(self, "algorithm", conv_method_names, method, &method, err))
        return false;
    if (!conv_method_fits((enum conv_method)method, (int)self->values[CONV_KERNEL],
                          (int)self->values[CONV_STRIDE]) ||
        (method != CONV_DIRECT && is_grouped(self)))
        return error_user(
            err, "algorithm = %s: for kernel = %s and stride = 1 alone, one group, no dilation",
            conv_method_names[method], method == CONV_F2 ? "3 or 5" : "3");
    self->values[CONV_OWN] = method;
    self->algorithm = conv_method_names[method];
    snprintf(self->tensors[0].algorithm, TENSOR_ALGORITHM_BYTES, "%s", self->algorithm);
    return true;
}

static enum conv_method method_of(const layer *self)
{
    return (enum conv_method)self->values[CONV_OWN];
}

/* Is the input kept embedded in its padding, and the gradient in its margins?  Winograd's need neither. */
static bool embeds_input(const layer *self)
{
    return conv_is_padded(self) && method_of(self) == CONV_DIRECT;
}

static bool embeds_gradient(const layer *self)
{
    conv_embedding margins = gradient_margins(self);
    return margins.to_width > margins.width && method_of(self) == CONV_DIRECT;
}

static bool infer(layer *self, error *err)
{
    if (!conv_geometry(self, err) || !choose_method(self, err))
        return false;
    if (is_grouped(self))
        conv_grouped_infer(self);
    else /* it is kept, embedded */
        self->forgets_x = embeds_input(self);
    return true;
}

typedef struct conv_layer_plan {
    conv_plan forward, backward; /* backward: the gradient of the input */
    conv_gradient_plan weights;
    conv_embedding padding, spread; /* of the input; of the gradient of the output */
} conv_layer_plan;

static void plan(layer *self, int n_threads, void *out)
{
    conv_layer_plan *made = out;
    conv_shape f = forward_shape(self), g = gradient_shape(self);
    *made = (conv_layer_plan){.forward = conv_plan_make(&f, method_of(self), NULL),
                              .backward = conv_plan_make(&g, method_of(self), NULL),
                              .weights = conv_gradient_plan_make(&f, method_of(self), n_threads),
                              .padding = conv_padding(self),
                              .spread = gradient_margins(self)};
    self->n_sums = made->weights.n_sums;
    self->by_blocks = conv_by_blocks(self); /* Winograd's, without sums, always */
}

/*
 * Workspace: filters packed for either direction, the embedded input, the embedded gradient, the gradient of the
 * transformed filters.
 */
typedef struct workspace {
    size_t packed, flipped, input, gradient, transformed, total; /* bytes from its start */
} workspace;

static size_t in_bytes(const conv_shape *s)
{
    return (size_t)s->in_channels * (size_t)s->in_height * (size_t)s->in_width * sizeof(vec);
}

static bool workspace_layout(const layer *self, const conv_layer_plan *p, size_t n_blocks,
                             bool training, workspace *ws)
{
    size_t packed = memory_lines(p->forward.n_packed * sizeof(float));
    size_t flipped = memory_lines(p->backward.n_packed * sizeof(float));
    size_t transformed = training ? p->weights.n_transformed * sizeof(float) : 0;
    size_t in = embeds_input(self) ? in_bytes(&p->forward.shape) : 0, input, gradient;
    bool back = training && self->inputs[0] != LAYER_IMAGES; /* nobody wants the images' gradient */
    bool spread = back && embeds_gradient(self);
    if (!memory_multiply(in, n_blocks, &input) ||
        !memory_multiply(spread ? in_bytes(&p->backward.shape) : 0, n_blocks, &gradient))
        return false;
    ws->packed = 0;
    ws->flipped = packed;
    ws->transformed = ws->flipped + (back ? flipped : 0);
    ws->input = ws->transformed + memory_lines(transformed);
    ws->gradient = ws->input + input;
    return !__builtin_add_overflow(ws->gradient, gradient, &ws->total);
}

static bool workspace_bytes(const layer *self, const void *plan, size_t n_blocks, bool training,
                            size_t *bytes)
{
    workspace ws = {0};
    if (!workspace_layout(self, plan, n_blocks, training, &ws))
        return false;
    *bytes = ws.total;
    return true;
}

/* As a pass finds it: the embedded input of its own blocks. */
static workspace workspace_of(const layer *self, const layer_pass *pass)
{
    const conv_layer_plan *p = pass->plan;
    workspace ws = {0};
    workspace_layout(self, p, pass->n_blocks, pass->training, &ws);
    ws.input += pass->block_begin * in_bytes(&p->forward.shape);
    return ws;
}

static size_t scratch_bytes(const layer *self, const void *plan)
{
    const conv_layer_plan *p = plan;
    size_t needs[] = {p->forward.n_scratch, p->backward.n_scratch, p->weights.n_scratch,
                      embeds_gradient(self) ? in_bytes(&p->backward.shape) / sizeof(vec) : 0};
    size_t most = 0;
    for (size_t k = 0; k < sizeof needs / sizeof *needs; k++)
        most = needs[k] > most ? needs[k] : most;
    return most * sizeof(vec);
}

static void *at(const layer_pass *pass, size_t bytes)
{
    return (char *)pass->workspace + bytes;
}

static void prepare(const layer *self, const layer_pass *pass, const team *us)
{
    const conv_layer_plan *p = pass->plan;
    workspace ws = workspace_of(self, pass);
    size_t begin, end;
    team_share(us, p->forward.n_pack_items, &begin, &end);
    conv_pack(&p->forward, pass->w, at(pass, ws.packed), begin, end);
    if (pass->training && pass->gx[0]) {
        team_share(us, p->backward.n_pack_items, &begin, &end);
        conv_pack_flipped(&p->backward, pass->w, at(pass, ws.flipped), begin, end);
    }
}

static void forward(const layer *self, const layer_pass *pass, const team *us)
{
    const conv_layer_plan *p = pass->plan;
    workspace ws = workspace_of(self, pass);
    size_t begin, end;
    conv_arrays arrays = {.packed = at(pass, ws.packed),
                          .bias = layer_bias(self, pass->w),
                          .in = pass->x[0],
                          .out = pass->y,
                          .scratch = pass->scratch};
    if (embeds_input(self)) {
        layer_share(pass, us, (size_t)self->in[0].channels, &begin, &end);
        conv_embed(&p->padding, arrays.in, at(pass, ws.input), begin, end);
        arrays.in = at(pass, ws.input);
        team_barrier(us);
    }
    layer_share(pass, us, p->forward.n_items, &begin, &end);
    conv_forward(&p->forward, &arrays, begin, end);
}

/* Of some blocks, for collect. */
static void block_sums(const layer *self, const layer_pass *pass, const vec *in)
{
    const conv_gradient_plan *p = &((const conv_layer_plan *)pass->plan)->weights;
    size_t n_in = in_bytes(&p->shape) / sizeof(vec), n_out = layer_features(self->out);
    for (size_t b = 0; b < pass->block_end - pass->block_begin; b++)
        conv_gradient_sums(p, in + b * n_in, pass->gy + b * n_out, pass->sums + b * self->n_sums);
}

/* From all images. */
static void weight_gradient(const layer *self, const layer_pass *pass, const vec *in,
                            const team *us)
{
    const conv_gradient_plan *p = &((const conv_layer_plan *)pass->plan)->weights;
    conv_gradient_arrays arrays = {.in = in,
                                   .gout = pass->gy,
                                   .n_images = pass->n_images,
                                   .gw = pass->g,
                                   .transformed = at(pass, workspace_of(self, pass).transformed),
                                   .scratch = pass->scratch};
    float *gb = layer_bias(self, pass->g);
    size_t begin, end;
    team_share(us, p->n_items, &begin, &end);
    conv_weight_gradient(p, &arrays, begin, end);
    team_share(us, (size_t)self->out.channels, &begin, &end);
    if (gb)
        conv_bias_gradient(p, pass->gy, pass->n_images, gb, begin, end);
    if (p->n_finish > 0) {
        team_barrier(us);
        team_share(us, p->n_finish, &begin, &end);
        conv_weight_finish(p, arrays.transformed, pass->g, begin, end);
    }
}

/* By blocks: the embedded gradient of one at a time stays in the cache. */
static void input_gradient(const layer *self, const layer_pass *pass, conv_arrays arrays)
{
    const conv_layer_plan *p = pass->plan;
    size_t in = layer_features(self->in[0]), out = layer_features(self->out);
    for (size_t b = 0; b < pass->block_end - pass->block_begin; b++) {
        arrays.in = pass->gy + b * out;
        if (embeds_gradient(self)) {
            conv_embed(&p->spread, arrays.in, pass->scratch, 0, (size_t)self->out.channels);
            arrays.in = pass->scratch;
        }
        arrays.out = pass->gx[0] + b * in;
        conv_forward(&p->backward, &arrays, 0, p->backward.n_items);
    }
}

static void backward(const layer *self, const layer_pass *pass, const team *us)
{
    const conv_layer_plan *p = pass->plan;
    workspace ws = workspace_of(self, pass);
    const vec *in = embeds_input(self) ? at(pass, ws.input) : pass->x[0];
    size_t begin, end;
    conv_arrays arrays = {.packed = at(pass, ws.flipped),
                          .in = pass->gy,
                          .out = pass->gx[0],
                          .add = pass->add[0],
                          .scratch = pass->scratch};
    if (pass->by_blocks) {
        if (pass->g && self->n_sums > 0)
            block_sums(self, pass, in);
        if (pass->gx[0])
            input_gradient(self, pass, arrays);
        return;
    }
    bool spread = pass->gx[0] && embeds_gradient(self);
    if (spread) {
        layer_share(pass, us, (size_t)self->out.channels, &begin, &end);
        conv_embed(&p->spread, pass->gy, at(pass, ws.gradient), begin, end);
        arrays.in = at(pass, ws.gradient);
    }
    if (pass->g)
        weight_gradient(self, pass, in, us);
    if (spread)
        team_barrier(us);
    if (pass->gx[0]) {
        layer_share(pass, us, p->backward.n_items, &begin, &end);
        conv_forward(&p->backward, &arrays, begin, end);
    }
}

static void collect(const layer *self, const layer_pass *pass, const team *us)
{
    const conv_gradient_plan *p = &((const conv_layer_plan *)pass->plan)->weights;
    float *gb = layer_bias(self, pass->g);
    size_t begin, end;
    if (self->n_sums == 0) {
        weight_gradient(self, pass, pass->x[0], us);
        return;
    }
    team_share(us, p->n_items, &begin, &end);
    conv_gradient_add(p, pass->sums, pass->n_images, pass->g, begin, end);
    team_share(us, (size_t)self->out.channels, &begin, &end);
    if (gb)
        conv_bias_add(p, pass->sums, pass->n_images, gb, begin, end);
}

/* Convolution: filters of kernel x kernel with a bias; stride 1, padding 0, one group by default. */
const layer_kind layer_conv = {
    .others = (const layer_kind *const[]){&layer_conv_grouped, NULL},
    .name = "conv",
    .settings = {"filters", "kernel", "stride", "padding", "groups", "dilation", "bias",
                 "algorithm", "init"},
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .init = conv_init,
    .plan_bytes = sizeof(conv_layer_plan),
    .plan = plan,
    .workspace_bytes = workspace_bytes,
    .scratch_bytes = scratch_bytes,
    .prepare = prepare,
    .forward = forward,
    .backward = backward,
    .collect = collect,
};
