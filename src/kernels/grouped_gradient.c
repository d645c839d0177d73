#include "depthwise.h"

#include "pieces.h"
#include "plane.h"

/*
 * A tile is the taps of a kernel row, up to 7, or of two or three rows of a small kernel, of one pair of channels: their sums stay in
 * registers while the gradient's plane passes, each of its pixels loaded once.
 */
enum { MAX_TAPS = 7, MAX_SUMS = GROUPED_MAX_KERNEL * GROUPED_MAX_KERNEL, SIDE_BY_SIDE = 16 };

typedef struct taps {
    const vec *gout, *in; /* first pixel; first tap's first pixel */
    size_t in_row;
    int height, width, stride, dilation;
    vec *sums; /* [ky][kx] of the tile, as far apart as the kernel is wide */
    int kernel;
} taps;

SIMD_INLINE void taps_compute(const taps *t, const int n_ky, const int n_kx, const int dilation)
{
    const int apart = dilation ? dilation : t->dilation, step = t->stride;
    const size_t down = (size_t)apart * t->in_row;
    const vec *g = t->gout, *line = t->in;
    vec sum[3][MAX_TAPS] = {{{0}}};
    for (int y = 0; y < t->height; y++, line += (size_t)step * t->in_row) {
        const vec *x = line;
        for (int c = t->width; c > 0; c--, g++, x += step) {
            vec gradient = *g;
            SIMD_FOR (int ky = 0; ky < n_ky; ky++)
                SIMD_FOR (int kx = 0; kx < n_kx; kx++)
                    sum[ky][kx] += gradient * x[(size_t)ky * down + (size_t)(kx * apart)];
        }
    }
    SIMD_FOR (int ky = 0; ky < n_ky; ky++)
        SIMD_FOR (int kx = 0; kx < n_kx; kx++)
            t->sums[ky * t->kernel + kx] = sum[ky][kx];
}

typedef void taps_function(const taps *t);
#define TAPS(rows, n)                                                                              \
    static void taps_##rows##x##n(const taps *t)                                                   \
    {                                                                                              \
        if (t->dilation == 1)                                                                      \
            taps_compute(t, rows, n, 1);                                                           \
        else                                                                                       \
            taps_compute(t, rows, n, 0);                                                           \
    }
TAPS(1, 1)
TAPS(1, 2)
TAPS(1, 3)
TAPS(1, 4)
TAPS(1, 5)
TAPS(1, 6)
TAPS(1, 7)
TAPS(2, 2)
TAPS(2, 4)
TAPS(3, 3)
static taps_function *const of_a_row[MAX_TAPS] = {taps_1x1, taps_1x2, taps_1x3, taps_1x4,
                                                  taps_1x5, taps_1x6, taps_1x7};

static const vec *plane_out(const grouped_shape *s, const vec *gout, size_t o)
{
    return gout + o * (size_t)s->out_height * (size_t)s->out_width;
}

/* Pairs of a group. */
static size_t pairs_of(const grouped_shape *s)
{
    return (size_t)s->out_channels * (size_t)s->in_channels;
}

/* The sums of pair k, which counts on through the blocks, [ky][kx]; in: its group's grouped_planes. */
static void pair_sums(const grouped_shape *s, const grouped_gradient_arrays *a, const vec *in,
                      size_t k, vec *sums)
{
    const size_t n_in = (size_t)s->in_channels, row = (size_t)s->in.to_width;
    const vec *gout = plane_out(s, a->gout, k / n_in);
    if (depthwise_fits(s)) {
        depthwise_sums(s, in, gout, (k + 1) % (size_t)s->groups > 0, sums);
        return;
    }
    taps t = {.gout = gout,
              .in_row = row,
              .height = s->out_height,
              .width = s->out_width,
              .stride = s->stride,
              .dilation = s->dilation,
              .kernel = s->kernel};
    static taps_function *const of_rows[5] = {[2] = taps_2x2, [3] = taps_3x3, [4] = taps_2x4};
    taps_function *small = s->kernel <= 4 ? of_rows[s->kernel] : NULL;
    int n = pieces(s->kernel, MAX_TAPS), n_ky = s->kernel == 3 ? 3 : small ? 2 : 1;
    in += k % n_in * (size_t)s->in.to_height * row;
    for (int ky = 0; ky < s->kernel; ky += n_ky)
        for (int p = 0; p < n; p++) {
            int kx = piece_begin(s->kernel, n, p), n_kx = piece_begin(s->kernel, n, p + 1) - kx;
            t.in = in + (size_t)(ky * s->dilation) * row + (size_t)(kx * s->dilation);
            t.sums = sums + ky * s->kernel + kx;
            (small ? small : of_a_row[n_kx - 1])(&t);
        }
}

