#include "kernels/conv.h"

#include "pieces.h"

/*
 * A tile is m out channels x up to 5 neighbouring taps of a kernel row.  It runs over all pixels of an
 * image with its sums in registers, lane by lane: one sum per image.
 */
enum { MAX_CHANNELS = 4, MAX_TAPS = 5 };

typedef struct tile {
    const vec *gout; /* first out channel of the block */
    const vec *in;   /* first tap's first pixel */
    size_t gout_plane, in_row;
    int height, width, stride;
    vec *sums; /* [m][taps] */
} tile;

/* stride 0: known only at run time */
SIMD_INLINE void tile_compute(const tile *t, const int n_m, const int n_t, const int stride)
{
    const int step = stride ? stride : t->stride;
    vec sum[MAX_CHANNELS][MAX_TAPS];
    SIMD_UNROLL for (int m = 0; m < n_m; m++) SIMD_UNROLL for (int k = 0; k < n_t; k++) sum[m][k] =
        vec_set(0.0F);
    for (int y = 0; y < t->height; y++) {
        const vec *g = t->gout + (size_t)y * (size_t)t->width;
        const vec *x = t->in + (size_t)y * (size_t)step * t->in_row;
        for (int c = 0; c < t->width; c++) {
            vec gradient[MAX_CHANNELS];
            SIMD_UNROLL for (int m = 0; m < n_m; m++) gradient[m] =
                g[(size_t)m * t->gout_plane + (size_t)c];
            SIMD_UNROLL for (int k = 0; k < n_t; k++)
            {
                vec pixel = x[c * step + k];
                SIMD_UNROLL for (int m = 0; m < n_m; m++) sum[m][k] += gradient[m] * pixel;
            }
        }
    }
    SIMD_UNROLL for (int m = 0; m < n_m; m++) SIMD_UNROLL for (int k = 0; k < n_t; k++)
        t->sums[m * n_t + k] = sum[m][k];
}

#define TILE(m, n, s)                                                                              \
    static void tile_##m##x##n##_##s(const tile *t)                                                \
    {                                                                                              \
        tile_compute(t, m, n, s);                                                                  \
    }
#define TILES_OF(m, s) TILE(m, 1, s) TILE(m, 2, s) TILE(m, 3, s) TILE(m, 4, s) TILE(m, 5, s)
#define TILES(s) TILES_OF(1, s) TILES_OF(2, s) TILES_OF(3, s) TILES_OF(4, s)
TILES(0)
TILES(1)

#define ROW(m, s)                                                                                  \
    {                                                                                              \
        tile_##m##x1_##s, tile_##m##x2_##s, tile_##m##x3_##s, tile_##m##x4_##s, tile_##m##x5_##s   \
    }
#define TABLE(s)                                                                                   \
    {                                                                                              \
        ROW(1, s), ROW(2, s), ROW(3, s), ROW(4, s)                                                 \
    }
    typedef void tile_function(const tile *t);
static tile_function *const tile_functions[2][MAX_CHANNELS][MAX_TAPS] = {TABLE(0), TABLE(1)};

/* How the kernel's rows are cut into taps, and the out channels into groups. */
typedef struct cut {
    int n_taps, n_groups; /* pieces of a kernel row; groups of out channels */
} cut;

static cut cut_shape(const conv_shape *s)
{
    cut c;
    c.n_taps = pieces(s->kernel, MAX_TAPS);
    int taps = pieces(s->kernel, c.n_taps);
    int channels = SIMD_TILE_SUMS / taps;
    if (channels > MAX_CHANNELS)
        channels = MAX_CHANNELS;
    if (channels < 1)
        channels = 1;
    c.n_groups = pieces(s->out_channels, channels);
    return c;
}

size_t conv_gradient_items(const conv_shape *s)
{
    return (size_t)cut_shape(s).n_groups * (size_t)s->in_channels * (size_t)s->kernel;
}

/* An item: a kernel row of an in channel, for a group of out channels. */
typedef struct item {
    cut cut;
    int group, i, ky;
    int o, n_m; /* the group's first out channel, and how many */
} item;

static void item_group(const conv_shape *s, item *p)
{
    p->o = piece_begin(s->out_channels, p->cut.n_groups, p->group);
    p->n_m = piece_begin(s->out_channels, p->cut.n_groups, p->group + 1) - p->o;
}

