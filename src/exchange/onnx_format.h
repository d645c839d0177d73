/*
 * onnx_format.h - numbers of ONNX's messages, of those fields that are written or read; inside this room only
 *
 * Source: onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto), IR version 8.
 */
#ifndef BRAMBLE_EXCHANGE_ONNX_FORMAT_H
#define BRAMBLE_EXCHANGE_ONNX_FORMAT_H

#define ONNX_PRODUCER "Bramble"
enum { ONNX_IR = 8, ONNX_OPSET = 17 }; /* that are written: operators as they were in May 2022 */

enum onnx_model_field {
    MODEL_IR_VERSION = 1,
    MODEL_PRODUCER = 2,
    MODEL_GRAPH = 7,
    MODEL_OPSET = 8,
    MODEL_METADATA = 14
};
enum onnx_opset_field { OPSET_DOMAIN = 1, OPSET_VERSION = 2 };
enum onnx_pair_field { PAIR_KEY = 1, PAIR_VALUE = 2 };
enum onnx_graph_field {
    GRAPH_NODE = 1,
    GRAPH_NAME = 2,
    GRAPH_INITIALIZER = 5,
    GRAPH_INPUT = 11,
    GRAPH_OUTPUT = 12
};
enum onnx_node_field {
    NODE_INPUT = 1,
    NODE_OUTPUT = 2,
    NODE_NAME = 3,
    NODE_OP = 4,
    NODE_ATTRIBUTE = 5,
    NODE_DOMAIN = 7
};
enum onnx_attribute_field {
    ATTRIBUTE_NAME = 1,
    ATTRIBUTE_F = 2,
    ATTRIBUTE_I = 3,
    ATTRIBUTE_S = 4,
    ATTRIBUTE_T = 5,
    ATTRIBUTE_FLOATS = 7,
    ATTRIBUTE_INTS = 8,
    ATTRIBUTE_TYPE = 20
};
enum onnx_attribute_type {
    TYPE_FLOAT = 1,
    TYPE_INT = 2,
    TYPE_STRING = 3,
    TYPE_TENSOR = 4,
    TYPE_INTS = 7
};
enum onnx_tensor_field {
    TENSOR_DIMS = 1,
    TENSOR_DATA_TYPE = 2,
    TENSOR_FLOATS = 4,
    TENSOR_INT32S = 5,
    TENSOR_INT64S = 7,
    TENSOR_NAME = 8,
    TENSOR_RAW = 9,
    TENSOR_DOUBLES = 10,
    TENSOR_EXTERNAL = 13,
    TENSOR_LOCATION = 14
};
enum onnx_data_type {
    ONNX_FLOAT = 1,
    ONNX_UINT8 = 2,
    ONNX_INT8 = 3,
    ONNX_INT32 = 6,
    ONNX_INT64 = 7,
    ONNX_BOOL = 9,
    ONNX_FLOAT16 = 10,
    ONNX_DOUBLE = 11,
    ONNX_BFLOAT16 = 16,
    /* floats that are an attribute: of ours alone, files have none of that number */
    ONNX_ATTRIBUTE_FLOAT = 1001,
    ONNX_ATTRIBUTE_FLOATS = 1002
};
enum onnx_value_field { VALUE_NAME = 1, VALUE_TYPE = 2 };
enum onnx_type_field { TYPE_OF_TENSOR = 1 };
enum onnx_tensor_type_field { TENSOR_TYPE_ELEMENT = 1, TENSOR_TYPE_SHAPE = 2 };
enum onnx_shape_field { SHAPE_DIM = 1 };
enum onnx_dim_field { DIM_VALUE = 1, DIM_PARAM = 2 };

#endif
