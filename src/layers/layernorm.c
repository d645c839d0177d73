#include "base/memory.h"
#include "norm.h"

static size_t kept_vecs(const layer *self)
{
    return 2 * norm_plane(self);
}

static bool workspace_bytes(const layer *self, const void *plan, size_t n_blocks, bool training,
                            size_t *bytes)
{
    (void)plan;
    *bytes = 0;
    return !training || memory_multiply(n_blocks, kept_vecs(self) * sizeof(vec), bytes);
}

/* Of the pass's blocks. */
static vec *kept_of(const layer *self, const layer_pass *pass)
{
    return layer_kept(pass, kept_vecs(self) * sizeof(vec));
}

static norm_pixels pixels_of(const layer *self, const layer_pass *pass)
{
    size_t channels = (size_t)self->in[0].channels;
    bool scale = self->values[NORM_SCALE] != 0, bias = self->values[NORM_BIAS] != 0;
    return (norm_pixels){.channels = channels,
                         .plane = norm_plane(self),
                         .eps = (float)self->reals[NORM_EPS],
                         .scale = scale ? pass->w : NULL,
                         .shift = bias ? pass->w + (scale ? channels : 0) : NULL,
                         .relu = self->values[NORM_RELU] != 0};
}

static void forward(const layer *self, const layer_pass *pass, const team *us)
{
    size_t begin, end, block = layer_features(self->out);
    norm_pixels pixels = pixels_of(self, pass);
    layer_share(pass, us, 1, &begin, &end);
    for (size_t b = begin; b < end; b++) {
        vec *kept = pass->training ? kept_of(self, pass) + b * kept_vecs(self) : NULL;
        norm_pixels_forward(&pixels, pass->x[0] + b * block, pass->y + b * block, kept);
    }
}

static void backward(const layer *self, const layer_pass *pass, const team *us)
{
    size_t begin, end, block = layer_features(self->out);
    norm_pixels pixels = pixels_of(self, pass);
    layer_share(pass, us, 1, &begin, &end);
    for (size_t b = begin; b < end; b++) {
        const vec *kept = kept_of(self, pass) + b * kept_vecs(self);
        vec *gx = pass->gx[0] ? pass->gx[0] + b * block : NULL;
        norm_pixels_backward(&pixels, pass->x[0] + b * block, pass->gy + b * block, kept, gx,
                             pass->add[0], pass->sums + b * self->n_sums);
    }
    layer_collect(self, pass, us);
}

/* Layer norm over the channels: each pixel of an image by the mean and variance of its channels. */
const layer_kind layer_layernorm = {
    .name = "layernorm",
    .settings = {NORM_SETTINGS},
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = norm_infer,
    .extend = norm_extend,
    .init = norm_init,
    .workspace_bytes = workspace_bytes,
    .forward = forward,
    .backward = backward,
    .collect = norm_collect,
};