static item item_at(const conv_shape *s, size_t number)
{
    size_t kernel = (size_t)s->kernel, rows = kernel * (size_t)s->in_channels;
    item p = {.cut = cut_shape(s),
              .group = (int)(number / rows),
              .i = (int)(number % rows / kernel),
              .ky = (int)(number % kernel)};
    item_group(s, &p);
    return p;
}

static void item_next(const conv_shape *s, item *p)
{
    if (++p->ky < s->kernel)
        return;
    p->ky = 0;
    if (++p->i < s->in_channels)
        return;
    p->i = 0;
    p->group++;
    item_group(s, p);
}

/* Sums of all items stand one after the other, each [m][taps], so their places follow from the item. */
static size_t item_sums(const conv_shape *s, const item *p)
{
    size_t kernel = (size_t)s->kernel;
    return kernel * (kernel * (size_t)p->o * (size_t)s->in_channels +
                     (size_t)(p->i * s->kernel + p->ky) * (size_t)p->n_m);
}

/* One piece of an item's row of taps, in one block. */
static void compute_tile(const conv_shape *s, const item *p, int kx, int n_t, const vec *in,
                         const vec *gout, vec *sums)
{
    size_t in_plane = (size_t)s->in_height * (size_t)s->in_width;
    size_t gout_plane = (size_t)s->out_height * (size_t)s->out_width;
    tile t = {.gout = gout + (size_t)p->o * gout_plane,
              .in = in + (size_t)p->i * in_plane + (size_t)(p->ky * s->in_width + kx),
              .gout_plane = gout_plane,
              .in_row = (size_t)s->in_width,
              .height = s->out_height,
              .width = s->out_width,
              .stride = s->stride,
              .sums = sums};
    tile_functions[s->stride == 1][p->n_m - 1][n_t - 1](&t);
}

/* Sums of a tile over the images, four neighbours to a quad. */
typedef float quad __attribute__((vector_size(4 * sizeof(float))));
enum { QUADS = MAX_CHANNELS * MAX_TAPS / 4, PIECES = VEC_WIDTH / 4 };

SIMD_INLINE quad piece_of(vec x, const int p)
{
    quad q;
    memcpy(&q, (const float *)&x + 4 * p, sizeof q);
    return q;
}

/* All lanes, image by image: four sums are transposed, so that a quad is one image's. */
static void add_block(const vec *sums, int n_sums, quad *total)
{
    for (int k = 0; k < n_sums; k += 4, total++) {
        vec image[4];
        quad t = *total;
        SIMD_TRANSPOSE(sums[k], sums[k + 1], sums[k + 2], sums[k + 3], image);
        SIMD_UNROLL for (int p = 0; p < PIECES; p++) SIMD_UNROLL for (int j = 0; j < 4; j++) t +=
            piece_of(image[j], p);
        *total = t;
    }
}

/* The first n lanes of the last block. */
static void add_lanes(const vec *sums, int n_sums, size_t n, quad *total)
{
    for (int k = 0; k < n_sums; k++)
        for (size_t lane = 0; lane < n; lane++)
            total[k / 4][k % 4] += sums[k][lane];
}

