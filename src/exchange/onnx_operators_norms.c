/* Norms, and what else has weights for each channel. */
#include "onnx_attribute.h"
#include "onnx_function.h"
#include "onnx_layer.h"
#include "onnx_operators.h"

#include <stdio.h>
#include <stdlib.h>

#define FROM(...)                                                                                  \
    (onnx_value *[])                                                                               \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

static void set_eps(onnx_translation *self, int node, onnx_layer *l)
{
    float eps = (float)onnx_real(onnx_node_of(self, node), "epsilon", 1e-5);
    char text[32];
    for (int digits = 1; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)eps);
        if (strtof(text, NULL) == eps)
            break;
    }
    onnx_layer_set(l, "eps = %s", text);
}

/* Scale or bias, input i; what a Constant node gives to no effect is none. */
static bool norm_weight(onnx_translation *self, int node, int i, onnx_layer *l, bool scale)
{
    size_t n = (size_t)l->out.channels;
    onnx_value *from = onnx_given(self, node, i) ? onnx_constant(self, node, i) : NULL;
    if (!from && onnx_given(self, node, i))
        return false;
    if (!from || (!from->is_weight && onnx_is_equal(from, scale ? 1.0F : 0.0F))) {
        *(scale ? &l->no_scale : &l->no_bias) = true;
        return true;
    }
    return onnx_layer_weight(self, node, l, scale ? "weight" : "bias", from, 1, &n);
}

/* A norm of x by the weights of inputs 1 and 2. */
static onnx_layer *norm(onnx_translation *self, int node, onnx_value *x, const char *kind)
{
    onnx_value *scale = onnx_given(self, node, 1) ? onnx_constant(self, node, 1) : NULL;
    onnx_layer *l =
        onnx_layer_new(self, node, kind, scale && scale->is_weight ? scale : NULL, FROM(x), 1);
    if (!l)
        return NULL;
    set_eps(self, node, l);
    return norm_weight(self, node, 1, l, true) && norm_weight(self, node, 2, l, false) ? l : NULL;
}

/* [N, channels, height, width], or as many features as channels. */
static bool has_channels(onnx_translation *self, int node, const onnx_value *x)
{
    return x->axes == ONNX_IMAGE ||
           (x->axes == ONNX_FLAT && onnx_features(x) == x->shape.channels) ||
           onnx_refuse(self, node, "of other than [N, channels, height, width]");
}

bool onnx_op_batchnorm(onnx_translation *self, int node)
{
    const onnx_node *of = onnx_node_of(self, node);
    onnx_value *x = onnx_data(self, node, 0), *mean = x ? onnx_constant(self, node, 3) : NULL;
    onnx_value *variance = mean ? onnx_constant(self, node, 4) : NULL;
    if (!variance || !has_channels(self, node, x))
        return false;
    if (onnx_whole(of, "training_mode", 0) != 0 || onnx_whole(of, "spatial", 1) != 1)
        return onnx_refuse(self, node, "as it is in training, or by each pixel");
    enum onnx_axes axes = x->axes;
    size_t n = (size_t)x->shape.channels;
    onnx_layer *l = norm(self, node, x, "batchnorm");
    if (!l)
        return false;
    double momentum = 1.0 - onnx_real(of, "momentum", 0.9);
    onnx_layer_set(l, "momentum = %.6g", momentum);
    return onnx_layer_weight(self, node, l, "running_mean", mean, 1, &n) &&
           onnx_layer_weight(self, node, l, "running_var", variance, 1, &n) &&
           onnx_give(self, onnx_output(self, node), axes);
}

bool onnx_op_layernorm(onnx_translation *self, int node)
{
    int64_t axis = onnx_whole(onnx_node_of(self, node), "axis", -1);
    onnx_value *x = onnx_data(self, node, 0);
    if (!x)
        return false;
    bool flat = x->axes == ONNX_FLAT && onnx_features(x) == x->shape.channels;
    if ((x->axes != ONNX_LAST && !flat) || (axis != -1 && axis != (flat ? 1 : 3)))
        return onnx_refuse(self, node, "over other than the channels, as the last axis");
    enum onnx_axes axes = x->axes;
    return norm(self, node, x, "layernorm") && onnx_give(self, onnx_output(self, node), axes);
}

