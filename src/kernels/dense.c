#include "kernels/dense.h"

enum { MAX_ROWS = 12, MAX_BLOCKS = 2, MAX_VECTORS = 3, GRADIENT_ROWS = 4 };

/*
 * out[m][r] = start + sum over k of w[m * w_row + k * w_step] * x[r][k]: forward with w_step 1, gradient
 * of the input with w_row 1.
 */
typedef struct product {
    const float *w;
    size_t w_row, w_step;
    const float *start; /* per row, NULL for 0 */
    bool add;           /* start is what stands in out */
    const vec *x;
    size_t x_block;
    vec *out;
    size_t out_block;
    size_t n_k;
} product;

SIMD_INLINE void product_tile(const product *p, const int n_m, const int n_r)
{
    vec sum[MAX_ROWS][MAX_BLOCKS];
    SIMD_FOR (int m = 0; m < n_m; m++)
        SIMD_FOR (int r = 0; r < n_r; r++)
            sum[m][r] = p->add ? p->out[(size_t)r * p->out_block + (size_t)m]
                               : vec_set(p->start ? p->start[m] : 0.0F);
    const float *w = p->w;
    const vec *x = p->x;
    for (size_t k = 0; k < p->n_k; k++, w += p->w_step, x++) {
        SIMD_FOR (int m = 0; m < n_m; m++) {
            vec weight = vec_set(w[(size_t)m * p->w_row]);
            SIMD_FOR (int r = 0; r < n_r; r++)
                sum[m][r] += weight * x[(size_t)r * p->x_block];
        }
    }
    SIMD_FOR (int m = 0; m < n_m; m++)
        SIMD_FOR (int r = 0; r < n_r; r++)
            p->out[(size_t)r * p->out_block + (size_t)m] = sum[m][r];
}

/* One copy for both directions: it is a sixth of the module. */
__attribute__((noinline)) static void product_rows(const product *p, int n_m, int n_r)
{
#define CASE(m, r)                                                                                 \
    case m * 4 + r:                                                                                \
        product_tile(p, m, r);                                                                     \
        break;
    switch (n_m * 4 + n_r) {
        /* clang-format off */
        CASE(1, 1) CASE(3, 1) CASE(6, 1) CASE(12, 1)
        CASE(1, 2) CASE(3, 2) CASE(6, 2)
            /* clang-format on */
            default : break;
    }
#undef CASE
}

/* The largest tile for what is left. */
static size_t rows_of_tile(size_t n_rows, size_t n_blocks)
{
    return n_rows >= 12 && n_blocks == 1 ? 12 : n_rows >= 6 ? 6 : n_rows >= 3 ? 3 : 1;
}

/* All rows begin .. end - 1 for all blocks: 6 beside two blocks, 12 beside a last one. */
static void product_all(product p, size_t n_blocks, size_t begin, size_t end)
{
    const product whole = p;
    for (size_t b = 0; b < n_blocks; b += MAX_BLOCKS) {
        size_t n_r = n_blocks - b < MAX_BLOCKS ? n_blocks - b : MAX_BLOCKS;
        p.x = whole.x + b * p.x_block;
        for (size_t m = begin, n_m; m < end; m += n_m) {
            n_m = rows_of_tile(end - m, n_r);
            p.w = whole.w + m * p.w_row;
            p.start = whole.start ? whole.start + m : NULL;
            p.out = whole.out + b * p.out_block + m;
            product_rows(&p, (int)n_m, (int)n_r);
        }
    }
}

void dense_forward(int n_in, int n_out, const float *w, const float *bias, const vec *x, vec *y,
                   size_t n_blocks, size_t begin, size_t end)
{
    product p = {.w = w,
                 .w_row = (size_t)n_in,
                 .w_step = 1,
                 .start = bias,
                 .x = x,
                 .x_block = (size_t)n_in,
                 .out = y,
                 .out_block = (size_t)n_out,
                 .n_k = (size_t)n_in};
    product_all(p, n_blocks, begin, end);
}

void dense_input_gradient(int n_in, int n_out, const float *w, const vec *gy, vec *gx, bool add,
                          size_t n_blocks, size_t begin, size_t end)
{
    product p = {.w = w,
                 .w_row = 1,
                 .w_step = (size_t)n_in,
                 .add = add,
                 .x = gy,
                 .x_block = (size_t)n_out,
                 .out = gx,
                 .out_block = (size_t)n_in,
                 .n_k = (size_t)n_out};
    product_all(p, n_blocks, begin, end);
}

size_t dense_row_floats(int n_in)
{
    return ((size_t)n_in + VEC_WIDTH - 1) / VEC_WIDTH * VEC_WIDTH;
}

