#include "norm.h"

#include <math.h>

/* What a channel is normalised by, and what backward_combine finds; in the workspace, one for each. */
typedef struct channel {
    float mean, inverse; /* 1 / sqrt(variance + eps) */
    norm_slope slope;
} channel;

static bool infer(layer *self, error *err)
{
    double momentum;
    size_t channels = (size_t)self->in[0].channels;
    if (!norm_infer(self, err) ||
        !layer_setting_get_real(self, "momentum", 0.1, 0.0, 1.0, &momentum, err))
        return false;
    layer_tensor_add(self, TENSOR_STATISTIC, "running_mean", 1, &channels);
    layer_tensor_add(self, TENSOR_STATISTIC, "running_var", 1, &channels);
    self->statistic_rate = (float)momentum;
    self->min_images = norm_plane(self) > 1 ? 0 : 2; /* a single value has no variance */
    return true;
}

static void init(const layer *self, float *w, float *statistics, uint64_t seed,
                 uint32_t first_stream)
{
    norm_init(self, w, statistics, seed, first_stream);
    for (size_t k = 0; k < self->n_statistics; k++)
        statistics[k] = k < self->n_statistics / 2 ? 0.0F : 1.0F;
}

/*
 * Means of the mean and of E[x^2] = variance + mean^2 are those of all images together.  A double holds the square, and
 * so ranks with and without fused multiply-adds agree.
 */
static void to_moments(const layer *self, const float *statistics, float *moments)
{
    size_t n = self->n_statistics / 2;
    for (size_t c = 0; c < n; c++) {
        double mean = (double)statistics[c];
        moments[n + c] = (float)((double)statistics[n + c] + mean * mean);
        moments[c] = statistics[c];
    }
}

static void from_moments(const layer *self, const float *moments, float *statistics)
{
    size_t n = self->n_statistics / 2;
    for (size_t c = 0; c < n; c++) {
        double mean = (double)moments[c], rest = (double)moments[n + c] - mean * mean;
        statistics[n + c] = rest < 0.0 ? 0.0F : (float)rest; /* by rounding; NaN stays */
        statistics[c] = moments[c];
    }
}

static bool workspace_bytes(const layer *self, const void *plan, size_t n_blocks, bool training,
                            size_t *bytes)
{
    (void)plan;
    (void)n_blocks;
    (void)training;
    *bytes = (size_t)self->in[0].channels * sizeof(channel);
    return true;
}

static channel *channels_of(const layer_pass *pass)
{
    return pass->workspace;
}

/* Of a file's making a variance may be below 0. */
static float inverse_of(const layer *self, double variance)
{
    return (float)(1.0 / sqrt((variance < 0.0 ? 0.0 : variance) + self->reals[NORM_EPS]));
}

/* By the statistics, unless a batch's own numbers take their place. */
static void prepare(const layer *self, const layer_pass *pass, const team *us)
{
    size_t begin, end, channels = (size_t)self->in[0].channels;
    team_share(us, channels, &begin, &end);
    for (size_t c = begin; c < end; c++) {
        channel *to = channels_of(pass) + c;
        to->mean = pass->statistics[c];
        to->inverse = inverse_of(self, (double)pass->statistics[channels + c]);
    }
}

static void forward_sums(const layer *self, const layer_pass *pass, const team *us)
{
    size_t begin, end, plane = norm_plane(self);
    layer_share(pass, us, (size_t)self->in[0].channels, &begin, &end);
    for (size_t k = begin; k < end; k++)
        norm_moments(pass->x[0] + k * plane, plane, &pass->sums[2 * k], &pass->sums[2 * k + 1]);
}

