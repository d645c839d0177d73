/*
 * conv_gradient_tiles.h - the tiles of conv_gradient.c: inner loops of the gradient of a convolution's weights
 *
 * A tile is m out channels x up to 5 neighbouring taps of a kernel row; of a 1x1 kernel, which has one tap, as many in
 * channels.  It runs over some rows of an image with its sums in registers, lane by lane: one sum per image.  Rows are
 * cut into strips that stay in the level-1 cache while all of the kernel's rows pass over them.
 */
#ifndef BRAMBLE_KERNELS_CONV_GRADIENT_TILES_H
#define BRAMBLE_KERNELS_CONV_GRADIENT_TILES_H

#include "kernels/simd.h"

enum { MAX_CHANNELS = 4, MAX_TAPS = 5 };

typedef struct tile {
    const vec *gout; /* first out channel, first row of the strip */
    const vec *in;   /* first tap's first pixel */
    size_t gout_plane, in_plane, in_row;
    int height, width, stride;
    int n_ky;  /* kernel rows, one after the other */
    vec *sums; /* [n_ky][row_sums], each row's first ones [m][taps]; the strip's are added */
    size_t row_sums;
    bool fresh; /* to nothing */
} tile;

SIMD_INLINE void tile_compute(const tile *t, const int n_m, const int n_t, const bool one)
{
    const int step = t->stride;
    const size_t apart = one ? t->in_plane : 1; /* taps */
    vec *sums = t->sums;
    for (int ky = 0; ky < t->n_ky; ky++, sums += t->row_sums) {
        const vec *g = t->gout, *x_row = t->in + (size_t)ky * t->in_row;
        vec sum[MAX_CHANNELS][MAX_TAPS];
        SIMD_FOR (int m = 0; m < n_m; m++)
            SIMD_FOR (int k = 0; k < n_t; k++)
                sum[m][k] = t->fresh ? vec_set(0.0F) : sums[m * n_t + k];
        for (int y = 0; y < t->height; y++, x_row += (size_t)step * t->in_row) {
            const vec *x = x_row;
            for (int c = t->width; c > 0; c--, g++, x += step) {
                /* The fewer of the two stay in registers while the others pass. */
                if (n_t <= n_m) {
                    vec pixel[MAX_TAPS];
                    SIMD_FOR (int k = 0; k < n_t; k++)
                        pixel[k] = vec_in_register(x[(size_t)k * apart]);
                    SIMD_FOR (int m = 0; m < n_m; m++) {
                        vec gradient = vec_in_register(g[(size_t)m * t->gout_plane]);
                        SIMD_FOR (int k = 0; k < n_t; k++)
                            sum[m][k] += gradient * pixel[k];
                    }
                } else {
                    vec gradient[MAX_CHANNELS];
                    SIMD_FOR (int m = 0; m < n_m; m++)
                        gradient[m] = g[(size_t)m * t->gout_plane];
                    SIMD_FOR (int k = 0; k < n_t; k++) {
                        vec pixel = vec_in_register(x[(size_t)k * apart]);
                        SIMD_FOR (int m = 0; m < n_m; m++)
                            sum[m][k] += gradient[m] * pixel;
                    }
                }
            }
        }
        SIMD_FOR (int m = 0; m < n_m; m++)
            SIMD_FOR (int k = 0; k < n_t; k++)
                sums[m * n_t + k] = sum[m][k];
    }
}

/* The same with blocks narrower than a register, which the products of neighbouring taps with one gradient fill. */
SIMD_INLINE void tile_compute_rows(const tile *t, const int n_m, const int n_t)
{
    const int n_full = n_t / SIMD_WIDE, first = n_full * SIMD_WIDE; /* then taps one by one */
    const int step = t->stride;
    vec *sums = t->sums;
    for (int ky = 0; ky < t->n_ky; ky++, sums += t->row_sums) {
        const vec *g = t->gout, *x_row = t->in + (size_t)ky * t->in_row;
        vec_row full[MAX_CHANNELS][MAX_TAPS];
        vec sum[MAX_CHANNELS][MAX_TAPS];
        SIMD_FOR (int m = 0; m < n_m; m++) {
            SIMD_FOR (int k = 0; k < n_full; k++) {
                full[m][k] = (vec_row){0};
                if (!t->fresh)
                    full[m][k] = *(vec_row_at *)&sums[m * n_t + k * SIMD_WIDE];
            }
            SIMD_FOR (int k = first; k < n_t; k++)
                sum[m][k] = t->fresh ? vec_set(0.0F) : sums[m * n_t + k];
        }
        for (int y = 0; y < t->height; y++, x_row += (size_t)step * t->in_row) {
            const vec *x = x_row;
            for (int c = t->width; c > 0; c--, g++, x += step) {
                vec_row gradient[MAX_CHANNELS];
                SIMD_FOR (int m = 0; m < n_m; m++)
                    gradient[m] = vec_repeat(g + (size_t)m * t->gout_plane);
                SIMD_FOR (int k = 0; k < n_full; k++) {
                    vec_row pixels = vec_row_in_register(*(const vec_row_at *)&x[k * SIMD_WIDE]);
                    SIMD_FOR (int m = 0; m < n_m; m++)
                        full[m][k] += gradient[m] * pixels;
                }
                SIMD_FOR (int k = first; k < n_t; k++) {
                    vec pixel = vec_in_register(x[k]);
                    SIMD_FOR (int m = 0; m < n_m; m++)
                        sum[m][k] += vec_first(gradient[m]) * pixel;
                }
            }
        }
        SIMD_FOR (int m = 0; m < n_m; m++) {
            SIMD_FOR (int k = 0; k < n_full; k++)
                *(vec_row_at *)&sums[m * n_t + k * SIMD_WIDE] = full[m][k];
            SIMD_FOR (int k = first; k < n_t; k++)
                sums[m * n_t + k] = sum[m][k];
        }
    }
}

#define TILE(m, n)                                                                                 \
    static void tile_##m##x##n(const tile *t)                                                      \
    {                                                                                              \
        if (SIMD_WIDE > 1 && n >= SIMD_WIDE)                                                       \
            tile_compute_rows(t, m, n);                                                            \
        else                                                                                       \
            tile_compute(t, m, n, false);                                                          \
    }                                                                                              \
    static void tile_one_##m##x##n(const tile *t)                                                  \
    {                                                                                              \
        tile_compute(t, m, n, true);                                                               \
    }
typedef void tile_function(const tile *t);
/* Those whose sums the registers hold. */
/* clang-format off */
#define ALL_SMALL(OF)                                                                              \
    OF(1, 1) OF(1, 2) OF(1, 3) OF(1, 4) OF(1, 5) OF(2, 1) OF(2, 2) OF(2, 3) OF(2, 4) OF(2, 5)      \
    OF(3, 1) OF(3, 2) OF(3, 3) OF(3, 4) OF(4, 1) OF(4, 2) OF(4, 3)
/* clang-format on */
#if SIMD_TILE_SUMS < 20
#define ALL(OF) ALL_SMALL(OF)
#else
#define ALL(OF) ALL_SMALL(OF) OF(3, 5) OF(4, 4) OF(4, 5)
#endif
ALL(TILE)

#define ENTRY(m, n) [m - 1][n - 1] = tile_##m##x##n,
static tile_function *const tile_functions[MAX_CHANNELS][MAX_TAPS] = {ALL(ENTRY)};
#define ENTRY_ONE(m, n) [m - 1][n - 1] = tile_one_##m##x##n,
static tile_function *const tile_functions_one[MAX_CHANNELS][MAX_TAPS] = {ALL(ENTRY_ONE)};

#endif
