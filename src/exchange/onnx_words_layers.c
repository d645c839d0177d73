/* Convolutions, dense layers, poolings, norms. */
#include "onnx_words.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>

/* ---- convolution, dense, pooling -------------------------------------------------------------- */

/* Of an edge: what a convolution with padding = same gets before and behind. */
static void same(int in, int out, int64_t stride, int64_t reach, int64_t *before, int64_t *after)
{
    int64_t missing = (out - 1) * stride + reach - in;
    missing = missing > 0 ? missing : 0;
    *before = missing / 2;
    *after = missing - *before;
}

void onnx_words_conv(onnx_words *w)
{
    const layer *l = w->l;
    const tensor *t = &l->tensors[0];
    int64_t kernel = (int64_t)t->dims[2], stride = onnx_setting_whole(l, "stride", 1);
    int64_t dilation = onnx_setting_whole(l, "dilation", 1),
            p = onnx_setting_whole(l, "padding", 0);
    int64_t pads[] = {p, p, p, p}, reach = (kernel - 1) * dilation + 1;
    if (strcmp(onnx_setting(l, "padding", "0"), "same") == 0) {
        same(l->in[0].height, l->out.height, stride, reach, &pads[0], &pads[2]);
        same(l->in[0].width, l->out.width, stride, reach, &pads[1], &pads[3]);
    }
    size_t node = onnx_put_node(w->to, "Conv", w->name,
                                INPUTS(onnx_image_of(w, 0), t->name, onnx_weight(w, "bias")));
    onnx_put_attribute_wholes(w->to, "kernel_shape", (const int64_t[]){kernel, kernel}, 2);
    onnx_put_attribute_wholes(w->to, "strides", (const int64_t[]){stride, stride}, 2);
    onnx_put_attribute_wholes(w->to, "pads", pads, 4);
    onnx_put_attribute_wholes(w->to, "dilations", (const int64_t[]){dilation, dilation}, 2);
    onnx_put_attribute_whole(w->to, "group", l->in[0].channels / (int64_t)t->dims[1]);
    onnx_put_end(w->to, node);
}

void onnx_words_dense(onnx_words *w)
{
    size_t node =
        onnx_put_node(w->to, "Gemm", w->name,
                      INPUTS(onnx_flat_of(w), onnx_weight(w, "weight"), onnx_weight(w, "bias")));
    onnx_put_attribute_whole(w->to, "transB", 1);
    onnx_put_end(w->to, node);
    w->made->flat = true;
}

static void write_window(onnx_words *w, const char *op, bool average)
{
    int64_t window = onnx_setting_whole(w->l, "window", 1),
            stride = onnx_setting_whole(w->l, "stride", window);
    int64_t p = onnx_setting_whole(w->l, "padding", 0);
    size_t node = onnx_put_node(w->to, op, w->name, INPUTS(onnx_image_of(w, 0)));
    onnx_put_attribute_wholes(w->to, "kernel_shape", (const int64_t[]){window, window}, 2);
    onnx_put_attribute_wholes(w->to, "strides", (const int64_t[]){stride, stride}, 2);
    onnx_put_attribute_wholes(w->to, "pads", (const int64_t[]){p, p, p, p}, 4);
    if (average)
        onnx_put_attribute_whole(w->to, "count_include_pad", 1);
    onnx_put_end(w->to, node);
}

void onnx_words_maxpool(onnx_words *w)
{
    write_window(w, "MaxPool", false);
}

void onnx_words_avgpool(onnx_words *w)
{
    write_window(w, "AveragePool", true);
}

void onnx_words_globalpool(onnx_words *w)
{
    onnx_put_plain(w->to, "GlobalAveragePool", w->name, INPUTS(onnx_image_of(w, 0)));
}

/* ---- normalisation ---------------------------------------------------------------------------- */

/* A Constant of n equal numbers, where a norm has no weights of its own; false: memory. */
static bool put_equal(onnx_words *w, const char *word, float number, size_t n)
{
    onnx_name name;
    float *numbers = memory_new(n, sizeof *numbers, NULL);
    for (size_t k = 0; numbers && k < n; k++)
        numbers[k] = number;
    if (numbers)
        onnx_put_floats(w->to, onnx_part(w, word, name), numbers, 1, (const int64_t[]){(int64_t)n});
    w->to->nodes.failed = w->to->nodes.failed || !numbers;
    memory_free(numbers);
    return numbers != NULL;
}

/* Scale and bias of a norm of n numbers: its weights, or what leaves all as it is. */
typedef struct norm_weights {
    const char *scale, *bias;
    onnx_name one, zero;
} norm_weights;

