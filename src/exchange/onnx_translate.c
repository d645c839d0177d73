#include "onnx_translate.h"

#include "base/memory.h"
#include "data/normalise.h"
#include "onnx_function.h"
#include "onnx_layer.h"
#include "onnx_operators.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- operators -------------------------------------------------------------------------------- */

static const struct operator_row {
    const char *op;
    onnx_operator *how;
} operators[] = {
    {"Conv", onnx_op_conv},
    {"Gemm", onnx_op_gemm},
    {"MatMul", onnx_op_matmul},
    {"BatchNormalization", onnx_op_batchnorm},
    {"LayerNormalization", onnx_op_layernorm},
    {"InstanceNormalization", onnx_op_instancenorm},
    {"GroupNormalization", onnx_op_groupnorm},
    {"MaxPool", onnx_op_maxpool},
    {"AveragePool", onnx_op_avgpool},
    {"GlobalAveragePool", onnx_op_globalpool},
    {"ReduceMean", onnx_op_reducemean},
    {"PRelu", onnx_op_prelu},
    {"Dropout", onnx_op_dropout},
    {"Relu", onnx_op_unary},
    {"LeakyRelu", onnx_op_unary},
    {"Sigmoid", onnx_op_unary},
    {"Tanh", onnx_op_unary},
    {"Erf", onnx_op_unary},
    {"Exp", onnx_op_unary},
    {"Neg", onnx_op_unary},
    {"Reciprocal", onnx_op_unary},
    {"Gelu", onnx_op_unary},
    {"Clip", onnx_op_clip},
    {"Add", onnx_op_binary},
    {"Sub", onnx_op_binary},
    {"Mul", onnx_op_binary},
    {"Div", onnx_op_binary},
    {"Pow", onnx_op_binary},
    {"Max", onnx_op_binary},
    {"Min", onnx_op_binary},
    {"Sum", onnx_op_sum},
    {"Concat", onnx_op_concat},
    {"Slice", onnx_op_slice},
    {"Split", onnx_op_split},
    {"Pad", onnx_op_pad},
    {"Softmax", onnx_op_softmax},
    {"LogSoftmax", onnx_op_softmax},
    {"Constant", onnx_op_constant},
    {"Identity", onnx_op_identity},
    {"Cast", onnx_op_cast},
    {"Transpose", onnx_op_transpose},
    {"Reshape", onnx_op_reshape},
    {"Flatten", onnx_op_flatten},
    {"Squeeze", onnx_op_squeeze},
    {"Unsqueeze", onnx_op_unsqueeze},
    {"Shape", onnx_op_shape},
    {"Gather", onnx_op_gather},
};

static onnx_operator *find_operator(proto_span op)
{
    for (size_t k = 0; k < sizeof operators / sizeof *operators; k++)
        if (proto_equal(op, operators[k].op))
            return operators[k].how;
    return NULL;
}

static bool translate_node(onnx_translation *self, int node)
{
    return find_operator(self->file->nodes[node].op)(self, node);
}

/* Before anything else, since that is what a user wants to know first. */
static bool check_operators(onnx_translation *self)
{
    for (int k = 0; k < self->file->n_nodes; k++) {
        const onnx_node *of = &self->file->nodes[k];
        bool own = of->domain.n == 0 || proto_equal(of->domain, "ai.onnx");
        if (!self->needed[k])
            continue;
        if (!own || !find_operator(of->op))
            return onnx_refuse_kind(self, k);
        if (of->n_outputs < 1 || of->outputs[0] < 0)
            return onnx_refuse(self, k, "without an output");
    }
    return true;
}

/* ---- what goes in ----------------------------------------------------------------------------- */

/* What the output is made of; nodes stand behind those that they read. */
static void mark(onnx_translation *self)
{
    const onnx_file *file = self->file;
    self->n_readers[file->output.value]++;
    for (int k = file->n_nodes - 1; k >= 0; k--) {
        const onnx_node *of = &file->nodes[k];
        for (int i = 0; i < of->n_outputs; i++)
            if (of->outputs[i] >= 0 && self->n_readers[of->outputs[i]] > 0)
                self->needed[k] = true;
        for (int i = 0; self->needed[k] && i < of->n_inputs; i++)
            if (of->inputs[i] >= 0)
                self->n_readers[of->inputs[i]]++;
    }
}

