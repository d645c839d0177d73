/*
 * onnx_put.h - nodes of a graph that is written; inside this room only
 */
#ifndef BRAMBLE_EXCHANGE_ONNX_PUT_H
#define BRAMBLE_EXCHANGE_ONNX_PUT_H

#include "exchange/exchange.h"
#include "protobuf.h"

enum { ONNX_NAME_BYTES = LAYER_NAME_BYTES + 48 };
typedef char onnx_name[ONNX_NAME_BYTES];

/* What a layer has become: a value [N, channels, height, width], or, flat, [N, features]. */
typedef struct onnx_made {
    onnx_name value;
    bool flat;
} onnx_made;

typedef struct onnx_writer {
    const model *graph;
    proto_writer nodes;               /* fields of GraphProto */
    onnx_made made[MODEL_MAX_LAYERS]; /* of the layers so far */
    onnx_made images;                 /* what the first layer gets */
    bool spread[MODEL_MAX_LAYERS];    /* its weights are of shape [channels][1][1] */
} onnx_writer;

/*
 * onnx_put_node - begin a node that gives `name`.output
 *   name    in  of the layer, or "LAYER.word" where it takes several
 *   inputs  in  values, NULL-terminated
 * Attributes follow, and onnx_put_end with what this returns.  onnx_put_plain: one without attributes.
 */
size_t onnx_put_node(onnx_writer *self, const char *op, const char *name,
                     const char *const *inputs);
void onnx_put_end(onnx_writer *self, size_t begun);
void onnx_put_plain(onnx_writer *self, const char *op, const char *name, const char *const *inputs);
void onnx_put_attribute_whole(onnx_writer *self, const char *name, int64_t value);
void onnx_put_attribute_float(onnx_writer *self, const char *name, double value);
void onnx_put_attribute_wholes(onnx_writer *self, const char *name, const int64_t *values,
                               size_t n);

/*
 * onnx_put_wholes, _floats, _number - a Constant node of whole numbers, onnx_floats of floats
 *   name      in   its own; to has room for its value's
 *   n_dims    in   0: a single number
 */
void onnx_put_wholes(onnx_writer *self, const char *name, const int64_t *values, size_t n);
void onnx_put_floats(onnx_writer *self, const char *name, const float *values, int n_dims,
                     const int64_t *dims);
void onnx_put_number(onnx_writer *self, const char *name, double value);

#endif
