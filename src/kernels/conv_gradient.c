#include "algorithms.h"
#include "conv_gradient_tiles.h"
#include "pieces.h"
#include "plane.h"

/* Kernel rows of an item; what a strip takes of the level-1 cache. */
enum { MAX_ROWS = 5, L1_BYTES = 20 * 1024 };

_Static_assert((CONV_MAX_KERNEL + MAX_TAPS - 1) / MAX_TAPS <= CONV_MAX_TAP_PIECES,
               "pieces of a row");

static void plan_direct(conv_gradient_plan *p, int n_threads)
{
    (void)n_threads; /* there are more items than that */
    const conv_shape *s = &p->shape;
    p->n_taps = pieces(s->kernel, MAX_TAPS);
    p->n_in =
        s->kernel == 1 ? pieces(s->in_channels, SIMD_TILE_SUMS / MAX_CHANNELS) : s->in_channels;
    int taps = s->kernel == 1 ? pieces(s->in_channels, p->n_in) : pieces(s->kernel, p->n_taps);
    int channels = SIMD_TILE_SUMS / taps;
    p->n_groups = pieces(s->out_channels, channels < MAX_CHANNELS ? channels : MAX_CHANNELS);
    p->n_ky = s->kernel < MAX_ROWS ? s->kernel : MAX_ROWS;
    for (int k = 0; k <= p->n_taps; k++)
        p->taps[k] = piece_begin(s->kernel, p->n_taps, k);
    p->n_items = (size_t)p->n_groups * (size_t)p->n_in * (size_t)pieces(s->kernel, p->n_ky);
    p->n_sums = conv_weights(s) + (size_t)s->out_channels + 3;
}

/* An item: some kernel rows of an in channel, or a 1x1 kernel's tap of some, for a group of out channels. */
typedef struct item {
    int group, part, ky, n_ky; /* n_ky rows from ky on */
    int o, n_m;                /* the group's first out channel, and how many */
    int i, n_i;                /* the part's in channels */
} item;

static void item_cut(const conv_gradient_plan *plan, item *p)
{
    int channels = plan->shape.out_channels, left = plan->shape.kernel - p->ky;
    p->o = piece_begin(channels, plan->n_groups, p->group);
    p->n_m = piece_begin(channels, plan->n_groups, p->group + 1) - p->o;
    p->n_ky = left < plan->n_ky ? left : plan->n_ky;
    p->i = piece_begin(plan->shape.in_channels, plan->n_in, p->part);
    p->n_i = piece_begin(plan->shape.in_channels, plan->n_in, p->part + 1) - p->i;
}

static item item_at(const conv_gradient_plan *plan, size_t number)
{
    size_t n = (size_t)pieces(plan->shape.kernel, plan->n_ky);
    size_t all = n * (size_t)plan->n_in;
    item p = {.group = (int)(number / all),
              .part = (int)(number % all / n),
              .ky = (int)(number % n) * plan->n_ky};
    item_cut(plan, &p);
    return p;
}

static void item_next(const conv_gradient_plan *plan, item *p)
{
    p->ky += p->n_ky;
    if (p->ky == plan->shape.kernel) {
        p->ky = 0;
        if (++p->part == plan->n_in) {
            p->part = 0;
            p->group++;
        }
    }
    item_cut(plan, p);
}

/* Sums of an item. */
static int item_size(const conv_shape *s, const item *p)
{
    return p->n_ky * s->kernel * p->n_m * p->n_i;
}

/* The sums of a group stand one after the other: [in channel][ky][kx piece][m][tap], or [in channels][m][in channel]. */
static size_t item_sums(const conv_shape *s, const item *p)
{
    size_t kernel = (size_t)s->kernel;
    return kernel * (kernel * (size_t)p->o * (size_t)s->in_channels +
                     (size_t)(p->i * s->kernel + p->ky) * (size_t)p->n_m);
}

