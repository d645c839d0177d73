#include "algorithms.h"
#include "pieces.h"

/*
 * A tile is m out channels x r neighbouring pixels of a row, or registers full of them, summed up in registers.
 * Each loaded pixel serves m channels, each loaded weight r pixels; with the kernel's width known to the
 * compiler, a pixel is loaded once for all its products in the row.  A call computes several tiles of a row, side by side:
 * where there are few in channels, a call for each would cost as much as its sums.
 */
enum { MAX_CHANNELS = SIMD_TILE_CHANNELS, MAX_PIXELS = SIMD_TILE_PIXELS, L1_BYTES = 20 * 1024 };

typedef struct tiles {
    const vec *in;          /* first in channel, row and pixel that the first tile needs */
    size_t in_row, in_skip; /* from row to row; from an in channel's last to the next one's first */
    const float *w; /* first tap needed; packed: [in][ky][kx][m], ky and kx in conv_reach's order */
    size_t w_row, w_skip; /* floats, likewise */
    const float *bias;    /* m of them; NULL: go on from what stands in out */
    vec *out;
    size_t out_plane, out_step; /* to the next channel, to the next pixel */
    int n_in, ky, n_rows;       /* in channels; place of the first row's taps, rows of each */
    int n_taps, stride, n;      /* taps of each row; n: tiles */
} tiles;

/*
 * Tiles for any number of taps, and, from 3 channels x 2 pixels on, for the numbers that matter: kernels
 * of 3 and 5, and for as many channels as there may be also 1 and what borders leave of the others.
 */
enum { MAX_TAPS = 5 };
#if SIMD_TILE_PIXELS == 2
#define OF_PIXELS(OF, m, k) OF(m, 2, k)
#else
#define OF_PIXELS(OF, m, k) OF(m, 2, k) OF(m, 3, k) OF(m, 4, k)
#endif
_Static_assert(SIMD_TILE_CHANNELS == 6, "the lists below");
_Static_assert(SIMD_WIDE >= 1 && SIMD_WIDE - 1 <= MAX_PIXELS, "what a row leaves is one tile");
#define OF_CHANNELS(OF, k)                                                                         \
    OF_PIXELS(OF, 3, k) OF_PIXELS(OF, 4, k) OF_PIXELS(OF, 5, k) OF_PIXELS(OF, 6, k)
#define OF_MOST(OF, k) OF_PIXELS(OF, 5, k) OF_PIXELS(OF, 6, k)
#define OF_TAPS(OF)                                                                                \
    OF_MOST(OF, 1) OF_MOST(OF, 2) OF_CHANNELS(OF, 3) OF_MOST(OF, 4) OF_CHANNELS(OF, 5)
#define OF_ANY(OF)                                                                                 \
    OF(1, 1, 0)                                                                                    \
    OF(2, 1, 0)                                                                                    \
    OF(3, 1, 0)                                                                                    \
    OF(4, 1, 0) OF(5, 1, 0) OF(6, 1, 0) OF_PIXELS(OF, 1, 0) OF_PIXELS(OF, 2, 0) OF_CHANNELS(OF, 0)

typedef void tile_function(const tiles *t);
#define SUM vec
#define SUM_AT vec
#define N_PIXELS 1
#define NAME(name) name
#include "conv_tiles.h"
#if SIMD_WIDE > 1
#define SUM vec_row
#define SUM_AT vec_row_at
#define N_PIXELS SIMD_WIDE
#define NAME(name) row_##name
#include "conv_tiles.h"
#else
#define row_tile_functions tile_functions
#endif

/* Neighbours of a row that a register holds together, where the row has so many; what is left of it goes one by one. */
static int pixels_together(const conv_shape *s, int width)
{
    return s->stride == 1 && s->between == 0 && width >= SIMD_WIDE ? SIMD_WIDE : 1;
}

static tile_function *find_function(const conv_shape *s, int n_m, int width, int n_taps)
{
    int each = pixels_together(s, width), n_r = width / each;
    tile_function *const(*functions)[MAX_CHANNELS][MAX_PIXELS] =
        each > 1 ? row_tile_functions : tile_functions;
    tile_function *own =
        s->stride == 1 && n_taps <= MAX_TAPS ? functions[n_taps][n_m - 1][n_r - 1] : NULL;
    return own ? own : functions[0][n_m - 1][n_r - 1];
}

