/*
 * blocks.h - for the tests of kernels and layers: numbers, guarded memory, blocks of images, comparison
 */
#ifndef BRAMBLE_TESTS_BLOCKS_H
#define BRAMBLE_TESTS_BLOCKS_H

#include "base/memory.h"
#include "base/random.h"
#include "kernels/simd.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Under AddressSanitizer too, memory that cannot be had is an error to be tested, not an abort. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

#define COUNT(list) (int)(sizeof(list) / sizeof *(list))
#define ROUNDING 0x1p-24 /* of one operation, relative */
enum {
    SEED = 20240501,
    GUARD_BYTES = 128,
    GUARD_FILL = 0xFF /* NaN: what is read beside an array shows */
};
enum numbers {
    INTEGERS, /* -4 .. 4: their sums of products are exact, so a wrong or missing term shows */
    REALS     /* -1 .. 1 */
};

/* How many of n long cases to take: with BRAMBLE_TEST_FEW set a third, for an emulated processor. */
static inline int enough_of(int n)
{
    return getenv("BRAMBLE_TEST_FEW") ? (n + 2) / 3 : n;
}

/* How far the tests' random numbers have been used. */
static struct drawn {
    uint32_t streams;
    uint64_t numbers;
} drawn;

/* For what follows to be the same whatever tests stand before. */
static inline void draw_anew(void)
{
    drawn = (struct drawn){0};
}

/* A fresh stream of random numbers. */
static inline uint64_t next_stream(void)
{
    return random_stream(RANDOM_TEST, 1, drawn.streams++);
}

/* The next whole number in low .. high. */
static inline int draw(int low, int high)
{
    uint64_t range = (uint64_t)(high - low + 1);
    return low + (int)random_below(SEED, random_stream(RANDOM_TEST, 0, 0), drawn.numbers++, range);
}

/* bytes of memory filled with a pattern, between two guards; guarded_free checks that they are whole. */
static inline void guarded_fill(void *p)
{
    memset(p, GUARD_FILL, *(size_t *)(void *)((char *)p - GUARD_BYTES));
}

static inline void *guarded_new(size_t bytes)
{
    char *memory = memory_new(bytes + 2 * GUARD_BYTES, 1, NULL);
    assert_non_null(memory);
    memset(memory, GUARD_FILL, bytes + 2 * GUARD_BYTES);
    *(size_t *)(void *)memory = bytes;
    return memory + GUARD_BYTES;
}

static inline void guarded_free(void *p)
{
    if (!p)
        return;
    unsigned char *memory = (unsigned char *)p - GUARD_BYTES;
    size_t bytes = *(size_t *)(void *)memory;
    for (size_t k = 0; k < GUARD_BYTES; k++)
        if ((k >= sizeof bytes && memory[k] != GUARD_FILL) ||
            memory[GUARD_BYTES + bytes + k] != GUARD_FILL)
            fail_msg("written outside an array of %zu bytes", bytes);
    memory_free(memory);
}

/* Numbers of images: one, a block and one more or fewer, several blocks, with the last full or not. */
static const int edge_counts[] = {1,
                                  VEC_WIDTH - 1,
                                  VEC_WIDTH,
                                  VEC_WIDTH + 1,
                                  3 * VEC_WIDTH + 2,
                                  4 * VEC_WIDTH + 1,
                                  6 * VEC_WIDTH};

static inline float *floats_new(size_t n, enum numbers numbers)
{
    uint64_t stream = next_stream();
    float *x = guarded_new(n * sizeof *x);
    for (size_t k = 0; k < n; k++)
        x[k] = numbers == INTEGERS ? (float)random_below(SEED, stream, k, 9) - 4.0F
                                   : random_uniform(SEED, stream, k, -1.0F, 1.0F);
    return x;
}

static inline double *doubles_new(size_t n)
{
    return guarded_new(n * sizeof(double));
}

static inline float *magnitudes_new(const float *x, size_t n)
{
    float *y = guarded_new(n * sizeof *y);
    for (size_t k = 0; k < n; k++)
        y[k] = fabsf(x[k]);
    return y;
}

static inline size_t blocks_of(size_t n_images)
{
    return (n_images + VEC_WIDTH - 1) / VEC_WIDTH;
}

/* [image][feature] as [block][feature] of vec; lanes past the last image get numbers that would show. */
static inline vec *blocks_new(const float *rows, size_t n_images, size_t features)
{
    vec *x = guarded_new(blocks_of(n_images) * features * sizeof *x);
    for (size_t k = 0; k < blocks_of(n_images) * VEC_WIDTH; k++)
        for (size_t f = 0; f < features; f++)
            x[k / VEC_WIDTH * features + f][k % VEC_WIDTH] =
                k < n_images ? rows[k * features + f] : 1e6F + (float)f;
    return x;
}

static inline float block_element(const vec *x, size_t features, size_t image, size_t feature)
{
    return x[image / VEC_WIDTH * features + feature][image % VEC_WIDTH];
}

/* And back; free the result. */
static inline float *rows_new(const vec *x, size_t n_images, size_t features)
{
    float *rows = guarded_new(n_images * features * sizeof *rows);
    for (size_t k = 0; k < n_images * features; k++)
        rows[k] = block_element(x, features, k / features, k % features);
    return rows;
}

/* |got - want| <= bound[k] * factor, element by element; bound NULL: equal. */
static inline void assert_near(const char *what, const float *got, const double *want,
                               const double *bound, double factor, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        double limit = bound ? bound[k] * factor : 0.0;
        if (!(fabs((double)got[k] - want[k]) <= limit)) /* NaN is not near */
            fail_msg("%s: element %zu of %zu is %.9g, expected %.9g +- %.2g", what, k, n,
                     (double)got[k], want[k], limit);
    }
}

/* An operation on items begin .. end - 1, and what it writes. */
typedef struct operation {
    const char *name;
    void (*run)(void *arg, size_t begin, size_t end);
    size_t n_items;
    void *out; /* from guarded_new */
} operation;

/* Run it in one range; then cut at random points, from the back: the bits must be the same. */
static inline void operation_run(const operation *op, void *arg)
{
    size_t bytes = *(size_t *)(void *)((char *)op->out - GUARD_BYTES);
    op->run(arg, 0, op->n_items);
    void *once = guarded_new(bytes);
    memcpy(once, op->out, bytes);
    guarded_fill(op->out);
    for (size_t end = op->n_items; end > 0;) {
        size_t begin = (size_t)draw(0, (int)end - 1);
        op->run(arg, begin, end);
        op->run(arg, begin, begin); /* an empty range writes nothing */
        end = begin;
    }
    if (memcmp(once, op->out, bytes) != 0)
        fail_msg("%s: other bits when its %zu items are cut", op->name, op->n_items);
    guarded_free(once);
}

#endif
