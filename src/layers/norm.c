#include "norm.h"

#include <string.h>

bool norm_infer(layer *self, error *err)
{
    bool scale, bias;
    size_t channels = (size_t)self->in[0].channels;
    if (!layer_setting_get_real(self, "eps", 1e-5, 1e-12, 1.0, &self->reals[NORM_EPS], err) ||
        !layer_setting_get_yes(self, "scale", true, &scale, err) ||
        !layer_setting_get_yes(self, "bias", true, &bias, err))
        return false;
    self->values[NORM_SCALE] = scale;
    self->values[NORM_BIAS] = bias;
    self->out = self->in[0];
    if (scale)
        layer_tensor_add(self, TENSOR_TRAINED, "weight", 1, &channels);
    if (bias)
        layer_tensor_add(self, TENSOR_TRAINED, "bias", 1, &channels);
    self->n_sums = 2 * channels;
    self->by_blocks = true;
    self->forgets_y = true; /* what a ReLU let through is seen by x */
    return true;
}

void norm_init(const layer *self, float *w, float *statistics, uint64_t seed, uint32_t first_stream)
{
    (void)statistics;
    (void)seed;
    (void)first_stream;
    size_t channels = (size_t)self->in[0].channels;
    for (size_t k = 0; k < self->n_trained; k++)
        w[k] = self->values[NORM_SCALE] && k < channels ? 1.0F : 0.0F;
}

bool norm_extend(layer *self, const layer *next)
{
    if (strcmp(next->kind->name, "relu") != 0 || self->values[NORM_RELU])
        return false;
    self->values[NORM_RELU] = 1;
    return true;
}

/* Where the biases begin. */
static size_t biases(const layer *self)
{
    return self->values[NORM_SCALE] ? (size_t)self->in[0].channels : 0;
}

float norm_scale(const layer *self, const layer_pass *pass, size_t c)
{
    return self->values[NORM_SCALE] ? pass->w[c] : 1.0F;
}

float norm_shift(const layer *self, const layer_pass *pass, size_t c)
{
    return self->values[NORM_BIAS] ? pass->w[biases(self) + c] : 0.0F;
}

size_t norm_plane(const layer *self)
{
    return (size_t)self->in[0].height * (size_t)self->in[0].width;
}

void norm_put(const layer *self, const layer_pass *pass, size_t c, norm_pair g)
{
    if (pass->g && self->values[NORM_SCALE])
        pass->g[c] = (float)g.second;
    if (pass->g && self->values[NORM_BIAS])
        pass->g[biases(self) + c] = (float)g.first;
}

void norm_collect(const layer *self, const layer_pass *pass, const team *us)
{
    size_t begin, end, channels = (size_t)self->in[0].channels;
    team_share(us, channels, &begin, &end);
    for (size_t c = begin; c < end; c++)
        norm_put(self, pass, c, norm_batch_sums(pass->sums, channels, c, pass->n_images));
}
