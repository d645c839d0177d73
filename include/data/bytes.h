/*
 * bytes.h - a run of bytes in a file, packed by deflate or not, read by place
 *
 * Packed bytes are unpacked as they are read: on from the last place, or anew from the
 * start when an earlier one is wanted.  Nothing in the file is trusted.
 */
#ifndef BRAMBLE_DATA_BYTES_H
#define BRAMBLE_DATA_BYTES_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* How they are packed: not, or deflate within gzip, within zlib's frame, or bare. */
enum packing { PACKING_NONE, PACKING_GZIP, PACKING_ZLIB, PACKING_DEFLATE };

typedef struct bytes bytes;

/*
 * bytes_open - the whole of a regular file; unpacked where it begins as gzip files do
 * Returns NULL with err: no such file, no regular file (user), or the system refuses (environment).
 */
bytes *bytes_open(const char *path, error *err);

/*
 * bytes_part - n bytes of the file of `whole` from a place on, as another object that may outlast it
 *   whole  in  not packed;  at + n within it (checked, user)
 */
bytes *bytes_part(const bytes *whole, uint64_t at, uint64_t n, enum packing packing, error *err);

/* bytes_free - close; NULL is legal */
void bytes_free(bytes *self);

/* bytes_path - of the file, for messages; bytes_packed - are they? */
const char *bytes_path(const bytes *self);
bool bytes_packed(const bytes *self);

/*
 * bytes_length - how many there are, unpacked; what is packed is unpacked to its end, and its checksum looked at
 *   most  in  more than these are not unpacked
 * Returns false with err (user): damaged, cut off, or more than most.
 */
bool bytes_length(bytes *self, uint64_t most, uint64_t *n, error *err);

/*
 * bytes_read - n of them from a place on
 * Returns false with err: damaged, cut off, or not as many (user); cannot be read, or the file has become
 * shorter since it was opened (environment).
 */
bool bytes_read(bytes *self, uint64_t at, void *to, size_t n, error *err);

#endif
