/*
 * onnx_attribute.h - attributes of a node, looked up by name; inside this room only
 */
#ifndef BRAMBLE_EXCHANGE_ONNX_ATTRIBUTE_H
#define BRAMBLE_EXCHANGE_ONNX_ATTRIBUTE_H

#include "onnx_file.h"

/* onnx_has - is there an attribute of that name? */
bool onnx_has(const onnx_node *self, const char *name);

/* onnx_whole, onnx_real - its value, or the fallback */
int64_t onnx_whole(const onnx_node *self, const char *name, int64_t fallback);
double onnx_real(const onnx_node *self, const char *name, double fallback);
proto_span onnx_string(const onnx_node *self, const char *name);

/* onnx_wholes_of, onnx_reals_of - as many of its values as there is room for; returns how many it has, -1: no such
 * attribute, or it is damaged */
int onnx_wholes_of(const onnx_node *self, const char *name, int64_t *to, int room);
int onnx_reals_of(const onnx_node *self, const char *name, float *to, int room);

/* onnx_reals_tensor - value_float or value_floats of a Constant node; false: it has neither */
bool onnx_reals_tensor(const onnx_node *self, onnx_tensor *to);

/* onnx_tensor_of - a tensor; false with err as onnx_tensor_parse, or without one */
bool onnx_tensor_of(const onnx_node *self, const char *name, onnx_tensor *to, error *err);

#endif