void grouped_gradient_sums(const grouped_shape *s, const grouped_gradient_arrays *a, vec *sums,
                           size_t begin, size_t end)
{
    size_t n_taps = (size_t)s->kernel * (size_t)s->kernel, n_out = (size_t)s->out_channels;
    size_t n = pairs_of(s);
    for (size_t group = begin; group < end; group++) {
        const vec *in = grouped_planes(s, a->in, group, a->scratch);
        for (size_t k = group * n; k < (group + 1) * n; k++)
            pair_sums(s, a, in, k, sums + k * n_taps);
        for (size_t o = group * n_out; o < (group + 1) * n_out; o++)
            sums[grouped_weights(s) + o] =
                plane_sum(plane_out(s, a->gout, o), (size_t)s->out_height * (size_t)s->out_width);
    }
}

/* n lanes of `count` sums, image by image, added to their totals. */
static void add_images(const vec *sums, size_t count, size_t n, float *total)
{
    for (size_t lane = 0; lane < (n < VEC_WIDTH ? n : VEC_WIDTH); lane++)
        for (size_t k = 0; k < count; k++)
            total[k] += sums[k][lane];
}

void grouped_gradient_add(const vec *sums, size_t n_sums, size_t n, float *to, size_t begin,
                          size_t end)
{
    for (size_t k = begin; k < end; k += SIDE_BY_SIDE) {
        float total[SIDE_BY_SIDE] = {0};
        size_t count = end - k < SIDE_BY_SIDE ? end - k : SIDE_BY_SIDE;
        for (size_t first = 0, block = 0; first < n; first += VEC_WIDTH, block++)
            add_images(sums + block * n_sums + k, count, n - first, total);
        memcpy(to + k, total, count * sizeof *to);
    }
}

void grouped_weight_gradient(const grouped_shape *s, const grouped_gradient_arrays *a, float *gw,
                             size_t begin, size_t end)
{
    size_t n_taps = (size_t)s->kernel * (size_t)s->kernel, groups = (size_t)s->groups;
    memset(gw + begin * n_taps, 0, (end - begin) * n_taps * sizeof *gw);
    for (size_t first = 0, block = 0; first < a->n_images; first += VEC_WIDTH, block++) {
        const vec *in = NULL;
        for (size_t k = begin; k < end; k++) {
            vec sums[MAX_SUMS];
            if (k == begin || k % pairs_of(s) == 0)
                in = grouped_planes(s, a->in, block * groups + k / pairs_of(s), a->scratch);
            pair_sums(s, a, in, block * groups * pairs_of(s) + k, sums);
            add_images(sums, n_taps, a->n_images - first, gw + k * n_taps);
        }
    }
}

void grouped_bias_gradient(const grouped_shape *s, const grouped_gradient_arrays *a, float *gb,
                           size_t begin, size_t end)
{
    size_t plane = (size_t)s->out_height * (size_t)s->out_width;
    size_t block = (size_t)s->groups * (size_t)s->out_channels * plane;
    for (size_t o = begin; o < end; o++) {
        const vec *g = plane_out(s, a->gout, o);
        gb[o] = 0.0F;
        for (size_t first = 0; first < a->n_images; first += VEC_WIDTH, g += block) {
            vec sum = plane_sum(g, plane);
            add_images(&sum, 1, a->n_images - first, gb + o);
        }
    }
}
