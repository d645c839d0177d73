#include "kernels/elementwise.h"
#include "layers/layer.h"

#include <math.h>

/* ---- a trained weight for each channel, or one number for all --------------------------------------- */

static channel_weights weights_of(const layer *self)
{
    const layer_shape *s = &self->in[0];
    return (channel_weights){.n_channels = (size_t)s->channels,
                             .plane = (size_t)s->height * (size_t)s->width,
                             .one = self->n_trained < (size_t)s->channels};
}

static void init(const layer *self, float *w, float value)
{
    for (size_t c = 0; c < self->n_trained; c++)
        w[c] = value;
}

static void collect(const layer *self, const layer_pass *pass, const team *us)
{
    channel_weights of = weights_of(self);
    size_t begin, end;
    team_share(us, self->n_trained, &begin, &end);
    channel_collect(&of, pass->sums, pass->n_images, pass->g, begin, end);
}

/* ---- prelu ------------------------------------------------------------------------------------------ */

static bool prelu_infer(layer *self, error *err)
{
    static const char *const slopes[] = {"one", "channels", NULL};
    size_t channels = (size_t)self->in[0].channels;
    int which;
    if (!layer_setting_get_word(self, "slopes", slopes, 0, &which, err))
        return false;
    layer_tensor_add(self, TENSOR_TRAINED, "weight", 1, which ? &channels : &(size_t){1});
    self->n_sums = channels;
    self->out = self->in[0];
    self->by_blocks = self->in_place = self->forgets_y = true;
    return true;
}

static void prelu_init(const layer *self, float *w, float *statistics, uint64_t seed,
                       uint32_t first_stream)
{
    (void)statistics;
    (void)seed;
    (void)first_stream;
    init(self, w, 0.25F);
}

static void prelu_forward(const layer *self, const layer_pass *pass, const team *us)
{
    channel_weights of = weights_of(self);
    size_t begin, end;
    layer_share(pass, us, of.n_channels, &begin, &end);
    channel_prelu(&of, pass->w, pass->x[0], pass->y, begin, end);
}

static void prelu_backward(const layer *self, const layer_pass *pass, const team *us)
{
    channel_weights of = weights_of(self);
    size_t begin, end;
    layer_share(pass, us, of.n_channels, &begin, &end);
    if (pass->g)
        channel_prelu_sums(&of, pass->x[0], pass->gy, pass->sums, begin, end);
    if (pass->gx[0]) /* behind the sums: it may take the place of gy */
        channel_prelu_backward(&of, pass->w, pass->x[0], pass->gy, pass->gx[0], pass->add[0], begin,
                               end);
    layer_collect(self, pass, us);
}

/* y = x > 0 ? x : w x, with one trained slope, or one of each channel. */
const layer_kind layer_prelu = {
    .name = "prelu",
    .settings = {"slopes"},
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = prelu_infer,
    .init = prelu_init,
    .forward = prelu_forward,
    .backward = prelu_backward,
    .collect = collect,
};

/* ---- scale ------------------------------------------------------------------------------------------ */

enum { FACTOR };
#define LARGEST 1e6

static bool scale_infer(layer *self, error *err)
{
    size_t channels = (size_t)self->in[0].channels;
    if (!layer_setting_get_real(self, "factor", INFINITY, -LARGEST, LARGEST, &self->reals[FACTOR],
                                err))
        return false;
    self->out = self->in[0];
    self->by_blocks = self->in_place = self->forgets_x = self->forgets_y = true;
    if (!isinf(self->reals[FACTOR])) /* given */
        return true;
    layer_tensor_add(self, TENSOR_TRAINED, "weight", 1, &channels);
    self->n_sums = channels;
    self->forgets_x = false;
    return true;
}

static void scale_init(const layer *self, float *w, float *statistics, uint64_t seed,
                       uint32_t first_stream)
{
    (void)statistics;
    (void)seed;
    (void)first_stream;
    init(self, w, 1.0F);
}

static void scale_forward(const layer *self, const layer_pass *pass, const team *us)
{
    channel_weights of = weights_of(self);
    float factor = (float)self->reals[FACTOR];
    size_t begin, end;
    layer_share(pass, us, of.n_channels, &begin, &end);
    channel_scale(&of, of.one ? &factor : pass->w, pass->x[0], pass->y, begin, end);
}

static void scale_backward(const layer *self, const layer_pass *pass, const team *us)
{
    channel_weights of = weights_of(self);
    float factor = (float)self->reals[FACTOR];
    size_t begin, end;
    layer_share(pass, us, of.n_channels, &begin, &end);
    if (pass->g) /* first: gx may take the place of gy */
        channel_scale_sums(&of, pass->x[0], pass->gy, pass->sums, begin, end);
    if (pass->gx[0])
        channel_scale_backward(&of, of.one ? &factor : pass->w, pass->gy, pass->gx[0], pass->add[0],
                               begin, end);
    layer_collect(self, pass, us);
}

/* y = w x, a trained w of each channel, 1 at first; or a fixed number. */
const layer_kind layer_scale = {
    .name = "scale",
    .settings = {"factor"},
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = scale_infer,
    .init = scale_init,
    .forward = scale_forward,
    .backward = scale_backward,
    .collect = collect,
};
