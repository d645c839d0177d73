#include "kernels/conv.h"

#include "pieces.h"

/*
 * A tile is m out channels x r neighbouring pixels of a row, summed up in registers.  Each loaded pixel
 * serves m channels, each loaded weight r pixels; with the kernel's width known to the compiler, a pixel
 * is loaded once for all its products in the row.
 */
enum { MAX_CHANNELS = SIMD_TILE_CHANNELS, MAX_PIXELS = SIMD_TILE_PIXELS, L1_BYTES = 20 * 1024 };

typedef struct tile {
    const vec *in; /* first row and pixel of the first in channel */
    size_t in_plane, in_row;
    const float *w;    /* packed: [in][ky][kx][m] */
    const float *bias; /* m of them; NULL: go on from what stands in out */
    vec *out;
    size_t out_plane;
    int n_in, kernel, stride, ky_begin, ky_end, kx_begin, kx_end;
} tile;

/* taps 0: their number and the stride are known only at run time, else they are kx_end - kx_begin, 1 */
SIMD_INLINE void tile_compute(const tile *t, const int n_m, const int n_r, const int taps)
{
    const int n_taps = taps ? taps : t->kx_end - t->kx_begin, step = taps ? 1 : t->stride;
    vec sum[MAX_CHANNELS][MAX_PIXELS];
    SIMD_UNROLL for (int m = 0; m < n_m; m++) SIMD_UNROLL for (int r = 0; r < n_r; r++) sum[m][r] =
        t->bias ? vec_set(t->bias[m]) : t->out[(size_t)m * t->out_plane + (size_t)r];
    for (int i = 0; i < t->n_in; i++) {
        const vec *plane = t->in + (size_t)i * t->in_plane;
        for (int ky = t->ky_begin; ky < t->ky_end; ky++) {
            const vec *x = plane + (size_t)ky * t->in_row + t->kx_begin;
            const float *w =
                t->w + (size_t)(((i * t->kernel + ky) * t->kernel + t->kx_begin) * n_m);
            SIMD_UNROLL for (int kx = 0; kx < n_taps; kx++)
            {
                SIMD_UNROLL for (int m = 0; m < n_m; m++)
                {
                    vec weight = vec_set(w[kx * n_m + m]);
                    SIMD_UNROLL for (int r = 0; r < n_r; r++) sum[m][r] +=
                        weight * x[kx + r * step];
                }
            }
        }
    }
    SIMD_UNROLL for (int m = 0; m < n_m; m++) SIMD_UNROLL for (int r = 0; r < n_r; r++)
        t->out[(size_t)m * t->out_plane + (size_t)r] = sum[m][r];
}

#define TILE(m, r, k)                                                                              \
    static void tile_##m##x##r##_##k(const tile *t)                                                \
    {                                                                                              \
        tile_compute(t, m, r, k);                                                                  \
    }
/*
 * Tiles for any number of taps, and, from 3 channels x 2 pixels on, for the numbers that matter: kernels
 * of 1, 3 and 5, and the 2 that are left of 5 or 3 at a border.
 */
enum { MAX_TAPS = 5 };
#if SIMD_TILE_PIXELS == 2
#define OF_PIXELS(OF, m, k) OF(m, 2, k)
#else
#define OF_PIXELS(OF, m, k) OF(m, 2, k) OF(m, 3, k) OF(m, 4, k)
#endif
#if SIMD_TILE_CHANNELS == 6
#define OF_CHANNELS(OF, k)                                                                         \
    OF_PIXELS(OF, 3, k) OF_PIXELS(OF, 4, k) OF_PIXELS(OF, 5, k) OF_PIXELS(OF, 6, k)
#else
#define OF_CHANNELS(OF, k) OF_PIXELS(OF, 3, k) OF_PIXELS(OF, 4, k)
#endif
#define OF_TAPS(OF) OF_CHANNELS(OF, 1) OF_CHANNELS(OF, 2) OF_CHANNELS(OF, 3) OF_CHANNELS(OF, 5)
#if SIMD_TILE_CHANNELS == 6
#define OF_ANY(OF)                                                                                 \
    OF(1, 1, 0)                                                                                    \
    OF(2, 1, 0) OF(3, 1, 0) OF(4, 1, 0) OF(5, 1, 0) OF(6, 1, 0) OF_PIXELS(OF, 1, 0)                \
        OF_PIXELS(OF, 2, 0) OF_CHANNELS(OF, 0)