/* The operator that the input goes to first. */
static proto_span first_reader(const onnx_translation *self)
{
    for (int k = 0; k < self->file->n_nodes; k++)
        for (int i = 0; i < self->file->nodes[k].n_inputs; i++)
            if (self->needed[k] && self->file->nodes[k].inputs[i] == self->file->input.value)
                return self->file->nodes[k].op;
    return (proto_span){(const uint8_t *)"nothing", 7};
}

static bool take_input(onnx_translation *self)
{
    const onnx_port *in = &self->file->input;
    proto_span name = self->file->value_names[in->value];
    int64_t s[3] = {1, 1, 1};
    bool good = in->n_dims == 4 || in->n_dims == 2;
    for (int i = 1; good && i < in->n_dims; i++) {
        s[i - 1] = in->dims[i];
        good = s[i - 1] >= 1 && s[i - 1] <= (i == 1 ? LAYER_MAX_CHANNELS : LAYER_MAX_SIDE);
    }
    if (!good)
        return error_user(self->err,
                          "its input %.*s, which goes to %.*s: expected [N, channels, height, "
                          "width] or [N, features], of fixed size but for N, at most %d x %d x %d",
                          onnx_shown(name), onnx_text_of(name), onnx_shown(first_reader(self)),
                          onnx_text_of(first_reader(self)), LAYER_MAX_CHANNELS, LAYER_MAX_SIDE,
                          LAYER_MAX_SIDE);
    self->n_images = in->dims[0];
    self->values[in->value] = (onnx_value){.form = ONNX_DATA,
                                           .layer = LAYER_IMAGES,
                                           .shape = {(int)s[0], (int)s[1], (int)s[2]},
                                           .axes = in->n_dims == 2 ? ONNX_FLAT : ONNX_IMAGE,
                                           .own = true,
                                           .alone = true};
    self->by = memory_new((size_t)s[0], sizeof *self->by, self->err);
    self->plus = memory_new((size_t)s[0], sizeof *self->plus, self->err);
    for (int64_t c = 0; self->by && c < s[0]; c++)
        self->by[c] = 1.0;
    return self->by && self->plus;
}

static bool prepare(onnx_translation *self)
{
    const onnx_file *file = self->file;
    self->values = memory_new((size_t)file->n_values, sizeof *self->values, self->err);
    self->n_readers = memory_new((size_t)file->n_values, sizeof *self->n_readers, self->err);
    self->needed = memory_new((size_t)file->n_nodes, sizeof *self->needed, self->err);
    self->layers = memory_new(MODEL_MAX_LAYERS, sizeof *self->layers, self->err);
    if (!self->values || !self->n_readers || !self->needed || !self->layers)
        return false;
    mark(self);
    if (!check_operators(self) || !take_input(self))
        return false;
    for (int k = 0; k < file->n_tensors; k++)
        self->values[file->tensor_values[k]] =
            (onnx_value){.form = ONNX_CONSTANT, .array = file->tensors[k], .is_weight = true};
    return true;
}

/* ---- what comes out --------------------------------------------------------------------------- */

/* The output, as it must be. */
static bool take_output(onnx_translation *self, int *n_classes)
{
    onnx_value *out = &self->values[self->file->output.value];
    proto_span name = self->file->value_names[self->file->output.value];
    if (out->form == ONNX_DATA && !onnx_settle(self, out))
        return false;
    if (out->form != ONNX_DATA || out->layer < 0)
        return error_user(self->err, "no layer stands between its input and its output %.*s",
                          onnx_shown(name), onnx_text_of(name));
    int64_t n = onnx_features(out);
    if (n < 2 || n > MODEL_MAX_CLASSES || (out->axes == ONNX_LAST && n != out->shape.channels))
        return error_user(self->err,
                          "its output %.*s has %lld values for an image: expected one for each "
                          "of 2 to %d classes",
                          onnx_shown(name), onnx_text_of(name), (long long)n, MODEL_MAX_CLASSES);
    *n_classes = (int)n;
    return true;
}

/* Graphs have floats: a number that is a rounding or two away from a short one was that. */
static float short_number(double value)
{
    char text[32];
    snprintf(text, sizeof text, "%.6g", value);
    double near = strtod(text, NULL);
    return (float)(fabs(near - value) < 3e-7 * fabs(value) ? near : value);
}

