#include "algorithms.h"
#include "pieces.h"
#include "winograd.h"

/*
 * An item is a strip of tiles, one after the other in the rows of the output.  Its pixels are transformed, value by
 * value multiplied by the transformed weights - products of matrices, n_m filters x n_r tiles in registers - and
 * transformed back, some filters at a time.  A strip is as long as the level-2 cache holds what is transformed, or longer
 * where the weights, which pass once for each strip, come from memory.
 */
enum {
    MAX_CHANNELS = SIMD_TILE_CHANNELS,
    MAX_TILES = SIMD_TILE_PIXELS,
    MAX_STRIP = 32,
    PANELS = 4, /* of filters, whose products are transformed back together, or all */
    APART = 5   /* vecs between values: else all would fall into the same sets of the caches */
};

/* ---- weights ------------------------------------------------------------------------------------ */

/* Some filters' taps side by side: lanes are filters, whatever the machine's width. */
typedef float filters __attribute__((vector_size(8 * sizeof(float))));
_Static_assert(SIMD_TILE_CHANNELS <= 8, "filters of a panel");

/* G x without its factors, which follow. */
SIMD_INLINE void weights_transform(const int side, const int kernel, const filters *x, filters *y)
{
    filters even = x[0] + x[2], odd = x[1];
    if (kernel == 5) {
        even += x[4];
        odd += x[3];
    }
    y[0] = x[0];
    y[1] = even + odd;
    y[2] = even - odd;
    if (side == 6) {
        filters wide = x[0] + 4.0F * x[2], steep = x[1];
        if (kernel == 5) {
            wide += 16.0F * x[4];
            steep += 4.0F * x[3];
        }
        y[3] = wide + 2.0F * steep;
        y[4] = wide - 2.0F * steep;
    }
    y[side - 1] = x[kernel - 1];
}

static const float factors_4[] = {1.0F, 0.5F, 0.5F, 1.0F};
static const float factors_6[] = {1.0F / 4, -1.0F / 6, -1.0F / 6, 1.0F / 24, 1.0F / 24, 1.0F};

enum { TOGETHER = 16, LANES = 8, VALUES = WINOGRAD_MAX_SIDE * WINOGRAD_MAX_SIDE };
enum { MAX_TAPS = WINOGRAD_MAX_KERNEL * WINOGRAD_MAX_KERNEL };

/* One in channel of n_m filters: value v to values[v * each], whose vector may reach beyond them. */
SIMD_INLINE void pack_channel(const int m, const int side, const float *w, const long at[3],
                              int n_m, float *values, size_t each)
{
    const float *factors = side == 4 ? factors_4 : factors_6;
    const int kernel = side - m + 1, n_taps = kernel * kernel;
    float taps[MAX_TAPS][8] = {{0}};
    filters x[MAX_TAPS], column[WINOGRAD_MAX_KERNEL];
    filters half[WINOGRAD_MAX_KERNEL][WINOGRAD_MAX_SIDE], y[WINOGRAD_MAX_SIDE];
    for (int o = 0; o < n_m; o++)
        for (int tap = 0; tap < n_taps; tap++)
            taps[tap][o] = w[o * at[0] + tap * at[2]];
    memcpy(x, taps, sizeof x);
    SIMD_FOR (int kx = 0; kx < kernel; kx++) {
        SIMD_FOR (int ky = 0; ky < kernel; ky++)
            column[ky] = x[kernel * ky + kx];
        weights_transform(side, kernel, column, half[kx]);
    }
    SIMD_FOR (int i = 0; i < side; i++) {
        SIMD_FOR (int kx = 0; kx < kernel; kx++)
            column[kx] = half[kx][i];
        weights_transform(side, kernel, column, y);
        SIMD_FOR (int j = 0; j < side; j++) {
            y[j] *= factors[i] * factors[j];
            memcpy(values + (size_t)(side * i + j) * each, &y[j], sizeof y[j]);
        }
    }
}

/*
 * packed: [value][panel of filters][in channel][filter of the panel].  Some channels at a time, by way of the
 * level-1 cache: to write to all values at once would be to write to as many pages.
 */
