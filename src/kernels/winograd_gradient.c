#include "algorithms.h"
#include "winograd.h"

#include <limits.h>

/*
 * An item is half of the rows of transformed values, for some in channels.  It goes over the batch by runs of pairs
 * (tile, group of 16 images): transforms its channels, then, as many out channels at a time as a tile of sums has, their
 * gradients, and adds up the products over the run in registers, lane by lane; then lanes are added, and the sums to
 * those of the runs before.  A run's transformed input stays in the level-2 cache while all gradients pass; pixels and
 * gradients, which come from memory, are asked for a channel and a pair ahead.
 */
enum {
    RUN = CONV_WINOGRAD_RUN,
    GROUP = CONV_WINOGRAD_GROUP,
    SETS = GROUP / VEC_WIDTH,  /* blocks of a group */
    ROWS = SIMD_TILE_SUMS / 4, /* a tile of sums: out channels x 4 in channels */
    APART = 64 / sizeof(vec)   /* vecs between values: no two begin in the same set of a cache */
};
_Static_assert(GROUP % VEC_WIDTH == 0, "a group is whole blocks");

typedef float quad __attribute__((vector_size(4 * sizeof(float))));

/* ---- products ----------------------------------------------------------------------------------- */

typedef struct product {
    const vec *in, *gout; /* first channel's pairs; RUN from channel to channel */
    float *sums;          /* 4 of each out channel, added to what stands there */
    bool fresh;           /* nothing does yet */
    int n;                /* pairs */
} product;

/* The four sums over lanes 4p .. 4p + 3 of a, b, c and d, in quad p: (first + third) + (second + fourth). */
SIMD_INLINE vec add_lanes(vec a, vec b, vec c, vec d)
{
    enum { V = VEC_WIDTH };
    vec ab = SIMD_SHUFFLE(a, b, 0, 1, V, V + 1) + SIMD_SHUFFLE(a, b, 2, 3, V + 2, V + 3);
    vec cd = SIMD_SHUFFLE(c, d, 0, 1, V, V + 1) + SIMD_SHUFFLE(c, d, 2, 3, V + 2, V + 3);
    return SIMD_SHUFFLE(ab, cd, 0, 2, V, V + 2) + SIMD_SHUFFLE(ab, cd, 1, 3, V + 1, V + 3);
}

SIMD_INLINE void product_compute(const product *p, const int n_m)
{
    const vec *in = p->in, *gout = p->gout;
    vec sum[ROWS][4];
    SIMD_FOR (int m = 0; m < n_m; m++)
        SIMD_FOR (int k = 0; k < 4; k++)
            sum[m][k] = (vec){0};
    for (int t = p->n; t > 0; t--, in++, gout++) {
        vec pixel[4];
        SIMD_FOR (int k = 0; k < 4; k++)
            pixel[k] = vec_in_register(in[k * RUN]);
        SIMD_FOR (int m = 0; m < n_m; m++) {
            vec gradient = vec_in_register(gout[m * RUN]);
            SIMD_FOR (int k = 0; k < 4; k++)
                sum[m][k] += gradient * pixel[k];
        }
    }
    SIMD_FOR (int m = 0; m < n_m; m++) {
        vec lanes = add_lanes(sum[m][0], sum[m][1], sum[m][2], sum[m][3]);
        float *to = p->sums + (size_t)m * 4;
        quad total = {0}, part[VEC_WIDTH / 4];
        if (!p->fresh)
            memcpy(&total, to, sizeof total);
        memcpy(part, &lanes, sizeof part);
        SIMD_FOR (int k = 0; k < VEC_WIDTH / 4; k++)
            total += part[k];
        memcpy(to, &total, sizeof total);
    }
}

#define PRODUCT(m)                                                                                 \
    static void product_##m(const product *p)                                                      \
    {                                                                                              \
        product_compute(p, m);                                                                     \
    }
typedef void product_function(const product *p);
PRODUCT(1)
PRODUCT(2)
#if SIMD_TILE_SUMS >= 12
PRODUCT(3)
#endif
#if SIMD_TILE_SUMS >= 20
PRODUCT(4)
PRODUCT(5)
#endif
static product_function *const product_functions[] = {
    product_1, product_2,
#if SIMD_TILE_SUMS >= 12
    product_3,
#endif
#if SIMD_TILE_SUMS >= 20
    product_4, product_5,
#endif
};
_Static_assert(sizeof product_functions / sizeof *product_functions == ROWS, "the list above");

/* ---- runs --------------------------------------------------------------------------------------- */

