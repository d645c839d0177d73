/*
 * onnx_net.h - for the tests of ONNX files: a model of all kinds, files in memory, graphs made node by node, logits
 */
#ifndef BRAMBLE_TESTS_ONNX_NET_H
#define BRAMBLE_TESTS_ONNX_NET_H

#include "data/normalise.h"
#include "exchange/onnx.h"
#include "exchange/onnx_format.h"
#include "exchange/protobuf.h"
#include "networks.h"

/* Every kind, at least once; behind dense layers, too, where ONNX has values of two axes. */
#define EVERY_KIND                                                                                 \
    "[model]\nname = every\ninput = 3 12 10\nclasses = 7\n"                                        \
    "[conv1]\nkind = conv\nfilters = 8\nkernel = 3\npadding = same\nstride = 2\n"                  \
    "[bn1]\nkind = batchnorm\nscale = no\nlr = 3\n[gelu1]\nkind = gelu\n"                          \
    "[gelu2]\nkind = gelu\nform = tanh\n"                                                          \
    "[conv2]\nkind = conv\nfilters = 12\nkernel = 3\npadding = 2\ndilation = 2\ngroups = 4\n"      \
    "bias = no\n[ln1]\nkind = layernorm\n[silu1]\nkind = silu\n[ln2]\nkind = layernorm\n"          \
    "bias = no\n[conv3]\nkind = conv\nfilters = 12\nkernel = 4\npadding = same\ngroups = 12\n"     \
    "[gn1]\nkind = groupnorm\ngroups = 3\n[prelu1]\nkind = prelu\nslopes = channels\n"             \
    "[gn2]\nkind = groupnorm\ngroups = 12\nscale = no\n[prelu2]\nkind = prelu\n"                   \
    "[gn3]\nkind = groupnorm\ngroups = 1\nscale = no\nbias = no\n"                                 \
    "[sum]\nkind = add\ninput = gn3, prelu1, conv3\n[tanh1]\nkind = tanh\n"                        \
    "[drop1]\nkind = dropout\np = 0.2\n[a]\nkind = split\nhalf = first\n"                          \
    "[b]\nkind = split\ninput = drop1\nhalf = second\n[bs]\nkind = silu\n"                         \
    "[gate]\nkind = multiply\ninput = bs, a\n[scale1]\nkind = scale\n"                             \
    "[scale2]\nkind = scale\nfactor = 0.3\n[cat]\nkind = concat\ninput = scale2, a, b\n"           \
    "[mp]\nkind = maxpool\nwindow = 3\nstride = 2\npadding = 1\n"                                  \
    "[ap]\nkind = avgpool\nwindow = 3\nstride = 1\npadding = 1\n[gp]\nkind = globalpool\n"         \
    "[fc1]\nkind = dense\nunits = 18\n[bn2]\nkind = batchnorm\n"                                   \
    "[cat2]\nkind = concat\ninput = bn2, gp\n[ln3]\nkind = layernorm\n"                            \
    "[pr3]\nkind = prelu\nslopes = channels\n[sc3]\nkind = scale\n"                                \
    "[gn4]\nkind = groupnorm\ngroups = 6\n[fc2]\nkind = dense\nunits = 8\nbias = no\n"             \
    "[pr4]\nkind = prelu\nslopes = channels\n[ln4]\nkind = layernorm\nscale = no\n"                \
    "[sc4]\nkind = scale\n[relu1]\nkind = relu\n[conv9]\nkind = conv\nfilters = 7\nkernel = 1\n"

/* ---- files ------------------------------------------------------------------------------------- */

typedef struct in_memory {
    char *bytes;
    size_t n;
} in_memory;

/* Weights and statistics as if it were trained. */
static inline float *trained_new(const model *m)
{
    float *w = weights_new(m);
    for (int k = 0; k < m->n_tensors; k++) {
        const tensor *t = &m->tensors[k];
        float *x = floats_new(t->count, REALS);
        for (size_t i = 0; i < t->count && t->n_dims == 1; i++)
            w[t->offset + i] += 0.3F * x[i];
        guarded_free(x);
    }
    return w;
}