static int clamp(int x, int low, int high)
{
    return x < low ? low : x > high ? high : x;
}

/* Cycles for one in channel and kernel row of a tile: by multiply-adds, by their latency, by loads. */
static double tile_cycles(const conv_shape *s, int m, int r, bool together)
{
    int products = s->kernel * m * r, latency = s->kernel * SIMD_IN_FLIGHT;
    /* Each tap meets other neighbours, and loads of whole registers a pixel apart cross lines of the cache, of 16 floats. */
    int pixels = together ? r * s->kernel * (16 + SIMD_WIDTH - VEC_WIDTH) / 16
                          : (r - 1) * s->stride + s->kernel;
    int loads = pixels + s->kernel * m;
    int most = products > latency ? products : latency;
    /* A little for the loads even where they do not limit, and for the turn of the loop. */
    return (loads > most ? loads : most) + 0.1 * loads + 2.0;
}

/* The same of a row, in tiles of m channels x up to r pixels, or registers full of them. */
static double row_cycles(const conv_shape *s, int m, int r)
{
    int each = pixels_together(s, s->out_width);
    int length = s->out_width / each, rest = s->out_width % each, n = pieces(length, r);
    double cycles = rest > 0 ? tile_cycles(s, m, rest, false) : 0.0;
    for (int k = 0; k < n; k++)
        cycles +=
            tile_cycles(s, m, piece_begin(length, n, k + 1) - piece_begin(length, n, k), each > 1);
    return cycles;
}

/* A row's pixels that need the same taps, and these: a convolution by itself, if there are zeros between. */
static conv_shape phase_of(const conv_shape *s)
{
    conv_shape phase = *s;
    phase.kernel = pieces(s->kernel, s->between + 1);
    phase.out_width = pieces(s->out_width, s->between + 1);
    return phase;
}

conv_tiling conv_tiling_choose(const conv_shape *shape)
{
    const conv_shape phase = phase_of(shape), *s = &phase;
    conv_tiling best = {1, 1, s->in_channels, 1};
    double least = 0.0;
    for (int m = 1; m <= MAX_CHANNELS; m++) {
        for (int r = 1; r <= MAX_PIXELS; r++) {
            int n = pieces(s->out_channels, m);
            double cycles = 0.0;
            for (int i = 0; i < n; i++)
                cycles += row_cycles(
                    s, piece_begin(s->out_channels, n, i + 1) - piece_begin(s->out_channels, n, i),
                    r);
            if (least == 0.0 || cycles < least) {
                least = cycles;
                best.channels = m;
                best.pixels = r;
            }
        }
    }
    int step = best.pixels * pixels_together(s, s->out_width) * s->stride;
    int width = step - s->stride + s->kernel, pixel = s->kernel * (int)sizeof(vec);
    best.chunk = clamp(L1_BYTES / (width * pixel), 1, s->in_channels);
    int fit = L1_BYTES / (best.chunk * pixel) - width;
    best.strip = 1 + clamp(fit, 0, s->in_width) / step;
    return best;
}

/* The taps as they are packed, in rows and columns those that meet neighbours side by side. */
static void order_taps(const conv_shape *s, int *order)
{
    int line[CONV_MAX_KERNEL], n = 0, step = s->between + 1;
    for (int first = 0; n < s->kernel; first++)
        for (int k = first; k < s->kernel; k += step)
            line[n++] = k;
    for (int y = 0; y < n; y++)
        for (int x = 0; x < n; x++)
            *order++ = line[y] * s->kernel + line[x];
}

/* Walk over the packed order; at: strides of w for out channel, in channel and tap, from the first. */
static void pack(const conv_plan *plan, const float *w, const long at[3], float *packed,
                 size_t from, size_t to)
{
    const conv_shape *s = &plan->shape;
    int n = (int)plan->n_pack_items, taps = s->kernel * s->kernel;
    int order[CONV_MAX_KERNEL * CONV_MAX_KERNEL] = {0};
    order_taps(s, order);
    for (int k = (int)from; k < (int)to; k++) {
        int begin = piece_begin(s->out_channels, n, k),
            end = piece_begin(s->out_channels, n, k + 1);
        float *p = packed + (size_t)begin * (size_t)s->in_channels * (size_t)taps;
        for (int i = 0; i < s->in_channels; i++)
            for (int tap = 0; tap < taps; tap++)
                for (int o = begin; o < end; o++)
                    *p++ = w[o * at[0] + i * at[1] + order[tap] * at[2]];
    }
}