/* One of a run's pairs, in one block. */
typedef struct pair {
    winograd_tile tile;
    size_t block;
} pair;

/* transformed: [value][quad of in channels][out channel][4], and a vec behind */
typedef struct run {
    const conv_gradient_plan *plan;
    const conv_gradient_arrays *arrays;
    int half, quad, n_quads; /* the item's rows of values, and in channels */
    bool fresh;              /* the first one */
    int n;                   /* pairs */
    pair pairs[RUN];
    vec *in, *gout; /* [value][channel][RUN], values each_in and each_gout apart */
} run;

static int quads_of(const conv_shape *s)
{
    return pieces(s->in_channels, 4);
}

static size_t each_in(int n_quads)
{
    return (size_t)n_quads * 4 * RUN + APART;
}

static size_t each_gout(int n_o)
{
    return (size_t)n_o * RUN + APART;
}

/* Pixels of a square, or of a tile, that the one before had not, to the level-1 cache if they are needed soon. */
SIMD_INLINE void prefetch(const int n_rows, const int begin, const int end, const vec *x,
                          size_t width, const bool soon)
{
    SIMD_FOR (int y = 0; y < n_rows; y++)
        SIMD_FOR (int c = begin; c < end; c++) {
            const vec *pixel = x + (size_t)y * width + c;
            if (soon)
                __builtin_prefetch(pixel, 0, 3);
            else
                __builtin_prefetch(pixel, 0, 2);
        }
}

SIMD_INLINE void transform_input(const int m, const int side, const int half, const run *r)
{
    const conv_shape *s = &r->plan->shape;
    size_t width = (size_t)(s->in_width - s->border_left - s->border_right);
    size_t plane = (size_t)(s->in_height - s->border_top - s->border_bottom) * width;
    size_t each = each_in(r->n_quads);
    const ivec all = ~(ivec){0};
    for (int c = 0; c < 4 * r->n_quads; c++)
        for (int k = 0; k < r->n; k++) {
            const vec *rows[WINOGRAD_MAX_SIDE];
            const winograd_tile *t = &r->pairs[k].tile;
            size_t channel = (size_t)(4 * r->quad + c);
            vec *to = r->in + c * RUN + k;
            if (channel >= (size_t)s->in_channels) { /* the last quad may not be full */
                for (int v = 0; v < side * side / 2; v++)
                    to[(size_t)v * each] = (vec){0};
                continue;
            }
            const vec *x = r->arrays->in +
                           (r->pairs[k].block * (size_t)s->in_channels + channel) * plane + t->in;
            if (t->inside && c + 1 < 4 * r->n_quads)
                prefetch(side, side - m, side, x + plane, width, false);
            winograd_rows(side, &t->rows, x, width, rows);
            winograd_half(m, side, false, half, t->columns, rows, all, to, each);
        }
}

/* Lanes of a block that hold images. */
static ivec lanes_of(size_t block, size_t n_images)
{
    ivec mask = {0};
    for (size_t lane = 0; lane < VEC_WIDTH; lane++)
        mask[lane] = block * VEC_WIDTH + lane < n_images ? -1 : 0;
    return mask;
}

/* Where gradients of pair k begin, from an out channel on. */
static const vec *gradients_at(const run *r, int k, int channel)
{
    const conv_shape *s = &r->plan->shape;
    size_t plane = (size_t)s->out_height * (size_t)s->out_width;
    return r->arrays->gout + r->pairs[k].tile.out +
           (r->pairs[k].block * (size_t)s->out_channels + (size_t)channel) * plane;
}

/* Of out channels first .. first + n - 1. */
SIMD_INLINE void transform_gradient(const int m, const int side, const int half, const run *r,
                                    int first, int n)
{
    const conv_shape *s = &r->plan->shape;
    size_t width = (size_t)s->out_width, plane = (size_t)s->out_height * width;
    size_t each = each_gout(n);
    for (int k = 0; k < r->n; k++) {
        const winograd_tile *t = &r->pairs[k].tile;
        const winograd_range inside = {0, t->out_rows}, columns = {0, t->out_columns};
        const vec *x = gradients_at(r, k, first);
        const vec *next = k + 1 < r->n ? gradients_at(r, k + 1, first) : NULL;
        ivec mask = lanes_of(r->pairs[k].block, r->arrays->n_images);
        for (int o = 0; o < n; o++, x += plane) {
            const vec *rows[WINOGRAD_MAX_SIDE];
            if (next)
                prefetch(m, 0, m, next + (size_t)o * plane, width, true);
            winograd_rows(m, &inside, x, width, rows);
            winograd_half(m, side, true, half, columns, rows, mask, r->gout + o * RUN + k, each);
        }
    }
}

