/*
 * bench/elementwise.c - speed of what is done element by element, of norms and pooling, as a share of what limits it
 *
 * usage: bench-elementwise [--json FILE]
 *        prints for each operation nanoseconds for a vector, GB/s, and its share of the speed of what limits it: a plain
 *        loop that reads and writes as many arrays, or its arithmetic, two vectors a cycle as multiply-adds are, or its
 *        divisions.  Of arrays that the second cache holds, and of larger ones.
 *
 * One thread.  Operations take turns, so that a machine that slows down slows down all; the best of each counts.
 */
#include "kernels/elementwise.h"
#include "base/clock.h"
#include "base/memory.h"
#include "kernels/activation.h"
#include "kernels/dropout.h"
#include "kernels/norm.h"
#include "kernels/peak.h"
#include "kernels/pool.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { REPEATS = 40, SIDE = 16, PLANE = SIDE * SIDE, CHANNELS = 32, BLOCKS = 8 };
enum { BLOCK = CHANNELS * PLANE, MOST = BLOCK * BLOCKS };

typedef struct arrays {
    vec *a, *b, *c, *d, *sums, *pixels;
    ivec *kept;
    float w[CHANNELS];
    uint32_t images[VEC_WIDTH];
    size_t n; /* vectors of each */
} arrays;

static channel_weights channels_of(void)
{
    return (channel_weights){.n_channels = CHANNELS, .plane = PLANE};
}

/* ---- plain loops: the limits -------------------------------------------------------------------- */

static void read_one(arrays *s)
{
    vec sum[8] = {{0}};
    for (size_t k = 0; k + 8 <= s->n; k += 8)
        SIMD_FOR (size_t j = 0; j < 8; j++)
            sum[j] += s->a[k + j];
    for (int j = 0; j < 8; j++)
        s->sums[j] = sum[j];
}

static void read_two(arrays *s)
{
    vec sum[8] = {{0}};
    for (size_t k = 0; k + 8 <= s->n; k += 8)
        SIMD_FOR (size_t j = 0; j < 8; j++)
            sum[j] = s->a[k + j] * s->b[k + j] + sum[j];
    for (int j = 0; j < 8; j++)
        s->sums[j] = sum[j];
}

static void read_write(arrays *s)
{
    for (size_t k = 0; k < s->n; k++)
        s->c[k] = vec_in_register(s->a[k]);
}

static void read_two_write(arrays *s)
{
    for (size_t k = 0; k < s->n; k++)
        s->c[k] = s->a[k] + s->b[k];
}

static void write_one(arrays *s)
{
    const vec x = s->a[0];
    for (size_t k = 0; k < s->n; k++)
        s->c[k] = vec_in_register(x);
}

/* Of numbers in registers, as many as arrays have. */
static void divide(arrays *s)
{
    vec x[8];
    SIMD_FOR (size_t j = 0; j < 8; j++)
        x[j] = s->a[j];
    const vec by = vec_set(1.0F + s->w[0]);
    for (size_t k = 0; k + 8 <= s->n; k += 8)
        SIMD_FOR (size_t j = 0; j < 8; j++)
            x[j] /= by;
    for (int j = 0; j < 8; j++)
        s->sums[j] = x[j];
}

enum limit { READ, READ_2, READ_WRITE, READ_2_WRITE, WRITE, N_LIMITS };
enum { DIVISION = N_LIMITS };

/* ---- operations --------------------------------------------------------------------------------- */

static void add(arrays *s)
{
    const vec *x[] = {s->a, s->b};
    elementwise_add(2, x, false, s->c, 0, s->n);
}

static void add_relu(arrays *s)
{
    const vec *x[] = {s->a, s->b};
    elementwise_add(2, x, true, s->c, 0, s->n);
}

static void multiply(arrays *s)
{
    elementwise_multiply(s->a, s->b, s->c, 0, s->n);
}