/* The sum of a channel's plane in one block, lane by lane. */
static vec plane_sum(const conv_shape *s, const vec *gout, size_t o)
{
    size_t plane = (size_t)s->out_height * (size_t)s->out_width, k = 0;
    const vec *g = gout + o * plane;
    vec sum[4] = {{0}}; /* four chains, to hide the additions' latency */
    for (; k + 4 <= plane; k += 4)
        for (size_t c = 0; c < 4; c++)
            sum[c] += g[k + c];
    for (; k < plane; k++)
        sum[0] += g[k];
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* The weights of a piece: their sums over the images. */
static void put_weights(const conv_shape *s, const item *p, int kx, int n_t, const quad *total,
                        float *gw)
{
    size_t kernel = (size_t)s->kernel, stride = (size_t)s->in_channels * kernel * kernel;
    float *target =
        gw + (size_t)p->o * stride + ((size_t)p->i * kernel + (size_t)p->ky) * kernel + (size_t)kx;
    for (int m = 0; m < p->n_m; m++)
        for (int t = 0; t < n_t; t++)
            target[(size_t)m * stride + (size_t)t] = total[(m * n_t + t) / 4][(m * n_t + t) % 4];
}

static void add_images(const vec *sums, int n_sums, size_t n, quad *total)
{
    if (n >= VEC_WIDTH)
        add_block(sums, n_sums, total);
    else
        add_lanes(sums, n_sums, n, total);
}

void conv_weight_gradient(const conv_shape *s, const vec *in, const vec *gout, size_t n, float *gw,
                          size_t begin, size_t end)
{
    size_t in_block = (size_t)s->in_channels * (size_t)s->in_height * (size_t)s->in_width;
    size_t gout_block = (size_t)s->out_channels * (size_t)s->out_height * (size_t)s->out_width;
    item p = item_at(s, begin);
    for (size_t k = begin; k < end; k++, item_next(s, &p))
        for (int piece = 0; piece < p.cut.n_taps; piece++) {
            int kx = piece_begin(s->kernel, p.cut.n_taps, piece);
            int n_t = piece_begin(s->kernel, p.cut.n_taps, piece + 1) - kx;
            vec sums[4 * QUADS] = {{0}};
            quad total[QUADS] = {{0}};
            for (size_t first = 0, block = 0; first < n; first += VEC_WIDTH, block++) {
                compute_tile(s, &p, kx, n_t, in + block * in_block, gout + block * gout_block,
                             sums);
                add_images(sums, p.n_m * n_t, n - first, total);
            }
            put_weights(s, &p, kx, n_t, total, gw);
        }
}

size_t conv_sums(const conv_shape *s)
{
    return conv_weights(s) + (size_t)s->out_channels + 3;
}

void conv_gradient_sums(const conv_shape *s, const vec *in, const vec *gout, vec *sums)
{
    size_t n_items = conv_gradient_items(s);
    vec *to = sums;
    item p = item_at(s, 0);
    for (size_t k = 0; k < n_items; k++, item_next(s, &p))
        for (int piece = 0; piece < p.cut.n_taps; piece++) {
            int kx = piece_begin(s->kernel, p.cut.n_taps, piece);
            int n_t = piece_begin(s->kernel, p.cut.n_taps, piece + 1) - kx;
            compute_tile(s, &p, kx, n_t, in, gout, to);
            to += p.n_m * n_t;
        }
    for (int o = 0; o < s->out_channels; o++)
        *to++ = plane_sum(s, gout, (size_t)o);
}

void conv_gradient_add(const conv_shape *s, const vec *sums, size_t n, float *gw, size_t begin,
                       size_t end)
{
    size_t each = conv_sums(s);
    item p = item_at(s, begin);
    const vec *from = sums + item_sums(s, &p);
    for (size_t k = begin; k < end; k++, item_next(s, &p))
        for (int piece = 0; piece < p.cut.n_taps; piece++) {
            int kx = piece_begin(s->kernel, p.cut.n_taps, piece);
            int n_t = piece_begin(s->kernel, p.cut.n_taps, piece + 1) - kx;
            quad total[QUADS] = {{0}};
            for (size_t first = 0, block = 0; first < n; first += VEC_WIDTH, block++)
                add_images(from + block * each, p.n_m * n_t, n - first, total);
            put_weights(s, &p, kx, n_t, total, gw);
            from += p.n_m * n_t;
        }
}

void conv_bias_add(const conv_shape *s, const vec *sums, size_t n, float *gb, size_t begin,
                   size_t end)
{
    size_t each = conv_sums(s);
    for (size_t o = begin; o < end; o++) {
        float total = 0.0F;
        for (size_t k = 0; k < n; k++)
            total += sums[k / VEC_WIDTH * each + conv_weights(s) + o][k % VEC_WIDTH];
        gb[o] = total;
    }
}

void conv_bias_gradient(const conv_shape *s, const vec *gout, size_t n, float *gb, size_t begin,
                        size_t end)
{
    size_t block = (size_t)s->out_channels * (size_t)s->out_height * (size_t)s->out_width;
    for (size_t o = begin; o < end; o++) {
        float total = 0.0F;
        for (size_t first = 0; first < n; first += VEC_WIDTH, gout += block) {
            vec all = plane_sum(s, gout, o);
            for (size_t lane = 0; lane < VEC_WIDTH && first + lane < n; lane++)
                total += all[lane];
        }
        gout -= (n + VEC_WIDTH - 1) / VEC_WIDTH * block;
        gb[o] = total;
    }
}
