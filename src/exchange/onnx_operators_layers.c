/* Convolutions, dense layers, poolings. */
#include "onnx_attribute.h"
#include "onnx_function.h"
#include "onnx_layer.h"
#include "onnx_operators.h"

#include <string.h>

#define FROM(...)                                                                                  \
    (onnx_value *[])                                                                               \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

/* ---- windows ---------------------------------------------------------------------------------- */

/* Of a convolution or a pooling; pads as in ONNX: top, left, bottom, right. */
typedef struct window {
    int64_t kernel, stride, dilation, pads[4], same[4];
    int64_t height, width; /* of the output */
} window;

/* Two equal numbers. */
static bool square(onnx_translation *self, int node, const char *name, int64_t fallback,
                   int64_t *to)
{
    int64_t sides[2] = {0, 0};
    int n = onnx_wholes_of(onnx_node_of(self, node), name, sides, 2);
    *to = n < 0 ? fallback : sides[0];
    if (n >= 0 && n != 2)
        return onnx_refuse(self, node, "of %d dimension%s: expected 2", n, n == 1 ? "" : "s");
    if (n == 2 && sides[0] != sides[1])
        return onnx_refuse(self, node, "%s = %lld, %lld: expected the same twice", name,
                           (long long)sides[0], (long long)sides[1]);
    return (*to >= 1 && *to <= LAYER_MAX_SIDE) ||
           onnx_refuse(self, node, "%s = %lld", name, (long long)*to);
}

static int64_t missing(int64_t in, int64_t stride, int64_t reach)
{
    int64_t wanted = (in + stride - 1) / stride, n = (wanted - 1) * stride + reach - in;
    return n > 0 ? n : 0;
}

static bool read_pads(onnx_translation *self, int node, window *w, const onnx_value *x)
{
    const layer_shape in = x->shape;
    const onnx_node *of = onnx_node_of(self, node);
    proto_span how = onnx_string(of, "auto_pad");
    int64_t reach = (w->kernel - 1) * w->dilation + 1;
    int64_t down = missing(in.height, w->stride, reach),
            right = missing(in.width, w->stride, reach);
    const int64_t upper[] = {down / 2, right / 2, down - down / 2, right - right / 2};
    const int64_t lower[] = {upper[2], upper[3], upper[0], upper[1]};
    memcpy(w->same, upper, sizeof upper);
    if (proto_equal(how, "SAME_UPPER") || proto_equal(how, "SAME_LOWER")) {
        memcpy(w->pads, proto_equal(how, "SAME_UPPER") ? upper : lower, sizeof upper);
        return !x->is_padded || onnx_refuse(self, node, "that pads what is padded");
    }
    int n = onnx_wholes_of(of, "pads", w->pads, 4);
    if (n < 0 || proto_equal(how, "VALID"))
        memset(w->pads, 0, sizeof w->pads);
    else if (n != 4)
        return onnx_refuse(self, node, "with %d pads: expected 4", n);
    for (int i = 0; i < 4; i++)
        if (w->pads[i] < 0 || w->pads[i] > LAYER_MAX_SIDE)
            return onnx_refuse(self, node, "pads of %lld", (long long)w->pads[i]);
    for (int i = 0; i < 4 && x->is_padded; i++)
        w->pads[i] += x->pads[i];
    return true;
}

static bool read_window(onnx_translation *self, int node, const onnx_value *x, int64_t kernel,
                        window *w)
{
    const layer_shape in = x->shape;
    if (!square(self, node, "kernel_shape", kernel, &w->kernel) ||
        !square(self, node, "strides", 1, &w->stride) ||
        !square(self, node, "dilations", 1, &w->dilation) || !read_pads(self, node, w, x))
        return false;
    int64_t reach = (w->kernel - 1) * w->dilation + 1;
    int64_t down = in.height + w->pads[0] + w->pads[2] - reach;
    int64_t right = in.width + w->pads[1] + w->pads[3] - reach;
    if (down < 0 || right < 0)
        return onnx_refuse(self, node, "a window larger than its input");
    w->height = down / w->stride + 1;
    w->width = right / w->stride + 1;
    bool up = onnx_whole(onnx_node_of(self, node), "ceil_mode", 0) != 0;
    if (up && (down % w->stride != 0 || right % w->stride != 0))
        return onnx_refuse(self, node, "with a last window that is not whole (ceil_mode)");
    return true;
}

static bool all_equal(const int64_t pads[4])
{
    return pads[0] == pads[1] && pads[0] == pads[2] && pads[0] == pads[3];
}

static bool refuse_pads(onnx_translation *self, int node, const int64_t pads[4])
{
    return onnx_refuse(self, node, "pads %lld, %lld, %lld, %lld: expected the same on all sides",
                       (long long)pads[0], (long long)pads[1], (long long)pads[2],
                       (long long)pads[3]);
}

/* ---- convolution, dense ----------------------------------------------------------------------- */

