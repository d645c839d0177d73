#include "depthwise.h"

/*
 * A tile is 1 or 4 out channels of a group x neighbouring pixels of a row, summed up in registers.  Of a single channel,
 * as in a depthwise convolution that depthwise.h has not, pixels come from memory with each product, and a weight serves
 * as many as there are registers; of four channels, each pixel is loaded once for all.
 */
enum { MOST_CHANNELS = 4, MOST_PIXELS = 8, WIDE_PIXELS = SIMD_TILE_PIXELS };

typedef struct row {
    const vec *in; /* first tap's pixel of the row's first output, first in channel */
    size_t in_plane, in_row, out_plane;
    const float *w; /* first tap of the first out and in channel */
    long w_out, w_in, w_tap;
    const float *bias; /* NULL: go on from what stands in out */
    vec *out;
    int n_in, kernel, stride, dilation;
} row;

SIMD_INLINE void tile_tap(const row *t, const vec *x, const float *w, const int n_m, const int n_r,
                          const int step, vec (*sum)[MOST_PIXELS])
{
    if (n_m == 1) {
        vec weight = vec_set(*w);
        SIMD_FOR (int r = 0; r < n_r; r++)
            sum[0][r] += weight * x[r * step];
        return;
    }
    vec pixel[MOST_PIXELS];
    SIMD_FOR (int r = 0; r < n_r; r++)
        pixel[r] = vec_in_register(x[r * step]);
    SIMD_FOR (int m = 0; m < n_m; m++) {
        vec weight = vec_set(w[m * t->w_out]);
        SIMD_FOR (int r = 0; r < n_r; r++)
            sum[m][r] += weight * pixel[r];
    }
}

/* n tiles side by side.  stride, kernel 0: any; a kernel that is known is written out. */
SIMD_INLINE void tiles_compute(const row *t, int x0, int n, const int n_m, const int n_r,
                               const int stride, const int kernel)
{
    const int step = stride ? stride : t->stride, size = kernel ? kernel : t->kernel;
    for (; n > 0; n--, x0 += n_r) {
        vec sum[MOST_CHANNELS][MOST_PIXELS], *out = t->out + x0;
        SIMD_FOR (int m = 0; m < n_m; m++)
            SIMD_FOR (int r = 0; r < n_r; r++)
                sum[m][r] =
                    t->bias ? vec_set(t->bias[m]) : out[(size_t)m * t->out_plane + (size_t)r];
        for (int i = 0; i < t->n_in; i++) {
            const vec *x_row = t->in + (size_t)i * t->in_plane + (size_t)x0 * (size_t)step;
            const float *w = t->w + i * t->w_in;
            for (int ky = 0; ky < size; ky++, x_row += t->in_row) {
                const vec *x = x_row;
                SIMD_FOR (int kx = 0; kx < kernel; kx++, x += t->dilation, w += t->w_tap)
                    tile_tap(t, x, w, n_m, n_r, step, sum);
                for (int kx = kernel; kx < size; kx++, x += t->dilation, w += t->w_tap)
                    tile_tap(t, x, w, n_m, n_r, step, sum);
            }
        }
        SIMD_FOR (int m = 0; m < n_m; m++)
            SIMD_FOR (int r = 0; r < n_r; r++)
                out[(size_t)m * t->out_plane + (size_t)r] = sum[m][r];
    }
}

typedef void tiles_function(const row *t, int x0, int n);
#define TILES(m, r)                                                                                \
    static void tiles_##m##x##r##_any(const row *t, int x0, int n)                                 \
    {                                                                                              \
        tiles_compute(t, x0, n, m, r, 0, 0);                                                       \
    }                                                                                              \
    static void tiles_##m##x##r##_dense(const row *t, int x0, int n)                               \
    {                                                                                              \
        tiles_compute(t, x0, n, m, r, 1, 0);                                                       \
    }                                                                                              \
    static void tiles_##m##x##r##_3(const row *t, int x0, int n)                                   \
    {                                                                                              \
        tiles_compute(t, x0, n, m, r, 1, 3);                                                       \
    }
TILES(1, 1)
TILES(1, 2)
TILES(1, 4)
TILES(1, 8)
TILES(4, 1)
TILES(4, 2)
#if SIMD_TILE_PIXELS == 2
#define tiles_4x4_any NULL
#define tiles_4x4_dense NULL
#define tiles_4x4_3 NULL
#else
TILES(4, 4)
#endif

/* By channels, by stride (any, 1, 1 and a kernel of 3), by the logarithm of the pixels. */
static tiles_function *const functions[2][3][4] = {
    {{tiles_1x1_any, tiles_1x2_any, tiles_1x4_any, tiles_1x8_any},
     {tiles_1x1_dense, tiles_1x2_dense, tiles_1x4_dense, tiles_1x8_dense},
     {tiles_1x1_3, tiles_1x2_3, tiles_1x4_3, tiles_1x8_3}},
    {{tiles_4x1_any, tiles_4x2_any, tiles_4x4_any},
     {tiles_4x1_dense, tiles_4x2_dense, tiles_4x4_dense},
     {tiles_4x1_3, tiles_4x2_3, tiles_4x4_3}},
};

