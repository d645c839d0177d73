#include "kernels/dropout.h"

typedef dropout_lanes lanes;

SIMD_INLINE lanes lanes_set(uint32_t x)
{
    return x - (lanes){0};
}

/* ---- Threefry-4x32 ------------------------------------------------------------------------------- */

enum { ROUNDS = 13 };

SIMD_INLINE lanes rotate(lanes x, int by)
{
    return (x << by) | (x >> (32 - by));
}

SIMD_INLINE void mix(lanes *a, lanes *b, int by)
{
    *a += *b;
    *b = rotate(*b, by) ^ *a;
}

/* Two mixtures a round, of words 0 and 1, 2 and 3, or 0 and 3, 2 and 1; every fourth round the key, moved on. */
SIMD_INLINE void threefry(const uint32_t key[5], const lanes counter[4], lanes x[4])
{
    static const int by[8][2] = {{10, 26}, {11, 21}, {13, 27}, {23, 5},
                                 {6, 20},  {17, 11}, {25, 10}, {18, 20}};
    SIMD_FOR (int k = 0; k < 4; k++)
        x[k] = counter[k] + lanes_set(key[k]);
    SIMD_FOR (int round = 0; round < ROUNDS; round++) {
        int other = round % 2 ? 3 : 1;
        mix(&x[0], &x[other], by[round % 8][0]);
        mix(&x[2], &x[4 - other], by[round % 8][1]);
        if (round % 4 == 3) {
            int turn = round / 4 + 1;
            SIMD_FOR (int k = 0; k < 4; k++)
                x[k] += lanes_set(key[(turn + k) % 5]);
            x[3] += lanes_set((uint32_t)turn);
        }
    }
}

SIMD_INLINE void schedule(const uint32_t key[4], uint32_t full[5])
{
    full[4] = 0x1BD11BDA;
    for (int k = 0; k < 4; k++) {
        full[k] = key[k];
        full[4] ^= key[k];
    }
}

void dropout_words(const uint32_t key[4], const lanes counter[4], lanes words[4])
{
    uint32_t full[5];
    schedule(key, full);
    threefry(full, counter, words);
}

/* ---- dropout ------------------------------------------------------------------------------------ */

dropout dropout_make(size_t features, double p, uint32_t layer)
{
    uint32_t below = (uint32_t)(p * 65536.0 + 0.5);
    return (dropout){.features = features,
                     .n_groups = (features + DROPOUT_GROUP - 1) / DROPOUT_GROUP,
                     .below = below,
                     .factor = (float)(65536.0 / (65536.0 - below)),
                     .layer = layer};
}

/* A bit for each element of a group: is it kept? */
SIMD_INLINE ivec draw_group(const dropout *of, const uint32_t key[5], lanes image, uint32_t epoch,
                            size_t group)
{
    const ivec below = ivec_set((int32_t)of->below);
    ivec kept = ivec_set(0);
    SIMD_FOR (int part = 0; part < DROPOUT_GROUP / 8; part++) {
        lanes counter[4] = {lanes_set((uint32_t)(group * (DROPOUT_GROUP / 8)) + (uint32_t)part),
                            image, lanes_set(epoch), lanes_set(of->layer)};
        lanes words[4];
        threefry(key, counter, words);
        SIMD_FOR (int w = 0; w < 4; w++) {
            int bit = 8 * part + 2 * w;
            ivec low = (ivec)(words[w] & lanes_set(0xffff)), high = (ivec)(words[w] >> 16);
            kept |= (low >= below) & (ivec)lanes_set(UINT32_C(1) << bit);
            kept |= (high >= below) & (ivec)lanes_set(UINT32_C(2) << bit);
        }
    }
    return kept;
}

/* 1 / (1 - p), or 0, for element e of a group. */
SIMD_INLINE vec factor_of(const dropout *of, ivec kept, int e)
{
    ivec bit = (ivec)lanes_set(UINT32_C(1) << e);
    return (vec)(((kept & bit) != 0) & (ivec)vec_set(of->factor));
}

/* How many elements item k has, and where they begin. */
static size_t group_place(const dropout *of, size_t k, size_t *first)
{
    size_t group = k % of->n_groups, left = of->features - group * DROPOUT_GROUP;
    *first = k / of->n_groups * of->features + group * DROPOUT_GROUP;
    return left < DROPOUT_GROUP ? left : DROPOUT_GROUP;
}

void dropout_forward(const dropout *of, const dropout_batch *in, const vec *x, vec *y, ivec *kept,
                     size_t begin, size_t end)
{
    uint32_t key[5], short_key[4] = {(uint32_t)in->seed, (uint32_t)(in->seed >> 32), DROPOUT_USE};
    schedule(short_key, key);
    for (size_t k = begin; k < end; k++) {
        size_t first, n = group_place(of, k, &first);
        lanes image;
        memcpy(&image, in->images + k / of->n_groups * VEC_WIDTH, sizeof image);
        kept[k] = draw_group(of, key, image, in->epoch, k % of->n_groups);
        for (size_t e = 0; e < n; e++)
            y[first + e] = x[first + e] * factor_of(of, kept[k], (int)e);
    }
}

void dropout_backward(const dropout *of, const ivec *kept, const vec *gy, vec *gx, bool add,
                      size_t begin, size_t end)
{
    for (size_t k = begin; k < end; k++) {
        size_t first, n = group_place(of, k, &first);
        for (size_t e = 0; !add && e < n; e++)
            gx[first + e] = gy[first + e] * factor_of(of, kept[k], (int)e);
        for (size_t e = 0; add && e < n; e++)
            gx[first + e] = gy[first + e] * factor_of(of, kept[k], (int)e) + gx[first + e];
    }
}