/* A bias of so many numbers, if input i is there. */
static bool add_bias(onnx_translation *self, int node, int i, onnx_layer *l, size_t n)
{
    if (!onnx_given(self, node, i)) {
        l->no_bias = true;
        return true;
    }
    onnx_value *bias = onnx_constant(self, node, i);
    return bias && onnx_layer_weight(self, node, l, "bias", bias, 1, &n);
}

static bool set_window(onnx_translation *self, int node, onnx_layer *l, const window *w)
{
    onnx_layer_set(l, "kernel = %lld", (long long)w->kernel);
    if (w->stride > 1)
        onnx_layer_set(l, "stride = %lld", (long long)w->stride);
    if (w->dilation > 1)
        onnx_layer_set(l, "dilation = %lld", (long long)w->dilation);
    if (all_equal(w->pads) && w->pads[0] == 0)
        return true;
    if (all_equal(w->pads))
        onnx_layer_set(l, "padding = %lld", (long long)w->pads[0]);
    else if (memcmp(w->pads, w->same, sizeof w->same) == 0)
        onnx_layer_set(l, "padding = same");
    else
        return refuse_pads(self, node, w->pads);
    return true;
}

bool onnx_op_conv(onnx_translation *self, int node)
{
    onnx_value *x = onnx_padded(self, node, 0), *filters = x ? onnx_constant(self, node, 1) : NULL;
    window w;
    if (!filters)
        return false;
    const onnx_tensor *a = &filters->array;
    int64_t groups = onnx_whole(onnx_node_of(self, node), "group", 1);
    if (a->n_dims != 4)
        return onnx_refuse(self, node, "of %d dimensions: expected 2", a->n_dims - 2);
    if (a->dims[2] != a->dims[3] || a->dims[2] < 1 || a->dims[2] > LAYER_MAX_SIDE)
        return onnx_refuse(self, node, "filters of %zu x %zu: expected squares", a->dims[2],
                           a->dims[3]);
    if (groups < 1 || a->dims[0] < 1 || a->dims[0] > LAYER_MAX_CHANNELS ||
        a->dims[1] > LAYER_MAX_CHANNELS || (int64_t)a->dims[1] * groups != x->shape.channels)
        return onnx_refuse(self, node, "%zu filters of %zu channels in %lld groups, of %d channels",
                           a->dims[0], a->dims[1], (long long)groups, x->shape.channels);
    if (!read_window(self, node, x, (int64_t)a->dims[2], &w))
        return false;
    if ((size_t)w.kernel != a->dims[2])
        return onnx_refuse(self, node, "a kernel_shape that is not the filters'");
    onnx_layer *l = onnx_layer_new(self, node, "conv", filters, FROM(x), 1);
    if (!l)
        return false;
    onnx_layer_set(l, "filters = %zu", a->dims[0]);
    if (groups > 1)
        onnx_layer_set(l, "groups = %lld", (long long)groups);
    l->out = (layer_shape){(int)a->dims[0], (int)w.height, (int)w.width};
    return set_window(self, node, l, &w) &&
           onnx_layer_weight(self, node, l, "weight", filters, 4, a->dims) &&
           add_bias(self, node, 2, l, a->dims[0]) &&
           onnx_give(self, onnx_output(self, node), ONNX_IMAGE);
}

/* The same matrix, rows for columns. */
static onnx_value turned(const onnx_value *from)
{
    onnx_value to = *from;
    to.array.dims[0] = from->array.dims[1];
    to.array.dims[1] = from->array.dims[0];
    to.transposed = !from->transposed;
    return to;
}

/* w: [out][in] */
static onnx_layer *dense(onnx_translation *self, int node, onnx_value *x, const onnx_value *w)
{
    const onnx_tensor *a = &w->array;
    if (a->n_dims != 2 || x->axes != ONNX_FLAT) {
        onnx_refuse(self, node, "of other than [N, features] and a matrix");
        return NULL;
    }
    if (a->dims[0] < 1 || a->dims[0] > LAYER_MAX_UNITS || (int64_t)a->dims[1] != onnx_features(x)) {
        onnx_refuse(self, node, "%zu x %zu weights for %lld features", a->dims[0], a->dims[1],
                    (long long)onnx_features(x));
        return NULL;
    }
    onnx_layer *l = onnx_layer_new(self, node, "dense", w, FROM(x), 1);
    if (!l)
        return NULL;
    onnx_layer_set(l, "units = %zu", a->dims[0]);
    l->out = (layer_shape){(int)a->dims[0], 1, 1};
    return onnx_layer_weight(self, node, l, "weight", w, 2, a->dims) ? l : NULL;
}

bool onnx_op_gemm(onnx_translation *self, int node)
{
    const onnx_node *of = onnx_node_of(self, node);
    onnx_value *x = onnx_data(self, node, 0), *b = x ? onnx_constant(self, node, 1) : NULL;
    if (!b)
        return false;
    if (onnx_real(of, "alpha", 1.0) != 1.0 || onnx_whole(of, "transA", 0) != 0 ||
        (onnx_given(self, node, 2) && onnx_real(of, "beta", 1.0) != 1.0))
        return onnx_refuse(self, node, "with alpha or beta other than 1, or transA");
    const onnx_value w = onnx_whole(of, "transB", 0) ? *b : turned(b);
    onnx_layer *l = dense(self, node, x, &w);
    return l && add_bias(self, node, 2, l, w.array.dims[0]) &&
           onnx_give(self, onnx_output(self, node), ONNX_FLAT);
}