static void row_compute(const row *t, int width, int n_m)
{
    int known = t->stride > 1 ? 0 : t->kernel == 3 ? 2 : 1;
    int log2 = n_m == 1 ? 3 : WIDE_PIXELS == 2 ? 1 : 2;
    for (int x = 0; x < width && log2 >= 0; log2--) {
        int n = (width - x) >> log2;
        if (n > 0)
            functions[n_m > 1][known][log2](t, x, n);
        x += n << log2;
    }
}

size_t grouped_weights(const grouped_shape *s)
{
    return (size_t)s->groups * (size_t)s->out_channels * (size_t)s->in_channels *
           (size_t)s->kernel * (size_t)s->kernel;
}

static int tiles_of(const grouped_shape *s)
{
    return s->out_channels / MOST_CHANNELS + s->out_channels % MOST_CHANNELS;
}

size_t grouped_items(const grouped_shape *s)
{
    return (size_t)s->groups * (size_t)tiles_of(s);
}

/* The first out channel of a group's tile k, and in *n how many it has. */
static int tile_begin(const grouped_shape *s, int k, int *n)
{
    int n_wide = s->out_channels / MOST_CHANNELS;
    *n = k < n_wide ? MOST_CHANNELS : 1;
    return k < n_wide ? k * MOST_CHANNELS : n_wide * MOST_CHANNELS + (k - n_wide);
}

static bool is_embedded(const grouped_shape *s)
{
    const conv_embedding *e = &s->in;
    return (e->to_height > e->height || e->to_width > e->width) && !depthwise_fits(s);
}

static size_t embedded_plane(const grouped_shape *s)
{
    return (size_t)s->in.to_height * (size_t)s->in.to_width;
}

size_t grouped_scratch(const grouped_shape *s)
{
    return is_embedded(s) ? (size_t)s->in_channels * embedded_plane(s) : 0;
}

const vec *grouped_planes(const grouped_shape *s, const vec *in, size_t group, vec *scratch)
{
    const size_t n = (size_t)s->in_channels;
    in += group * n * (size_t)s->in.height * (size_t)s->in.width;
    if (!is_embedded(s))
        return in;
    conv_embed(&s->in, in, scratch, 0, n);
    return scratch;
}

/* All rows of some channels of a group, whose number counts on through the blocks. */
static void channels(const grouped_shape *s, const grouped_arrays *a, const vec *in, size_t group,
                     int k)
{
    static const float zeros[MOST_CHANNELS] = {0};
    int n_m, m = tile_begin(s, k, &n_m), of_block = (int)(group % (size_t)s->groups);
    long taps = (long)s->kernel * s->kernel, n_in = s->in_channels, n_out = s->out_channels;
    size_t out_plane = (size_t)s->out_height * (size_t)s->out_width;
    row t = {.in = in,
             .in_plane = embedded_plane(s),
             .in_row = (size_t)s->dilation * (size_t)s->in.to_width,
             .out_plane = out_plane,
             .w_out = a->flipped ? taps : n_in * taps,
             .w_in = a->flipped ? n_out * taps : taps,
             .w_tap = a->flipped ? -1 : 1,
             .bias = a->add    ? NULL
                     : a->bias ? a->bias + of_block * n_out + m
                               : zeros,
             .n_in = s->in_channels,
             .kernel = s->kernel,
             .stride = s->stride,
             .dilation = s->dilation};
    t.w = a->w + of_block * n_out * n_in * taps + m * t.w_out + (a->flipped ? taps - 1 : 0);
    t.out = a->out + (group * (size_t)n_out + (size_t)m) * out_plane;
    if (depthwise_fits(s)) {
        depthwise_forward(
            &(depthwise){s, in, t.w, t.w_tap, t.bias, t.out, of_block + 1 < s->groups});
        return;
    }
    for (int y = 0; y < s->out_height; y++) {
        row_compute(&t, s->out_width, n_m);
        t.in += (size_t)s->stride * (size_t)s->in.to_width;
        t.out += s->out_width;
    }
}

void grouped_forward(const grouped_shape *s, const grouped_arrays *a, size_t begin, size_t end)
{
    const size_t tiles = (size_t)tiles_of(s);
    const vec *in = NULL;
    for (size_t k = begin; k < end; k++) {
        if (k == begin ||
            k % tiles == 0) /* a group at a time: but for large ones it stays in the cache */
            in = grouped_planes(s, a->in, k / tiles, a->scratch);
        channels(s, a, in, k / tiles, (int)(k % tiles));
    }
}