#else
#define OF_ANY(OF)                                                                                 \
    OF(1, 1, 0)                                                                                    \
    OF(2, 1, 0) OF(3, 1, 0) OF(4, 1, 0) OF_PIXELS(OF, 1, 0) OF_PIXELS(OF, 2, 0) OF_CHANNELS(OF, 0)
#endif
OF_ANY(TILE)
OF_TAPS(TILE)

typedef void tile_function(const tile *t);
#define ENTRY(m, r, k) [k][m - 1][r - 1] = tile_##m##x##r##_##k,
static tile_function *const tile_functions[MAX_TAPS + 1][MAX_CHANNELS][MAX_PIXELS] = {
    OF_ANY(ENTRY) OF_TAPS(ENTRY)};

static tile_function *find_function(const conv_shape *s, int n_m, int n_r, int n_taps)
{
    tile_function *own =
        s->stride == 1 && n_taps <= MAX_TAPS ? tile_functions[n_taps][n_m - 1][n_r - 1] : NULL;
    return own ? own : tile_functions[0][n_m - 1][n_r - 1];
}

/* Cycles for one in channel and kernel row of a tile: by multiply-adds, by their latency, by loads. */
static double tile_cycles(const conv_shape *s, int m, int r)
{
    int products = s->kernel * m * r, latency = s->kernel * SIMD_IN_FLIGHT;
    int loads = (r - 1) * s->stride + s->kernel + s->kernel * m;
    int most = products > latency ? products : latency;
    /* A little for the loads even where they do not limit, and for the turn of the loop. */
    return (loads > most ? loads : most) + 0.1 * loads + 2.0;
}

conv_tiling conv_tiling_choose(const conv_shape *s)
{
    conv_tiling best = {1, 1, s->in_channels};
    double least = 0.0;
    for (int m = 1; m <= MAX_CHANNELS; m++) {
        for (int r = 1; r <= MAX_PIXELS; r++) {
            int n_m = pieces(s->out_channels, m), n_r = pieces(s->out_width, r);
            double cycles = 0.0;
            for (int i = 0; i < n_m; i++)
                for (int k = 0; k < n_r; k++)
                    cycles += tile_cycles(s,
                                          piece_begin(s->out_channels, n_m, i + 1) -
                                              piece_begin(s->out_channels, n_m, i),
                                          piece_begin(s->out_width, n_r, k + 1) -
                                              piece_begin(s->out_width, n_r, k));
            if (least == 0.0 || cycles < least) {
                least = cycles;
                best.channels = m;
                best.pixels = r;
            }
        }
    }
    int width = (best.pixels - 1) * s->stride + s->kernel;
    int fit = L1_BYTES / (width * s->kernel * (int)sizeof(vec));
    best.chunk = fit < 1 ? 1 : fit < s->in_channels ? fit : s->in_channels;
    return best;
}

size_t conv_weights(const conv_shape *s)
{
    return (size_t)s->out_channels * (size_t)s->in_channels * (size_t)s->kernel * (size_t)s->kernel;
}

/* Walk over the packed order; at: strides of w for out channel, in channel and tap, from the first. */
static void pack(const conv_shape *s, const conv_tiling *t, const float *w, const long at[3],
                 float *packed)
{
    int n = pieces(s->out_channels, t->channels), taps = s->kernel * s->kernel;
    for (int k = 0; k < n; k++) {
        int begin = piece_begin(s->out_channels, n, k),
            end = piece_begin(s->out_channels, n, k + 1);
        for (int i = 0; i < s->in_channels; i++)
            for (int tap = 0; tap < taps; tap++)
                for (int o = begin; o < end; o++)
                    *packed++ = w[o * at[0] + i * at[1] + tap * at[2]];
    }
}

void conv_pack(const conv_shape *s, const conv_tiling *t, const float *w, float *packed)
{
    long taps = (long)s->kernel * s->kernel;
    pack(s, t, w, (const long[]){s->in_channels * taps, taps, 1}, packed);
}

