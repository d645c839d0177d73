#include "onnx_attribute.h"

#include <string.h>

/* The attribute's message; .at NULL: there is none. */
static proto_span find(const onnx_node *self, const char *name)
{
    proto_span left = self->message, inside;
    proto_field f, g;
    while (proto_next(&left, &f)) {
        if (!proto_is(&f, NODE_ATTRIBUTE, PROTO_BYTES))
            continue;
        for (inside = f.bytes; proto_next(&inside, &g);)
            if (proto_is(&g, ATTRIBUTE_NAME, PROTO_BYTES) && proto_equal(g.bytes, name))
                return f.bytes;
    }
    return (proto_span){NULL, 0};
}

bool onnx_has(const onnx_node *self, const char *name)
{
    return find(self, name).at != NULL;
}

/* Its last field of that number, as protocol buffers have it. */
static bool last(const onnx_node *self, const char *name, uint32_t number, enum proto_wire wire,
                 proto_field *field)
{
    proto_span left = find(self, name);
    proto_field f;
    bool found = false;
    while (proto_next(&left, &f))
        if (proto_is(&f, number, wire)) {
            *field = f;
            found = true;
        }
    return found;
}

static float to_float(uint64_t bits)
{
    uint32_t narrow = (uint32_t)bits;
    float value;
    memcpy(&value, &narrow, sizeof value);
    return value;
}

/* A zero may be left out. */
int64_t onnx_whole(const onnx_node *self, const char *name, int64_t fallback)
{
    proto_field f;
    if (last(self, name, ATTRIBUTE_I, PROTO_VARINT, &f))
        return (int64_t)f.value;
    return onnx_has(self, name) ? 0 : fallback;
}

double onnx_real(const onnx_node *self, const char *name, double fallback)
{
    proto_field f;
    if (last(self, name, ATTRIBUTE_F, PROTO_FIXED32, &f))
        return (double)to_float(f.value);
    return onnx_has(self, name) ? 0.0 : fallback;
}

proto_span onnx_string(const onnx_node *self, const char *name)
{
    proto_field f;
    return last(self, name, ATTRIBUTE_S, PROTO_BYTES, &f) ? f.bytes
                                                          : (proto_span){(const uint8_t *)"", 0};
}

int onnx_wholes_of(const onnx_node *self, const char *name, int64_t *to, int room)
{
    proto_span left = find(self, name);
    proto_field f;
    uint64_t value;
    int n = 0;
    if (!left.at)
        return -1;
    while (proto_next(&left, &f)) {
        if (proto_is(&f, ATTRIBUTE_INTS, PROTO_VARINT) && n++ < room)
            to[n - 1] = (int64_t)f.value;
        if (!proto_is(&f, ATTRIBUTE_INTS, PROTO_BYTES))
            continue;
        while (f.bytes.n > 0) {
            if (!proto_varint(&f.bytes, &value))
                return -1;
            if (n++ < room)
                to[n - 1] = (int64_t)value;
        }
    }
    return left.at ? n : -1;
}

int onnx_reals_of(const onnx_node *self, const char *name, float *to, int room)
{
    proto_span left = find(self, name);
    proto_field f;
    int n = 0;
    if (!left.at)
        return -1;
    while (proto_next(&left, &f)) {
        if (proto_is(&f, ATTRIBUTE_FLOATS, PROTO_FIXED32) && n++ < room)
            to[n - 1] = to_float(f.value);
        if (!proto_is(&f, ATTRIBUTE_FLOATS, PROTO_BYTES))
            continue;
        for (size_t k = 0; k + sizeof(float) <= f.bytes.n; k += sizeof(float))
            if (n++ < room)
                memcpy(&to[n - 1], f.bytes.at + k, sizeof(float));
    }
    return left.at ? n : -1;
}

bool onnx_tensor_of(const onnx_node *self, const char *name, onnx_tensor *to, error *err)
{
    proto_field f;
    return last(self, name, ATTRIBUTE_T, PROTO_BYTES, &f) && onnx_tensor_parse(to, f.bytes, err);
}

bool onnx_reals_tensor(const onnx_node *self, onnx_tensor *to)
{
    bool one = onnx_has(self, "value_float");
    int n = one ? 1 : onnx_reals_of(self, "value_floats", NULL, 0);
    if (n < 0)
        return false;
    *to = (onnx_tensor){.name = self->name,
                        .type = one ? ONNX_ATTRIBUTE_FLOAT : ONNX_ATTRIBUTE_FLOATS,
                        .n_dims = one ? 0 : 1,
                        .dims = {(size_t)n},
                        .count = (size_t)n,
                        .message = find(self, one ? "value_float" : "value_floats")};
    return true;
}
