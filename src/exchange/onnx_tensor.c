#include "onnx_file.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>

enum { SHOWN = 80 };

static const char *const type_names[] = {"no type",    "float",   "uint8",  "int8",   "uint16",
                                         "int16",      "int32",   "int64",  "string", "bool",
                                         "float16",    "double",  "uint32", "uint64", "complex64",
                                         "complex128", "bfloat16"};

static int shown(proto_span text)
{
    return text.n < SHOWN ? (int)text.n : SHOWN;
}

/* ---- what it is -------------------------------------------------------------------------------- */

static bool add_dim(onnx_tensor *self, uint64_t value, error *err)
{
    if (self->n_dims == EXCHANGE_MAX_DIMS)
        return error_user(err, "%.*s: an array of more than %d dimensions", shown(self->name),
                          (const char *)self->name.at, EXCHANGE_MAX_DIMS);
    if (value > SIZE_MAX / sizeof(double) ||
        !memory_multiply(self->count, (size_t)value, &self->count) ||
        self->count > SIZE_MAX / sizeof(double))
        return error_user(err, "%.*s: its dimensions overflow", shown(self->name),
                          (const char *)self->name.at);
    self->dims[self->n_dims++] = (size_t)value;
    return true;
}

/* A number by itself, or many together, packed. */
static bool add_dims(onnx_tensor *self, const proto_field *f, error *err)
{
    proto_span left = f->bytes;
    uint64_t value;
    if (f->wire == PROTO_VARINT)
        return add_dim(self, f->value, err);
    while (left.n > 0)
        if (!proto_varint(&left, &value) || !add_dim(self, value, err))
            return error_user(err, "damaged dimensions of an array");
    return true;
}

static bool is_dims(const proto_field *f)
{
    return proto_is(f, TENSOR_DIMS, PROTO_VARINT) || proto_is(f, TENSOR_DIMS, PROTO_BYTES);
}

bool onnx_tensor_parse(onnx_tensor *self, proto_span message, error *err)
{
    proto_span left = message;
    proto_field f;
    bool external = false;
    *self = (onnx_tensor){.message = message, .count = 1, .name = {(const uint8_t *)"", 0}};
    while (proto_next(&left, &f)) /* what is wrong is said by it */
        if (proto_is(&f, TENSOR_NAME, PROTO_BYTES))
            self->name = f.bytes;
    for (left = message; proto_next(&left, &f);) {
        if (proto_is(&f, TENSOR_DATA_TYPE, PROTO_VARINT))
            self->type = f.value < 1000 ? (int)f.value : 0;
        if (is_dims(&f) && !add_dims(self, &f, err))
            return false;
        external = external || proto_is(&f, TENSOR_EXTERNAL, PROTO_BYTES) ||
                   (proto_is(&f, TENSOR_LOCATION, PROTO_VARINT) && f.value != 0);
    }
    if (message.n > 0 && !left.at)
        return error_user(err, "an array is damaged");
    if (external)
        return error_user(err,
                          "%.*s lies in another file (external data): write the model to one file, "
                          "in PyTorch by external_data=False",
                          shown(self->name), (const char *)self->name.at);
    return true;
}

/* ---- its numbers ------------------------------------------------------------------------------- */

/* How a type's numbers lie: bytes of one, and the field where they stand one by one. */
typedef struct layout {
    size_t n_bytes;
    uint32_t field;
    enum proto_wire wire; /* of one that is not packed */
} layout;

static layout layout_of(int type)
{
    switch (type) {
    case ONNX_FLOAT:
        return (layout){4, TENSOR_FLOATS, PROTO_FIXED32};
    case ONNX_ATTRIBUTE_FLOAT:
        return (layout){4, ATTRIBUTE_F, PROTO_FIXED32};
    case ONNX_ATTRIBUTE_FLOATS:
        return (layout){4, ATTRIBUTE_FLOATS, PROTO_FIXED32};
    case ONNX_DOUBLE:
        return (layout){8, TENSOR_DOUBLES, PROTO_FIXED64};
    case ONNX_FLOAT16:
    case ONNX_BFLOAT16:
        return (layout){2, TENSOR_INT32S, PROTO_VARINT};
    case ONNX_INT32:
        return (layout){4, TENSOR_INT32S, PROTO_VARINT};
    case ONNX_INT64:
        return (layout){8, TENSOR_INT64S, PROTO_VARINT};
    default:
        return (layout){0};
    }
}

typedef struct gathering {
    layout of;
    uint8_t *to;
    size_t n, room; /* numbers */
} gathering;