/* Rows of the output that stay in the level-1 cache, with what they need of the input. */
static int strip_rows(const conv_gradient_plan *plan, int n_m)
{
    const conv_shape *s = &plan->shape;
    int n_i = pieces(s->in_channels, plan->n_in);
    int row = (n_m * s->out_width + n_i * s->stride * s->in_width) * (int)sizeof(vec);
    int rows = (L1_BYTES - plan->n_ky * s->in_width * (int)sizeof(vec)) / row;
    return rows < 1 ? 1 : rows;
}

/* Rows y .. y + n - 1 of one block added to an item's sums, which the first ones begin. */
static void add_strip(const conv_gradient_plan *plan, const item *p, int y, int n, const vec *in,
                      const vec *gout, vec *sums)
{
    const conv_shape *s = &plan->shape;
    size_t in_plane = (size_t)s->in_height * (size_t)s->in_width;
    size_t gout_plane = (size_t)s->out_height * (size_t)s->out_width;
    tile t = {.gout = gout + (size_t)p->o * gout_plane + (size_t)(y * s->out_width),
              .gout_plane = gout_plane,
              .in_plane = in_plane,
              .in_row = (size_t)s->in_width,
              .height = n,
              .width = s->out_width,
              .stride = s->stride,
              .n_ky = p->n_ky,
              .row_sums = (size_t)(s->kernel * p->n_m),
              .fresh = y == 0};
    const vec *first =
        in + (size_t)p->i * in_plane + (size_t)((y * s->stride + p->ky) * s->in_width);
    if (s->kernel == 1) {
        t.in = first;
        t.sums = sums;
        tile_functions_one[p->n_m - 1][p->n_i - 1](&t);
        return;
    }
    for (int piece = 0; piece < plan->n_taps; piece++) {
        int kx = plan->taps[piece], n_t = plan->taps[piece + 1] - kx;
        t.in = first + kx;
        t.sums = sums + kx * p->n_m;
        tile_functions[p->n_m - 1][n_t - 1](&t);
    }
}

/* Sums of a tile over the images, four neighbours to a quad. */
typedef float quad __attribute__((vector_size(4 * sizeof(float))));
enum { PIECES = VEC_WIDTH / 4, MAX_SUMS = MAX_ROWS * CONV_MAX_KERNEL * MAX_CHANNELS };

static int whole_quads(int n)
{
    return (n + 3) / 4 * 4;
}

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
        SIMD_FOR (int p = 0; p < PIECES; p++)
            SIMD_FOR (int j = 0; j < 4; j++)
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

/* The weights of an item: their sums over the images.  In channels of a 1x1 kernel lie side by side, as taps do. */
static void put_weights(const conv_gradient_plan *plan, const item *p, const float *total,
                        float *gw)
{
    const conv_shape *s = &plan->shape;
    size_t kernel = (size_t)s->kernel, stride = (size_t)s->in_channels * kernel * kernel;
    float *target = gw + (size_t)p->o * stride + ((size_t)p->i * kernel + (size_t)p->ky) * kernel;
    for (int ky = 0; ky < p->n_ky; ky++, target += kernel)
        for (int piece = 0; piece < plan->n_taps; piece++)
            for (int m = 0; m < p->n_m; m++)
                for (int k = plan->taps[piece]; k < plan->taps[piece + 1] * p->n_i; k++)
                    target[(size_t)m * stride + (size_t)k] = *total++;
}

static void add_images(const vec *sums, int n_sums, size_t n, quad *total)
{
    if (n >= VEC_WIDTH)
        add_block(sums, n_sums, total);
    else
        add_lanes(sums, n_sums, n, total);
}