static void scale(arrays *s)
{
    channel_weights of = channels_of();
    channel_scale(&of, s->w, s->a, s->c, 0, s->n / PLANE);
}

static void scale_sums(arrays *s)
{
    channel_weights of = channels_of();
    channel_scale_sums(&of, s->a, s->b, s->sums, 0, s->n / PLANE);
}

static void prelu(arrays *s)
{
    channel_weights of = channels_of();
    channel_prelu(&of, s->w, s->a, s->c, 0, s->n / PLANE);
}

static void prelu_backward(arrays *s)
{
    channel_weights of = channels_of();
    channel_prelu_backward(&of, s->w, s->a, s->b, s->c, false, 0, s->n / PLANE);
}

static void relu(arrays *s)
{
    relu_forward(s->a, s->c, 0, s->n);
}

static void relu_in_place(arrays *s)
{
    relu_forward(s->d, s->d, 0, s->n);
}

static void dropout_by_half(arrays *s)
{
    dropout of = dropout_make(s->n, 0.5, 0);
    dropout_batch in = {.images = s->images};
    dropout_forward(&of, &in, s->a, s->c, s->kept, 0, of.n_groups);
}

static void dropout_again(arrays *s)
{
    dropout of = dropout_make(s->n, 0.5, 0);
    dropout_backward(&of, s->kept, s->b, s->c, false, 0, of.n_groups);
}

#define ACTIVATION(name, f)                                                                        \
    static void name(arrays *s)                                                                    \
    {                                                                                              \
        activation_forward(f, s->a, s->c, 0, s->n);                                                \
    }                                                                                              \
    static void name##_backward(arrays *s)                                                         \
    {                                                                                              \
        activation_backward(f, s->a, s->b, s->c, false, 0, s->n);                                  \
    }
ACTIVATION(gelu, ACTIVATION_GELU)
ACTIVATION(gelu_tanh, ACTIVATION_GELU_TANH)
ACTIVATION(silu, ACTIVATION_SILU)
ACTIVATION(tanh_of, ACTIVATION_TANH)

/* ---- norms and pooling: planes of SIDE x SIDE ---------------------------------------------------- */

static norm_channel some_channel(void)
{
    return (norm_channel){vec_set(0.1F), vec_set(0.9F), vec_set(0.2F), true};
}

static void moments(arrays *s)
{
    for (size_t k = 0; k < s->n; k += PLANE)
        norm_moments(s->a + k, PLANE, &s->sums[0], &s->sums[1]);
}

static void norm(arrays *s)
{
    const norm_channel of = some_channel();
    for (size_t k = 0; k < s->n; k += PLANE)
        norm_forward(&of, s->a + k, PLANE, s->c + k);
}

static void norm_gradients(arrays *s)
{
    const norm_channel of = some_channel();
    for (size_t k = 0; k < s->n; k += PLANE)
        norm_sums(&of, s->a + k, s->b + k, PLANE, &s->sums[0], &s->sums[1]);
}

static void norm_back(arrays *s)
{
    const norm_channel of = some_channel();
    const norm_slope slope = {vec_set(0.9F), vec_set(0.1F), vec_set(0.2F)};
    for (size_t k = 0; k < s->n; k += PLANE)
        norm_backward(&of, &slope, s->a + k, s->b + k, PLANE, s->c + k, false);
}

static norm_pixels layer_norm(void)
{
    return (norm_pixels){.channels = CHANNELS, .plane = PLANE, .eps = 1e-5F};
}

static void pixels(arrays *s)
{
    const norm_pixels of = layer_norm();
    for (size_t k = 0; k < s->n; k += BLOCK)
        norm_pixels_forward(&of, s->a + k, s->c + k, s->pixels + k / CHANNELS * 2);
}

static void pixels_back(arrays *s)
{
    const norm_pixels of = layer_norm();
    for (size_t k = 0; k < s->n; k += BLOCK)
        norm_pixels_backward(&of, s->a + k, s->b + k, s->pixels + k / CHANNELS * 2, s->c + k, false,
                             s->sums);
}

