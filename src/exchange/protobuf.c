#include "protobuf.h"

#include "base/memory.h"

#include <string.h>

enum { VARINT_BYTES = 10, FIRST_ROOM = 4096 };

/* ---- reading ----------------------------------------------------------------------------------- */

bool proto_varint(proto_span *left, uint64_t *value)
{
    *value = 0;
    for (size_t k = 0; k < VARINT_BYTES && k < left->n; k++) {
        *value |= (uint64_t)(left->at[k] & 0x7f) << (7 * k);
        if (left->at[k] < 0x80) {
            *left = (proto_span){left->at + k + 1, left->n - k - 1};
            return true;
        }
    }
    return false;
}

static bool take(proto_span *left, uint64_t n, proto_span *taken)
{
    if (n > left->n)
        return false;
    *taken = (proto_span){left->at, (size_t)n};
    *left = (proto_span){left->at + n, left->n - (size_t)n};
    return true;
}

/* Little-endian. */
static uint64_t whole(proto_span bytes)
{
    uint64_t value = 0;
    for (size_t k = bytes.n; k > 0; k--)
        value = value << 8 | bytes.at[k - 1];
    return value;
}

static bool take_value(proto_span *left, proto_field *field)
{
    switch (field->wire) {
    case PROTO_VARINT:
        return proto_varint(left, &field->value);
    case PROTO_BYTES:
        return proto_varint(left, &field->value) && take(left, field->value, &field->bytes);
    case PROTO_FIXED64:
    case PROTO_FIXED32:
        if (!take(left, field->wire == PROTO_FIXED32 ? 4 : 8, &field->bytes))
            return false;
        field->value = whole(field->bytes);
        return true;
    }
    return false; /* groups, which nobody writes any more, and what there is not */
}

bool proto_next(proto_span *left, proto_field *field)
{
    uint64_t key;
    if (!left->at || left->n == 0)
        return false;
    if (proto_varint(left, &key) && key >> 3 > 0 && key >> 3 < 1U << 29) {
        *field = (proto_field){.number = (uint32_t)(key >> 3), .wire = (enum proto_wire)(key & 7)};
        if (take_value(left, field))
            return true;
    }
    left->at = NULL;
    return false;
}

bool proto_is(const proto_field *field, uint32_t number, enum proto_wire wire)
{
    return field->number == number && field->wire == wire;
}

bool proto_equal(proto_span bytes, const char *text)
{
    return bytes.n == strlen(text) && memcmp(bytes.at, text, bytes.n) == 0;
}

/* ---- writing ----------------------------------------------------------------------------------- */

void proto_release(proto_writer *self)
{
    memory_free(self->bytes);
    *self = (proto_writer){0};
}

/* Room for n more bytes, or NULL. */
static uint8_t *grow(proto_writer *self, size_t n)
{
    if (!self->failed && n > self->room - self->n) {
        size_t room = 2 * (self->n + n) + FIRST_ROOM;
        uint8_t *bytes = memory_new(room, 1, NULL);
        self->failed = !bytes;
        if (bytes && self->n > 0)
            memcpy(bytes, self->bytes, self->n);
        if (bytes) {
            memory_free(self->bytes);
            self->bytes = bytes;
            self->room = room;
        }
    }
    return self->failed ? NULL : self->bytes + self->n;
}

static void append(proto_writer *self, const void *bytes, size_t n)
{
    uint8_t *to = grow(self, n);
    if (to && n > 0) {
        memcpy(to, bytes, n);
        self->n += n;
    }
}

static size_t varint(uint64_t value, uint8_t bytes[VARINT_BYTES])
{
    size_t n = 0;
    for (; value >= 0x80; value >>= 7)
        bytes[n++] = (uint8_t)(value | 0x80);
    bytes[n++] = (uint8_t)value;
    return n;
}

static void append_varint(proto_writer *self, uint64_t value)
{
    uint8_t bytes[VARINT_BYTES];
    append(self, bytes, varint(value, bytes));
}

static void append_key(proto_writer *self, uint32_t number, enum proto_wire wire)
{
    append_varint(self, (uint64_t)number << 3 | (uint64_t)wire);
}

void proto_put_whole(proto_writer *self, uint32_t number, int64_t value)
{
    append_key(self, number, PROTO_VARINT);
    append_varint(self, (uint64_t)value);
}

void proto_put_float(proto_writer *self, uint32_t number, float value)
{
    append_key(self, number, PROTO_FIXED32);
    append(self, &value, sizeof value);
}

void proto_put_bytes(proto_writer *self, uint32_t number, const void *bytes, size_t n)
{
    proto_head(self, number, n);
    append(self, bytes, n);
}

void proto_put_text(proto_writer *self, uint32_t number, const char *text)
{
    proto_put_bytes(self, number, text, strlen(text));
}

size_t proto_begin(proto_writer *self, uint32_t number)
{
    append_key(self, number, PROTO_BYTES);
    return self->n;
}

/* How long it is, is known now, and goes before it. */
void proto_end(proto_writer *self, size_t begun)
{
    uint8_t length[VARINT_BYTES];
    size_t n = varint(self->n - begun, length), inside = self->n - begun;
    if (!grow(self, n))
        return;
    memmove(self->bytes + begun + n, self->bytes + begun, inside);
    memcpy(self->bytes + begun, length, n);
    self->n += n;
}

void proto_head(proto_writer *self, uint32_t number, size_t n)
{
    append_key(self, number, PROTO_BYTES);
    append_varint(self, n);
}

size_t proto_head_bytes(uint32_t number, size_t n)
{
    uint8_t bytes[VARINT_BYTES];
    return varint((uint64_t)number << 3 | PROTO_BYTES, bytes) + varint(n, bytes);
}
