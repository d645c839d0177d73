#include "data/batch.h"

#include "base/random.h"
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

/* An image as all changes leave it: in one of two rooms, or where it was. */
static const uint8_t *augment(const input_rule *rule, input_key key, const uint8_t *image,
                              uint8_t *room)
{
    image_shape shape = rule->from;
    for (int i = 0; i < rule->n_augment; i++) {
        const augmentation *how = rule->augment[i];
        uint8_t *made = room + (size_t)(i % 2) * rule->change_bytes;
        how->apply(how, key, shape, image, made);
        image = made;
        shape.height = how->height;
        shape.width = how->width;
    }
    return image;
}

static size_t index_of(const samples *of, size_t k)
{
    return of->indices ? of->indices[k] : of->first + k;
}

/* The one behind it in the batch; behind the last, its first. */
static size_t next_of(const samples *of, size_t k)
{
    return k + 1 == of->n && of->next ? *of->next : index_of(of, (k + 1) % of->n);
}

/* Image i, changed, into rooms of its own. */
static const uint8_t *change(const input_rule *rule, const dataset *set, uint32_t epoch, size_t i,
                             uint8_t *room, uint16_t *label)
{
    assert(i < set->n);
    *label = set->labels[i];
    return augment(rule, (input_key){rule->seed, epoch, set->numbers[i]},
                   set->images + i * image_bytes(rule->from), room);
}

static int draw_share(const input_rule *rule, const dataset *set, const samples *of, size_t k)
{
    uint64_t image = set->numbers[index_of(of, k)];
    uint64_t stream = random_stream(RANDOM_AUGMENT, INPUT_MIXUP, of->epoch);
    return rule->mix->share[random_below(rule->seed, stream, image << 32, MIXUP_SHARES)];
}

/* Sample k with the next one in it. */
static const uint8_t *mix(const input_rule *rule, const dataset *set, const samples *of, size_t k,
                          const uint8_t *image)
{
    assert(rule->room);
    size_t n = image_bytes(rule->to), last = (size_t)rule->n_augment % 2;
    uint8_t *room = rule->room + k * rule->n_rooms * rule->change_bytes;
    uint8_t *made = room + last * rule->change_bytes;
    const uint8_t *other = change(rule, set, of->epoch, next_of(of, k),
                                  room + 2 * rule->change_bytes, &rule->others[k]);
    int share = draw_share(rule, set, of, k);
    rule->shares[k] = (float)share / MIXUP_ONE;
    for (size_t i = 0; i < n; i++)
        made[i] = (uint8_t)((image[i] * (MIXUP_ONE - share) + other[i] * share + MIXUP_ONE / 2) /
                            MIXUP_ONE);
    return made;
}

static const uint8_t *find_image(const input_rule *rule, const dataset *set, const samples *of,
                                 size_t k, uint16_t *label)
{
    uint8_t *room = rule->room ? rule->room + k * rule->n_rooms * rule->change_bytes : NULL;
    const uint8_t *image = change(rule, set, of->epoch, index_of(of, k), room, label);
    return rule->mix ? mix(rule, set, of, k, image) : image;
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
