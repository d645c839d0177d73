#include "depthwise.h"
#include "pieces.h"

/* Outputs of a tile: neighbours, or as far apart as the taps of a dilated kernel, whose pixels they share that way. */
enum { ROWS = SIMD_TILE_SUMS < 20 ? 2 : 4, COLUMNS = DEPTHWISE_COLUMNS };

SIMD_INLINE int apart_of(const depthwise *d, const depthwise_kind kind)
{
    return kind.dilated ? d->shape->dilation : 1;
}

/* The row of the input that is row `at` among the zeros; below 0: none. */
static int stored_row(const grouped_shape *s, int at)
{
    if (s->in.stride == 2)
        at = at & 1 ? -1 : at / 2;
    return at < s->in.height ? at : -1;
}

/* Is each pixel that the columns from x on need inside, and are they all there? */
SIMD_INLINE bool is_inside(const depthwise *d, int x, const depthwise_kind kind)
{
    const grouped_shape *s = d->shape;
    const int apart = apart_of(d, kind), first = x * kind.stride - s->in.left;
    const int last = first + (depthwise_window(kind, COLUMNS) - 1) * apart;
    return first >= 0 && last / s->in.stride < s->in.width &&
           x + (COLUMNS - 1) * apart < s->out_width;
}

/* Those that columns from x on see; with a parity every other one. */
SIMD_INLINE void load(const depthwise *d, const vec *row, int x, const depthwise_kind kind,
                      const bool inside, vec *pixel)
{
    const int apart = apart_of(d, kind), first = x * kind.stride - d->shape->in.left;
    SIMD_FOR (int k = 0; k < depthwise_window(kind, COLUMNS); k++) {
        if (kind.parity < 0)
            pixel[k] = depthwise_pixel(d->shape, row, first + k * apart, inside);
        else if (k % 2 == kind.parity)
            pixel[k] = depthwise_pixel(d->shape, row, (first + k) >> 1, inside);
    }
}

/* Row k of those a tile sees: its products in all rows of the output. */
SIMD_INLINE void add_row(const depthwise *d, const vec *pixel, int k, const depthwise_kind kind,
                         vec (*sum)[COLUMNS])
{
    SIMD_FOR (int r = 0; r < ROWS; r++) {
        const int ky = k - r * kind.stride;
        if (ky < 0 || ky >= kind.size)
            continue;
        const float *w = d->w + (long)(ky * kind.size) * d->w_tap;
        SIMD_FOR (int kx = 0; kx < kind.size; kx++) {
            vec weight = vec_set(w[kx * d->w_tap]);
            SIMD_FOR (int c = 0; c < COLUMNS; c++)
                if (kind.parity < 0 || (c + kx) % 2 == kind.parity)
                    sum[r][c] += weight * pixel[c * kind.stride + kx];
        }
    }
}

SIMD_INLINE void tile_compute(const depthwise *d, int y, int x, const depthwise_kind kind,
                              const bool inside)
{
    const grouped_shape *s = d->shape;
    const int apart = apart_of(d, kind), width = s->out_width * apart;
    const int n_y = pieces(s->out_height - y, apart), n_x = pieces(s->out_width - x, apart);
    vec sum[ROWS][COLUMNS], pixel[DEPTHWISE_MAX_PIXELS];
    vec *out = d->out + (size_t)y * (size_t)s->out_width + (size_t)x;
    SIMD_FOR (int r = 0; r < ROWS; r++)
        SIMD_FOR (int c = 0; c < COLUMNS; c++)
            sum[r][c] = d->bias                          ? vec_set(*d->bias)
                        : r < n_y && (inside || c < n_x) ? out[r * width + c * apart]
                                                         : vec_set(0.0F);
    /* A loop: its turns written out leave the instructions' cache. */
    for (int k = 0; k < depthwise_window(kind, ROWS); k++) {
        const int row = stored_row(s, y * kind.stride - s->in.top + k * apart);
        if (row < 0)
            continue;
        load(d, d->in + (size_t)row * (size_t)s->in.width, x, kind, inside, pixel);
        add_row(d, pixel, k, kind, sum);
    }
    SIMD_FOR (int r = 0; r < ROWS; r++)
        SIMD_FOR (int c = 0; c < COLUMNS; c++)
            if (r < n_y && (inside || c < n_x))
                out[r * width + c * apart] = sum[r][c];
}

/* A row of tiles, the first one from x on. */
SIMD_INLINE void tiles_compute(const depthwise *d, int y, int x, const depthwise_kind kind)
{
    for (const int step = COLUMNS * apart_of(d, kind); x < d->shape->out_width; x += step)
        if (is_inside(d, x, kind))
            tile_compute(d, y, x, kind, true);
        else
            tile_compute(d, y, x, kind, false);
}

typedef void tiles_function(const depthwise *d, int y, int x);
#define TILES(name, ...)                                                                           \
    static void tiles_##name(const depthwise *d, int y, int x)                                     \
    {                                                                                              \
        tiles_compute(d, y, x, (depthwise_kind){__VA_ARGS__});                                     \
    }
TILES(3, 3, 1, false, -1)
TILES(5, 5, 1, false, -1)
TILES(7, 7, 1, false, -1)
TILES(3_dilated, 3, 1, true, -1)
TILES(5_dilated, 5, 1, true, -1)
TILES(7_dilated, 7, 1, true, -1)
TILES(3_strided, 3, 2, false, -1)
TILES(5_strided, 5, 2, false, -1)
TILES(3_even, 3, 1, false, 0)
TILES(5_even, 5, 1, false, 0)
TILES(3_odd, 3, 1, false, 1)
TILES(5_odd, 5, 1, false, 1)

enum pass { DENSE, DILATED, STRIDED, EVEN, ODD, N_PASSES };
static tiles_function *const functions[N_PASSES][DEPTHWISE_MAX_TAPS + 1] = {
    [DENSE] = {[3] = tiles_3, [5] = tiles_5, [7] = tiles_7},
    [DILATED] = {[3] = tiles_3_dilated, [5] = tiles_5_dilated, [7] = tiles_7_dilated},
    [STRIDED] = {[3] = tiles_3_strided, [5] = tiles_5_strided},
    [EVEN] = {[3] = tiles_3_even, [5] = tiles_5_even},
    [ODD] = {[3] = tiles_3_odd, [5] = tiles_5_odd},
};

static enum pass pass_of(const grouped_shape *s)
{
    if (s->in.stride == 2) /* columns of a tile begin at even ones */
        return s->in.left % 2 ? ODD : EVEN;
    return s->stride == 2 ? STRIDED : s->dilation > 1 ? DILATED : DENSE;
}

void depthwise_forward(const depthwise *d)
{
    const grouped_shape *s = d->shape;
    tiles_function *compute = functions[pass_of(s)][s->kernel];
    const int apart = s->dilation, n_rows = apart * apart * pieces(s->out_height, apart * ROWS);
    const size_t plane = depthwise_plane(s), each = plane / (size_t)n_rows + 1;
    size_t called = d->next ? 0 : plane; /* of the next plane */
    for (int first = 0; first < apart; first++)
        for (int x = 0; x < apart; x++)
            for (int y = first; y < s->out_height; y += apart * ROWS) {
                size_t n = plane - called < each ? plane - called : each;
                depthwise_call(d->in + plane + called, n);
                called += n;
                compute(d, y, x);
            }
}
