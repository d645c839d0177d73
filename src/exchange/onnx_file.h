/*
 * onnx_file.h - what stands in an ONNX file, found in its bytes; inside this room only
 *
 * Nothing in the bytes is trusted.  Messages within messages are read to the depth that is needed, each by its own
 * function: there is no recursion.  Texts are spans, without a NUL.
 */
#ifndef BRAMBLE_EXCHANGE_ONNX_FILE_H
#define BRAMBLE_EXCHANGE_ONNX_FILE_H

#include "exchange/exchange.h"
#include "onnx_format.h"
#include "protobuf.h"

/* More than any graph of MODEL_MAX_LAYERS layers has. */
enum { ONNX_MAX_NODES = 8192, ONNX_MAX_VALUES = 16384, ONNX_MAX_EDGES = 65536 };

/* An array of numbers. */
typedef struct onnx_tensor {
    proto_span name;
    int type; /* enum onnx_data_type, or any other number */
    int n_dims;
    size_t dims[EXCHANGE_MAX_DIMS];
    size_t count; /* product of dims */
    proto_span message;
} onnx_tensor;

typedef struct onnx_node {
    proto_span op, name, domain, message;
    const int *inputs, *outputs; /* n_inputs and n_outputs numbers of values; -1: none */
    int n_inputs, n_outputs;
} onnx_node;

/* What comes in or goes out: dims[i] is -1 where it may be anything; n_dims may be more than dims holds. */
typedef struct onnx_port {
    int value, type, n_dims;
    int64_t dims[EXCHANGE_MAX_DIMS];
} onnx_port;

typedef struct onnx_file {
    proto_span bytes, graph;   /* the whole file, the caller's; its graph */
    proto_span producer, name; /* the program that wrote it; the graph's */
    int64_t opset;
    onnx_node *nodes; /* n_nodes, each value given once */
    int n_nodes;
    onnx_tensor *tensors; /* n_tensors initializers, and the values that they are */
    int *tensor_values, n_tensors;
    onnx_port input, output; /* the only ones that are no initializers */
    int n_values;
    proto_span *value_names;
    /* of this struct alone */
    int *edges, *table;
} onnx_file;

/*
 * onnx_file_parse - find all of that
 *   bytes  in  must outlive self
 * false with err (user): damaged, no graph, more than is allowed, not one input and one output, operators older than
 * opset 6, numbers in another file; memory.  onnx_file_release frees it, also after failure.
 */
bool onnx_file_parse(onnx_file *self, proto_span bytes, error *err);
void onnx_file_release(onnx_file *self);

/* onnx_file_pair - the next pair of metadata: left, at first the file's bytes; false: there is none any more */
bool onnx_file_pair(proto_span *left, proto_span *key, proto_span *value);

/* onnx_tensor_parse - from its message; false with err (user): damaged, dims that overflow, numbers in another file */
bool onnx_tensor_parse(onnx_tensor *self, proto_span message, error *err);

/*
 * onnx_tensor_floats, onnx_tensor_wholes - its numbers, count of them
 * onnx_tensor_is_whole - are they whole?
 * false with err (user): a type that is not read, by its name; not as many numbers as its dims say; memory.
 */
bool onnx_tensor_floats(const onnx_tensor *self, float *to, error *err);
bool onnx_tensor_wholes(const onnx_tensor *self, int64_t *to, error *err);
bool onnx_tensor_is_whole(const onnx_tensor *self);

#endif