/* A tile of sums for each four in channels. */
static void multiply(const run *r, int side, int first, int n_o)
{
    const conv_shape *s = &r->plan->shape;
    const int n_values = side * side / 2, n_quads = quads_of(s);
    for (int v = 0; v < n_values; v++)
        for (int q = 0; q < r->n_quads; q++) {
            size_t place = (size_t)((r->half * n_values + v) * n_quads + r->quad + q);
            size_t sums = place * (size_t)s->out_channels + (size_t)first;
            product_functions[n_o - 1](
                &(product){.in = r->in + (size_t)v * each_in(r->n_quads) + (size_t)q * 4 * RUN,
                           .gout = r->gout + (size_t)v * each_gout(n_o),
                           .sums = r->arrays->transformed + 4 * sums,
                           .fresh = r->fresh,
                           .n = r->n});
        }
}

/* A run's sums, for the half that the compiler is to know. */
SIMD_INLINE void run_sums(const int m, const int side, const int half, const run *r)
{
    int n = pieces(r->plan->shape.out_channels, ROWS);
    transform_input(m, side, half, r);
    for (int k = 0; k < n; k++) {
        int o = piece_begin(r->plan->shape.out_channels, n, k);
        int n_o = piece_begin(r->plan->shape.out_channels, n, k + 1) - o;
        transform_gradient(m, side, half, r, o, n_o);
        multiply(r, side, o, n_o);
    }
}

/* Pairs first .. first + RUN - 1 of the batch in the groups' blocks number `set`. */
SIMD_INLINE void run_pairs(const int m, const int side, run *r, size_t first, int set)
{
    const conv_shape *s = &r->plan->shape;
    size_t n_tiles = (size_t)winograd_tiles(m, s);
    size_t n_blocks = (r->arrays->n_images + VEC_WIDTH - 1) / VEC_WIDTH;
    r->n = 0;
    for (size_t k = first; k < first + RUN; k++) {
        size_t block = k / n_tiles * SETS + (size_t)set;
        if (block >= n_blocks)
            break;
        r->pairs[r->n++] = (pair){winograd_tile_at(m, side, s, (int)(k % n_tiles)), block};
    }
}

/* A run for all items, while its pixels are near, before the next one. */
SIMD_INLINE void items_gradient(const int m, const int side, const conv_gradient_plan *plan,
                                const conv_gradient_arrays *arrays, size_t begin, size_t end)
{
    const conv_shape *s = &plan->shape;
    const int n_values = side * side / 2;
    size_t n_groups = (arrays->n_images + GROUP - 1) / GROUP;
    size_t n_pairs = n_groups * (size_t)winograd_tiles(m, s);
    run r = {.plan = plan, .arrays = arrays, .in = arrays->scratch};
    for (size_t first = 0; first < n_pairs; first += RUN)
        for (int set = 0; set < SETS; set++) {
            run_pairs(m, side, &r, first, set);
            r.fresh = first == 0 && set == 0;
            for (size_t item = begin; item < end && r.n > 0; item++) {
                int part = (int)item / 2;
                r.half = (int)item % 2;
                r.quad = piece_begin(quads_of(s), plan->n_groups, part);
                r.n_quads = piece_begin(quads_of(s), plan->n_groups, part + 1) - r.quad;
                r.gout = r.in + (size_t)n_values * each_in(r.n_quads);
                if (r.half == 0)
                    run_sums(m, side, 0, &r);
                else
                    run_sums(m, side, 1, &r);
            }
        }
}

/* G' x, 24 times as much of it for squares of 6, so that all factors are whole numbers. */
SIMD_INLINE void weights_back(const int side, const int kernel, const vec *x, vec *y)
{
    if (side == 4) {
        vec p = x[1] + x[2];
        y[0] = x[0] + 0.5F * p;
        y[1] = 0.5F * (x[1] - x[2]);
        y[2] = x[3] + 0.5F * p;
        return;
    }
    vec p = x[1] + x[2], q = x[2] - x[1], r = x[3] + x[4], s = x[3] - x[4];
    vec first = r - 4.0F * p, last = r - p;
    y[0] = first + 6.0F * x[0];
    y[1] = 2.0F * (s + 2.0F * q);
    if (kernel == 3) {
        y[2] = 4.0F * (last + 6.0F * x[5]);
        return;
    }
    y[2] = 4.0F * last;
    y[3] = 4.0F * (q + 2.0F * s);
    y[4] = 4.0F * ((4.0F * r - p) + 6.0F * x[5]);
}

