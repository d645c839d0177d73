#include "onnx.h"

#include "onnx_format.h"
#include "protobuf.h"

enum { MOST_IR = 64, KEY_OF_IR = MODEL_IR_VERSION << 3, KEY_OF_VERSION = 5 << 3 }; /* varints */

/* There is no word that such files begin with: every program writes the version first, and then one of these fields. */
static bool recognises(const uint8_t *head, size_t n, uint64_t n_bytes)
{
    proto_span left = {head, n};
    uint64_t key, ir;
    if (n < 4 || n_bytes < 4 || !proto_varint(&left, &key) || key != KEY_OF_IR ||
        !proto_varint(&left, &ir) || ir < 1 || ir > MOST_IR || !proto_varint(&left, &key))
        return false;
    bool text = (key & 7) == PROTO_BYTES;
    return (text && key >> 3 >= MODEL_PRODUCER && key >> 3 <= MODEL_OPSET) ||
           (text && key >> 3 == MODEL_METADATA) || key == KEY_OF_VERSION;
}

const exchange_format exchange_onnx = {
    .name = "ONNX",
    .suffix = ".onnx",
    .recognises = recognises,
    .write = onnx_save,
    .read = onnx_load,
};
