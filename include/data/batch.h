/*
 * batch.h - from bytes to the kernels' floats: the only place where the layout changes
 */
#ifndef BRAMBLE_DATA_BATCH_H
#define BRAMBLE_DATA_BATCH_H

#include "data/dataset.h"
#include "data/input.h"

#include <stddef.h>
#include <stdint.h>

/*
 * batch_load_block - one block of up to VEC_WIDTH images of a batch side by side
 *   rule    in   what becomes of their bytes
 *   set     in   the shard or test set, of shape rule->from
 *   of      in   the batch
 *   first   in   of the block within the batch, a multiple of VEC_WIDTH
 *   n       in   1 .. VEC_WIDTH images
 *   x       out  [channels][height][width][VEC_WIDTH] floats, of rule->to, aligned to a vector; lanes
 *                n .. VEC_WIDTH - 1 are 0
 *   labels  out  n
 * No error path, no allocation; safe to call from several threads on different blocks.
 */
void batch_load_block(const input_rule *rule, const dataset *set, const samples *of, size_t first,
                      size_t n, float *x, uint16_t *labels);

#endif