static pool_shape halves(void)
{
    return (pool_shape){SIDE, SIDE, SIDE / 2, SIDE / 2, 2, 2, false, 0};
}

static void average(arrays *s)
{
    const pool_shape of = halves();
    pool_average_forward(&of, s->a, s->c, 0, s->n / PLANE);
}

static void average_back(arrays *s)
{
    const pool_shape of = halves();
    pool_average_backward(&of, s->b, s->c, false, 0, s->n / PLANE);
}

static void mean(arrays *s)
{
    pool_mean_forward(PLANE, s->a, s->c, 0, s->n / PLANE);
}

static void mean_back(arrays *s)
{
    pool_mean_backward(PLANE, s->b, s->c, false, 0, s->n / PLANE);
}

typedef struct row {
    const char *name;
    void (*run)(arrays *s);
    double n_arrays;  /* read or written */
    enum limit limit; /* the loop that moves as much, but for less than a whole array */
    /* additions, products, comparisons ... of a vector, as functions.h and the kernels have them; divisions */
    int operations, divisions;
} row;

/* Eight elements have a Threefry of 26 mixtures, an addition, a rotation (one instruction in AVX-512, else three) and an
 * exclusive or each; 19 additions of keys, 32 operations to make bits of words.  Each takes four to use its bit. */
enum {
    ROTATION = VEC_WIDTH == 16 ? 1 : 3,
    DROPOUT_OPERATIONS = (26 * (2 + ROTATION) + 51) / 8 + 4
};

/* Loops first, in the order of enum limit. */
static const row rows[] = {
    {"read", read_one, 1, READ, 0, 0},
    {"read two", read_two, 2, READ_2, 0, 0},
    {"read, write", read_write, 2, READ_WRITE, 0, 0},
    {"read two, write", read_two_write, 3, READ_2_WRITE, 0, 0},
    {"write", write_one, 1, WRITE, 0, 0},
    {"divide", divide, 0, WRITE, 0, 1},
    {"add", add, 3, READ_2_WRITE, 1, 0},
    {"add, relu", add_relu, 3, READ_2_WRITE, 3, 0},
    {"multiply", multiply, 3, READ_2_WRITE, 1, 0},
    {"scale", scale, 2, READ_WRITE, 1, 0},
    {"scale, weights", scale_sums, 2, READ_2, 1, 0},
    {"relu", relu, 2, READ_WRITE, 2, 0},
    {"relu in place", relu_in_place, 2, READ_WRITE, 2, 0},
    {"prelu", prelu, 2, READ_WRITE, 3, 0},
    {"prelu backward", prelu_backward, 3, READ_2_WRITE, 3, 0},
    {"gelu", gelu, 2, READ_WRITE, 43, 0},
    {"gelu backward", gelu_backward, 3, READ_2_WRITE, 46, 0},
    {"gelu tanh", gelu_tanh, 2, READ_WRITE, 27, 1},
    {"gelu tanh backward", gelu_tanh_backward, 3, READ_2_WRITE, 34, 1},
    {"silu", silu, 2, READ_WRITE, 24, 1},
    {"silu backward", silu_backward, 3, READ_2_WRITE, 28, 1},
    {"tanh", tanh_of, 2, READ_WRITE, 19, 1},
    {"tanh backward", tanh_of_backward, 3, READ_2_WRITE, 2, 0},
    {"dropout", dropout_by_half, 2, READ_WRITE, DROPOUT_OPERATIONS, 0},
    {"dropout backward", dropout_again, 2, READ_WRITE, 4, 0},
    {"batch norm, sums", moments, 1, READ, 3, 0},
    {"batch norm, relu", norm, 2, READ_WRITE, 4, 0},
    {"batch norm, gradients", norm_gradients, 2, READ_2, 6, 0},
    {"batch norm, backward", norm_back, 3, READ_2_WRITE, 6, 0},
    {"layer norm", pixels, 2, READ_WRITE, 5, 0},
    {"layer norm, backward", pixels_back, 3, READ_2_WRITE, 12, 0},
    {"average pool", average, 1.25, READ, 1, 0},
    {"average pool, backward", average_back, 1.25, WRITE, 0, 0},
    {"global pool", mean, 1, READ, 1, 0},
    {"global pool, backward", mean_back, 1, WRITE, 0, 0},
};
enum { N_ROWS = sizeof rows / sizeof *rows };