/* What is written for a model; free bytes. */
static inline in_memory save_of(const char *text, const float *w, const char *normalise)
{
    error err = {0};
    in_memory to = {NULL, 0};
    exchange_model from = {.path = (char *)"test.h5",
                           .text = (char *)text,
                           .graph = model_outline("test.ini", text, &err),
                           .w = (float *)w,
                           .normalise = (char *)normalise};
    assert_non_null(from.graph);
    layer_shape s = from.graph->input;
    size_t n_classes = (size_t)from.graph->n_classes;
    from.class_names = guarded_new(n_classes * sizeof *from.class_names);
    for (size_t c = 0; c < n_classes; c++)
        snprintf(from.class_names[c], sizeof from.class_names[c], "class %zu", c);
    assert_true(input_values_init(
        &from.input, (image_shape){s.channels, s.height, s.width, from.graph->n_classes}, &err));
    assert_true(normalise_set(&from.input, normalise, &err));
    FILE *stream = open_memstream(&to.bytes, &to.n);
    assert_non_null(stream);
    if (!onnx_save(&from, &(exchange_out){"test.onnx", "test.onnx", stream}, &err))
        fail_msg("%s", err.text);
    assert_int_equal(fclose(stream), 0);
    input_values_release(&from.input);
    guarded_free(from.class_names);
    model_free(from.graph);
    return to;
}

/* Read what must be readable; exchange_file_release it. */
static inline exchange_file read_of(const void *bytes, size_t n)
{
    error err = {0};
    exchange_file file = {0};
    if (!onnx_read(bytes, n, &file, &err))
        fail_msg("%s", err.text);
    assert_non_null(file.text);
    return file;
}

/* Its weights, as the model of its text wants them; guarded_free them. */
static inline float *fit_of(const exchange_file *file, const model *m)
{
    error err = {0};
    float *w = guarded_new(m->n_weights * sizeof *w);
    if (!exchange_fit(file, "test.onnx", m, w, &err))
        fail_msg("%s", err.text);
    return w;
}

/* ---- logits ------------------------------------------------------------------------------------ */

/* Of n images, [n][classes]; guarded_free them. */
static inline float *logits_of(const model *m, const float *w, float *x, size_t n)
{
    network *net = network_of(m, n, false, 1);
    uint16_t *labels = guarded_new(n * sizeof *labels);
    memset(labels, 0, n * sizeof *labels);
    images from = {.features = layer_features(m->input), .x = x, .labels = labels};
    size_t classes = (size_t)m->n_classes;
    float *y = guarded_new(n * classes * sizeof *y);
    network_forward(net, w, &(network_input){.load = images_load, .arg = &from}, n);
    for (size_t k = 0; k < n; k++)
        for (size_t c = 0; c < classes; c++)
            y[k * classes + c] = network_logit(net, k, (int)c);
    network_free(net);
    guarded_free(labels);
    return y;
}

/* ---- graphs by hand ---------------------------------------------------------------------------- */

/* One node after the other; names of inputs have blanks between. */
static inline size_t begin_node(proto_writer *graph, const char *op, const char *inputs,
                                const char *output)
{
    size_t begun = proto_begin(graph, GRAPH_NODE);
    for (const char *at = inputs; *at; at += strspn(at, " ")) {
        size_t n = strcspn(at, " ");
        proto_put_bytes(graph, NODE_INPUT, at, n);
        at += n;
    }
    proto_put_text(graph, NODE_OUTPUT, output);
    proto_put_text(graph, NODE_NAME, output);
    proto_put_text(graph, NODE_OP, op);
    return begun;
}

static inline void put_node(proto_writer *graph, const char *op, const char *inputs,
                            const char *output)
{
    proto_end(graph, begin_node(graph, op, inputs, output));
}

static inline void put_whole(proto_writer *graph, const char *name, int64_t value)
{
    size_t begun = proto_begin(graph, NODE_ATTRIBUTE);
    proto_put_text(graph, ATTRIBUTE_NAME, name);
    proto_put_whole(graph, ATTRIBUTE_I, value);
    proto_end(graph, begun);
}