static void put_norm_weights(onnx_words *w, size_t n, bool own, norm_weights *to)
{
    to->scale = own ? onnx_weight(w, "weight") : NULL;
    to->bias = own ? onnx_weight(w, "bias") : NULL;
    if (!to->scale && put_equal(w, "ones", 1.0F, n))
        to->scale = onnx_value_of(w, "ones", to->one);
    if (!to->bias && put_equal(w, "zeros", 0.0F, n))
        to->bias = onnx_value_of(w, "zeros", to->zero);
}

static double eps_of(const layer *l)
{
    return onnx_setting_real(l, "eps", 1e-5);
}

void onnx_words_batchnorm(onnx_words *w)
{
    norm_weights by;
    put_norm_weights(w, (size_t)w->l->in[0].channels, true, &by);
    size_t node =
        onnx_put_node(w->to, "BatchNormalization", w->name,
                      INPUTS(w->in[0].value, by.scale, by.bias, onnx_weight(w, "running_mean"),
                             onnx_weight(w, "running_var")));
    onnx_put_attribute_float(w->to, "epsilon", eps_of(w->l));
    onnx_put_attribute_float(w->to, "momentum", 1.0 - onnx_setting_real(w->l, "momentum", 0.1));
    onnx_put_end(w->to, node);
    w->made->flat = w->in[0].flat;
}

static void put_transpose(onnx_words *w, const char *name, const char *from, const int64_t order[4])
{
    size_t node = onnx_put_node(w->to, "Transpose", name, INPUTS(from));
    onnx_put_attribute_wholes(w->to, "perm", order, 4);
    onnx_put_end(w->to, node);
}

/* ONNX normalises over the last axes. */
void onnx_words_layernorm(onnx_words *w)
{
    norm_weights by;
    onnx_name name, from, made;
    bool is_flat = w->in[0].flat;
    put_norm_weights(w, (size_t)w->l->in[0].channels, true, &by);
    snprintf(from, sizeof from, "%s", w->in[0].value);
    if (!is_flat) {
        put_transpose(w, onnx_part(w, "last", name), from, (const int64_t[]){0, 2, 3, 1});
        onnx_value_of(w, "last", from);
    }
    size_t node =
        onnx_put_node(w->to, "LayerNormalization", is_flat ? w->name : onnx_part(w, "norm", name),
                      INPUTS(from, by.scale, by.bias));
    onnx_put_attribute_whole(w->to, "axis", -1);
    onnx_put_attribute_float(w->to, "epsilon", eps_of(w->l));
    onnx_put_end(w->to, node);
    if (!is_flat)
        put_transpose(w, w->name, onnx_value_of(w, "norm", made), (const int64_t[]){0, 3, 1, 2});
    w->made->flat = is_flat;
}

/* An operation of what there is and a weight of each channel, if the layer has it. */
static void put_by_channel(onnx_words *w, const char *op, const char *word, const char *suffix,
                           onnx_name from, bool last)
{
    onnx_name name;
    if (!onnx_weight(w, suffix))
        return;
    onnx_put_plain(w->to, op, last ? w->name : onnx_part(w, word, name),
                   INPUTS(from, onnx_weight(w, suffix)));
    onnx_value_of(w, word, from);
}

/* By instance norm over each group's channels as if these were a row, as PyTorch's exporters do. */
void onnx_words_groupnorm(onnx_words *w)
{
    layer_shape s = w->l->in[0];
    onnx_name name, shape, from, made;
    norm_weights by;
    int64_t groups = onnx_setting_whole(w->l, "groups", 1);
    bool scale = onnx_weight(w, "weight"), bias = onnx_weight(w, "bias");
    put_norm_weights(w, (size_t)groups, false, &by);
    onnx_put_wholes(w->to, onnx_part(w, "grouped", name), (const int64_t[]){0, groups, -1}, 3);
    onnx_put_plain(w->to, "Reshape", onnx_part(w, "groups", name),
                   INPUTS(onnx_image_of(w, 0), onnx_value_of(w, "grouped", shape)));
    size_t node = onnx_put_node(w->to, "InstanceNormalization", onnx_part(w, "norm", name),
                                INPUTS(onnx_value_of(w, "groups", from), by.scale, by.bias));
    onnx_put_attribute_float(w->to, "epsilon", eps_of(w->l));
    onnx_put_end(w->to, node);
    onnx_put_wholes(w->to, onnx_part(w, "channels", name),
                    (const int64_t[]){0, s.channels, s.height, s.width}, 4);
    onnx_put_plain(w->to, "Reshape", scale || bias ? onnx_part(w, "normed", name) : w->name,
                   INPUTS(onnx_value_of(w, "norm", made), onnx_value_of(w, "channels", shape)));
    onnx_value_of(w, "normed", from);
    put_by_channel(w, "Mul", "scaled", "weight", from, !bias);
    put_by_channel(w, "Add", "shifted", "bias", from, true);
    w->to->spread[w->l->number] = true;
}