SIMD_INLINE void pack(const int m, const int side, const conv_plan *plan, const float *w,
                      const long at[3], float *packed, size_t from, size_t to)
{
    const conv_shape *s = &plan->shape;
    int n = (int)plan->n_pack_items;
    size_t in_channels = (size_t)s->in_channels, each = (size_t)s->out_channels * in_channels;
    enum { RUN = TOGETHER * MAX_CHANNELS + LANES };
    float values[VALUES * RUN];
    for (int k = (int)from; k < (int)to; k++) {
        int o = piece_begin(s->out_channels, n, k),
            n_m = piece_begin(s->out_channels, n, k + 1) - o;
        float *p = packed + (size_t)o * in_channels;
        for (int first = 0; first < s->in_channels; first += TOGETHER) {
            int left = s->in_channels - first, n_in = left < TOGETHER ? left : TOGETHER;
            for (int i = 0; i < n_in; i++)
                pack_channel(m, side, w + o * at[0] + (first + i) * at[1], at, n_m,
                             values + i * n_m, RUN);
            for (int v = 0; v < side * side; v++)
                memcpy(p + (size_t)v * each, values + v * RUN,
                       (size_t)(n_in * n_m) * sizeof(float));
            p += n_in * n_m;
        }
    }
}

/* ---- products ----------------------------------------------------------------------------------- */

/* to[o][tile] = sum over in channels of w[i][o] * from[i][tile] */
typedef struct product {
    const vec *from;
    const float *w;
    vec *to;
    size_t row; /* vecs from row to row of from and to */
    int n_in;
} product;

SIMD_INLINE void product_compute(const product *p, const int n_m, const int n_r)
{
    const vec *x = p->from;
    const float *w = p->w;
    vec sum[MAX_CHANNELS][MAX_TILES];
    SIMD_FOR (int m = 0; m < n_m; m++)
        SIMD_FOR (int r = 0; r < n_r; r++)
            sum[m][r] = (vec){0};
    for (int i = p->n_in; i > 0; i--, x += p->row, w += n_m) {
        vec tile[MAX_TILES];
        SIMD_FOR (int r = 0; r < n_r; r++)
            tile[r] = vec_in_register(x[r]);
        SIMD_FOR (int m = 0; m < n_m; m++) {
            vec weight = vec_set(w[m]);
            SIMD_FOR (int r = 0; r < n_r; r++)
                sum[m][r] += weight * tile[r];
        }
    }
    SIMD_FOR (int m = 0; m < n_m; m++)
        SIMD_FOR (int r = 0; r < n_r; r++)
            p->to[(size_t)m * p->row + (size_t)r] = sum[m][r];
}

#define PRODUCT(m, r)                                                                              \
    static void product_##m##x##r(const product *p)                                                \
    {                                                                                              \
        product_compute(p, m, r);                                                                  \
    }
#if SIMD_TILE_PIXELS == 2
#define OF_TILES(OF, m) OF(m, 1) OF(m, 2)
#else
#define OF_TILES(OF, m) OF(m, 1) OF(m, 2) OF(m, 3) OF(m, 4)
#endif
_Static_assert(SIMD_TILE_CHANNELS == 6, "the list below");
#define ALL(OF)                                                                                    \
    OF_TILES(OF, 1)                                                                                \
    OF_TILES(OF, 2) OF_TILES(OF, 3) OF_TILES(OF, 4) OF_TILES(OF, 5) OF_TILES(OF, 6)
ALL(PRODUCT)

typedef void product_function(const product *p);
#define ENTRY(m, r) [m - 1][r - 1] = product_##m##x##r,
static product_function *const product_functions[MAX_CHANNELS][MAX_TILES] = {ALL(ENTRY)};

/* ---- strips ------------------------------------------------------------------------------------- */

typedef struct strip {
    const conv_plan *plan;
    int n; /* tiles, row by row */
    winograd_tile tiles[MAX_STRIP];
    vec *from, *to; /* [value][in or out channel of some][n], values each_from and each_to apart */
    size_t each_from, each_to;
} strip;

SIMD_INLINE void transform_input(const int m, const int side, const strip *p, const vec *in)
{
    const conv_shape *s = &p->plan->shape;
    size_t width = (size_t)(s->in_width - s->border_left - s->border_right);
    size_t plane = (size_t)(s->in_height - s->border_top - s->border_bottom) * width;
    vec *to = p->from;
    for (int i = 0; i < s->in_channels; i++, in += plane)
        for (int k = 0; k < p->n; k++, to++) {
            vec half[WINOGRAD_MAX_SIDE][WINOGRAD_MAX_SIDE], line[WINOGRAD_MAX_SIDE];
            const winograd_tile *t = &p->tiles[k];
            const vec *x[WINOGRAD_MAX_SIDE];
            size_t next = t->inside && i + 1 < s->in_channels ? plane : 0;
            winograd_rows(side, &t->rows, in + t->in, width, x);
            for (int c = 0; c < side; c++) {
                if (c < t->columns.begin || c >= t->columns.end) {
                    SIMD_FOR (int y = 0; y < side; y++)
                        half[y][c] = (vec){0};
                    continue;
                }
                SIMD_FOR (int y = 0; y < side; y++) {
                    line[y] = vec_in_register(x[y][c]);
                    /* Of columns that the tile before had not: the next one's, and the next channel's. */
                    if (c >= side - m) {
                        __builtin_prefetch(&x[y][c + m], 0, 3);
                        __builtin_prefetch(&x[y][(size_t)c + next], 0, 2);
                    }
                }
                vec values[WINOGRAD_MAX_SIDE];
                winograd_input(side, line, values);
                SIMD_FOR (int y = 0; y < side; y++)
                    half[y][c] = values[y];
            }
            for (int y = 0; y < side; y++) {
                vec values[WINOGRAD_MAX_SIDE];
                SIMD_FOR (int c = 0; c < side; c++)
                    line[c] = vec_in_register(half[y][c]);
                winograd_input(side, line, values);
                SIMD_FOR (int c = 0; c < side; c++)
                    to[(size_t)(y * side + c) * p->each_from] = values[c];
            }
        }
}

