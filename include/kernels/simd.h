/*
 * simd.h - the vector of the target: the only header that knows an instruction set
 *
 * A block is VEC_WIDTH images side by side in the innermost dimension.  VEC_WIDTH is the machine's native
 * width and never more: 16 floats with AVX-512, 8 with AVX, 4 with SSE and NEON.  Kernels are written
 * with GCC's and Clang's vector extensions (GCC manual, "Using Vector Instructions through Built-in
 * Functions").
 */
#ifndef BRAMBLE_KERNELS_SIMD_H
#define BRAMBLE_KERNELS_SIMD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * Per target: lanes and name, then the table of tiles.  A tile keeps its sums in registers beside its
 * operands: at most SIMD_TILE_CHANNELS x SIMD_TILE_PIXELS of a convolution, SIMD_TILE_SUMS of a gradient
 * (16 registers: 6 x 2 sums, 2 pixels, 1 weight).  SIMD_IN_FLIGHT is how many multiply-adds must be under
 * way to hide their latency: latency times multiply-adds started per cycle.
 * SIMD_L2_BYTES is what a thread may count on of the level-2 cache: of its own, or its share of one (Pi 4: 1 MB for
 * four cores, most of it for weights that all read).
 * Sources: the vendors' optimisation guides (Zen 3, Skylake, Cortex-A72); docs/performance.md has what was
 * measured.
 */
#if defined(__AVX512F__)
#define VEC_WIDTH 16
#define SIMD_NAME "avx512"
#define SIMD_TILE_CHANNELS 6
#define SIMD_TILE_PIXELS 4
#define SIMD_TILE_SUMS 20
#define SIMD_IN_FLIGHT 8
#define SIMD_L2_BYTES (1024 * 1024)
#elif defined(__AVX__) && defined(__FMA__)
#define VEC_WIDTH 8
#define SIMD_NAME "avx2"
#define SIMD_TILE_CHANNELS 6
#define SIMD_TILE_PIXELS 2
#define SIMD_TILE_SUMS 12
#define SIMD_IN_FLIGHT 8
#define SIMD_L2_BYTES (384 * 1024)
#elif defined(__AVX__)
#define VEC_WIDTH 8
#define SIMD_NAME "avx"
#define SIMD_TILE_CHANNELS 6
#define SIMD_TILE_PIXELS 2
#define SIMD_TILE_SUMS 10
#define SIMD_IN_FLIGHT 4
#define SIMD_L2_BYTES (384 * 1024)
#elif defined(__aarch64__)
#define VEC_WIDTH 4
#define SIMD_NAME "neon"
#define SIMD_TILE_CHANNELS 6
#define SIMD_TILE_PIXELS 2
#define SIMD_TILE_SUMS 20
#define SIMD_IN_FLIGHT 8
#define SIMD_L2_BYTES (160 * 1024)
#else
#define VEC_WIDTH 4
#if defined(__SSE2__)
#define SIMD_NAME "sse2"
#else
#define SIMD_NAME "generic"
#endif
#define SIMD_TILE_CHANNELS 6
#define SIMD_TILE_PIXELS 2
#define SIMD_TILE_SUMS 10
#define SIMD_IN_FLIGHT 4
#define SIMD_L2_BYTES (160 * 1024)
#endif

typedef float vec __attribute__((vector_size(VEC_WIDTH * sizeof(float))));
typedef int32_t ivec __attribute__((vector_size(VEC_WIDTH * sizeof(int32_t))));

/* A loop of few, constant turns whose body indexes an array of vec meant for registers: all turns are written out. */
#ifdef __clang__
#define SIMD_FOR(...) _Pragma("clang loop unroll(full)") for (__VA_ARGS__)
#else
#define SIMD_FOR(...) _Pragma("GCC unroll 16") for (__VA_ARGS__)
#endif
#define SIMD_INLINE static inline __attribute__((always_inline))

