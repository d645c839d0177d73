#include "data/batch.h"

#include "kernels/simd.h"

#include <assert.h>
#include <string.h>

/*
 * Sixteen pixels of VEC_WIDTH images at a time: four 32-bit words of four pixels from each image
 * are transposed, so that a lane holds the words of one image, and then taken apart by shifts.
 * A vector starts as 16-byte pieces of images four apart.
 */
enum { PIXELS = 16, PIECES = VEC_WIDTH / 4 };

typedef uint32_t piece __attribute__((vector_size(PIXELS)));
typedef uint32_t uvec __attribute__((vector_size(VEC_WIDTH * sizeof(uint32_t))));

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "words are taken apart lowest byte first"
#endif

SIMD_INLINE piece load_piece(const uint8_t *from)
{
    piece p;
    memcpy(&p, from, sizeof p);
    return p;
}

/* Images i, i + 4, i + 8 and i + 12, as far as the vector goes, at the same pixel. */
SIMD_INLINE uvec load_pieces(const uint8_t *const image[VEC_WIDTH], int i, size_t pixel)
{
#if VEC_WIDTH == 4
    return load_piece(image[i] + pixel);
#else
    typedef uint32_t pair __attribute__((vector_size(2 * PIXELS)));
    pair low = __builtin_shufflevector(load_piece(image[i] + pixel),
                                       load_piece(image[i + 4] + pixel), 0, 1, 2, 3, 4, 5, 6, 7);
#if VEC_WIDTH == 8
    return low;
#else
    pair high = __builtin_shufflevector(load_piece(image[i + 8] + pixel),
                                        load_piece(image[i + 12] + pixel), 0, 1, 2, 3, 4, 5, 6, 7);
    return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
#endif
#endif
}

SIMD_INLINE void store_word(uvec word, vec middle, vec scale, vec x[4])
{
    for (int k = 0; k < 4; k++) {
        ivec byte = (ivec)((word >> (8 * k)) & 255);
        x[k] = (__builtin_convertvector(byte, vec) - middle) * scale;
    }
}

SIMD_INLINE void load_pixels(const uint8_t *const image[VEC_WIDTH], size_t pixel, vec middle,
                             vec scale, vec x[PIXELS])
{
    uvec a = load_pieces(image, 0, pixel), b = load_pieces(image, 1, pixel);
    uvec c = load_pieces(image, 2, pixel), d = load_pieces(image, 3, pixel);
    uvec word[4];
    SIMD_TRANSPOSE(a, b, c, d, word);
    for (int k = 0; k < 4; k++)
        store_word(word[k], middle, scale, x + 4 * k);
}

void batch_load_block(const dataset *set, const uint32_t *indices, size_t first, size_t n, float *x,
                      uint16_t *labels)
{
    assert(n >= 1 && n <= VEC_WIDTH);
    size_t pixels = image_bytes(set->shape);
    const uint8_t *image[VEC_WIDTH];
    vec middle = {0}, scale = {0}; /* a lane without an image: (byte - 0) * 0 */
    for (size_t lane = 0; lane < VEC_WIDTH; lane++) {
        size_t i = indices ? indices[lane < n ? lane : 0] : first + (lane < n ? lane : 0);
        assert(i < set->n);
        image[lane] = set->images + i * pixels;
        if (lane < n) {
            labels[lane] = set->labels[i];
            middle[lane] = 127.5f;
            scale[lane] = 2.0f / 255.0f;
        }
    }
    vec *to = (vec *)(void *)x;
    size_t pixel = 0;
    for (; pixel + PIXELS <= pixels; pixel += PIXELS)
        load_pixels(image, pixel, middle, scale, to + pixel);
    for (; pixel < pixels; pixel++) {
        vec bytes;
        for (size_t lane = 0; lane < VEC_WIDTH; lane++)
            bytes[lane] = image[lane][pixel];
        to[pixel] = (bytes - middle) * scale;
    }
}