/* Panels first .. last - 1. */
static void multiply(const strip *p, const float *packed, int n_values, int first, int last)
{
    const conv_shape *s = &p->plan->shape;
    int n = (int)p->plan->n_pack_items, n_groups = pieces(p->n, MAX_TILES);
    int begin = piece_begin(s->out_channels, n, first);
    size_t in_channels = (size_t)s->in_channels, row = (size_t)p->n;
    for (int value = 0; value < n_values; value++)
        for (int k = first; k < last; k++) {
            int o = piece_begin(s->out_channels, n, k);
            int n_m = piece_begin(s->out_channels, n, k + 1) - o;
            for (int g = 0; g < n_groups; g++) {
                int t = piece_begin(p->n, n_groups, g),
                    n_r = piece_begin(p->n, n_groups, g + 1) - t;
                product_functions[n_m - 1][n_r - 1](&(product){
                    .from = p->from + (size_t)value * p->each_from + t,
                    .w = packed +
                         ((size_t)value * (size_t)s->out_channels + (size_t)o) * in_channels,
                    .to = p->to + (size_t)value * p->each_to + (size_t)(o - begin) * row + t,
                    .row = row,
                    .n_in = s->in_channels});
            }
        }
}

/* Out channels begin .. end - 1. */
SIMD_INLINE void transform_output(const int m, const int side, const strip *p,
                                  const conv_arrays *arrays, vec *out, int begin, int end)
{
    const conv_shape *s = &p->plan->shape;
    size_t plane = (size_t)s->out_height * (size_t)s->out_width, width = (size_t)s->out_width;
    const vec *from = p->to;
    out += (size_t)begin * plane;
    for (int o = begin; o < end; o++, out += plane) {
        vec bias = vec_set(arrays->bias ? arrays->bias[o] : 0.0F);
        for (int k = 0; k < p->n; k++, from++) {
            vec half[WINOGRAD_MAX_OUT][WINOGRAD_MAX_SIDE], y[WINOGRAD_MAX_OUT];
            const winograd_tile *t = &p->tiles[k];
            for (int c = 0; c < side; c++) {
                vec line[WINOGRAD_MAX_SIDE], values[WINOGRAD_MAX_OUT];
                SIMD_FOR (int r = 0; r < side; r++)
                    line[r] = vec_in_register(from[(size_t)(r * side + c) * p->each_to]);
                winograd_output(m, side, line, values);
                SIMD_FOR (int r = 0; r < m; r++)
                    half[r][c] = values[r];
            }
            for (int r = 0; r < m && r < t->out_rows; r++) {
                vec *to = out + t->out + (size_t)r * width;
                vec line[WINOGRAD_MAX_SIDE];
                SIMD_FOR (int c = 0; c < side; c++)
                    line[c] = vec_in_register(half[r][c]);
                winograd_output(m, side, line, y);
                if (t->out_columns == m) {
                    SIMD_FOR (int c = 0; c < m; c++) {
                        __builtin_prefetch(&to[c] + plane, 1, 2);
                        to[c] = y[c] + (arrays->add ? to[c] : bias);
                    }
                } else {
                    for (int c = 0; c < m && c < t->out_columns; c++)
                        to[c] = y[c] + (arrays->add ? to[c] : bias);
                }
            }
        }
    }
}

/*
 * Panels that are transformed back together.  Each such group reads the strip's pixels: where these leave the level-2
 * cache, they are read once, value by value, and it is the products of all filters that go to memory and back.
 */
static int panels_together(const conv_shape *s, int n_values, int n)
{
    size_t bytes = (size_t)n_values * (size_t)s->in_channels * (size_t)n * sizeof(vec);
    int all = pieces(s->out_channels, MAX_CHANNELS);
    return bytes > SIMD_L2_BYTES / 2 * 3 || all < PANELS ? all : PANELS;
}

