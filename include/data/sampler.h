/*
 * sampler.h - the order in which a client goes through its shard
 *
 * The order of epoch e of client k is a function of (seed, k, e) alone.  Where a worker is one client, that
 * is its number.  Clients that share out the batches of one order are all client 0.
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
    uint32_t *permutation; /* n indices into the shard */
} sampler;

/* sampler_init - 1 <= n < 2^32, client < 2^24; sampler_release frees */
bool sampler_init(sampler *self, size_t n, uint64_t seed, uint32_t client, enum sampler_order order,
                  error *err);
void sampler_release(sampler *self);

/*
 * sampler_take - n images of an epoch's order, from place `first` on; first + n is at most the shard's n
 * Their indices point into the sampler and are valid until the next call.
 */
samples sampler_take(sampler *self, uint32_t epoch, size_t first, size_t n);

#endif