static inline void put_string(proto_writer *graph, const char *name, const char *value)
{
    size_t begun = proto_begin(graph, NODE_ATTRIBUTE);
    proto_put_text(graph, ATTRIBUTE_NAME, name);
    proto_put_text(graph, ATTRIBUTE_S, value);
    proto_end(graph, begun);
}

/* Whole numbers below 128, packed or not. */
static inline void put_wholes(proto_writer *graph, const char *name, bool packed, int n,
                              const int *values)
{
    uint8_t bytes[16];
    size_t begun = proto_begin(graph, NODE_ATTRIBUTE);
    proto_put_text(graph, ATTRIBUTE_NAME, name);
    for (int k = 0; k < n; k++) {
        bytes[k] = (uint8_t)values[k];
        if (!packed)
            proto_put_whole(graph, ATTRIBUTE_INTS, values[k]);
    }
    if (packed)
        proto_put_bytes(graph, ATTRIBUTE_INTS, bytes, (size_t)n);
    proto_end(graph, begun);
}

/* An initializer of floats that count up by 1/64 from -1; returns how many. */
static inline size_t put_weights(proto_writer *graph, const char *name, int n_dims, const int *dims)
{
    size_t n = 1, begun = proto_begin(graph, GRAPH_INITIALIZER);
    for (int k = 0; k < n_dims; k++) {
        proto_put_whole(graph, TENSOR_DIMS, dims[k]);
        n *= (size_t)dims[k];
    }
    proto_put_whole(graph, TENSOR_DATA_TYPE, ONNX_FLOAT);
    proto_put_text(graph, TENSOR_NAME, name);
    float *x = guarded_new(n * sizeof *x);
    for (size_t k = 0; k < n; k++)
        x[k] = (float)k / 64.0F - 1.0F;
    proto_put_bytes(graph, TENSOR_RAW, x, n * sizeof *x);
    guarded_free(x);
    proto_end(graph, begun);
    return n;
}

static inline void put_row(proto_writer *graph, const char *name, int n, const int64_t *values)
{
    size_t begun = proto_begin(graph, GRAPH_INITIALIZER);
    proto_put_whole(graph, TENSOR_DIMS, n);
    proto_put_whole(graph, TENSOR_DATA_TYPE, ONNX_INT64);
    proto_put_text(graph, TENSOR_NAME, name);
    for (int k = 0; k < n; k++)
        proto_put_whole(graph, TENSOR_INT64S, values[k]);
    proto_end(graph, begun);
}

static inline void put_port(proto_writer *graph, uint32_t number, const char *name, int n_dims,
                            const int *dims)
{
    size_t port = proto_begin(graph, number);
    proto_put_text(graph, VALUE_NAME, name);
    size_t type = proto_begin(graph, VALUE_TYPE), inside = proto_begin(graph, TYPE_OF_TENSOR);
    size_t shape = proto_begin(graph, TENSOR_TYPE_SHAPE);
    for (int k = 0; k < n_dims; k++) {
        size_t dim = proto_begin(graph, SHAPE_DIM);
        if (dims[k] > 0)
            proto_put_whole(graph, DIM_VALUE, dims[k]);
        proto_end(graph, dim);
    }
    proto_end(graph, shape);
    proto_end(graph, inside);
    proto_end(graph, type);
    proto_end(graph, port);
}

/* The file of a graph from x [N][2][6][6] to y, which is released; release what it gives. */
static inline proto_writer file_of(proto_writer *graph, int opset)
{
    proto_writer file = {0};
    put_port(graph, GRAPH_INPUT, "x", 4, (const int[]){0, 2, 6, 6});
    put_port(graph, GRAPH_OUTPUT, "y", 2, (const int[]){0, 0});
    proto_put_whole(&file, MODEL_IR_VERSION, 8);
    proto_put_text(&file, MODEL_PRODUCER, "test");
    size_t begun = proto_begin(&file, MODEL_OPSET);
    proto_put_whole(&file, OPSET_VERSION, opset);
    proto_end(&file, begun);
    proto_put_bytes(&file, MODEL_GRAPH, graph->bytes, graph->n);
    assert_false(file.failed || graph->failed);
    proto_release(graph);
    return file;
}

#endif
