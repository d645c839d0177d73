/*
 * protobuf.h - the bytes of Google's protocol buffers, as far as ONNX files need them; inside this room only
 *
 * A message is a row of fields; each begins with a varint, number * 8 + wire type.  What a number means, and whether
 * bytes are text, an array or another message, the reader must know.
 * Source: protobuf.dev, "Encoding".
 */
#ifndef BRAMBLE_EXCHANGE_PROTOBUF_H
#define BRAMBLE_EXCHANGE_PROTOBUF_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- reading ----------------------------------------------------------------------------------- */

enum proto_wire { PROTO_VARINT = 0, PROTO_FIXED64 = 1, PROTO_BYTES = 2, PROTO_FIXED32 = 5 };

/* Bytes of somebody else's: a message, a text without a NUL, an array. */
typedef struct proto_span {
    const uint8_t *at;
    size_t n;
} proto_span;

typedef struct proto_field {
    uint32_t number;
    enum proto_wire wire;
    uint64_t value;   /* of PROTO_VARINT, PROTO_FIXED64, PROTO_FIXED32 */
    proto_span bytes; /* of PROTO_BYTES */
} proto_field;

/*
 * proto_next - the next field of a message, which is taken off its front
 *   left  inout  at NULL after false: the message is damaged; else it has come to its end
 */
bool proto_next(proto_span *left, proto_field *field);

/*
 * proto_varint - a bare varint off the front of an array of them; false: no whole one is left
 * proto_is - has it that number and wire type?
 */
bool proto_varint(proto_span *left, uint64_t *value);
bool proto_is(const proto_field *field, uint32_t number, enum proto_wire wire);

/* proto_equal - are these the bytes of text? */
bool proto_equal(proto_span bytes, const char *text);

/* ---- writing ----------------------------------------------------------------------------------- */

/* Bytes that grow; zeroed to begin with, release with proto_release.  After a failure nothing is added. */
typedef struct proto_writer {
    uint8_t *bytes;
    size_t n, room;
    bool failed; /* memory */
} proto_writer;
void proto_release(proto_writer *self);

/* proto_put_* - a field; of a float or a whole number, or bytes, or text */
void proto_put_whole(proto_writer *self, uint32_t number, int64_t value);
void proto_put_float(proto_writer *self, uint32_t number, float value);
void proto_put_bytes(proto_writer *self, uint32_t number, const void *bytes, size_t n);
void proto_put_text(proto_writer *self, uint32_t number, const char *text);

/* proto_begin - a field that is a message, whose fields follow; proto_end - it is whole: what proto_begin gave */
size_t proto_begin(proto_writer *self, uint32_t number);
void proto_end(proto_writer *self, size_t begun);

/* proto_head - what stands before n bytes of a field that the caller adds;  proto_head_bytes - how many that are */
void proto_head(proto_writer *self, uint32_t number, size_t n);
size_t proto_head_bytes(uint32_t number, size_t n);

#endif