/* simd_pause - a turn of a waiting loop: tells the core that nothing happens in it */
SIMD_INLINE void simd_pause(void)
{
#if defined(__x86_64__)
    __asm__ volatile("pause");
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/*
 * simd_missing - what the program is built for and this processor lacks; NULL when it has all
 * Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, CPUID.  (GCC's
 * __builtin_cpu_supports takes 5 kB.)
 */
SIMD_INLINE const char *simd_missing(void)
{
#if defined(__x86_64__)
    unsigned leaves = 0, b1 = 0, c1 = 0, b7 = 0, c7 = 0, d;
    __asm__("cpuid" : "+a"(leaves), "=b"(b1), "=c"(c1), "=d"(d));
    unsigned a1 = 1, a7 = leaves < 7 ? 0 : 7;
    __asm__("cpuid" : "+a"(a1), "=b"(b1), "=c"(c1), "=d"(d));
    if (a7 == 7)
        __asm__("cpuid" : "+a"(a7), "=b"(b7), "+c"(c7), "=d"(d));
    (void)c1;
    (void)b7;
#if defined(__AVX512F__)
    if (!(b7 >> 16 & 1))
        return "AVX-512";
#endif
#if defined(__AVX2__)
    if (!(b7 >> 5 & 1))
        return "AVX2";
#endif
#if defined(__FMA__)
    if (!(c1 >> 12 & 1))
        return "FMA";
#endif
#endif
    return NULL;
}

/* vec_in_register - x, loaded now: else a compiler may load it anew for each of its uses */
SIMD_INLINE vec vec_in_register(vec x)
{
#if defined(__AVX__)
    __asm__("" : "+x"(x));
#elif defined(__aarch64__)
    __asm__("" : "+w"(x));
#endif
    return x;
}

/* vec_set - all lanes x */
SIMD_INLINE vec vec_set(float x)
{
    return x - (vec){0};
}

/* ivec_set - all lanes x */
SIMD_INLINE ivec ivec_set(int32_t x)
{
    return x - (ivec){0};
}

/* vec_load, vec_store - at any address */
SIMD_INLINE vec vec_load(const float *p)
{
    vec x;
    memcpy(&x, p, sizeof x);
    return x;
}

SIMD_INLINE void vec_store(float *p, vec x)
{
    memcpy(p, &x, sizeof x);
}

/* vec_select - lane by lane: mask (all bits or none) ? a : b */
SIMD_INLINE vec vec_select(ivec mask, vec a, vec b)
{
    return (vec)((mask & (ivec)a) | (~mask & (ivec)b));
}

/* vec_sqrt - lane by lane, correctly rounded; negative: NaN */
SIMD_INLINE vec vec_sqrt(vec x)
{
    vec y = x;
    for (int k = 0; k < VEC_WIDTH; k++)
        y[k] = __builtin_sqrtf(x[k]);
    return y;
}

/* Lane numbers a, b, c, d of the first 16 bytes, and the same in the others. */
#if VEC_WIDTH == 4
#define SIMD_LANES(a, b, c, d) a, b, c, d
#elif VEC_WIDTH == 8
#define SIMD_LANES(a, b, c, d) a, b, c, d, (a) + 4, (b) + 4, (c) + 4, (d) + 4
#elif VEC_WIDTH == 16
#define SIMD_LANES(a, b, c, d)                                                                     \
    a, b, c, d, (a) + 4, (b) + 4, (c) + 4, (d) + 4, (a) + 8, (b) + 8, (c) + 8, (d) + 8, (a) + 12,  \
        (b) + 12, (c) + 12, (d) + 12
#endif

/*
 * SIMD_SHUFFLE - from each 16 bytes of x and y four elements: 0 .. 3 are x's, VEC_WIDTH .. VEC_WIDTH + 3
 * are y's.  Shuffles that stay within 16 bytes cost one instruction on every target.
 */
#define SIMD_SHUFFLE(x, y, a, b, c, d) __builtin_shufflevector(x, y, SIMD_LANES(a, b, c, d))

/* SIMD_TRANSPOSE - to[k], k = 0 .. 3: elements k of each 16 bytes of a, b, c, d, in this order */
#define SIMD_TRANSPOSE(a, b, c, d, to)                                                             \
    do {                                                                                           \
        __typeof__(a) ab_low = SIMD_SHUFFLE(a, b, 0, VEC_WIDTH, 1, VEC_WIDTH + 1);                 \
        __typeof__(a) ab_high = SIMD_SHUFFLE(a, b, 2, VEC_WIDTH + 2, 3, VEC_WIDTH + 3);            \
        __typeof__(a) cd_low = SIMD_SHUFFLE(c, d, 0, VEC_WIDTH, 1, VEC_WIDTH + 1);                 \
        __typeof__(a) cd_high = SIMD_SHUFFLE(c, d, 2, VEC_WIDTH + 2, 3, VEC_WIDTH + 3);            \
        (to)[0] = SIMD_SHUFFLE(ab_low, cd_low, 0, 1, VEC_WIDTH, VEC_WIDTH + 1);                    \
        (to)[1] = SIMD_SHUFFLE(ab_low, cd_low, 2, 3, VEC_WIDTH + 2, VEC_WIDTH + 3);                \
        (to)[2] = SIMD_SHUFFLE(ab_high, cd_high, 0, 1, VEC_WIDTH, VEC_WIDTH + 1);                  \
        (to)[3] = SIMD_SHUFFLE(ab_high, cd_high, 2, 3, VEC_WIDTH + 2, VEC_WIDTH + 3);              \
    } while (0)

#endif