static void forward_combine(const layer *self, const layer_pass *pass, const team *us)
{
    size_t begin, end, channels = (size_t)self->in[0].channels, plane = norm_plane(self);
    double n = (double)(pass->n_images * plane);
    team_share(us, channels, &begin, &end);
    for (size_t c = begin; c < end; c++) {
        channel *to = channels_of(pass) + c;
        norm_pair all = norm_batch_moments(pass->sums, channels, c, pass->n_images, plane);
        to->mean = pass->measured[c] = (float)all.first;
        to->inverse = inverse_of(self, all.second / n);
        /* a single value says nothing of how values vary */
        pass->measured[channels + c] =
            n > 1.0 ? (float)(all.second / (n - 1.0)) : pass->statistics[channels + c];
    }
}

static norm_channel normalise(const layer *self, const layer_pass *pass, size_t c)
{
    const channel *by = channels_of(pass) + c;
    return (norm_channel){.mean = vec_set(by->mean),
                          .scale = vec_set(norm_scale(self, pass, c) * by->inverse),
                          .shift = vec_set(norm_shift(self, pass, c)),
                          .relu = self->values[NORM_RELU] != 0};
}

static void forward(const layer *self, const layer_pass *pass, const team *us)
{
    size_t begin, end, channels = (size_t)self->in[0].channels, plane = norm_plane(self);
    layer_share(pass, us, channels, &begin, &end);
    for (size_t k = begin; k < end; k++) {
        norm_channel by = normalise(self, pass, k % channels);
        norm_forward(&by, pass->x[0] + k * plane, plane, pass->y + k * plane);
    }
}

static void backward_sums(const layer *self, const layer_pass *pass, const team *us)
{
    size_t begin, end, channels = (size_t)self->in[0].channels, plane = norm_plane(self);
    layer_share(pass, us, channels, &begin, &end);
    for (size_t k = begin; k < end; k++) {
        norm_channel by = normalise(self, pass, k % channels);
        norm_sums(&by, pass->x[0] + k * plane, pass->gy + k * plane, plane, &pass->sums[2 * k],
                  &pass->sums[2 * k + 1]);
    }
}

static void backward_combine(const layer *self, const layer_pass *pass, const team *us)
{
    size_t begin, end, channels = (size_t)self->in[0].channels;
    double n = (double)(pass->n_images * norm_plane(self));
    team_share(us, channels, &begin, &end);
    for (size_t c = begin; c < end; c++) {
        channel *to = channels_of(pass) + c;
        norm_pair g = norm_batch_sums(pass->sums, channels, c, pass->n_images);
        double inverse = (double)to->inverse;
        double by = (double)norm_scale(self, pass, c) * inverse;
        g.second *= inverse;
        norm_put(self, pass, c, g);
        to->slope = (norm_slope){.by = vec_set((float)by),
                                 .across = vec_set((float)(-by * inverse * g.second / n)),
                                 .along = vec_set((float)(-by * g.first / n))};
    }
}

static void backward(const layer *self, const layer_pass *pass, const team *us)
{
    size_t begin, end, channels = (size_t)self->in[0].channels, plane = norm_plane(self);
    if (!pass->gx[0])
        return;
    layer_share(pass, us, channels, &begin, &end);
    for (size_t k = begin; k < end; k++) {
        norm_channel by = normalise(self, pass, k % channels);
        norm_backward(&by, &channels_of(pass)[k % channels].slope, pass->x[0] + k * plane,
                      pass->gy + k * plane, plane, pass->gx[0] + k * plane, pass->add[0]);
    }
}

/*
 * Batch norm: each channel by the mean and variance of the batch, and, when no backward pass follows, by the running
 * ones, which come nearer to the batch's by `momentum` with every step, the variance then being the unbiased one.
 */
const layer_kind layer_batchnorm = {
    .name = "batchnorm",
    .settings = {NORM_SETTINGS, "momentum"},
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .extend = norm_extend,
    .init = init,
    .to_moments = to_moments,
    .from_moments = from_moments,
    .workspace_bytes = workspace_bytes,
    .prepare = prepare,
    .forward = forward,
    .backward = backward,
    .forward_sums = forward_sums,
    .forward_combine = forward_combine,
    .backward_sums = backward_sums,
    .backward_combine = backward_combine,
};
