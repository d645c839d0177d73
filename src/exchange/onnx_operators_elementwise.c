/* Operators that do the same to every element. */
#include "onnx_function.h"
#include "onnx_layer.h"
#include "onnx_operators.h"

#include "base/memory.h"
#include "onnx_attribute.h"

#include <math.h>
#include <string.h>

/* ---- of one ----------------------------------------------------------------------------------- */

static double negative(double x)
{
    return -x;
}

static double inverse(double x)
{
    return 1.0 / x;
}

static const struct unary {
    const char *op;
    double (*of)(double);
} unaries[] = {{"Relu", onnx_relu}, {"Sigmoid", onnx_sigmoid}, {"Tanh", tanh},         {"Erf", erf},
               {"Exp", exp},        {"Neg", negative},         {"Reciprocal", inverse}};

bool onnx_op_unary(onnx_translation *self, int node)
{
    const onnx_node *of = &self->file->nodes[node];
    double slope = onnx_real(of, "alpha", 0.01), (*how)(double) = NULL;
    onnx_value *from = onnx_function_in(self, node, 0);
    if (!from)
        return false;
    if (from->form != ONNX_DATA)
        return onnx_refuse(self, node, "of a constant");
    for (size_t k = 0; k < sizeof unaries / sizeof *unaries; k++)
        how = proto_equal(of->op, unaries[k].op) ? unaries[k].of : how;
    if (proto_equal(of->op, "Gelu"))
        how = proto_equal(onnx_string(of, "approximate"), "tanh") ? onnx_gelu_tanh : onnx_gelu;
    onnx_value *to = onnx_function_begin(self, node, from);
    for (int k = 0; k < ONNX_POINTS; k++) {
        double x = to->points[k];
        to->points[k] = how ? how(x) : x > 0.0 ? x : slope * x;
    }
    return onnx_function_finish(self, node);
}

/* A bound: an input, or, before opset 11, an attribute. */
static bool bound(onnx_translation *self, int node, int i, const char *name, double *value)
{
    if (onnx_given(self, node, i)) {
        onnx_value *from = onnx_constant(self, node, i);
        return from && (onnx_number_of(from, value) || onnx_refuse(self, node, "by no number"));
    }
    *value = onnx_real(&self->file->nodes[node], name, *value);
    return true;
}

bool onnx_op_clip(onnx_translation *self, int node)
{
    double low = -INFINITY, high = INFINITY;
    onnx_value *from = onnx_function_in(self, node, 0);
    if (!from || !bound(self, node, 1, "min", &low) || !bound(self, node, 2, "max", &high))
        return false;
    if (from->form != ONNX_DATA)
        return onnx_refuse(self, node, "of a constant");
    onnx_value *to = onnx_function_begin(self, node, from);
    for (int k = 0; k < ONNX_POINTS; k++)
        to->points[k] = fmin(fmax(to->points[k], low), high);
    return onnx_function_finish(self, node);
}

/* ---- of two ----------------------------------------------------------------------------------- */

static double apply(proto_span op, double a, double b)
{
    switch (op.at[0] == 'M' ? op.at[1] : op.at[0]) {
    case 'A':
        return a + b;
    case 'S':
        return a - b;
    case 'u':
        return a * b;
    case 'D':
        return a / b;
    case 'P':
        return pow(a, b);
    case 'a':
        return fmax(a, b);
    default:
        return fmin(a, b);
    }
}

/* Of images, before any layer: the way that pixels are normalised. */
static bool normalise(onnx_translation *self, int node, const onnx_value *from,
                      const onnx_value *constant)
{
    proto_span op = self->file->nodes[node].op;
    size_t channels = (size_t)from->shape.channels;
    float *by = memory_new(channels, sizeof *by, self->err);
    if (!by || !onnx_constant_floats(self, node, constant, by)) { /* 1 or channels */
        memory_free(by);
        return false;
    }
    for (size_t c = 0; c < channels; c++) {
        double x = (double)by[constant->array.count > 1 ? c : 0];
        bool factor = proto_equal(op, "Mul") || proto_equal(op, "Div");
        if (factor)
            self->by[c] = apply(op, self->by[c], x);
        self->plus[c] = apply(op, self->plus[c], x);
    }
    self->normalises = true;
    memory_free(by);
    onnx_pass(self, node, from);
    return true;
}

