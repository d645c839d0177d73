#include "depthwise.h"

/* A tile is some rows of taps: their sums stay in registers while the planes pass, a few columns at a time. */
enum { MAX_ROWS = 3, MAX_TAPS = DEPTHWISE_MAX_TAPS, COLUMNS = DEPTHWISE_COLUMNS };

typedef struct taps {
    const grouped_shape *shape;
    const vec *in, *gout;
    bool next;
    int ky; /* the first row of taps */
} taps;

/* Is each pixel that the columns from x on need inside, and are they all there? */
SIMD_INLINE bool is_inside(const grouped_shape *s, int x, const depthwise_kind kind)
{
    const int first = x * kind.stride - s->in.left;
    const int last = first + (COLUMNS - 1) * kind.stride + (kind.size - 1) * s->dilation;
    return first >= 0 && last < s->in.width && x + COLUMNS <= s->out_width;
}

/* A row of taps: each pixel is loaded once. */
SIMD_INLINE void add_row(const grouped_shape *s, const vec *row, int first, const vec *gradient,
                         const depthwise_kind kind, const bool inside, vec *sum)
{
    vec pixel[DEPTHWISE_MAX_PIXELS] = {{0}};
    SIMD_FOR (int k = 0; k < depthwise_window(kind, COLUMNS); k++)
        pixel[k] = depthwise_pixel(s, row, first + k, inside);
    SIMD_FOR (int c = 0; c < COLUMNS; c++)
        SIMD_FOR (int kx = 0; kx < kind.size; kx++)
            sum[kx] += gradient[c] * pixel[c * kind.stride + kx];
}

/* Of a dilated kernel, whose taps' pixels hardly meet: tap by tap, most of which see all columns or none. */
SIMD_INLINE void add_row_dilated(const grouped_shape *s, const vec *row, int first,
                                 const vec *gradient, const int size, const bool inside, vec *sum)
{
    SIMD_FOR (int kx = 0; kx < size; kx++) {
        const int x = first + kx * s->dilation;
        if (inside || (x >= 0 && x + COLUMNS <= s->in.width)) {
            SIMD_FOR (int c = 0; c < COLUMNS; c++)
                sum[kx] += gradient[c] * row[x + c];
        } else if (x + COLUMNS > 0 && x < s->in.width) {
            SIMD_FOR (int c = 0; c < COLUMNS; c++)
                sum[kx] += gradient[c] * depthwise_pixel(s, row, x + c, false);
        }
    }
}

/* Neighbouring columns of the output, one after the other. */
SIMD_INLINE void columns_compute(const taps *t, int y, int x, const int n_ky,
                                 const depthwise_kind kind, const bool inside, vec (*sum)[MAX_TAPS])
{
    const grouped_shape *s = t->shape;
    const vec *g = t->gout + (size_t)y * (size_t)s->out_width + (size_t)x;
    vec gradient[COLUMNS];
    SIMD_FOR (int c = 0; c < COLUMNS; c++)
        gradient[c] = inside || x + c < s->out_width ? g[c] : vec_set(0.0F);
    SIMD_FOR (int k = 0; k < n_ky; k++) {
        const int at = y * kind.stride - s->in.top + (t->ky + k) * s->dilation;
        const int first = x * kind.stride - s->in.left;
        if (at < 0 || at >= s->in.height)
            continue;
        const vec *row = t->in + (size_t)at * (size_t)s->in.width;
        if (kind.dilated)
            add_row_dilated(s, row, first, gradient, kind.size, inside, sum[k]);
        else
            add_row(s, row, first, gradient, kind, inside, sum[k]);
    }
}

SIMD_INLINE void taps_compute(const taps *t, vec *sums, const int n_ky, const depthwise_kind kind)
{
    const grouped_shape *s = t->shape;
    const size_t n_out = (size_t)s->out_width;
    const size_t n_in = depthwise_plane(s) / (size_t)s->out_height;
    vec sum[MAX_ROWS][MAX_TAPS] = {{{0}}};
    for (int y = 0; y < s->out_height; y++) {
        if (t->next && t->ky == 0) { /* once will do */
            depthwise_call(t->in + depthwise_plane(s) + (size_t)y * n_in, n_in);
            depthwise_call(t->gout + (size_t)(s->out_height + y) * n_out, n_out);
        }
        for (int x = 0; x < s->out_width; x += COLUMNS)
            if (is_inside(s, x, kind))
                columns_compute(t, y, x, n_ky, kind, true, sum);
            else
                columns_compute(t, y, x, n_ky, kind, false, sum);
    }
    SIMD_FOR (int k = 0; k < n_ky; k++)
        SIMD_FOR (int kx = 0; kx < kind.size; kx++)
            sums[(t->ky + k) * kind.size + kx] = sum[k][kx];
}

typedef void taps_function(const taps *t, vec *sums);
#define TAPS(rows, size)                                                                           \
    static void taps_##rows##x##size(const taps *t, vec *sums)                                     \
    {                                                                                              \
        taps_compute(t, sums, rows, (depthwise_kind){size, 1, false, -1});                         \
    }                                                                                              \
    static void taps_##rows##x##size##_dilated(const taps *t, vec *sums)                           \
    {                                                                                              \
        taps_compute(t, sums, rows, (depthwise_kind){size, 1, true, -1});                          \
    }
#define TAPS_STRIDED(rows, size)                                                                   \
    static void taps_##rows##x##size##_strided(const taps *t, vec *sums)                           \
    {                                                                                              \
        taps_compute(t, sums, rows, (depthwise_kind){size, 2, false, -1});                         \
    }
TAPS(3, 3)
TAPS(1, 5)
TAPS(2, 5)
TAPS(1, 7)
TAPS(2, 7)
TAPS_STRIDED(3, 3)
TAPS_STRIDED(1, 5)
TAPS_STRIDED(2, 5)

enum pass { DENSE, DILATED, STRIDED, N_PASSES };
/* By size of the kernel: as many rows of taps as registers hold, and a single one for the end. */
static taps_function *const functions[N_PASSES][MAX_TAPS + 1][2] = {
    [DENSE] = {[3] = {taps_3x3}, [5] = {taps_2x5, taps_1x5}, [7] = {taps_2x7, taps_1x7}},
    [DILATED] = {[3] = {taps_3x3_dilated},
                 [5] = {taps_2x5_dilated, taps_1x5_dilated},
                 [7] = {taps_2x7_dilated, taps_1x7_dilated}},
    [STRIDED] = {[3] = {taps_3x3_strided}, [5] = {taps_2x5_strided, taps_1x5_strided}},
};

void depthwise_sums(const grouped_shape *s, const vec *in, const vec *gout, bool next, vec *sums)
{
    enum pass pass = s->stride == 2 ? STRIDED : s->dilation > 1 ? DILATED : DENSE;
    taps_function *const *of_size = functions[pass][s->kernel];
    const int rows = s->kernel == 3 ? 3 : 2;
    for (taps t = {s, in, gout, next, 0}; t.ky < s->kernel; t.ky += rows)
        of_size[t.ky + rows > s->kernel](&t, sums);
}
