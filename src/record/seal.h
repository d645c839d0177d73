/*
 * seal.h - the block behind a checkpoint's last byte of HDF5
 *
 * Private to src/record.
 */
#ifndef BRAMBLE_RECORD_SEAL_H
#define BRAMBLE_RECORD_SEAL_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

#define SEAL_MARK "BRAMBLE\x1a"

/* Little-endian, as all numbers in the file. */
typedef struct seal {
    char mark[8];
    uint64_t n_bytes; /* before it */
    uint64_t crc;     /* of them: zlib's crc32 */
} seal;

/* seal_check - is the file at path whole?  false with err (user): what is wrong.  Not collective. */
bool seal_check(const char *path, error *err);

#endif
