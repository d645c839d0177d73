/*
 * simd.h - the vector of the target: the only header that knows an instruction set
 *
 * A block is VEC_WIDTH images side by side in the innermost dimension.  VEC_WIDTH is the machine's native
 * width and never more: 16 floats with AVX-512, 8 with AVX, 4 with SSE and NEON; less where the Makefile says
 * so (-DVEC_WIDTH), for small batches.  Kernels are written with GCC's and Clang's vector extensions (GCC
 * manual, "Using Vector Instructions through Built-in Functions").
 */
#ifndef BRAMBLE_KERNELS_SIMD_H
#define BRAMBLE_KERNELS_SIMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>

/*
 * Per target: lanes and name, then the table of tiles.  A tile keeps its sums in registers beside its
 * operands: at most SIMD_TILE_CHANNELS x SIMD_TILE_PIXELS of a convolution, SIMD_TILE_SUMS of a gradient
 * (16 registers: 6 x 2 sums, 2 pixels, 1 weight).  SIMD_IN_FLIGHT is how many multiply-adds must be under
 * way to hide their latency: latency times multiply-adds started per cycle.
 * SIMD_L2_BYTES is what a thread may count on of the level-2 cache: of its own, or its share of one (Pi 4: 1 MB for
 * four cores, most of it for weights that all read).  SIMD_SHARED_BYTES is what such weights may take before they come
 * from memory: most of what a Pi 4's level-2 cache has beside the threads' shares, or a Pi 5's level 3; a PC's level 3.
 * Sources: the vendors' optimisation guides (Zen 3, Skylake, Cortex-A72); docs/performance.md has what was
 * measured.
 */
#if defined(__AVX512F__)
#define SIMD_WIDTH 16
#define SIMD_NAME "avx512"
#define SIMD_TILE_CHANNELS 6
#define SIMD_TILE_PIXELS 4
#define SIMD_TILE_SUMS 20
#define SIMD_IN_FLIGHT 8
#define SIMD_L2_BYTES (1024 * 1024)
#define SIMD_SHARED_BYTES (16 * 1024 * 1024)
#elif defined(__AVX__) && defined(__FMA__)
#define SIMD_WIDTH 8
#define SIMD_NAME "avx2"
#define SIMD_TILE_CHANNELS 6
#define SIMD_TILE_PIXELS 2
#define SIMD_TILE_SUMS 12
#define SIMD_IN_FLIGHT 8
#define SIMD_L2_BYTES (384 * 1024)
#define SIMD_SHARED_BYTES (16 * 1024 * 1024)
#elif defined(__AVX__)
#define SIMD_WIDTH 8
#define SIMD_NAME "avx"
#define SIMD_TILE_CHANNELS 6
#define SIMD_TILE_PIXELS 2
#define SIMD_TILE_SUMS 10
#define SIMD_IN_FLIGHT 4
#define SIMD_L2_BYTES (384 * 1024)
#define SIMD_SHARED_BYTES (16 * 1024 * 1024)
#elif defined(__aarch64__)
#define SIMD_WIDTH 4
#if defined(__ARM_FEATURE_DOTPROD)
#define SIMD_NAME "a76"
#define SIMD_SHARED_BYTES (1536 * 1024)
#else
#define SIMD_NAME "neon"
#define SIMD_SHARED_BYTES (640 * 1024)
#endif
#define SIMD_TILE_CHANNELS 6
#define SIMD_TILE_PIXELS 2
#define SIMD_TILE_SUMS 20
#define SIMD_IN_FLIGHT 8
#define SIMD_L2_BYTES (160 * 1024)
#else
#define SIMD_WIDTH 4
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
#define SIMD_SHARED_BYTES (4 * 1024 * 1024)
#endif
#ifndef VEC_WIDTH
#define VEC_WIDTH SIMD_WIDTH
#endif
#if defined(__FMA__) || defined(__aarch64__)
#define SIMD_FUSED true
#else
#define SIMD_FUSED false
#endif

typedef float vec __attribute__((vector_size(VEC_WIDTH * sizeof(float))));
typedef int32_t ivec __attribute__((vector_size(VEC_WIDTH * sizeof(int32_t))));

/*
 * vec_row - SIMD_WIDE vecs side by side, as neighbouring pixels of a row are: a whole register of the machine's, where a
 * small batch leaves a vec only part of one
 * vec_row_at - the same at the address of any vec
 */
#define SIMD_WIDE (SIMD_WIDTH / VEC_WIDTH)
typedef float vec_row __attribute__((vector_size(SIMD_WIDTH * sizeof(float))));
typedef vec_row vec_row_at __attribute__((aligned(VEC_WIDTH * sizeof(float)), may_alias));

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

/* What a processor, and the system on it, has of what kernels are compiled for. */
typedef struct simd_features {
    bool fma, avx2, avx512; /* avx512: with VL, BW and DQ */
    bool a76; /* what a Cortex-A76 has and a Cortex-A72 has not: Armv8.2, dot products */
} simd_features;

/*
 * simd_look - what this processor has
 * Sources: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, CPUID, XGETBV (GCC's
 * __builtin_cpu_supports takes 5 kB); Linux, Documentation/arch/arm64/elf_hwcaps.rst.
 */
