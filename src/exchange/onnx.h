/*
 * onnx.h - the two halves of the format ONNX; inside this room only
 */
#ifndef BRAMBLE_EXCHANGE_ONNX_H
#define BRAMBLE_EXCHANGE_ONNX_H

#include "exchange/exchange.h"

/*
 * onnx_save - the file of a model
 * The graph takes `input`, float [N, channels, height, width], pixels from 0 to 255 as pictures have them, normalises
 * them, and gives `logits`, float [N, classes].  The pairs of exchange_pairs are its metadata.
 * false with err: a kind that has no words in ONNX (user), memory.
 */
bool onnx_save(const exchange_model *from, const exchange_out *out, error *err);

/*
 * onnx_load - a model file and its weights from a graph
 * Where the graph is what onnx_save makes of the model file in its metadata, that is the model; else one is made of its
 * operators, and is `translated`.  false with err (user): damaged, an operator that is none of our kinds, by its name
 * and its node's, weights in another file; memory.
 */
bool onnx_load(const char *path, exchange_file *out, error *err);

/* onnx_read - the same, of bytes; `out` zeroed by the caller */
bool onnx_read(const uint8_t *bytes, size_t n, exchange_file *out, error *err);

#endif
