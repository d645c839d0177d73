/*
 * random.h - random numbers as a pure function of (seed, stream, index)
 *
 * Nobody holds a state: the same triple gives the same number on every rank, thread, machine and after
 * every restart.
 * Source: Philox4x32-10, Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3",
 * SC 2011.
 */
#ifndef BRAMBLE_BASE_RANDOM_H
#define BRAMBLE_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* What a stream is used for; two uses never share numbers. */
enum random_use {
    RANDOM_INIT = 1,      /* initial weights; major: number of the tensor */
    RANDOM_SHUFFLE,       /* order of a shard; major: client, minor: epoch */
    RANDOM_SYNTHETIC,     /* synthetic images; major: split, minor: image */
    RANDOM_TEST,          /* tests and benchmarks */
    RANDOM_PLAN,          /* bramble plan; minor: number of the draw */
    RANDOM_AUGMENT,       /* changed images; major: which change, minor: epoch */
    RANDOM_DEAL,          /* order in which images are dealt to the workers */
    RANDOM_HOLDOUT,       /* images held out; major: 1 of each client, minor: which */
    RANDOM_PARTITION,     /* who trains on what; major: what is drawn, minor: class, or try */
    RANDOM_PARTICIPATION, /* who takes part; minor: round */
    RANDOM_NOISE,         /* on averages; minor: round */
    RANDOM_SPLIT = 20     /* images set aside for testing; major: class */
};

/* random_stream - the name of a stream; major < 2^24, minor < 2^32 */
uint64_t random_stream(enum random_use use, uint32_t major, uint32_t minor);

/* random_u64 - 64 random bits */
uint64_t random_u64(uint64_t seed, uint64_t stream, uint64_t index);

/* random_below - an integer in [0, n), n >= 1; bias below n / 2^64 */
uint64_t random_below(uint64_t seed, uint64_t stream, uint64_t index, uint64_t n);

/* random_uniform - a float in [low, high), low < high, on a grid of 2^-24 of the interval, rounded */
float random_uniform(uint64_t seed, uint64_t stream, uint64_t index, float low, float high);

/*
 * random_normal - of the normal distribution with mean 0 and deviation 1; below 10 in magnitude; index < 2^56
 * Made of operations that round alike everywhere: no function of the C library but the square root.
 * Source: Marsaglia and Bray's polar method, SIAM Review 6, 1964.
 */
double random_normal(uint64_t seed, uint64_t stream, uint64_t index);

/* random_shuffle - order becomes 0 .. n - 1 in an order of chance (Fisher-Yates); numbers 1 .. n - 1 of the stream */
void random_shuffle(uint64_t seed, uint64_t stream, uint32_t *order, size_t n);

#endif
