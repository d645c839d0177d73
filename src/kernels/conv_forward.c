#include "algorithms.h"
#include "pieces.h"

/*
 * A tile is m out channels x r neighbouring pixels of a row, summed up in registers.  Each loaded pixel
 * serves m channels, each loaded weight r pixels; with the kernel's width known to the compiler, a pixel
 * is loaded once for all its products in the row.  A call computes several tiles of a row, side by side:
 * where there are few in channels, a call for each would cost as much as its sums.
 */
enum { MAX_CHANNELS = SIMD_TILE_CHANNELS, MAX_PIXELS = SIMD_TILE_PIXELS, L1_BYTES = 20 * 1024 };

typedef struct tiles {
    const vec *in;          /* first in channel, row and pixel that the first tile needs */
    size_t in_row, in_skip; /* from row to row; from an in channel's last to the next one's first */
    const float *w;         /* first tap needed; packed: [in][ky][kx][m] */
    size_t w_row, w_skip;   /* floats, likewise */
    const float *bias;      /* m of them; NULL: go on from what stands in out */
    vec *out;
    size_t out_plane;
    int n_in, ky_begin, n_rows; /* rows of each in channel: the first needed, how many */
    int n_taps, stride, n;      /* taps of each row; n: tiles */
} tiles;

#define TAP(kx)                                                                                    \
    do {                                                                                           \
        SIMD_FOR (int m = 0; m < n_m; m++) {                                                       \
            vec weight = vec_set(w[(kx)*n_m + m]);                                                 \
            SIMD_FOR (int r = 0; r < n_r; r++)                                                     \
                sum[m][r] += weight * x[(kx) + r * step];                                          \
        }                                                                                          \
    } while (0)
/* taps 0: their number and the stride are known only at run time, else the stride is 1 */
SIMD_INLINE void tiles_compute(const tiles *t, const int n_m, const int n_r, const int taps)
{
    const int n_taps = taps ? taps : t->n_taps, step = taps ? 1 : t->stride;
    const vec *in = t->in;
    vec *out = t->out;
    for (int n = t->n; n > 0; n--, in += n_r * step, out += n_r) {
        const vec *x = in;
        const float *w = t->w;
        vec sum[MAX_CHANNELS][MAX_PIXELS];
        SIMD_FOR (int m = 0; m < n_m; m++)
            SIMD_FOR (int r = 0; r < n_r; r++)
                sum[m][r] =
                    t->bias ? vec_set(t->bias[m]) : out[(size_t)m * t->out_plane + (size_t)r];
        for (int i = t->n_in; i > 0; i--, x += t->in_skip, w += t->w_skip) {
            for (int ky = t->n_rows; ky > 0; ky--, x += t->in_row, w += t->w_row) {
                /* Unrolled where the number is known, else a turn of the loop for each. */
                SIMD_FOR (int kx = 0; kx < taps; kx++)
                    TAP(kx);
                for (int kx = taps; kx < n_taps; kx++)
                    TAP(kx);
            }
        }
        SIMD_FOR (int m = 0; m < n_m; m++)
            SIMD_FOR (int r = 0; r < n_r; r++)
                out[(size_t)m * t->out_plane + (size_t)r] = sum[m][r];
    }
}

#define TILE(m, r, k)                                                                              \
    static void tiles_##m##x##r##_##k(const tiles *t)                                              \
    {                                                                                              \
        tiles_compute(t, m, r, k);                                                                 \
    }
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
OF_ANY(TILE)
OF_TAPS(TILE)

typedef void tile_function(const tiles *t);
#define ENTRY(m, r, k) [k][m - 1][r - 1] = tiles_##m##x##r##_##k,
static tile_function *const tile_functions[MAX_TAPS + 1][MAX_CHANNELS][MAX_PIXELS] = {
    OF_ANY(ENTRY) OF_TAPS(ENTRY)};

static tile_function *find_function(const conv_shape *s, int n_m, int n_r, int n_taps)
{
    tile_function *own =
        s->stride == 1 && n_taps <= MAX_TAPS ? tile_functions[n_taps][n_m - 1][n_r - 1] : NULL;
    return own ? own : tile_functions[0][n_m - 1][n_r - 1];
}

static int clamp(int x, int low, int high)
{
    return x < low ? low : x > high ? high : x;
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
    conv_tiling best = {1, 1, s->in_channels, 1};
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
    int width = (best.pixels - 1) * s->stride + s->kernel, pixel = s->kernel * (int)sizeof(vec);
    best.chunk = clamp(L1_BYTES / (width * pixel), 1, s->in_channels);
    int fit = L1_BYTES / (best.chunk * pixel) - width;
    best.strip = 1 + clamp(fit, 0, s->in_width) / (best.pixels * s->stride);
    return best;
}

