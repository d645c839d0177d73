/*
 * sampler.h - the order in which a worker goes through its shard
 *
 * The order of epoch e of worker k is a function of (seed, k, e) alone.
 */
#ifndef BRAMBLE_DATA_SAMPLER_H
#define BRAMBLE_DATA_SAMPLER_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum sampler_order { ORDER_SHUFFLE = 0, ORDER_SEQUENTIAL };

typedef struct sampler {
    size_t n; /* images in the shard */
    uint64_t seed;
    uint32_t worker;
    enum sampler_order order;
    uint32_t epoch;        /* of the images in `permutation` */
    size_t position;       /* images of this epoch already handed out */
    uint32_t *permutation; /* n indices into the shard */
} sampler;

/* sampler_init - stand at the start of epoch 0; 1 <= n < 2^32; sampler_release frees */
bool sampler_init(sampler *self, size_t n, uint64_t seed, uint32_t worker, enum sampler_order order,
                  error *err);
void sampler_release(sampler *self);

/* sampler_seek - stand at a position of an epoch, as if everything before it had been handed out */
void sampler_seek(sampler *self, uint32_t epoch, size_t position);

/*
 * sampler_next - hand out the next at most `batch` indices of the epoch
 *   indices  out  points into the sampler; valid until the next call
 * Returns how many: `batch`, or fewer for the last batch of an epoch, never 0: the batch after the last
 * of an epoch is the first of the next, freshly shuffled (Fisher-Yates).
 */
size_t sampler_next(sampler *self, size_t batch, const uint32_t **indices);

#endif