bool onnx_op_instancenorm(onnx_translation *self, int node)
{
    onnx_value *x = onnx_data(self, node, 0), *scale = x ? onnx_constant(self, node, 1) : NULL;
    onnx_value *bias = scale ? onnx_constant(self, node, 2) : NULL;
    if (!bias)
        return false;
    onnx_layer *l;
    enum onnx_axes axes = x->axes;
    int groups = x->groups;
    if (axes == ONNX_IMAGE) {
        if (!(l = norm(self, node, x, "groupnorm")))
            return false;
        onnx_layer_set(l, "groups = %d", l->out.channels);
        return onnx_give(self, onnx_output(self, node), axes);
    }
    if (axes != ONNX_GROUPS || !onnx_is_equal(scale, 1.0F) || !onnx_is_equal(bias, 0.0F))
        return onnx_refuse(self, node,
                           "of other than [N, channels, height, width], or groups of "
                           "channels without scale and bias");
    if (!(l = onnx_layer_new(self, node, "groupnorm", NULL, FROM(x), 1)))
        return false;
    set_eps(self, node, l);
    onnx_layer_set(l, "groups = %d", groups);
    l->no_scale = l->no_bias = true;
    onnx_value *to = onnx_output(self, node);
    if (!onnx_give(self, to, axes))
        return false;
    to->groups = groups;
    return true;
}

bool onnx_op_groupnorm(onnx_translation *self, int node)
{
    int64_t groups = onnx_whole(onnx_node_of(self, node), "num_groups", 0);
    onnx_value *x = onnx_image(self, node, 0);
    if (!x)
        return false;
    if (groups < 1 || groups > x->shape.channels || x->shape.channels % groups != 0)
        return onnx_refuse(self, node, "num_groups = %lld", (long long)groups);
    onnx_layer *l = norm(self, node, x, "groupnorm");
    if (!l)
        return false;
    onnx_layer_set(l, "groups = %lld", (long long)groups);
    return onnx_give(self, onnx_output(self, node), ONNX_IMAGE);
}

bool onnx_op_prelu(onnx_translation *self, int node)
{
    onnx_value *x = onnx_data(self, node, 0), *given = x ? onnx_constant(self, node, 1) : NULL;
    if (!given)
        return false;
    onnx_value slope = *given;
    size_t n = slope.array.count;
    enum onnx_axes axes = x->axes;
    /* before opset 7 a row was one of channels */
    if (self->file->opset < 7 && slope.array.n_dims == 1 && n > 1 && axes == ONNX_IMAGE) {
        slope.array.dims[1] = slope.array.dims[2] = 1;
        slope.array.n_dims = 3;
    }
    bool channels = onnx_by_channel(&slope, x);
    if (n != 1 && !channels)
        return onnx_refuse(self, node, "with slopes that are neither one nor one for each channel");
    onnx_layer *l = onnx_layer_new(self, node, "prelu", given, FROM(x), 1);
    if (!l)
        return false;
    if (n > 1)
        onnx_layer_set(l, "slopes = channels");
    return onnx_layer_weight(self, node, l, "weight", &slope, 1, &n) &&
           onnx_give(self, onnx_output(self, node), axes);
}

/* Where it is left in a graph for training. */
bool onnx_op_dropout(onnx_translation *self, int node)
{
    double p = onnx_real(onnx_node_of(self, node), "ratio", 0.5);
    onnx_value *x = onnx_data(self, node, 0);
    if (!x)
        return false;
    if (onnx_given(self, node, 1)) {
        onnx_value *ratio = onnx_constant(self, node, 1);
        if (!ratio || !onnx_number_of(ratio, &p))
            return ratio && onnx_refuse(self, node, "by no number");
    }
    if (!(p >= 0.0 && p < 1.0))
        return onnx_refuse(self, node, "ratio = %g", p);
    enum onnx_axes axes = x->axes;
    onnx_layer *l = onnx_layer_new(self, node, "dropout", NULL, FROM(x), 1);
    if (!l)
        return false;
    onnx_layer_set(l, "p = %.6g", p);
    return onnx_give(self, onnx_output(self, node), axes);
}
