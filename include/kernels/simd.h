/*
 * simd.h - the vector of the target: the only header that knows an instruction set
 *
 * A block is VEC_WIDTH images side by side in the innermost dimension.  VEC_WIDTH is the machine's native
 * width and never more: 16 floats with AVX-512, 8 with AVX, 4 with SSE and NEON.  Kernels are written
 * with GCC's and Clang's vector extensions (GCC manual, "Vector Extensions").
 */
#ifndef BRAMBLE_KERNELS_SIMD_H
#define BRAMBLE_KERNELS_SIMD_H

#include <stdint.h>

#if defined(__AVX512F__)
#define VEC_WIDTH 16
#define SIMD_NAME "avx512"
#elif defined(__AVX__) && defined(__FMA__)
#define VEC_WIDTH 8
#define SIMD_NAME "avx2"
#elif defined(__AVX__)
#define VEC_WIDTH 8
#define SIMD_NAME "avx"
#elif defined(__aarch64__)
#define VEC_WIDTH 4
#define SIMD_NAME "neon"
#elif defined(__SSE2__)
#define VEC_WIDTH 4
#define SIMD_NAME "sse2"
#else
#define VEC_WIDTH 4
#define SIMD_NAME "generic"
#endif

typedef float vec __attribute__((vector_size(VEC_WIDTH * sizeof(float))));
typedef int32_t ivec __attribute__((vector_size(VEC_WIDTH * sizeof(int32_t))));
typedef float vec_unaligned __attribute__((vector_size(VEC_WIDTH * sizeof(float)), aligned(4), may_alias));

/* vec_set - all lanes x */
static inline vec vec_set(float x)
{
    return x - (vec){0};
}

#endif
