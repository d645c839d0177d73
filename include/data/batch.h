/*
 * batch.h - from bytes to the kernels' floats: the only place where the layout changes
 */
#ifndef BRAMBLE_DATA_BATCH_H
#define BRAMBLE_DATA_BATCH_H

#include "data/dataset.h"

#include <stddef.h>
#include <stdint.h>

/*
 * batch_load_block - one block of up to VEC_WIDTH images side by side
 *   set      in   the shard or test set
 *   indices  in   n indices into it; NULL: images first .. first + n - 1
 *   n        in   1 .. VEC_WIDTH
 *   x        out  [channels][height][width][VEC_WIDTH] floats, x = (byte / 255 - 0.5) / 0.5 within one
 *                 rounding, aligned to a vector; lanes n .. VEC_WIDTH - 1 are 0
 *   labels   out  n
 * No error path, no allocation; safe to call from several threads on different blocks.
 */
void batch_load_block(const dataset *set, const uint32_t *indices, size_t first, size_t n, float *x,
                      uint16_t *labels);

#endif
