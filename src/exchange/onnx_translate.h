/*
 * onnx_translate.h - from a graph of ONNX's operators to our layers; inside this room only
 */
#ifndef BRAMBLE_EXCHANGE_ONNX_TRANSLATE_H
#define BRAMBLE_EXCHANGE_ONNX_TRANSLATE_H

#include "exchange/exchange.h"
#include "onnx_file.h"

/* onnx_translate - a model file's text, weights and normalisation into `to`; false with err as onnx_load */
bool onnx_translate(const onnx_file *from, exchange_file *to, error *err);

#endif
