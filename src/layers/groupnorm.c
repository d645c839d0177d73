#include "base/memory.h"
#include "norm.h"

enum { GROUPS = NORM_VALUES };

static bool infer(layer *self, error *err)
{
    int channels = self->in[0].channels;
    long groups;
    if (!norm_infer(self, err) || !layer_setting_get(self, "groups", 0, 1, channels, &groups, err))
        return false;
    if (channels % groups != 0)
        return error_user(err, "groups = %ld: does not divide the %d channels", groups, channels);
    self->values[GROUPS] = groups;
    return true;
}

/* A group of channels of a block. */
typedef struct group {
    vec mean, inverse; /* 1 / sqrt(variance + eps) */
} group;

static bool workspace_bytes(const layer *self, const void *plan, size_t n_blocks, bool training,
                            size_t *bytes)
{
    (void)plan;
    *bytes = 0;
    return !training ||
           memory_multiply(n_blocks, (size_t)self->values[GROUPS] * sizeof(group), bytes);
}

/* Of the pass's blocks. */
static group *groups_of(const layer *self, const layer_pass *pass)
{
    return layer_kept(pass, (size_t)self->values[GROUPS] * sizeof(group));
}

static size_t width_of(const layer *self)
{
    return (size_t)self->in[0].channels / (size_t)self->values[GROUPS];
}

/* From x of its `width` channels. */
static group moments(const layer *self, const vec *x)
{
    size_t width = width_of(self), plane = norm_plane(self);
    vec sum = {0}, squares = {0}, first = {0}, mean, rest;
    for (size_t c = 0; c < width; c++) {
        norm_moments(x + c * plane, plane, &mean, &rest);
        first = c == 0 ? mean : first;
        vec apart = mean - first;
        sum += apart;
        squares += apart * apart * vec_set((float)plane) + rest;
    }
    vec apart = sum / vec_set((float)width), n = vec_set((float)(width * plane));
    vec variance = (squares - n * apart * apart) / n;
    variance = (vec)(~(variance < vec_set(0.0F)) & (ivec)variance);
    return (group){first + apart,
                   norm_inverse_root(variance + vec_set((float)self->reals[NORM_EPS]))};
}

static norm_channel normalise(const layer *self, const layer_pass *pass, group by, size_t c)
{
    return (norm_channel){.mean = by.mean,
                          .scale = by.inverse * vec_set(norm_scale(self, pass, c)),
                          .shift = vec_set(norm_shift(self, pass, c)),
                          .relu = self->values[NORM_RELU] != 0};
}

static void forward(const layer *self, const layer_pass *pass, const team *us)
{
    size_t begin, end, width = width_of(self), plane = norm_plane(self);
    size_t channels = (size_t)self->in[0].channels;
    layer_share(pass, us, (size_t)self->values[GROUPS], &begin, &end);
    for (size_t k = begin; k < end; k++) {
        group by = moments(self, pass->x[0] + k * width * plane);
        if (pass->training)
            groups_of(self, pass)[k] = by;
        for (size_t c = k * width; c < (k + 1) * width; c++) {
            norm_channel channel = normalise(self, pass, by, c % channels);
            norm_forward(&channel, pass->x[0] + c * plane, plane, pass->y + c * plane);
        }
    }
}

/* The gradients of shift and scale, of each image; returns their sums over the group, each times the weight. */
static norm_slope add_up(const layer *self, const layer_pass *pass, group by, size_t k)
{
    size_t width = width_of(self), plane = norm_plane(self);
    size_t channels = (size_t)self->in[0].channels;
    norm_slope sum = {.across = {0}, .along = {0}};
    for (size_t c = k * width; c < (k + 1) * width; c++) {
        vec *to = pass->sums + 2 * c, weight = vec_set(norm_scale(self, pass, c % channels));
        norm_channel channel = normalise(self, pass, by, c % channels);
        norm_sums(&channel, pass->x[0] + c * plane, pass->gy + c * plane, plane, &to[0], &to[1]);
        to[1] = vec_in_register(to[1] * by.inverse);
        sum.along += weight * to[0];
        sum.across += weight * to[1];
    }
    return sum;
}

static void backward_group(const layer *self, const layer_pass *pass, size_t k)
{
    size_t width = width_of(self), plane = norm_plane(self);
    size_t channels = (size_t)self->in[0].channels;
    group by = groups_of(self, pass)[k];
    norm_slope slope = add_up(self, pass, by, k);
    if (!pass->gx[0])
        return;
    vec share = by.inverse / vec_set(-(float)(width * plane));
    slope.along *= share;
    slope.across *= share * by.inverse;
    for (size_t c = k * width; c < (k + 1) * width; c++) {
        norm_channel channel = normalise(self, pass, by, c % channels);
        slope.by = channel.scale;
        norm_backward(&channel, &slope, pass->x[0] + c * plane, pass->gy + c * plane, plane,
                      pass->gx[0] + c * plane, pass->add[0]);
    }
}

static void backward(const layer *self, const layer_pass *pass, const team *us)
{
    size_t begin, end;
    layer_share(pass, us, (size_t)self->values[GROUPS], &begin, &end);
    for (size_t k = begin; k < end; k++)
        backward_group(self, pass, k);
    layer_collect(self, pass, us);
}

/* Group norm: the channels of an image in so many groups, each by its own mean and variance. */
const layer_kind layer_groupnorm = {
    .name = "groupnorm",
    .settings = {"groups", NORM_SETTINGS},
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .extend = norm_extend,
    .init = norm_init,
    .workspace_bytes = workspace_bytes,
    .forward = forward,
    .backward = backward,
    .collect = norm_collect,
};
