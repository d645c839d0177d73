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
    SIMD_UNROLL for (int m = 0; m < n_m; m++)
        SIMD_UNROLL for (int k = 0; k < n_t; k++)
            sum[m][k] = vec_set(0.0F);
    for (int y = 0; y < t->height; y++) {
        const vec *g = t->gout + (size_t)y * (size_t)t->width;
        const vec *x = t->in + (size_t)y * (size_t)step * t->in_row;
        for (int c = 0; c < t->width; c++) {
            vec gradient[MAX_CHANNELS];
            SIMD_UNROLL for (int m = 0; m < n_m; m++)
                gradient[m] = g[(size_t)m * t->gout_plane + (size_t)c];
            SIMD_UNROLL for (int k = 0; k < n_t; k++) {
                vec pixel = x[c * step + k];
                SIMD_UNROLL for (int m = 0; m < n_m; m++)
                    sum[m][k] += gradient[m] * pixel;
            }
        }
    }
    SIMD_UNROLL for (int m = 0; m < n_m; m++)
        SIMD_UNROLL for (int k = 0; k < n_t; k++)
            t->sums[m * n_t + k] = sum[m][k];
}

#define TILE(m, n, s)                                                                              \
    static void tile_##m##x##n##_##s(const tile *t)                                                \
    {                                                                                              \
        tile_compute(t, m, n, s);                                                                  \
    }
#define TILES_OF(m, s) TILE(m, 1, s) TILE(m, 2, s) TILE(m, 3, s) TILE(m, 4, s) TILE(m, 5, s)
#define TILES(s) TILES_OF(1, s) TILES_OF(2, s) TILES_OF(3, s) TILES_OF(4, s)
TILES(0) TILES(1)

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
    cut c = cut_shape(s);
    return (size_t)c.n_groups * (size_t)s->in_channels * (size_t)s->kernel * (size_t)c.n_taps;
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
        SIMD_UNROLL for (int p = 0; p < PIECES; p++)
            SIMD_UNROLL for (int j = 0; j < 4; j++)
                t += piece_of(image[j], p);
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

void conv_weight_gradient(const conv_shape *s, const vec *in, const vec *gout, size_t n, float *gw,
                          size_t begin, size_t end)
{
    cut c = cut_shape(s);
    size_t in_plane = (size_t)s->in_height * (size_t)s->in_width;
    size_t in_block = in_plane * (size_t)s->in_channels;
    size_t gout_plane = (size_t)s->out_height * (size_t)s->out_width;
    size_t gout_block = gout_plane * (size_t)s->out_channels;
    size_t row_items = (size_t)(s->kernel * c.n_taps);
    size_t gw_stride = (size_t)s->in_channels * (size_t)s->kernel * (size_t)s->kernel;
    for (size_t item = begin; item < end; item++) {
        int group = (int)(item / (row_items * (size_t)s->in_channels));
        size_t i = item / row_items % (size_t)s->in_channels;
        int ky = (int)(item % row_items) / c.n_taps, piece = (int)(item % row_items) % c.n_taps;
        int o = piece_begin(s->out_channels, c.n_groups, group);
        int n_m = piece_begin(s->out_channels, c.n_groups, group + 1) - o;
        int kx = piece_begin(s->kernel, c.n_taps, piece);
        int n_t = piece_begin(s->kernel, c.n_taps, piece + 1) - kx;
        vec sums[4 * QUADS] = {{0}};
        quad total[QUADS] = {{0}};
        tile t = {.gout_plane = gout_plane, .in_row = (size_t)s->in_width, .height = s->out_height,
                  .width = s->out_width, .stride = s->stride, .sums = sums};
        for (size_t first = 0, block = 0; first < n; first += VEC_WIDTH, block++) {
            t.gout = gout + block * gout_block + (size_t)o * gout_plane;
            t.in = in + block * in_block + i * in_plane + (size_t)ky * t.in_row + (size_t)kx;
            tile_functions[s->stride == 1][n_m - 1][n_t - 1](&t);
            if (n - first >= VEC_WIDTH)
                add_block(sums, n_m * n_t, total);
            else
                add_lanes(sums, n_m * n_t, n - first, total);
        }
        float *target = gw + (size_t)o * gw_stride +
                        (i * (size_t)s->kernel + (size_t)ky) * (size_t)s->kernel + (size_t)kx;
        for (int k = 0; k < n_m * n_t; k++)
            target[(size_t)(k / n_t) * gw_stride + (size_t)(k % n_t)] = total[k / 4][k % 4];
    }
}

void conv_bias_gradient(const conv_shape *s, const vec *gout, size_t n, float *gb, size_t begin,
                        size_t end)
{
    size_t plane = (size_t)s->out_height * (size_t)s->out_width;
    for (size_t o = begin; o < end; o++) {
        float total = 0.0F;
        for (size_t first = 0, block = 0; first < n; first += VEC_WIDTH, block++) {
            const vec *g = gout + (block * (size_t)s->out_channels + o) * plane;
            vec sum[4] = {{0}}; /* four chains, to hide the additions' latency */
            size_t k = 0;
            for (; k + 4 <= plane; k += 4)
                for (size_t c = 0; c < 4; c++)
                    sum[c] += g[k + c];
            for (; k < plane; k++)
                sum[0] += g[k];
            vec all = (sum[0] + sum[1]) + (sum[2] + sum[3]);
            for (size_t lane = 0; lane < VEC_WIDTH && first + lane < n; lane++)
                total += all[lane];
        }
        gb[o] = total;
    }
}