/* Does the layer take a bias, or a norm a scale, that it has not, and does nobody else read it? */
static onnx_layer *open_layer(onnx_translation *self, int node, const onnx_value *data, int i,
                              bool bias)
{
    int id = self->file->nodes[node].inputs[i];
    if (data->layer < 0 || !data->own || !data->alone || self->n_readers[id] != 1)
        return NULL;
    onnx_layer *l = &self->layers[data->layer];
    if (bias)
        return l->no_bias ? l : NULL;
    return l->no_scale && l->no_bias ? l : NULL; /* what is scaled has no bias before */
}

static bool by_channel(onnx_translation *self, int node, int i, const onnx_value *constant)
{
    proto_span op = self->file->nodes[node].op;
    onnx_value *data = onnx_data(self, node, i);
    bool bias = proto_equal(op, "Add");
    if (!data)
        return false;
    size_t channels = (size_t)data->shape.channels;
    if (!bias && !proto_equal(op, "Mul"))
        return onnx_refuse(self, node, "by a number for each channel");
    onnx_layer *l = open_layer(self, node, data, i, bias);
    if (!l && bias)
        return onnx_refuse(self, node, "of a number for each channel to what has a bias, or none");
    if (l) {
        if (strcmp(l->kind, "groupnorm") == 0 && l->no_scale && l->no_bias)
            onnx_rename(self, l, constant);
        *(bias ? &l->no_bias : &l->no_scale) = false;
        onnx_pass(self, node, data);
        return onnx_layer_weight(self, node, l, bias ? "bias" : "weight", constant, 1, &channels);
    }
    l = onnx_layer_new(self, node, "scale", constant, (onnx_value *[]){data}, 1);
    enum onnx_axes axes = data->axes;
    return l && onnx_layer_weight(self, node, l, "weight", constant, 1, &channels) &&
           onnx_give(self, onnx_output(self, node), axes);
}

/* Of data, input i, and a constant. */
static bool with_constant(onnx_translation *self, int node, int i, onnx_value constant)
{
    const onnx_node *of = &self->file->nodes[node];
    onnx_value *data = onnx_input(self, node, i);
    double number;
    if (data->is_padded)
        return onnx_settle(self, data);
    bool is_number = onnx_number_of(&constant, &number);
    bool same_either = proto_equal(of->op, "Add") || proto_equal(of->op, "Mul");
    bool affine = same_either || proto_equal(of->op, "Sub") || proto_equal(of->op, "Div");
    int n_axes = data->axes == ONNX_FLAT ? 2 : 4;
    int64_t axis = onnx_whole(of, "axis", n_axes); /* before opset 7: where the constant's begin */
    if (!is_number && onnx_whole(of, "broadcast", 0) && axis > 0)
        for (int k = constant.array.n_dims; k < n_axes - axis; k++)
            constant.array.dims[constant.array.n_dims++] = 1;
    bool channels = onnx_by_channel(&constant, data);
    if (data->layer == LAYER_IMAGES && data->own && data->alone && affine &&
        self->n_readers[of->inputs[i]] == 1 && (same_either || i == 0) && (is_number || channels))
        return normalise(self, node, data, &constant);
    if (is_number && constant.array.n_dims <= n_axes) {
        onnx_value *from = onnx_function_in(self, node, i),
                   *to = from ? onnx_function_begin(self, node, from) : NULL;
        for (int k = 0; to && k < ONNX_POINTS; k++)
            to->points[k] = i == 0 ? apply(of->op, to->points[k], number)
                                   : apply(of->op, number, to->points[k]);
        return to && onnx_function_finish(self, node);
    }
    return channels ? by_channel(self, node, i, &constant)
                    : onnx_refuse(self, node,
                                  "with a constant that is neither a number nor one for "
                                  "each channel");
}

static bool same_shape(const onnx_value *a, const onnx_value *b)
{
    return a->axes == b->axes && a->groups == b->groups && a->shape.channels == b->shape.channels &&
           a->shape.height == b->shape.height && a->shape.width == b->shape.width;
}

