#include "algorithms.h"
#include "winograd.h"

/*
 * An item is a row of the transformed weights, for some out channels.  It goes over the batch by runs of pairs (tile,
 * group of 16 images): transforms what that row needs of the input and of the gradient, and adds up the products over
 * the run in registers, lane by lane; then lanes are added, and the sums to those of the runs before.
 */
enum {
    RUN = CONV_WINOGRAD_RUN,
    GROUP = CONV_WINOGRAD_GROUP,
    SETS = GROUP / VEC_WIDTH,  /* blocks of a group */
    ROWS = SIMD_TILE_SUMS / 4, /* a tile of sums: out channels x 4 in channels */
    MOST_OUT = 64,             /* out channels of an item: what the transform of its input serves */
    L1_BYTES = 28 * 1024
};
_Static_assert(GROUP % VEC_WIDTH == 0, "a group is whole blocks");

typedef float quad __attribute__((vector_size(4 * sizeof(float))));

/* ---- products ----------------------------------------------------------------------------------- */

typedef struct product {
    const vec *in, *gout; /* first channel's pairs; RUN from channel to channel */
    float *sums;          /* 4 of each out channel are added to, `row` floats apart */
    size_t row;
    int n; /* pairs */
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
        float *to = p->sums + (size_t)m * p->row;
        quad total, part[VEC_WIDTH / 4];
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

typedef struct run {
    const conv_gradient_plan *plan;
    const conv_gradient_arrays *arrays;
    int row, o, n_o; /* the item's row of values, and out channels */
    int n;           /* pairs */
    pair pairs[RUN];
    vec *in, *gout; /* [value of the row][channel][RUN] */
    size_t row_floats;
} run;

static int whole_quads(int n)
{
    return (n + 3) / 4 * 4;
}

/* Values of one row of a tile's square of x, `width` to the row. */
SIMD_INLINE void input_row(const int m, const int i, const vec *x, size_t width, vec *to,
                           size_t each)
{
    const int side = WINOGRAD_SIDE(m);
    vec line[WINOGRAD_MAX_SIDE], half[WINOGRAD_MAX_SIDE], values[WINOGRAD_MAX_SIDE];
    SIMD_FOR (int c = 0; c < side; c++) {
        SIMD_FOR (int y = 0; y < side; y++)
            line[y] = vec_in_register(x[(size_t)y * width + (size_t)c]);
        winograd_input(m, line, values);
        half[c] = values[i];
    }
    winograd_input(m, half, values);
    SIMD_FOR (int j = 0; j < side; j++)
        to[(size_t)j * each] = values[j];
}

SIMD_INLINE void gradient_row(const int m, const int i, const vec *x, size_t width, ivec mask,
                              vec *to, size_t each)
{
    const int side = WINOGRAD_SIDE(m);
    vec line[WINOGRAD_MAX_OUT], half[WINOGRAD_MAX_OUT], values[WINOGRAD_MAX_SIDE];
    SIMD_FOR (int c = 0; c < m; c++) {
        SIMD_FOR (int y = 0; y < m; y++)
            line[y] = vec_in_register(x[(size_t)y * width + (size_t)c]);
        winograd_spread(m, line, values);
        half[c] = values[i];
    }
    winograd_spread(m, half, values);
    SIMD_FOR (int j = 0; j < side; j++)
        to[(size_t)j * each] = (vec)((ivec)values[j] & mask);
}

SIMD_INLINE void transform_input(const int m, const int i, const run *r)
{
    const conv_shape *s = &r->plan->shape;
    const int side = WINOGRAD_SIDE(m);
    size_t width = (size_t)(s->in_width - s->border_left - s->border_right);
    size_t plane = (size_t)(s->in_height - s->border_top - s->border_bottom) * width;
    size_t each = (size_t)whole_quads(s->in_channels) * RUN;
    for (int c = 0; c < s->in_channels; c++)
        for (int k = 0; k < r->n; k++) {
            vec copy[WINOGRAD_MAX_SIDE * WINOGRAD_MAX_SIDE];
            const winograd_tile *t = &r->pairs[k].tile;
            const vec *x = r->arrays->in +
                           (r->pairs[k].block * (size_t)s->in_channels + (size_t)c) * plane + t->in;
            vec *to = r->in + c * RUN + k;
            if (t->inside) {
                input_row(m, i, x, width, to, each);
            } else {
                winograd_copy(side, &t->rows, &t->columns, x, width, copy);
                input_row(m, i, copy, (size_t)side, to, each);
            }
        }
}

/* Lanes of a block that hold images. */
static ivec lanes_of(size_t block, size_t n_images)
{
    ivec mask;
    for (size_t lane = 0; lane < VEC_WIDTH; lane++)
        mask[lane] = block * VEC_WIDTH + lane < n_images ? -1 : 0;
    return mask;
}

SIMD_INLINE void transform_gradient(const int m, const int i, const run *r)
{
    const conv_shape *s = &r->plan->shape;
    size_t width = (size_t)s->out_width, plane = (size_t)s->out_height * width;
    size_t each = (size_t)r->n_o * RUN;
    for (int k = 0; k < r->n; k++) {
        const winograd_tile *t = &r->pairs[k].tile;
        const vec *x = r->arrays->gout +
                       (r->pairs[k].block * (size_t)s->out_channels + (size_t)r->o) * plane +
                       t->out;
        const winograd_range rows = {0, t->out_rows}, columns = {0, t->out_columns};
        ivec mask = lanes_of(r->pairs[k].block, r->arrays->n_images);
        bool whole = t->out_rows == m && t->out_columns == m;
        for (int o = 0; o < r->n_o; o++, x += plane) {
            vec copy[WINOGRAD_MAX_OUT * WINOGRAD_MAX_OUT];
            vec *to = r->gout + o * RUN + k;
            if (whole) {
                gradient_row(m, i, x, width, mask, to, each);
            } else {
                winograd_copy(m, &rows, &columns, x, width, copy);
                gradient_row(m, i, copy, (size_t)m, mask, to, each);
            }
        }
    }
}

/* Row i of the values, which the compiler is to know. */
SIMD_INLINE void transform_row(const int m, const run *r)
{
#define ROW(i)                                                                                     \
    case i:                                                                                        \
        transform_input(m, i, r);                                                                  \
        transform_gradient(m, i, r);                                                               \
        break
    switch (r->row) {
        ROW(0);
        ROW(1);
        ROW(2);
        ROW(3);
    default:
        if (m == 4 && r->row == 4) {
            transform_input(m, 4 % WINOGRAD_SIDE(m), r);
            transform_gradient(m, 4 % WINOGRAD_SIDE(m), r);
        } else if (m == 4) {
            transform_input(m, 5 % WINOGRAD_SIDE(m), r);
            transform_gradient(m, 5 % WINOGRAD_SIDE(m), r);
        }
    }
#undef ROW
}

/* As many out channels as stay in the level-1 cache meet all in channels, four by four. */
static void multiply(const run *r, int side)
{
    const conv_shape *s = &r->plan->shape;
    int n = pieces(r->n_o, ROWS), quads = whole_quads(s->in_channels) / 4;
    int together = L1_BYTES / ((int)sizeof(vec) * RUN * ROWS) - 1;
    together = together < 1 ? 1 : together;
    for (int j = 0; j < side; j++)
        for (int first = 0; first < n; first += together)
            for (int c = 0; c < quads; c++)
                for (int k = first; k < n && k < first + together; k++) {
                    int o = piece_begin(r->n_o, n, k), n_m = piece_begin(r->n_o, n, k + 1) - o;
                    size_t value = (size_t)(r->row * side + j);
                    product_functions[n_m - 1](
                        &(product){.in = r->in + (size_t)(j * quads + c) * 4 * RUN,
                                   .gout = r->gout + (size_t)(j * r->n_o + o) * RUN,
                                   .sums = r->arrays->transformed +
                                           (value * (size_t)s->out_channels + (size_t)(r->o + o)) *
                                               r->row_floats +
                                           4 * c,
                                   .row = r->row_floats,
                                   .n = r->n});
                }
}

static size_t row_floats(const conv_shape *s)
{
    return (size_t)pieces(s->in_channels, GROUP) * GROUP;
}

/* Pairs first .. first + RUN - 1 of the batch in the groups' blocks number `set`. */
SIMD_INLINE void run_pairs(const int m, run *r, size_t first, int set)
{
    const conv_shape *s = &r->plan->shape;
    size_t n_tiles = (size_t)winograd_tiles(m, s);
    size_t n_blocks = (r->arrays->n_images + VEC_WIDTH - 1) / VEC_WIDTH;
    r->n = 0;
    for (size_t k = first; k < first + RUN; k++) {
        size_t block = k / n_tiles * SETS + (size_t)set;
        if (block >= n_blocks)
            break;
        r->pairs[r->n++] = (pair){winograd_tile_at(m, s, (int)(k % n_tiles)), block};
    }
}

SIMD_INLINE void gradient(const int m, const conv_gradient_plan *plan,
                          const conv_gradient_arrays *arrays, size_t begin, size_t end)
{
    const conv_shape *s = &plan->shape;
    const int side = WINOGRAD_SIDE(m);
    size_t n_groups = (arrays->n_images + GROUP - 1) / GROUP;
    size_t n_pairs = n_groups * (size_t)winograd_tiles(m, s);
    int quads = whole_quads(s->in_channels);
    for (size_t item = begin; item < end; item++) {
        run r = {
            .plan = plan, .arrays = arrays, .in = arrays->scratch, .row_floats = row_floats(s)};
        int part = (int)item / side;
        r.row = (int)item % side;
        r.o = piece_begin(s->out_channels, plan->n_groups, part);
        r.n_o = piece_begin(s->out_channels, plan->n_groups, part + 1) - r.o;
        r.gout = r.in + (size_t)(side * quads) * RUN;
        for (int j = 0; j < side; j++) {
            size_t first = (size_t)((r.row * side + j) * s->out_channels + r.o);
            memset(arrays->transformed + first * r.row_floats, 0,
                   (size_t)r.n_o * r.row_floats * sizeof(float));
            memset(r.in + (size_t)(j * quads + s->in_channels) * RUN, 0,
                   (size_t)(quads - s->in_channels) * RUN * sizeof(vec));
        }
        for (size_t first = 0; first < n_pairs; first += RUN)
            for (int set = 0; set < SETS; set++) {
                run_pairs(m, &r, first, set);
                if (r.n == 0)
                    continue;
                transform_row(m, &r);
                multiply(&r, side);
            }
    }
}

/* G' x, 24 times as much of it for m = 4, so that all factors are whole numbers. */
SIMD_INLINE void weights_back(const int m, const vec *x, vec *y)
{
    if (m == 2) {
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
    y[2] = 4.0F * (last + 6.0F * x[5]);
}

SIMD_INLINE void finish(const int m, const conv_gradient_plan *plan, const float *transformed,
                        float *gw, size_t begin, size_t end)
{
    const conv_shape *s = &plan->shape;
    const int side = WINOGRAD_SIDE(m);
    const float scale = m == 2 ? 1.0F : 1.0F / (24 * 24);
    size_t in_channels = (size_t)s->in_channels, row = row_floats(s);
    size_t each = (size_t)s->out_channels * row;
    for (size_t o = begin; o < end; o++)
        for (size_t c = 0; c < in_channels; c += VEC_WIDTH) {
            vec half[3][WINOGRAD_MAX_SIDE], line[WINOGRAD_MAX_SIDE], y[3];
            for (int j = 0; j < side; j++) {
                SIMD_FOR (int i = 0; i < side; i++)
                    line[i] = vec_load(transformed + (size_t)(i * side + j) * each + o * row + c);
                weights_back(m, line, y);
                SIMD_FOR (int ky = 0; ky < 3; ky++)
                    half[ky][j] = y[ky];
            }
            for (int ky = 0; ky < 3; ky++) {
                weights_back(m, half[ky], y);
                for (size_t lane = 0; lane < VEC_WIDTH && c + lane < in_channels; lane++)
                    for (int kx = 0; kx < 3; kx++)
                        gw[((o * in_channels + c + lane) * 3 + (size_t)ky) * 3 + (size_t)kx] =
                            y[kx][lane] * scale;
            }
        }
}

SIMD_INLINE void plan(const int m, conv_gradient_plan *plan)
{
    const conv_shape *s = &plan->shape;
    const int side = WINOGRAD_SIDE(m);
    plan->n_groups = pieces(s->out_channels, MOST_OUT);
    plan->n_items = (size_t)(side * plan->n_groups);
    plan->n_finish = (size_t)s->out_channels;
    plan->n_transformed = (size_t)(side * side * s->out_channels) * row_floats(s);
    plan->n_scratch =
        (size_t)(side * (whole_quads(s->in_channels) + pieces(s->out_channels, plan->n_groups))) *
        RUN;
}

#define METHOD(m)                                                                                  \
    static void plan_##m(conv_gradient_plan *p)                                                    \
    {                                                                                              \
        plan(m, p);                                                                                \
    }                                                                                              \
    static void gradient_##m(const conv_gradient_plan *p, const conv_gradient_arrays *arrays,      \
                             size_t begin, size_t end)                                             \
    {                                                                                              \
        gradient(m, p, arrays, begin, end);                                                        \
    }                                                                                              \
    static void finish_##m(const conv_gradient_plan *p, const float *transformed, float *gw,       \
                           size_t begin, size_t end)                                               \
    {                                                                                              \
        finish(m, p, transformed, gw, begin, end);                                                 \
    }                                                                                              \
    const conv_gradient_algorithm conv_gradient_f##m = {                                           \
        .plan = plan_##m, .gradient = gradient_##m, .finish = finish_##m};
METHOD(2)
METHOD(4)
