/*
 * onnx_write.h - a model as a graph of ONNX's operators; inside this room only
 *
 * Every layer becomes a few nodes, whose last bears its name; what it gives is the value NAME.output.  Weights are
 * initializers with our names.  What else an operator needs is the value of a Constant node: these are no weights.
 */
#ifndef BRAMBLE_EXCHANGE_ONNX_WRITE_H
#define BRAMBLE_EXCHANGE_ONNX_WRITE_H

#include "onnx_put.h"

/*
 * onnx_write_nodes - all nodes of a model, which is an outline: into self->nodes, to be released by the caller
 *   input  in  what is done to the pixels first: x = (pixel - middle) * scale, pixels from 0 to 255
 * false with err: a kind that has no words in ONNX (user), memory.
 */
bool onnx_write_nodes(onnx_writer *self, const model *graph, const input_values *input, error *err);

/* onnx_knows - are there words for a kind of layer? */
bool onnx_knows(const char *kind);

#endif