/* Items: four in channels. */
SIMD_INLINE void finish(const int m, const int side, const conv_gradient_plan *plan,
                        const float *transformed, float *gw, size_t begin, size_t end)
{
    const conv_shape *s = &plan->shape;
    const int kernel = side - m + 1, n_taps = kernel * kernel;
    const float scale = side == 4 ? 1.0F : 1.0F / (24 * 24);
    size_t in_channels = (size_t)s->in_channels, n = 4 * (size_t)s->out_channels;
    size_t each = (size_t)quads_of(s) * n;
    for (size_t q = begin; q < end; q++)
        for (size_t k = 0; k < n; k += VEC_WIDTH) {
            vec half[WINOGRAD_MAX_KERNEL][WINOGRAD_MAX_SIDE], line[WINOGRAD_MAX_SIDE];
            vec y[WINOGRAD_MAX_KERNEL * WINOGRAD_MAX_KERNEL];
            for (int j = 0; j < side; j++) {
                SIMD_FOR (int i = 0; i < side; i++)
                    line[i] = vec_load(transformed + (size_t)(i * side + j) * each + q * n + k);
                weights_back(side, kernel, line, y);
                SIMD_FOR (int ky = 0; ky < kernel; ky++)
                    half[ky][j] = y[ky];
            }
            SIMD_FOR (int ky = 0; ky < kernel; ky++)
                weights_back(side, kernel, half[ky], y + kernel * ky);
            /* As vectors, and before a lane is asked for: else a compiler may do some of it lane by lane, unfused. */
            SIMD_FOR (int tap = 0; tap < n_taps; tap++)
                y[tap] = vec_in_register(y[tap] * scale);
            for (size_t lane = 0; lane < VEC_WIDTH && k + lane < n; lane++) {
                size_t o = (k + lane) / 4, c = 4 * q + lane % 4;
                for (int tap = 0; tap < n_taps && c < in_channels; tap++)
                    gw[(o * in_channels + c) * (size_t)n_taps + (size_t)tap] = y[tap][lane];
            }
        }
}

/*
 * Groups of in channels: so many at least that a group stays in the level-2 cache, and as many as are done soonest
 * by all threads.  For each group all gradients are transformed anew, about half of what a quad takes.
 */
static int groups_of(int n_quads, int least, int n_threads)
{
    int best = least;
    long best_time = LONG_MAX;
    for (int n = least; n <= n_quads; n++) {
        long time = (long)pieces(2 * n, n_threads) * (2 * pieces(n_quads, n) + 1);
        if (time < best_time) {
            best = n;
            best_time = time;
        }
    }
    return best;
}

SIMD_INLINE void plan(const int side, conv_gradient_plan *plan, int n_threads)
{
    const conv_shape *s = &plan->shape;
    const int n_values = side * side / 2;
    int quads = quads_of(s), fit = SIMD_L2_BYTES * 5 / 8 / (n_values * 4 * RUN * (int)sizeof(vec));
    fit = fit < 1 ? 1 : fit;
    plan->n_groups = groups_of(quads, pieces(quads, fit), n_threads);
    plan->n_items = 2 * (size_t)plan->n_groups;
    plan->n_finish = (size_t)quads;
    plan->n_transformed = (size_t)(2 * n_values * quads) * 4 * (size_t)s->out_channels + VEC_WIDTH;
    plan->n_scratch = (size_t)n_values * (each_in(pieces(quads, plan->n_groups)) + each_gout(ROWS));
}

/* F(m x m, .) on squares of `side`. */
#define METHOD(id, m, side)                                                                        \
    static void plan_##id(conv_gradient_plan *p, int n_threads)                                    \
    {                                                                                              \
        plan(side, p, n_threads);                                                                  \
    }                                                                                              \
    static void gradient_##id(const conv_gradient_plan *p, const conv_gradient_arrays *arrays,     \
                              size_t begin, size_t end)                                            \
    {                                                                                              \
        items_gradient(m, side, p, arrays, begin, end);                                            \
    }                                                                                              \
    static void finish_##id(const conv_gradient_plan *p, const float *transformed, float *gw,      \
                            size_t begin, size_t end)                                              \
    {                                                                                              \
        finish(m, side, p, transformed, gw, begin, end);                                           \
    }                                                                                              \
    const conv_gradient_algorithm conv_gradient_##id = {                                           \
        .plan = plan_##id, .gradient = gradient_##id, .finish = finish_##id};
METHOD(f2, 2, 4)
METHOD(f4, 4, 6)
METHOD(f2_5x5, 2, 6)