/* x = pixel * by + plus is (pixel - mean) / deviation; pixels are from 0 to 1, or, where these numbers are large, 255. */
static bool take_normalisation(onnx_translation *self)
{
    enum { TEXT_BYTES = 1 << 16 };
    const layer_shape s = self->values[self->file->input.value].shape;
    input_values values;
    double largest = 0.0;
    bool good = input_values_init(
        &values, (image_shape){.channels = s.channels, .height = s.height, .width = s.width},
        self->err);
    for (int c = 0; good && c < s.channels; c++)
        largest = fmax(largest, fmax(fabs(self->plus[c] / self->by[c]), 1.0 / self->by[c]));
    for (int c = 0; good && c < s.channels; c++) {
        double range = largest > 2.0 ? 255.0 : 1.0;
        values.mean[c] = short_number(-self->plus[c] / self->by[c] / range);
        values.deviation[c] = short_number(1.0 / self->by[c] / range);
        if (!(values.deviation[c] > 0.0F) || !isfinite(values.deviation[c]) ||
            !isfinite(values.mean[c]))
            good = error_user(self->err, "it does to pixels what is no normalisation");
    }
    if (good)
        self->out->normalise = memory_new(TEXT_BYTES, 1, self->err);
    good = good && self->out->normalise &&
           normalise_write(&values, self->out->normalise, TEXT_BYTES, self->err);
    input_values_release(&values);
    return good;
}

static const char *name_of(const onnx_translation *self, int k)
{
    return k == LAYER_IMAGES ? "image" : self->layers[k].name;
}

static void write_text(const onnx_translation *self, int n_classes, FILE *to)
{
    const layer_shape s = self->values[self->file->input.value].shape;
    char name[ONNX_SHORT_NAME];
    onnx_plain_name(name, sizeof name, self->file->name);
    fprintf(
        to,
        "; Made of the operators of an ONNX graph.\n[model]\nname = %s\ninput = %d %d %d\nclasses = %d\n",
        name[0] ? name : "imported", s.channels, s.height, s.width, n_classes);
    for (int k = 0; k < self->n_layers; k++) {
        const onnx_layer *l = &self->layers[k];
        fprintf(to, "\n[%s]\nkind = %s\n", l->name, l->kind);
        if (l->n_inputs > 1 || l->inputs[0] != k - 1)
            for (int i = 0; i < l->n_inputs; i++)
                fprintf(to, "%s%s%s", i == 0 ? "input = " : ", ", name_of(self, l->inputs[i]),
                        i == l->n_inputs - 1 ? "\n" : "");
        fprintf(to, "%s%s%s", l->settings, l->no_scale ? "scale = no\n" : "",
                l->no_bias ? "bias = no\n" : "");
    }
}

/* Of memory_new's, which others free. */
static bool take_text(onnx_translation *self, int n_classes)
{
    char *made = NULL;
    size_t n = 0;
    FILE *to = open_memstream(&made, &n);
    if (!to)
        return error_environment(self->err, "there is no memory for the model file");
    write_text(self, n_classes, to);
    bool good = fclose(to) == 0 && (self->out->text = memory_new(n + 1, 1, self->err)) != NULL;
    if (good)
        memcpy(self->out->text, made, n);
    free(made);
    self->out->translated = true;
    return good || error_environment(self->err, "there is no memory for the model file");
}

/* ---- the whole -------------------------------------------------------------------------------- */

static void release(onnx_translation *self)
{
    memory_free(self->values);
    memory_free(self->n_readers);
    memory_free(self->needed);
    memory_free(self->layers);
    memory_free(self->by);
    memory_free(self->plus);
}

bool onnx_translate(const onnx_file *from, exchange_file *to, error *err)
{
    onnx_translation self = {.file = from, .out = to, .again = translate_node, .err = err};
    int n_classes = 0;
    bool good = prepare(&self);
    for (int k = 0; good && k < from->n_nodes; k++)
        good = !self.needed[k] || translate_node(&self, k);
    good = good && take_output(&self, &n_classes) &&
           (!self.normalises || take_normalisation(&self)) && take_text(&self, n_classes);
    release(&self);
    return good;
}