void conv_pack_flipped(const conv_shape *s, const conv_tiling *t, const float *w, float *packed)
{
    long taps = (long)s->kernel * s->kernel;
    pack(s, t, w + taps - 1, (const long[]){taps, s->out_channels * taps, -1}, packed);
}

static int clamp(int x, int low, int high)
{
    return x < low ? low : x > high ? high : x;
}

/* All out channels of the pixels x_begin .. x_begin + n_x - 1 of a row; t->in and t->out stand there. */
static void compute_column(const conv_shape *s, const conv_tiling *g, tile t, const float *packed,
                           const float *bias, int n_x)
{
    const float zeros[MAX_CHANNELS] = {0};
    const vec *in = t.in;
    vec *out = t.out;
    int n = pieces(s->out_channels, g->channels);
    size_t taps = (size_t)s->kernel * (size_t)s->kernel;
    for (int i = 0; i < s->in_channels; i += g->chunk) {
        t.in = in + (size_t)i * t.in_plane;
        t.n_in = clamp(g->chunk, 0, s->in_channels - i);
        for (int k = 0; k < n; k++) {
            int o = piece_begin(s->out_channels, n, k);
            int n_m = piece_begin(s->out_channels, n, k + 1) - o;
            t.w = packed + ((size_t)o * (size_t)s->in_channels + (size_t)(i * n_m)) * taps;
            t.bias = i > 0 ? NULL : bias ? bias + o : zeros;
            t.out = out + (size_t)o * t.out_plane;
            find_function(s, n_m, n_x, t.kx_end - t.kx_begin)(&t);
        }
    }
}

void conv_forward(const conv_shape *s, const conv_tiling *g, const float *packed, const float *bias,
                  const vec *in, vec *out, size_t begin, size_t end)
{
    size_t in_plane = (size_t)s->in_height * (size_t)s->in_width;
    size_t out_plane = (size_t)s->out_height * (size_t)s->out_width;
    int n_x = pieces(s->out_width, g->pixels);
    tile t = {.in_plane = in_plane,
              .in_row = (size_t)s->in_width,
              .out_plane = out_plane,
              .kernel = s->kernel,
              .stride = s->stride};
    for (size_t item = begin; item < end; item++) {
        size_t block = item / (size_t)s->out_height;
        int y = (int)(item % (size_t)s->out_height), top = y * s->stride;
        t.ky_begin = clamp(s->border_top - top, 0, s->kernel);
        t.ky_end = clamp(s->in_height - s->border_bottom - top, t.ky_begin, s->kernel);
        const vec *row = in + block * (size_t)s->in_channels * in_plane + (size_t)top * t.in_row;
        vec *out_row =
            out + block * (size_t)s->out_channels * out_plane + (size_t)y * (size_t)s->out_width;
        for (int k = 0; k < n_x; k++) {
            int x = piece_begin(s->out_width, n_x, k), next = piece_begin(s->out_width, n_x, k + 1);
            t.kx_begin = clamp(s->border_left - (next - 1) * s->stride, 0, s->kernel - 1);
            t.kx_end =
                clamp(s->in_width - s->border_right - x * s->stride, t.kx_begin + 1, s->kernel);
            t.in = row + x * s->stride;
            t.out = out_row + x;
            compute_column(s, g, t, packed, bias, next - x);
        }
    }
}

void conv_embed(const conv_embedding *e, const vec *from, vec *to, size_t begin, size_t end)
{
    size_t from_plane = (size_t)e->height * (size_t)e->width;
    size_t to_plane = (size_t)e->to_height * (size_t)e->to_width;
    for (size_t plane = begin; plane < end; plane++) {
        vec *target = to + plane * to_plane;
        memset(target, 0, to_plane * sizeof *target);
        for (int y = 0; y < e->height; y++) {
            const vec *row = from + plane * from_plane + (size_t)(y * e->width);
            vec *to_row = target + (size_t)(e->top + y * e->stride) * (size_t)e->to_width + e->left;
            for (int x = 0; x < e->width; x++)
                to_row[x * e->stride] = row[x];
        }
    }
}