void dense_transpose(int n_in, const vec *x, float *rows, size_t begin, size_t end)
{
    enum { QUAD_BYTES = 4 * sizeof(float) };
    size_t row = dense_row_floats(n_in), n = (size_t)n_in;
    for (size_t b = begin; b < end; b++) {
        float *to = rows + b * VEC_WIDTH * row;
        for (size_t i = 0; i < row; i += 4, to += 4) {
            vec four[4], image[4]; /* image[j]: the four of images j, 4 + j, .. */
            SIMD_FOR (size_t k = 0; k < 4; k++)
                four[k] = i + k < n ? x[b * n + i + k] : vec_set(0.0F);
            SIMD_TRANSPOSE(four[0], four[1], four[2], four[3], image);
            SIMD_FOR (size_t lane = 0; lane < VEC_WIDTH; lane++)
                memcpy(to + lane * row, (const float *)&image[lane % 4] + lane / 4 * 4, QUAD_BYTES);
        }
    }
}

typedef struct outer {
    const float *gy; /* first output of the first block */
    size_t gy_block; /* floats */
    const float *rows;
    size_t row;
    size_t n;
    float *out; /* first weight of the first output; `length` of each, out_row apart */
    size_t out_row, length;
} outer;

SIMD_INLINE void store_some(float *to, vec x, size_t n)
{
    for (size_t lane = 0; lane < n; lane++)
        to[lane] = x[lane];
}

/* Weights of n_m outputs x n_c vectors of inputs, summed over the images in their order; the last may have fewer lanes. */
SIMD_INLINE void outer_tile(const outer *p, const int n_m, const int n_c)
{
    vec sum[GRADIENT_ROWS][MAX_VECTORS];
    SIMD_FOR (int m = 0; m < n_m; m++)
        SIMD_FOR (int c = 0; c < n_c; c++)
            sum[m][c] = vec_set(0.0F);
    const float *x = p->rows;
    for (size_t first = 0, block = 0; first < p->n; first += VEC_WIDTH, block++) {
        const float *g = p->gy + block * p->gy_block;
        size_t lanes = p->n - first < VEC_WIDTH ? p->n - first : VEC_WIDTH;
        for (size_t lane = 0; lane < lanes; lane++, g++, x += p->row) {
            SIMD_FOR (int m = 0; m < n_m; m++) {
                vec gradient = vec_set(g[m * VEC_WIDTH]);
                SIMD_FOR (int c = 0; c < n_c; c++)
                    sum[m][c] += gradient * vec_load(x + c * VEC_WIDTH);
            }
        }
    }
    size_t rest = (size_t)(n_c - 1) * VEC_WIDTH;
    SIMD_FOR (int m = 0; m < n_m; m++) {
        float *out = p->out + (size_t)m * p->out_row;
        SIMD_FOR (int c = 0; c < n_c - 1; c++)
            vec_store(out + c * VEC_WIDTH, sum[m][c]);
        if (p->length - rest == VEC_WIDTH)
            vec_store(out + rest, sum[m][n_c - 1]);
        else
            store_some(out + rest, sum[m][n_c - 1], p->length - rest);
    }
}

SIMD_INLINE void outer_compute(const outer *p, int n_m, int n_c)
{
#define CASE(m, c)                                                                                 \
    case m * 4 + c:                                                                                \
        outer_tile(p, m, c);                                                                       \
        break;
    switch (n_m * 4 + n_c) {
        /* clang-format off */
        CASE(1, 1) CASE(1, 2) CASE(1, 3) CASE(4, 1) CASE(4, 2) CASE(4, 3)
            /* clang-format on */
            default : break;
    }
#undef CASE
}

void dense_weight_gradient(int n_in, int n_out, const float *rows, const vec *gy, size_t n,
                           float *gw, float *gb, size_t begin, size_t end)
{
    size_t row = dense_row_floats(n_in), n_i = (size_t)n_in, gy_block = (size_t)n_out * VEC_WIDTH;
    const float *g = (const float *)gy;
    for (size_t i = 0; i < n_i; i += (size_t)MAX_VECTORS * VEC_WIDTH) {
        size_t vectors = (row - i) / VEC_WIDTH, n_c = vectors < MAX_VECTORS ? vectors : MAX_VECTORS;
        size_t length = n_i - i < n_c * VEC_WIDTH ? n_i - i : n_c * VEC_WIDTH;
        for (size_t o = begin, n_m; o < end; o += n_m) {
            n_m = end - o < GRADIENT_ROWS ? 1 : GRADIENT_ROWS;
            outer p = {g + o * VEC_WIDTH, gy_block, rows + i, row, n,
                       gw + o * n_i + i,  n_i,      length};
            outer_compute(&p, (int)n_m, (int)n_c);
        }
    }
    for (size_t o = begin; gb && o < end; o++) {
        float total = 0.0F;
        for (size_t k = 0; k < n; k++)
            total += g[k / VEC_WIDTH * gy_block + o * VEC_WIDTH + k % VEC_WIDTH];
        gb[o] = total;
    }
}