/* A layer of several inputs of the same shape. */
static bool join(onnx_translation *self, int node, const char *kind, onnx_value **from, int n)
{
    for (int i = 0; i < n; i++)
        if (!same_shape(from[i], from[0]))
            return onnx_refuse(self, node, "of data of different shapes");
    enum onnx_axes axes = from[0]->axes;
    return onnx_layer_new(self, node, kind, NULL, from, n) &&
           onnx_give(self, onnx_output(self, node), axes);
}

static bool of_data(onnx_translation *self, int node)
{
    const onnx_node *of = &self->file->nodes[node];
    onnx_value *a = onnx_function_in(self, node, 0), *b = onnx_function_in(self, node, 1);
    if (!a || !b)
        return false;
    if (a->layer == b->layer && same_shape(a, b)) {
        onnx_value other = *b;
        int depth = a->depth > b->depth ? a->depth : b->depth;
        onnx_value *to = onnx_function_begin(self, node, a);
        for (int k = 0; k < ONNX_POINTS; k++)
            to->points[k] =
                apply(of->op, to->points[k], other.own ? onnx_points[k] : other.points[k]);
        to->depth = depth + 1;
        return onnx_function_finish(self, node);
    }
    bool sum = proto_equal(of->op, "Add");
    if (!sum && !proto_equal(of->op, "Mul"))
        return onnx_refuse_kind(self, node);
    onnx_value *from[] = {onnx_data(self, node, 0), onnx_data(self, node, 1)};
    return from[0] && from[1] && join(self, node, sum ? "add" : "multiply", from, 2);
}

/* Of whole numbers, which make up a shape. */
static bool of_wholes(onnx_translation *self, int node)
{
    int64_t a[ONNX_SHAPE], b[ONNX_SHAPE];
    int n = onnx_wholes_in(self, node, 0, a), m = onnx_wholes_in(self, node, 1, b);
    if (n < 0 || m < 0)
        return false;
    onnx_value *to = onnx_output(self, node);
    *to = (onnx_value){.form = ONNX_WHOLES, .n_wholes = n > m ? n : m};
    if (n < 1 || m < 1 || (n != m && n != 1 && m != 1))
        return onnx_refuse(self, node, "of rows of different length");
    for (int k = 0; k < to->n_wholes; k++) {
        int64_t x = a[n > 1 ? k : 0], y = b[m > 1 ? k : 0];
        double made = y == 0 && proto_equal(self->file->nodes[node].op, "Div")
                          ? NAN
                          : trunc(apply(self->file->nodes[node].op, (double)x, (double)y));
        if (x == ONNX_BATCH || y == ONNX_BATCH || !(fabs(made) < 1e9))
            return onnx_refuse(self, node, "of the number of images, or too large");
        to->wholes[k] = (int64_t)made;
    }
    return true;
}

bool onnx_op_binary(onnx_translation *self, int node)
{
    onnx_value *a = onnx_input(self, node, 0), *b = a ? onnx_input(self, node, 1) : NULL;
    if (!b)
        return false;
    if (a->form == ONNX_DATA && b->form == ONNX_CONSTANT)
        return with_constant(self, node, 0, *b);
    if (b->form == ONNX_DATA && a->form == ONNX_CONSTANT)
        return with_constant(self, node, 1, *a);
    if (a->form == ONNX_DATA && b->form == ONNX_DATA)
        return of_data(self, node);
    if (a->form == ONNX_DATA || b->form == ONNX_DATA)
        return onnx_refuse(self, node, "with numbers made of a shape");
    return of_wholes(self, node);
}

/* Four at a time, the sum so far among them. */
bool onnx_op_sum(onnx_translation *self, int node)
{
    int n = self->file->nodes[node].n_inputs, k = 0;
    onnx_value *from[LAYER_MAX_INPUTS], *to = onnx_output(self, node);
    if (n < 2)
        return onnx_refuse(self, node, "of fewer than two");
    for (int i = 0; i < n; i++) {
        if (!(from[k++] = onnx_data(self, node, i)))
            return false;
        if (k < LAYER_MAX_INPUTS && i < n - 1)
            continue;
        if (!join(self, node, "add", from, k))
            return false;
        from[0] = to;
        k = 1;
    }
    return true;
}