static bool gather_one(gathering *self, uint64_t value)
{
    if (self->n == self->room)
        return false;
    memcpy(self->to + self->n++ * self->of.n_bytes, &value, self->of.n_bytes); /* little-endian */
    return true;
}

static bool gather_packed(gathering *self, proto_span bytes)
{
    uint64_t value;
    if (self->of.wire == PROTO_VARINT) {
        while (bytes.n > 0)
            if (!proto_varint(&bytes, &value) || !gather_one(self, value))
                return false;
        return true;
    }
    size_t n = bytes.n / self->of.n_bytes;
    if (bytes.n % self->of.n_bytes != 0 || n > self->room - self->n)
        return false;
    memcpy(self->to + self->n * self->of.n_bytes, bytes.at, bytes.n);
    self->n += n;
    return true;
}

static bool gather(gathering *self, proto_span message)
{
    proto_field f;
    while (proto_next(&message, &f))
        if (f.number == self->of.field &&
            !(f.wire == self->of.wire ? gather_one(self, f.value)
                                      : f.wire == PROTO_BYTES && gather_packed(self, f.bytes)))
            return false;
    return self->n == self->room;
}

/* Its numbers in a row, as `raw` has them: in the file, or, where they are not, in *made. */
static const uint8_t *numbers(const onnx_tensor *self, uint8_t **made, error *err)
{
    proto_span left = self->message;
    proto_field f;
    gathering by = {.of = layout_of(self->type), .room = self->count};
    *made = NULL;
    while (self->type < ONNX_ATTRIBUTE_FLOAT && proto_next(&left, &f))
        if (proto_is(&f, TENSOR_RAW, PROTO_BYTES)) {
            if (f.bytes.n / by.of.n_bytes == self->count && f.bytes.n % by.of.n_bytes == 0)
                return f.bytes.at;
            error_user(err, "%.*s: %zu bytes for %zu numbers", shown(self->name),
                       (const char *)self->name.at, f.bytes.n, self->count);
            return NULL;
        }
    /* each takes a byte at least */
    if (self->count <= self->message.n && !(by.to = memory_new(self->count, by.of.n_bytes, err)))
        return NULL;
    *made = by.to;
    if (by.to && gather(&by, self->message))
        return by.to;
    error_user(err, "%.*s: not the %zu numbers that its dimensions say", shown(self->name),
               (const char *)self->name.at, self->count);
    return NULL;
}

static bool refuse_type(const onnx_tensor *self, const char *expected, error *err)
{
    size_t n = sizeof type_names / sizeof *type_names;
    char number[16];
    snprintf(number, sizeof number, "type %d", self->type);
    return error_user(
        err, "%.*s is of %s: expected %s", shown(self->name), (const char *)self->name.at,
        self->type >= 0 && (size_t)self->type < n ? type_names[self->type] : number, expected);
}

bool onnx_tensor_floats(const onnx_tensor *self, float *to, error *err)
{
    bool is_float = self->type == ONNX_FLOAT || self->type >= ONNX_ATTRIBUTE_FLOAT;
    enum exchange_number type = is_float                      ? EXCHANGE_F32
                                : self->type == ONNX_FLOAT16  ? EXCHANGE_F16
                                : self->type == ONNX_BFLOAT16 ? EXCHANGE_BF16
                                : self->type == ONNX_DOUBLE   ? EXCHANGE_F64
                                                              : EXCHANGE_NUMBERS;
    uint8_t *made = NULL;
    if (type == EXCHANGE_NUMBERS)
        return refuse_type(self, "float, float16, bfloat16 or double", err);
    const uint8_t *from = numbers(self, &made, err);
    if (from)
        exchange_floats(type, from, self->count, to);
    memory_free(made);
    return from != NULL;
}

bool onnx_tensor_is_whole(const onnx_tensor *self)
{
    return self->type == ONNX_INT32 || self->type == ONNX_INT64;
}

bool onnx_tensor_wholes(const onnx_tensor *self, int64_t *to, error *err)
{
    uint8_t *made = NULL;
    if (!onnx_tensor_is_whole(self))
        return refuse_type(self, "int32 or int64", err);
    const uint8_t *from = numbers(self, &made, err);
    for (size_t k = 0; from && k < self->count; k++) {
        int32_t narrow;
        if (self->type == ONNX_INT32) {
            memcpy(&narrow, from + k * sizeof narrow, sizeof narrow);
            to[k] = narrow;
        } else {
            memcpy(&to[k], from + k * sizeof *to, sizeof *to);
        }
    }
    memory_free(made);
    return from != NULL;
}