/* The taps that meet what is in `in`, from place `at` of the whole input on, its first row or column being 0. */
static conv_reach reach_at(const conv_shape *s, int at)
{
    int step = s->between + 1, first = (step - at % step) % step;
    int shorter = s->kernel % step;
    return (conv_reach){
        .tap = first * (s->kernel / step) + (first < shorter ? first : shorter),
        .n = first < s->kernel ? pieces(s->kernel - first, step) : 0,
        .in = (at + first) / step,
    };
}

/* Those that meet pixels low .. high - 1. */
static conv_reach reach_within(conv_reach r, int low, int high)
{
    int left_out = clamp(low - r.in, 0, r.n);
    r.tap += left_out;
    r.in += left_out;
    r.n = clamp(high - r.in, 0, r.n - left_out);
    r.in = r.n > 0 ? r.in : 0;
    return r;
}

/* The tile of `width` pixels from x on, and the taps of which it needs the products. */
static conv_run tile_at(const conv_shape *s, int x, int width)
{
    conv_reach first = reach_at(s, x * s->stride - s->before);
    int low = s->border_left - (width - 1) * s->stride, high = s->in_width - s->border_right;
    return (conv_run){.x = x, .width = width, .n = 1, .taps = reach_within(first, low, high)};
}

/* Of a row, n times `each` pixels from x on, between + 1 apart, in tiles of at most so many, the wider ones first. */
static void cut_pixels(conv_plan *plan, int x, int n, int each, int most)
{
    const conv_shape *s = &plan->shape;
    int n_tiles = pieces(n, most);
    conv_run *last = NULL;
    for (int k = 0; k < n_tiles; k++) {
        conv_run next = tile_at(s, x, each * (n / n_tiles + (k < n % n_tiles)));
        x += next.width * (s->between + 1);
        if (last && last->width == next.width && last->taps.tap == next.taps.tap &&
            last->taps.n == next.taps.n)
            last->n++;
        else
            *(last = &plan->runs[plan->n_runs++]) = next;
    }
}

static void cut_phase(conv_plan *plan, int x)
{
    int length = pieces(plan->shape.out_width - x, plan->shape.between + 1);
    int each = pixels_together(&plan->shape, length), rest = length % each;
    cut_pixels(plan, x, length / each, each, plan->tiling.pixels);
    if (rest > 0) /* of which a tile has room */
        cut_pixels(plan, x + length - rest, rest, 1, rest);
}

/* All pixels that any tap meets. */
static void cut_row(conv_plan *plan)
{
    const conv_shape *s = &plan->shape;
    for (int x = 0; x <= s->between && x < s->out_width; x++)
        if (reach_at(s, x - s->before).n > 0)
            cut_phase(plan, x);
}

/* All out channels of t.n tiles of a run, from tile k on.  t.in, t.w and t.out stand at their row's begin. */
static void compute_strip(const conv_plan *plan, tiles t, const conv_run *p, int k,
                          const float *bias, bool add)
{
    const float zeros[MAX_CHANNELS] = {0};
    const conv_shape *s = &plan->shape;
    const float *packed = t.w;
    const vec *in = t.in + p->taps.in + k * p->width * s->stride;
    vec *out = t.out + p->x + k * p->width * (s->between + 1);
    int n = (int)plan->n_pack_items, chunk = plan->tiling.chunk;
    size_t kernel = (size_t)s->kernel, ky = (kernel - (size_t)t.n_rows);
    size_t in_plane = (size_t)s->in_height * (size_t)s->in_width;
    t.n_taps = p->taps.n;
    for (int i = 0; i < s->in_channels; i += chunk) {
        t.in = in + (size_t)i * in_plane;
        t.n_in = clamp(chunk, 0, s->in_channels - i);
        for (int group = 0; group < n; group++) {
            int o = piece_begin(s->out_channels, n, group);
            int n_m = piece_begin(s->out_channels, n, group + 1) - o;
            size_t first = (size_t)o * (size_t)s->in_channels + (size_t)(i * n_m);
            t.w_row = kernel * (size_t)n_m;
            t.w_skip = ky * t.w_row;
            t.w = packed + first * kernel * kernel +
                  (size_t)(t.ky * s->kernel + p->taps.tap) * (size_t)n_m;
            t.bias = i > 0 || add ? NULL : bias ? bias + o : zeros;
            t.out = out + (size_t)o * t.out_plane;
            find_function(s, n_m, p->width, t.n_taps)(&t);
        }
    }
}