/* Walk over the packed order; at: strides of w for out channel, in channel and tap, from the first. */
static void pack(const conv_plan *plan, const float *w, const long at[3], float *packed,
                 size_t from, size_t to)
{
    const conv_shape *s = &plan->shape;
    int n = (int)plan->n_pack_items, taps = s->kernel * s->kernel;
    for (int k = (int)from; k < (int)to; k++) {
        int begin = piece_begin(s->out_channels, n, k),
            end = piece_begin(s->out_channels, n, k + 1);
        float *p = packed + (size_t)begin * (size_t)s->in_channels * (size_t)taps;
        for (int i = 0; i < s->in_channels; i++)
            for (int tap = 0; tap < taps; tap++)
                for (int o = begin; o < end; o++)
                    *p++ = w[o * at[0] + i * at[1] + tap * at[2]];
    }
}

/* The tile of `width` pixels from x on, and the taps of which it needs the products. */
static conv_run tile_at(const conv_shape *s, int x, int width)
{
    conv_run r = {.x = x, .width = width, .n = 1};
    r.kx_begin = clamp(s->border_left - (x + width - 1) * s->stride, 0, s->kernel - 1);
    r.kx_end = clamp(s->in_width - s->border_right - x * s->stride, r.kx_begin + 1, s->kernel);
    return r;
}

/* A row cut into tiles, the wider ones first. */
static void cut_row(conv_plan *plan)
{
    const conv_shape *s = &plan->shape;
    int n = pieces(s->out_width, plan->tiling.pixels);
    int width = s->out_width / n, n_wide = s->out_width % n;
    for (int k = 0, x = 0; k < n; k++) {
        conv_run next = tile_at(s, x, width + (k < n_wide));
        conv_run *last = plan->n_runs > 0 ? &plan->runs[plan->n_runs - 1] : NULL;
        x += next.width;
        if (last && last->width == next.width && last->kx_begin == next.kx_begin &&
            last->kx_end == next.kx_end)
            last->n++;
        else
            plan->runs[plan->n_runs++] = next;
    }
}

/* All out channels of n tiles of a run, from x on.  t.in and t.out stand at their row's begin. */
static void compute_strip(const conv_plan *plan, tiles t, const conv_run *p, int x,
                          const float *bias, bool add)
{
    const float zeros[MAX_CHANNELS] = {0};
    const conv_shape *s = &plan->shape;
    const float *packed = t.w;
    const vec *in = t.in + x * s->stride + p->kx_begin;
    vec *out = t.out + x;
    int n = (int)plan->n_pack_items, chunk = plan->tiling.chunk;
    size_t kernel = (size_t)s->kernel, ky = (kernel - (size_t)t.n_rows);
    size_t in_plane = (size_t)s->in_height * (size_t)s->in_width;
    t.n_taps = p->kx_end - p->kx_begin;
    for (int i = 0; i < s->in_channels; i += chunk) {
        t.in = in + (size_t)i * in_plane;
        t.n_in = clamp(chunk, 0, s->in_channels - i);
        for (int k = 0; k < n; k++) {
            int o = piece_begin(s->out_channels, n, k);
            int n_m = piece_begin(s->out_channels, n, k + 1) - o;
            size_t first = (size_t)o * (size_t)s->in_channels + (size_t)(i * n_m);
            t.w_row = kernel * (size_t)n_m;
            t.w_skip = ky * t.w_row;
            t.w = packed + first * kernel * kernel +
                  (size_t)(t.ky_begin * s->kernel + p->kx_begin) * (size_t)n_m;
            t.bias = i > 0 || add ? NULL : bias ? bias + o : zeros;
            t.out = out + (size_t)o * t.out_plane;
            find_function(s, n_m, p->width, t.n_taps)(&t);
        }
    }
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
               .stride = s->stride};
    for (size_t item = begin; item < end; item++) {
        size_t block = item / (size_t)s->out_height;
        int y = (int)(item % (size_t)s->out_height), top = y * s->stride;
        t.ky_begin = clamp(s->border_top - top, 0, s->kernel);
        t.n_rows = clamp(s->in_height - s->border_bottom - top, t.ky_begin, s->kernel) - t.ky_begin;
        t.in_skip = in_plane - (size_t)t.n_rows * t.in_row;
        t.in = arrays->in + block * (size_t)s->in_channels * in_plane +
               (size_t)(top + t.ky_begin) * t.in_row;
        t.out = arrays->out + block * (size_t)s->out_channels * out_plane +
                (size_t)y * (size_t)s->out_width;
        for (const conv_run *r = plan->runs; r < plan->runs + plan->n_runs; r++)
            for (int k = 0; k < r->n; k += t.n) { /* as many as stay in the level-1 cache */
                t.n = r->n - k < strip ? r->n - k : strip;
                compute_strip(plan, t, r, r->x + k * r->width, arrays->bias, arrays->add);
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

const conv_algorithm conv_direct = {
    .name = "direct", .plan = plan_direct, .pack = pack, .forward = forward};

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
