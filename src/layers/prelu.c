#include "kernels/elementwise.h"
#include "layers/layer.h"

static channel_weights weights_of(const layer *self)
{
    const layer_shape *s = &self->in[0];
    return (channel_weights){.n_channels = (size_t)s->channels,
                             .plane = (size_t)s->height * (size_t)s->width,
                             .one = self->n_trained == 1};
}

static bool infer(layer *self, error *err)
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

static void init(const layer *self, float *w, float *statistics, uint64_t seed,
                 uint32_t first_stream)
{
    (void)statistics;
    (void)seed;
    (void)first_stream;
    for (size_t c = 0; c < self->n_trained; c++)
        w[c] = 0.25F;
}

static void forward(const layer *self, const layer_pass *pass, const team *us)
{
    channel_weights of = weights_of(self);
    size_t begin, end;
    layer_share(pass, us, of.n_channels, &begin, &end);
    channel_prelu(&of, pass->w, pass->x[0], pass->y, begin, end);
}

static void collect(const layer *self, const layer_pass *pass, const team *us)
{
    channel_weights of = weights_of(self);
    size_t begin, end;
    team_share(us, self->n_trained, &begin, &end);
    channel_collect(&of, pass->sums, pass->n_images, pass->g, begin, end);
}

static void backward(const layer *self, const layer_pass *pass, const team *us)
{
    channel_weights of = weights_of(self);
    size_t begin, end;
    layer_share(pass, us, of.n_channels, &begin, &end);
    if (pass->g)
        channel_prelu_sums(&of, pass->x[0], pass->gy, pass->sums, begin, end);
    if (pass->gx[0]) /* behind the sums: it may take the place of gy */
        channel_prelu_backward(&of, pass->w, pass->x[0], pass->gy, pass->gx[0], pass->add[0], begin,
                               end);
    if (pass->g && !pass->by_blocks) {
        team_barrier(us);
        collect(self, pass, us);
    }
}

/* y = x > 0 ? x : w x, with one trained slope, or one of each channel. */
const layer_kind layer_prelu = {
    .name = "prelu",
    .settings = {"slopes"},
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .init = init,
    .forward = forward,
    .backward = backward,
    .collect = collect,
};
