/*
 * dropout.h - elements left out by chance, which depends on nothing but what is left out, and when
 *
 * Element e (channel, row, column: its number in the image) of an image is dropped where 16 bits of
 * Threefry-4x32, 13 rounds, are below p * 2^16: key (seed, seed >> 32, DROPOUT_USE, 0), counter (e / 8, number of the
 * image in the whole training set, epoch, number of the layer), word e / 2 % 4 of the result, its lower half where e
 * is even.  The others are multiplied by 1 / (1 - p), as PyTorch does.
 * Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011; a generator without
 * multiplications, so that each lane computes that of its own image.
 */
#ifndef BRAMBLE_KERNELS_DROPOUT_H
#define BRAMBLE_KERNELS_DROPOUT_H

#include "kernels/simd.h"

#include <stdbool.h>
#include <stddef.h>

enum { DROPOUT_USE = 0x64726f70, DROPOUT_GROUP = 32 };

typedef struct dropout {
    size_t features; /* elements of an image */
    size_t n_groups; /* of a block: ceil(features / DROPOUT_GROUP) */
    uint32_t below;  /* p * 2^16, rounded; < 2^16 */
    float factor;    /* 1 / (1 - below / 2^16) */
    uint32_t layer;  /* its number */
} dropout;

/* dropout_make - for 0 <= p <= DROPOUT_MAX */
#define DROPOUT_MAX 0.9999
dropout dropout_make(size_t features, double p, uint32_t layer);

/* When: what changes from batch to batch. */
typedef struct dropout_batch {
    uint64_t seed;
    uint32_t epoch;
    const uint32_t *images; /* [block][VEC_WIDTH]: their numbers */
} dropout_batch;

/*
 * dropout_forward - y = x / (1 - p) where it is kept, x * 0 where not; y may be x
 *   kept  out  [block][n_groups]: bit e % 32 of a lane, is element e kept?
 * dropout_backward - gx = gy / (1 - p) or gy * 0, or, with add, gx + that, rounded once; gx may be gy
 * Items: groups begin .. end - 1 (block x group).
 */
void dropout_forward(const dropout *of, const dropout_batch *in, const vec *x, vec *y, ivec *kept,
                     size_t begin, size_t end);
void dropout_backward(const dropout *of, const ivec *kept, const vec *gy, vec *gx, bool add,
                      size_t begin, size_t end);

/* dropout_words - Threefry's four words of a counter, lane by lane, as above; for the tests */
typedef uint32_t dropout_lanes __attribute__((vector_size(VEC_WIDTH * sizeof(uint32_t))));
void dropout_words(const uint32_t key[4], const dropout_lanes counter[4], dropout_lanes words[4]);

#endif
