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

/* Sample k of a batch, changed; it lies in the rule's room, at its place in the batch. */
static const uint8_t *augment(const input_rule *rule, input_key key, size_t k, const uint8_t *image)
{
    image_shape shape = rule->from;
    uint8_t *room[2] = {rule->room + 2 * k * rule->change_bytes};
    room[1] = room[0] + rule->change_bytes;
    for (int i = 0; i < rule->n_augment; i++) {
        const augmentation *how = rule->augment[i];
        how->apply(how, key, shape, image, room[i % 2]);
        image = room[i % 2];
        shape.height = how->height;
        shape.width = how->width;
    }
    return image;
}

static const uint8_t *find_image(const input_rule *rule, const dataset *set, const samples *of,
                                 size_t k, uint16_t *label)
{
    size_t i = of->indices ? of->indices[k] : of->first + k;
    assert(i < set->n);
    *label = set->labels[i];
    return augment(rule, (input_key){rule->seed, of->epoch, set->numbers[i]}, k,
                   set->images + i * image_bytes(rule->from));
}

/* Pixels begin .. end - 1 of all lanes. */
static void load_run(const uint8_t *const image[VEC_WIDTH], size_t begin, size_t end, vec middle,
                     vec scale, vec *x)
{
    size_t pixel = begin;
    for (; pixel + PIXELS <= end; pixel += PIXELS)
        load_pixels(image, pixel, middle, scale, x + pixel);
    for (; pixel < end; pixel++) {
        vec bytes;
        for (size_t lane = 0; lane < VEC_WIDTH; lane++)
            bytes[lane] = image[lane][pixel];
        x[pixel] = (bytes - middle) * scale;
    }
}

void batch_load_block(const input_rule *rule, const dataset *set, const samples *of, size_t first,
                      size_t n, float *x, uint16_t *labels)
{
    assert(n >= 1 && n <= VEC_WIDTH && first + n <= of->n);
    const uint8_t *image[VEC_WIDTH];
    ivec there = {0};
    for (size_t lane = 0; lane < VEC_WIDTH; lane++) {
        image[lane] = lane < n ? find_image(rule, set, of, first + lane, labels + lane) : image[0];
        there[lane] = lane < n ? -1 : 0;
    }
    size_t plane = (size_t)rule->to.height * (size_t)rule->to.width, begin = 0;
    for (int k = 0; k < rule->n_runs; k++) {
        const input_run *run = &rule->runs[k];
        size_t end = begin + (size_t)run->n_channels * plane;
        vec none = vec_set(0.0F); /* a lane without an image: (byte - 0) * 0 */
        load_run(image, begin, end, vec_select(there, vec_set(run->middle), none),
                 vec_select(there, vec_set(run->scale), none), (vec *)(void *)x);
        begin = end;
    }
}