static void direct_gradient(const conv_gradient_plan *plan, const conv_gradient_arrays *arrays,
                            size_t begin, size_t end)
{
    size_t n = arrays->n_images;
    const conv_shape *s = &plan->shape;
    size_t in_block = (size_t)s->in_channels * (size_t)s->in_height * (size_t)s->in_width;
    size_t gout_block = (size_t)s->out_channels * (size_t)s->out_height * (size_t)s->out_width;
    item p = item_at(plan, begin);
    for (size_t k = begin; k < end; k++, item_next(plan, &p)) {
        vec sums[MAX_SUMS];
        quad total[MAX_SUMS / 4] = {{0}};
        int n_sums = item_size(s, &p), rows = strip_rows(plan, p.n_m);
        memset(sums + n_sums, 0, (size_t)(whole_quads(n_sums) - n_sums) * sizeof *sums);
        for (size_t first = 0, block = 0; first < n; first += VEC_WIDTH, block++) {
            for (int y = 0; y < s->out_height; y += rows)
                add_strip(plan, &p, y, s->out_height - y < rows ? s->out_height - y : rows,
                          arrays->in + block * in_block, arrays->gout + block * gout_block, sums);
            add_images(sums, n_sums, n - first, total);
        }
        put_weights(plan, &p, (const float *)total, arrays->gw);
    }
}

const conv_gradient_algorithm conv_gradient_direct = {.plan = plan_direct,
                                                      .gradient = direct_gradient};

void conv_gradient_sums(const conv_gradient_plan *plan, const vec *in, const vec *gout, vec *sums)
{
    const conv_shape *s = &plan->shape;
    item p;
    int rows = strip_rows(plan, pieces(s->out_channels, plan->n_groups));
    for (int y = 0; y < s->out_height; y += rows) {
        int n = s->out_height - y < rows ? s->out_height - y : rows;
        vec *to = sums;
        p = item_at(plan, 0);
        for (size_t k = 0; k < plan->n_items; k++, item_next(plan, &p)) {
            add_strip(plan, &p, y, n, in, gout, to);
            to += item_size(s, &p);
        }
    }
    size_t plane = (size_t)s->out_height * (size_t)s->out_width;
    for (size_t o = 0; o < (size_t)s->out_channels; o++)
        sums[conv_weights(s) + o] = plane_sum(gout + o * plane, plane);
}

void conv_gradient_add(const conv_gradient_plan *plan, const vec *sums, size_t n, float *gw,
                       size_t begin, size_t end)
{
    const conv_shape *s = &plan->shape;
    size_t each = plan->n_sums;
    item p = item_at(plan, begin);
    for (size_t k = begin; k < end; k++, item_next(plan, &p)) {
        const vec *from = sums + item_sums(s, &p);
        quad total[MAX_SUMS / 4] = {{0}};
        for (size_t first = 0, block = 0; first < n; first += VEC_WIDTH, block++)
            add_images(from + block * each, item_size(s, &p), n - first, total);
        put_weights(plan, &p, (const float *)total, gw);
    }
}

void conv_bias_add(const conv_gradient_plan *plan, const vec *sums, size_t n, float *gb,
                   size_t begin, size_t end)
{
    size_t each = plan->n_sums;
    for (size_t o = begin; o < end; o++) {
        float total = 0.0F;
        for (size_t k = 0; k < n; k++)
            total += sums[k / VEC_WIDTH * each + conv_weights(&plan->shape) + o][k % VEC_WIDTH];
        gb[o] = total;
    }
}

void conv_bias_gradient(const conv_gradient_plan *plan, const vec *gout, size_t n, float *gb,
                        size_t begin, size_t end)
{
    const conv_shape *s = &plan->shape;
    size_t plane = (size_t)s->out_height * (size_t)s->out_width;
    size_t block = (size_t)s->out_channels * plane;
    for (size_t o = begin; o < end; o++) {
        float total = 0.0F;
        for (size_t first = 0; first < n; first += VEC_WIDTH, gout += block) {
            vec all = plane_sum(gout + o * plane, plane);
            for (size_t lane = 0; lane < VEC_WIDTH && first + lane < n; lane++)
                total += all[lane];
        }
        gout -= (n + VEC_WIDTH - 1) / VEC_WIDTH * block;
        gb[o] = total;
    }
}
