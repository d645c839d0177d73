/*
 * onnx_function.h - functions, element by element, of a layer's output, and how they become layers; inside this room only
 */
#ifndef BRAMBLE_EXCHANGE_ONNX_FUNCTION_H
#define BRAMBLE_EXCHANGE_ONNX_FUNCTION_H

#include "onnx_value.h"

/* Where functions are looked at. */
extern const double onnx_points[ONNX_POINTS];

/* Some of them. */
double onnx_relu(double x);
double onnx_sigmoid(double x);
double onnx_gelu(double x);
double onnx_gelu_tanh(double x);

/*
 * onnx_function_in - input i of a node, to be read element by element; NULL with err
 * onnx_function_begin - output 0 as the function that `of` is, whose points the caller changes
 * onnx_function_finish - and when it is done: what is one of our kinds becomes a layer at once
 */
onnx_value *onnx_function_in(onnx_translation *self, int node, int i);
onnx_value *onnx_function_begin(onnx_translation *self, int node, const onnx_value *of);
bool onnx_function_finish(onnx_translation *self, int node);

/* onnx_settle - make data a layer's output, where it is a function of one; false with err: none of our kinds */
bool onnx_settle(onnx_translation *self, onnx_value *value);

/*
 * onnx_data - input i of a node, which must be data, and is made a layer's output where it is none; NULL with err
 * onnx_image - and [N, channels, height, width]
 * onnx_padded - likewise; there may be zeros around it, which nobody else takes
 */
onnx_value *onnx_data(onnx_translation *self, int node, int i);
onnx_value *onnx_image(onnx_translation *self, int node, int i);
onnx_value *onnx_padded(onnx_translation *self, int node, int i);

#endif