/* A row of all out channels before any product. */
static void clear_row(const conv_shape *s, const float *bias, size_t out_plane, vec *out)
{
    for (int o = 0; o < s->out_channels; o++, out += out_plane)
        for (int x = 0; x < s->out_width; x++)
            out[x] = vec_set(bias ? bias[o] : 0.0F);
}

static void forward(const conv_plan *plan, const conv_arrays *arrays, size_t begin, size_t end)
{
    const conv_shape *s = &plan->shape;
    size_t in_plane = (size_t)s->in_height * (size_t)s->in_width;
    size_t out_plane = (size_t)s->out_height * (size_t)s->out_width;
    int strip = plan->tiling.strip;
    tiles t = {.w = arrays->packed,
               .in_row = (size_t)s->in_width,
               .out_plane = out_plane,
               .out_step = (size_t)s->between + 1,
               .stride = s->stride};
    bool clear = s->between >= s->kernel && !arrays->add; /* some columns meet no tap */
    for (size_t item = begin; item < end; item++) {
        size_t block = item / (size_t)s->out_height;
        int y = (int)(item % (size_t)s->out_height);
        conv_reach rows = reach_within(reach_at(s, y * s->stride - s->above), s->border_top,
                                       s->in_height - s->border_bottom);
        t.ky = rows.tap;
        t.n_rows = rows.n;
        t.in_skip = in_plane - (size_t)t.n_rows * t.in_row;
        t.in = arrays->in + block * (size_t)s->in_channels * in_plane + (size_t)rows.in * t.in_row;
        t.out = arrays->out + block * (size_t)s->out_channels * out_plane +
                (size_t)y * (size_t)s->out_width;
        if (clear)
            clear_row(s, arrays->bias, out_plane, t.out);
        for (const conv_run *r = plan->runs; r < plan->runs + plan->n_runs; r++)
            for (int k = 0; k < r->n; k += t.n) { /* as many as stay in the level-1 cache */
                t.n = r->n - k < strip ? r->n - k : strip;
                compute_strip(plan, t, r, k, arrays->bias, arrays->add);
            }
    }
}

static void plan_direct(conv_plan *plan)
{
    plan->n_items = (size_t)plan->shape.out_height;
    plan->n_packed = conv_weights(&plan->shape);
    plan->n_pack_items = (size_t)pieces(plan->shape.out_channels, plan->tiling.channels);
    cut_row(plan);
}

const conv_algorithm conv_direct = {.plan = plan_direct, .pack = pack, .forward = forward};

/* A row of the larger plane, each element written once. */
static void embed_row(const conv_embedding *e, const vec *row, vec *to)
{
    int n = e->stride == 1 ? e->width : (e->width - 1) * e->stride + 1, right = e->left + n;
    memset(to, 0, (size_t)e->left * sizeof *to);
    memset(to + right, 0, (size_t)(e->to_width - right) * sizeof *to);
    to += e->left;
    if (e->stride == 1) {
        memcpy(to, row, (size_t)n * sizeof *to);
        return;
    }
    memset(to, 0, (size_t)n * sizeof *to);
    for (int x = 0; x < e->width; x++)
        to[x * e->stride] = row[x];
}

void conv_embed(const conv_embedding *e, const vec *from, vec *to, size_t begin, size_t end)
{
    size_t width = (size_t)e->to_width;
    from += begin * (size_t)e->height * (size_t)e->width;
    to += begin * (size_t)e->to_height * width;
    for (size_t plane = begin; plane < end; plane++)
        for (int y = -e->top, next = 0; y < e->to_height - e->top; y++, to += width) {
            if (y == next && y <= (e->height - 1) * e->stride) {
                embed_row(e, from, to);
                from += e->width;
                next += e->stride;
            } else {
                memset(to, 0, width * sizeof *to);
            }
        }
}