/* Of the channels of each pixel it is a convolution of 1 x 1. */
static bool pointwise(onnx_translation *self, int node, onnx_value *x, const onnx_value *w)
{
    const size_t n_out = w->array.dims[0], dims[] = {n_out, w->array.dims[1], 1, 1};
    if (w->array.n_dims != 2 || n_out < 1 || n_out > LAYER_MAX_CHANNELS ||
        dims[1] != (size_t)x->shape.channels)
        return onnx_refuse(self, node, "by no matrix of as many rows as there are channels");
    onnx_layer *l = onnx_layer_new(self, node, "conv", w, FROM(x), 1);
    if (!l)
        return false;
    onnx_layer_set(l, "filters = %zu", n_out);
    onnx_layer_set(l, "kernel = 1");
    l->out.channels = (int)n_out;
    l->no_bias = true;
    return onnx_layer_weight(self, node, l, "weight", w, 4, dims) &&
           onnx_give(self, onnx_output(self, node), ONNX_LAST);
}

bool onnx_op_matmul(onnx_translation *self, int node)
{
    onnx_value *x = onnx_data(self, node, 0), *b = x ? onnx_constant(self, node, 1) : NULL;
    if (!b)
        return false;
    const onnx_value w = turned(b);
    if (x->axes == ONNX_LAST)
        return pointwise(self, node, x, &w);
    onnx_layer *l = dense(self, node, x, &w);
    if (!l)
        return false;
    l->no_bias = true;
    return onnx_give(self, onnx_output(self, node), ONNX_FLAT);
}

/* ---- pooling ---------------------------------------------------------------------------------- */

static bool pool(onnx_translation *self, int node, bool average)
{
    const onnx_node *of = onnx_node_of(self, node);
    onnx_value *x = average ? onnx_padded(self, node, 0) : onnx_image(self, node, 0);
    window w;
    if (!x)
        return false;
    if (!onnx_has(of, "kernel_shape"))
        return onnx_refuse(self, node, "without a window");
    if (!read_window(self, node, x, 1, &w))
        return false;
    if (!all_equal(w.pads))
        return refuse_pads(self, node, w.pads);
    if (w.dilation != 1)
        return onnx_refuse(self, node, "with holes (dilations)");
    bool counts =
        onnx_whole(of, "count_include_pad", 0) || (x->is_padded && w.pads[0] == x->pads[0]);
    if (average && w.pads[0] > 0 && !counts)
        return onnx_refuse(self, node, "whose padding does not count (count_include_pad = 0)");
    onnx_layer *l = onnx_layer_new(self, node, average ? "avgpool" : "maxpool", NULL, FROM(x), 1);
    if (!l)
        return false;
    onnx_layer_set(l, "window = %lld", (long long)w.kernel);
    onnx_layer_set(l, "stride = %lld", (long long)w.stride);
    if (w.pads[0] > 0)
        onnx_layer_set(l, "padding = %lld", (long long)w.pads[0]);
    l->out.height = (int)w.height;
    l->out.width = (int)w.width;
    return onnx_give(self, onnx_output(self, node), ONNX_IMAGE);
}

bool onnx_op_maxpool(onnx_translation *self, int node)
{
    return pool(self, node, false);
}

bool onnx_op_avgpool(onnx_translation *self, int node)
{
    return pool(self, node, true);
}

static bool global_mean(onnx_translation *self, int node, onnx_value *x, enum onnx_axes axes)
{
    onnx_layer *l = onnx_layer_new(self, node, "globalpool", NULL, FROM(x), 1);
    if (!l)
        return false;
    l->out.height = l->out.width = 1;
    return onnx_give(self, onnx_output(self, node), axes);
}

bool onnx_op_globalpool(onnx_translation *self, int node)
{
    onnx_value *x = onnx_image(self, node, 0);
    return x && global_mean(self, node, x, ONNX_IMAGE);
}

bool onnx_op_reducemean(onnx_translation *self, int node)
{
    int64_t axes[ONNX_SHAPE];
    onnx_value *x = onnx_data(self, node, 0);
    if (!x)
        return false;
    int n = onnx_axes_in(self, node, 1, x->axes == ONNX_FLAT ? 2 : 4, axes);
    if (n < 0)
        return false;
    int64_t first = x->axes == ONNX_LAST ? 1 : 2;
    bool planes = n == 2 && ((axes[0] == first && axes[1] == first + 1) ||
                             (axes[1] == first && axes[0] == first + 1));
    if (!planes || (x->axes != ONNX_IMAGE && x->axes != ONNX_LAST))
        return onnx_refuse(self, node, "over other axes than height and width");
    bool keep = onnx_whole(onnx_node_of(self, node), "keepdims", 1) != 0;
    return global_mean(self, node, x, keep ? x->axes : ONNX_FLAT);
}
