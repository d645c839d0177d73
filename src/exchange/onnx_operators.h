/*
 * onnx_operators.h - ONNX's operators that are read, a function each; inside this room only
 */
#ifndef BRAMBLE_EXCHANGE_ONNX_OPERATORS_H
#define BRAMBLE_EXCHANGE_ONNX_OPERATORS_H

#include "onnx_value.h"

onnx_operator onnx_op_unary, onnx_op_binary, onnx_op_sum, onnx_op_clip;
onnx_operator onnx_op_constant, onnx_op_identity, onnx_op_cast, onnx_op_transpose, onnx_op_reshape,
    onnx_op_flatten, onnx_op_squeeze, onnx_op_unsqueeze, onnx_op_shape, onnx_op_gather,
    onnx_op_concat, onnx_op_slice, onnx_op_split, onnx_op_softmax, onnx_op_pad;
onnx_operator onnx_op_conv, onnx_op_gemm, onnx_op_matmul, onnx_op_batchnorm, onnx_op_layernorm,
    onnx_op_instancenorm, onnx_op_groupnorm, onnx_op_prelu, onnx_op_maxpool, onnx_op_avgpool,
    onnx_op_globalpool, onnx_op_reducemean, onnx_op_dropout;

#endif