SIMD_INLINE simd_features simd_look(void)
{
    simd_features f = {false};
#if defined(__x86_64__)
    unsigned leaves = 0, b1 = 0, c1 = 0, b7 = 0, c7 = 0, d, saved = 0;
    __asm__("cpuid" : "+a"(leaves), "=b"(b1), "=c"(c1), "=d"(d));
    unsigned a1 = 1, a7 = leaves < 7 ? 0 : 7;
    __asm__("cpuid" : "+a"(a1), "=b"(b1), "=c"(c1), "=d"(d));
    if (a7 == 7)
        __asm__("cpuid" : "+a"(a7), "=b"(b7), "+c"(c7), "=d"(d));
    if (c1 >> 27 & 1) /* the system keeps these registers when it lets others have the core */
        __asm__("xgetbv" : "=a"(saved), "=d"(d) : "c"(0));
    const unsigned vl_bw_dq_f = 1U << 31 | 1U << 30 | 1U << 17 | 1U << 16;
    bool keeps_ymm = (saved & 0x6) == 0x6, keeps_zmm = (saved & 0xe6) == 0xe6;
    f.fma = (c1 >> 12 & 1) && keeps_ymm;
    f.avx2 = (b7 >> 5 & 1) && keeps_ymm;
    f.avx512 = f.avx2 && keeps_zmm && (b7 & vl_bw_dq_f) == vl_bw_dq_f;
#elif defined(__aarch64__)
    /* atomics, half precision, rounding products, ordered loads, dot products */
    const unsigned long armv8_2 = 1UL << 8 | 3UL << 9 | 1UL << 12 | 1UL << 15 | 1UL << 20;
    f.a76 = (getauxval(AT_HWCAP) & armv8_2) == armv8_2;
#endif
    return f;
}

/* simd_runs - has this processor what the instruction set of that SIMD_NAME asks for? */
SIMD_INLINE bool simd_runs(const char *name)
{
    simd_features f = simd_look();
    return strcmp(name, "avx512") == 0 ? f.avx512
           : strcmp(name, "avx2") == 0 ? f.avx2 && f.fma
           : strcmp(name, "a76") == 0  ? f.a76
                                       : strcmp(name, "sse2") == 0 || strcmp(name, "neon") == 0;
}

/* simd_missing - what the program is built for and this processor lacks; NULL when it has all */
SIMD_INLINE const char *simd_missing(void)
{
    simd_features f = simd_look();
    (void)f;
#if defined(__AVX512F__)
    if (!f.avx512)
        return "AVX-512";
#endif
#if defined(__AVX2__)
    if (!f.avx2)
        return "AVX2";
#endif
#if defined(__FMA__)
    if (!f.fma)
        return "FMA";
#endif
#if defined(__ARM_FEATURE_DOTPROD)
    if (!f.a76)
        return "Armv8.2";
#endif
    return NULL;
}

/* SIMD_KEEP - x stands in a register here, as far as the compiler knows */
#if defined(__AVX__)
#define SIMD_KEEP(x) __asm__("" : "+x"(x))
#elif defined(__aarch64__)
#define SIMD_KEEP(x) __asm__("" : "+w"(x))
#else
#define SIMD_KEEP(x) (void)(x)
#endif

/* vec_in_register - x, loaded now: else a compiler may load it anew for each of its uses */
SIMD_INLINE vec vec_in_register(vec x)
{
    SIMD_KEEP(x);
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

/* vec_row_in_register - likewise (vec_in_register) */
SIMD_INLINE vec_row vec_row_in_register(vec_row x)
{
    SIMD_KEEP(x);
    return x;
}

/* vec_first - the first of a row */
SIMD_INLINE vec vec_first(vec_row x)
{
#if SIMD_WIDE == 1
    return x;
#elif VEC_WIDTH == 8
    return __builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7);
#else
    return __builtin_shufflevector(x, x, 0, 1, 2, 3);
#endif
}

/* vec_repeat - *p, SIMD_WIDE times side by side, in a register; GCC 12 would go over memory */
SIMD_INLINE vec_row vec_repeat(const vec *p)
{
    vec_row x;
#if SIMD_WIDE == 1
    x = *p;
#elif SIMD_WIDE == 4
    __asm__("vbroadcastf32x4 %1, %0" : "=v"(x) : "m"(*p));
#elif SIMD_WIDTH == 16
    __asm__("vbroadcastf32x8 %1, %0" : "=v"(x) : "m"(*p));
#else
    __asm__("vbroadcastf128 %1, %0" : "=x"(x) : "m"(*p));
#endif
    return x;
}

/* vec_select - lane by lane: mask (all bits or none) ? a : b */
SIMD_INLINE vec vec_select(ivec mask, vec a, vec b)
{
    return (vec)((mask & (ivec)a) | (~mask & (ivec)b));
}

/*
 * vec_relu - lane by lane: what a ReLU of x lets through of `of`, which may be x itself; else 0
 * Of NaN, too: diverged weights must show in the loss.
 */
SIMD_INLINE vec vec_relu(vec x, vec of)
{
    return (vec)(~(x <= vec_set(0.0F)) & (ivec)of);
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