/* Seconds that a vector takes at least, and by what. */
static double least_of(const row *of, const double *best, double operation_s, const char **by)
{
    double part = of->n_arrays - floor(of->n_arrays);
    double loop = best[of->limit] + part * best[WRITE], arithmetic = of->operations * operation_s;
    double divisions = of->divisions * best[DIVISION];
    *by = "memory";
    if (arithmetic > loop && arithmetic > divisions)
        *by = "arithmetic";
    else if (divisions > loop)
        *by = "divisions";
    return fmax(loop, fmax(arithmetic, divisions));
}

static void measure(arrays *s, json_t *told)
{
    double best[N_ROWS], operation_s = INFINITY;
    int turns = MOST / (int)s->n;
    for (int k = 0; k < N_ROWS; k++)
        best[k] = INFINITY;
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        operation_s = fmin(operation_s, 2.0 * VEC_WIDTH / peak_flops(1, 0.001));
        for (int k = 0; k < N_ROWS; k++) {
            rows[k].run(s);
            double start = clock_now();
            for (int n = 0; n < turns; n++)
                rows[k].run(s);
            best[k] = fmin(best[k], (clock_now() - start) / turns / (double)s->n);
        }
    }
    printf("arrays of %zu kB: ns a vector of %d, GB/s, share of what limits it\n",
           s->n * sizeof(vec) / 1024, VEC_WIDTH);
    for (int k = 0; k < N_ROWS; k++) {
        const char *by;
        double share = least_of(&rows[k], best, operation_s, &by) / best[k];
        printf("  %-22s %6.2f %8.1f %6.0f %%  %s\n", rows[k].name, 1e9 * best[k],
               1e-9 * rows[k].n_arrays * (double)sizeof(vec) / best[k], 100.0 * share, by);
        if (k > DIVISION)
            json_array_append_new(told, json_pack("{s:s, s:i, s:s, s:f}", "name", rows[k].name,
                                                  "bytes", (int)(s->n * sizeof(vec)), "limit", by,
                                                  "share", share));
    }
}

int main(int argc, char **argv)
{
    if (argc != 1 && (argc != 3 || strcmp(argv[1], "--json") != 0)) {
        fprintf(stderr, "usage: bench-elementwise [--json FILE]\n");
        return 2;
    }
    arrays s = {.n = MOST};
    vec **const all[] = {&s.a, &s.b, &s.c, &s.d, &s.sums, &s.pixels};
    for (size_t k = 0; k < sizeof all / sizeof *all; k++)
        if (!(*all[k] = memory_new(MOST, sizeof(vec), NULL)))
            return 1;
    if (!(s.kept = memory_new(MOST / DROPOUT_GROUP + 1, sizeof(ivec), NULL)))
        return 1;
    for (size_t k = 0; k < MOST; k++) {
        s.a[k] = vec_set((float)(k % 101) / 20.0F - 2.5F);
        s.b[k] = s.d[k] = vec_set((float)(k % 37) / 37.0F);
    }
    for (int c = 0; c < CHANNELS; c++)
        s.w[c] = 0.25F;
    json_t *told = json_array();
    s.n = BLOCK;
    measure(&s, told);
    s.n = MOST;
    measure(&s, told);
    bool written = argc == 1 || json_dump_file(told, argv[2], JSON_INDENT(1)) == 0;
    if (!written)
        fprintf(stderr, "bench-elementwise: %s: cannot be written\n", argv[2]);
    json_decref(told);
    return written ? 0 : 1;
}
