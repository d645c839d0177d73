#include "onnx_put.h"

#include "onnx_format.h"

#include <stdio.h>

/* ---- nodes ------------------------------------------------------------------------------------ */

size_t onnx_put_node(onnx_writer *self, const char *op, const char *name, const char *const *inputs)
{
    proto_writer *to = &self->nodes;
    onnx_name value;
    size_t begun = proto_begin(to, GRAPH_NODE);
    for (int i = 0; inputs[i]; i++)
        proto_put_text(to, NODE_INPUT, inputs[i]);
    snprintf(value, sizeof value, "%s.output", name);
    proto_put_text(to, NODE_OUTPUT, value);
    proto_put_text(to, NODE_NAME, name);
    proto_put_text(to, NODE_OP, op);
    return begun;
}

void onnx_put_end(onnx_writer *self, size_t begun)
{
    proto_end(&self->nodes, begun);
}

void onnx_put_plain(onnx_writer *self, const char *op, const char *name, const char *const *inputs)
{
    onnx_put_end(self, onnx_put_node(self, op, name, inputs));
}

static size_t begin_attribute(onnx_writer *self, const char *name, enum onnx_attribute_type type)
{
    size_t begun = proto_begin(&self->nodes, NODE_ATTRIBUTE);
    proto_put_text(&self->nodes, ATTRIBUTE_NAME, name);
    proto_put_whole(&self->nodes, ATTRIBUTE_TYPE, type);
    return begun;
}

void onnx_put_attribute_whole(onnx_writer *self, const char *name, int64_t value)
{
    size_t begun = begin_attribute(self, name, TYPE_INT);
    proto_put_whole(&self->nodes, ATTRIBUTE_I, value);
    proto_end(&self->nodes, begun);
}

void onnx_put_attribute_float(onnx_writer *self, const char *name, double value)
{
    size_t begun = begin_attribute(self, name, TYPE_FLOAT);
    proto_put_float(&self->nodes, ATTRIBUTE_F, (float)value);
    proto_end(&self->nodes, begun);
}

void onnx_put_attribute_wholes(onnx_writer *self, const char *name, const int64_t *values, size_t n)
{
    size_t begun = begin_attribute(self, name, TYPE_INTS);
    for (size_t k = 0; k < n; k++)
        proto_put_whole(&self->nodes, ATTRIBUTE_INTS, values[k]);
    proto_end(&self->nodes, begun);
}

/* ---- constants -------------------------------------------------------------------------------- */

typedef struct constant {
    enum onnx_data_type type;
    int n_dims;
    const int64_t *dims;
    const void *values;
    size_t n_bytes;
} constant;

static void put_constant(onnx_writer *self, const char *name, const constant *of)
{
    size_t node = onnx_put_node(self, "Constant", name, (const char *const[]){NULL});
    size_t attribute = begin_attribute(self, "value", TYPE_TENSOR);
    size_t inside = proto_begin(&self->nodes, ATTRIBUTE_T);
    for (int i = 0; i < of->n_dims; i++)
        proto_put_whole(&self->nodes, TENSOR_DIMS, of->dims[i]);
    proto_put_whole(&self->nodes, TENSOR_DATA_TYPE, of->type);
    proto_put_bytes(&self->nodes, TENSOR_RAW, of->values, of->n_bytes);
    proto_end(&self->nodes, inside);
    proto_end(&self->nodes, attribute);
    onnx_put_end(self, node);
}

void onnx_put_wholes(onnx_writer *self, const char *name, const int64_t *values, size_t n)
{
    put_constant(
        self, name,
        &(constant){ONNX_INT64, 1, (const int64_t[]){(int64_t)n}, values, n * sizeof *values});
}

void onnx_put_floats(onnx_writer *self, const char *name, const float *values, int n_dims,
                     const int64_t *dims)
{
    size_t n = 1;
    for (int i = 0; i < n_dims; i++)
        n *= (size_t)dims[i];
    put_constant(self, name, &(constant){ONNX_FLOAT, n_dims, dims, values, n * sizeof *values});
}

void onnx_put_number(onnx_writer *self, const char *name, double value)
{
    onnx_put_floats(self, name, &(float){(float)value}, 0, NULL);
}
