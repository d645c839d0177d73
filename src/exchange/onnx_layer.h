/*
 * onnx_layer.h - the layers that a graph becomes; inside this room only
 */
#ifndef BRAMBLE_EXCHANGE_ONNX_LAYER_H
#define BRAMBLE_EXCHANGE_ONNX_LAYER_H

#include "onnx_value.h"

/*
 * onnx_layer_new - a layer with the inputs' shape, which the caller may change
 *   after  in  a constant without whose name's ending, "conv1" of "conv1.weight", the layer's is made; NULL: the node's
 *   from   in  n_inputs values, all of them layers' outputs
 * onnx_layer_set - one more of its settings, a line
 * onnx_layer_weight - its tensor NAME.suffix, of the values of a constant, its dims given
 * onnx_rename - of a layer without weights so far: by that of a constant, if it says one
 * onnx_give - `to` is the output of the layer that is the last, with these axes
 * NULL or false with err.
 */
onnx_layer *onnx_layer_new(onnx_translation *self, int node, const char *kind,
                           const onnx_value *after, onnx_value *const *from, int n_inputs);
void onnx_layer_set(onnx_layer *self, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
bool onnx_layer_weight(onnx_translation *self, int node, const onnx_layer *of, const char *suffix,
                       const onnx_value *from, int n_dims, const size_t *dims);
void onnx_rename(onnx_translation *self, onnx_layer *l, const onnx_value *after);
bool onnx_give(onnx_translation *self, onnx_value *to, enum onnx_axes axes);

/* onnx_plain_name - letters, digits, - and single _, of which the last of room - 1 count; room at most ONNX_SHORT_NAME */
void onnx_plain_name(char *to, size_t room, proto_span from);

#endif
