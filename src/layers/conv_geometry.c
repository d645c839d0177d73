#include "conv.h"

#include "layers/whitening.h"

enum { MAX_DILATION = 8 }; /* what is padded for it grows with the square */

/* An edge with the next, along which the kernel moves. */
typedef struct side {
    int in, before, after, out;
} side;

/* Both edges get `padding`; -1: as many as make ceil(in / stride) outputs, the odd one behind. */
static bool side_make(side *self, int in, long padding, const long *values, error *err)
{
    int stride = (int)values[CONV_STRIDE];
    int reach = (int)((values[CONV_KERNEL] - 1) * values[CONV_DILATION]) + 1;
    int wanted = (in + stride - 1) / stride, missing = (wanted - 1) * stride + reach - in;
    *self = (side){.in = in, .before = (int)padding, .after = (int)padding};
    if (padding < 0) {
        missing = missing > 0 ? missing : 0;
        self->before = missing / 2;
        self->after = missing - missing / 2;
    }
    int whole = in + self->before + self->after;
    if (whole < reach)
        return error_user(err, "kernel = %ld: larger than its input, %d against %d with padding",
                          values[CONV_KERNEL], reach, whole);
    self->out = (whole - reach) / stride + 1;
    return true;
}

static bool read_settings(layer *self, long *filters, long *padding, bool *bias, error *err)
{
    long *v = self->values;
    layer_number pad = {.name = "padding", .word = "same", .fallback = 0, .low = 0};
    if (!layer_setting_get(self, "filters", 0, 1, LAYER_MAX_CHANNELS, filters, err) ||
        !layer_setting_get(self, "kernel", 0, 1, CONV_MAX_KERNEL, &v[CONV_KERNEL], err) ||
        !layer_setting_get(self, "stride", 1, 1, LAYER_MAX_SIDE, &v[CONV_STRIDE], err) ||
        !layer_setting_get(self, "dilation", 1, 1, MAX_DILATION, &v[CONV_DILATION], err) ||
        !layer_setting_get(self, "groups", 1, 1, LAYER_MAX_CHANNELS, &v[CONV_GROUPS], err) ||
        !layer_setting_get_yes(self, "bias", true, bias, err))
        return false;
    pad.high = (v[CONV_KERNEL] - 1) * v[CONV_DILATION];
    if (!layer_setting_get_or(self, &pad, padding, err))
        return false;
    if (*filters % v[CONV_GROUPS] != 0 || self->in[0].channels % v[CONV_GROUPS] != 0)
        return error_user(
            err, "groups = %ld: expected a divisor of filters = %ld and of the %d channels",
            v[CONV_GROUPS], *filters, self->in[0].channels);
    return true;
}

/* Filters made of images see these themselves, and stay what they are. */
static bool read_init(layer *self, error *err)
{
    const tensor *t = &self->tensors[0];
    size_t n_values = t->count / t->dims[0];
    if (!layer_init_read(self, true, err))
        return false;
    if (self->init != LAYER_INIT_WHITENING)
        return true;
    self->tensors[0].training.epochs = 0;
    if (self->inputs[0] != LAYER_IMAGES || self->values[CONV_GROUPS] > 1 ||
        self->values[CONV_DILATION] > 1)
        return error_user(
            err, "init = whitening: for a convolution of the images, without groups and dilation");
    if (t->dims[0] % 2 != 0 || t->dims[0] > 2 * n_values || n_values > WHITENING_MAX_VALUES ||
        t->dims[2] > (size_t)self->in[0].height || t->dims[2] > (size_t)self->in[0].width)
        return error_user(
            err,
            "init = whitening: expected an even number of filters, at most twice the %zu values of "
            "a patch, which has at most %d",
            n_values, WHITENING_MAX_VALUES);
    return true;
}

bool conv_geometry(layer *self, error *err)
{
    long filters, padding, *v = self->values;
    bool bias;
    side y, x;
    if (!read_settings(self, &filters, &padding, &bias, err) ||
        !side_make(&y, self->in[0].height, padding, v, err) ||
        !side_make(&x, self->in[0].width, padding, v, err))
        return false;
    v[CONV_TOP] = y.before;
    v[CONV_BOTTOM] = y.after;
    v[CONV_LEFT] = x.before;
    v[CONV_RIGHT] = x.after;
    self->out = (layer_shape){(int)filters, y.out, x.out};
    size_t in = (size_t)(self->in[0].channels / v[CONV_GROUPS]), k = (size_t)v[CONV_KERNEL];
    layer_tensor_add(self, TENSOR_TRAINED, "weight", 4,
                     (const size_t[]){(size_t)filters, in, k, k});
    if (bias)
        layer_tensor_add(self, TENSOR_TRAINED, "bias", 1, (const size_t[]){(size_t)filters});
    self->flops_forward = 2.0 * (double)self->tensors[0].count * self->out.height * self->out.width;
    self->flops_weights = self->flops_forward;
    self->flops_backward = 2.0 * self->flops_forward;
    self->forgets_y = true;
    return read_init(self, err);
}

bool conv_is_padded(const layer *self)
{
    const long *v = self->values;
    return v[CONV_TOP] + v[CONV_BOTTOM] + v[CONV_LEFT] + v[CONV_RIGHT] > 0;
}

conv_embedding conv_padding(const layer *self)
{
    const long *v = self->values;
    int height = self->in[0].height, width = self->in[0].width;
    return (conv_embedding){.height = height,
                            .width = width,
                            .to_height = height + (int)(v[CONV_TOP] + v[CONV_BOTTOM]),
                            .to_width = width + (int)(v[CONV_LEFT] + v[CONV_RIGHT]),
                            .top = (int)v[CONV_TOP],
                            .left = (int)v[CONV_LEFT],
                            .stride = 1};
}

conv_embedding conv_spreading(const layer *self)
{
    const long *v = self->values;
    int reach = (int)((v[CONV_KERNEL] - 1) * v[CONV_DILATION]);
    return (conv_embedding){.height = self->out.height,
                            .width = self->out.width,
                            .to_height = self->in[0].height + reach,
                            .to_width = self->in[0].width + reach,
                            .top = reach - (int)v[CONV_TOP],
                            .left = reach - (int)v[CONV_LEFT],
                            .stride = (int)v[CONV_STRIDE]};
}

void conv_init(const layer *self, float *w, float *statistics, uint64_t seed, uint32_t first_stream)
{
    (void)statistics;
    size_t fan_in = self->tensors[0].count / self->tensors[0].dims[0];
    layer_init_weights(self, w, fan_in, seed, first_stream);
}