SIMD_INLINE void forward(const int m, const int side, const conv_plan *plan,
                         const conv_arrays *arrays, size_t begin, size_t end)
{
    const conv_shape *s = &plan->shape;
    const int n_values = side * side;
    int n_tiles = winograd_tiles(m, s), n_panels = (int)plan->n_pack_items;
    int together = plan->n_together;
    size_t in_block = conv_in_vecs(plan),
           out_block = (size_t)s->out_channels * (size_t)s->out_height * (size_t)s->out_width;
    for (size_t item = begin; item < end; item++) {
        size_t block = item / plan->n_items, k = item % plan->n_items;
        int first = piece_begin(n_tiles, (int)plan->n_items, (int)k);
        strip p = {.plan = plan, .n = piece_begin(n_tiles, (int)plan->n_items, (int)k + 1) - first};
        for (int t = 0; t < p.n; t++)
            p.tiles[t] = winograd_tile_at(m, side, s, first + t);
        p.each_from = (size_t)(s->in_channels * p.n + APART);
        p.each_to = (size_t)(together * MAX_CHANNELS * p.n + APART);
        p.from = arrays->scratch;
        p.to = p.from + (size_t)n_values * p.each_from;
        transform_input(m, side, &p, arrays->in + block * in_block);
        for (int panel = 0; panel < n_panels; panel += together) {
            int next = panel + together < n_panels ? panel + together : n_panels;
            multiply(&p, arrays->packed, n_values, panel, next);
            transform_output(m, side, &p, arrays, arrays->out + block * out_block,
                             piece_begin(s->out_channels, n_panels, panel),
                             piece_begin(s->out_channels, n_panels, next));
        }
    }
}

/*
 * The longest strip, of n tiles that take so many bytes each when transformed.  Of weights from memory each tile costs
 * its share; in a strip too long for the cache it goes to memory and back itself.
 */
static int longest_strip(int n, size_t tile_bytes, size_t weight_bytes)
{
    int fit = (int)(SIMD_L2_BYTES / tile_bytes) / MAX_TILES * MAX_TILES;
    fit = fit < MAX_TILES ? MAX_TILES : fit > MAX_STRIP ? MAX_STRIP : fit;
    int most = n < MAX_STRIP ? n : MAX_STRIP;
    bool far = weight_bytes > SIMD_SHARED_BYTES && most > fit;
    return far && weight_bytes / (size_t)most + 2 * tile_bytes < weight_bytes / (size_t)fit ? most
                                                                                            : fit;
}

SIMD_INLINE void plan(const int m, const int side, conv_plan *plan)
{
    const conv_shape *s = &plan->shape;
    size_t n_values = (size_t)(side * side);
    size_t channels = (size_t)(s->in_channels + PANELS * MAX_CHANNELS);
    int n = winograd_tiles(m, s);
    plan->bare = true;
    plan->n_pack_items = (size_t)pieces(s->out_channels, MAX_CHANNELS);
    plan->n_packed = n_values * (size_t)s->out_channels * (size_t)s->in_channels;
    plan->n_items = (size_t)pieces(
        n, longest_strip(n, n_values * channels * sizeof(vec), plan->n_packed * sizeof(float)));
    int most = pieces(n, (int)plan->n_items);
    plan->n_together = panels_together(s, (int)n_values, most);
    channels = (size_t)(s->in_channels + plan->n_together * MAX_CHANNELS);
    plan->n_scratch = n_values * (channels * (size_t)most + 2 * (size_t)APART);
}

/* F(m x m, .) on squares of `side`. */
#define ALGORITHM(id, m, side)                                                                     \
    static void plan_##id(conv_plan *p)                                                            \
    {                                                                                              \
        plan(m, side, p);                                                                          \
    }                                                                                              \
    static void pack_##id(const conv_plan *p, const float *w, const long at[3], float *packed,     \
                          size_t begin, size_t end)                                                \
    {                                                                                              \
        pack(m, side, p, w, at, packed, begin, end);                                               \
    }                                                                                              \
    static void forward_##id(const conv_plan *p, const conv_arrays *arrays, size_t begin,          \
                             size_t end)                                                           \
    {                                                                                              \
        forward(m, side, p, arrays, begin, end);                                                   \
    }                                                                                              \
    const conv_algorithm conv_##id = {                                                             \
        .plan = plan_##id, .pack = pack_##id, .forward = forward_##id};
ALGORITHM(f2, 2, 4)
ALGORITHM(f4, 4, 6)
ALGORITHM(f2_5x5, 2, 6)
