/*
 * sampler.h - the order in which a client goes through its shard
 *
 * The order of epoch e of client k is a function of (seed, k, e) alone.  Where a worker is one client, that
 * is its number.
 */
#ifndef BRAMBLE_DATA_SAMPLER_H
#define BRAMBLE_DATA_SAMPLER_H

#include "base/error.h"
#include "data/dataset.h"

#include <stddef.h>
#include <stdint.h>

enum sampler_order { ORDER_SHUFFLE = 0, ORDER_SEQUENTIAL };

typedef struct sampler {
    size_t n; /* images in the shard */
    uint64_t seed;
    uint32_t client;
    enum sampler_order order;
    uint32_t epoch;        /* of the images in `permutation` */
    size_t position;       /* images of this epoch already handed out */
    uint32_t *permutation; /* n indices into the shard */
} sampler;

/* sampler_init - stand at the start of epoch 0; 1 <= n < 2^32, client < 2^24; sampler_release frees */
bool sampler_init(sampler *self, size_t n, uint64_t seed, uint32_t client, enum sampler_order order,
                  error *err);
void sampler_release(sampler *self);

/* sampler_seek - stand at a position of an epoch, as if everything before it had been handed out */
void sampler_seek(sampler *self, uint32_t epoch, size_t position);

/*
 * sampler_next - hand out the next at most `batch` images of the epoch
 * Returns them; their indices point into the sampler and are valid until the next call.  There are `batch`,
 * or fewer for the last batch of an epoch, never 0: the batch after the last of an epoch is the first of the
 * next, freshly shuffled.
 */
samples sampler_next(sampler *self, size_t batch);

#endif
