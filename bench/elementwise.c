/*
 * bench/elementwise.c - speed of what is done element by element, as a share of what moving its data takes
 *
 * usage: bench-elementwise
 *        prints for each operation nanoseconds for a vector, GB/s, and the share of the speed of a plain loop that
 *        reads and writes as many arrays: of arrays that the second cache holds, and of larger ones
 *
 * Operations take turns, so that a machine that slows down slows down all; the best of each counts.
 */
#include "kernels/elementwise.h"
#include "base/clock.h"
#include "base/memory.h"
#include "kernels/activation.h"
#include "kernels/dropout.h"
#include "kernels/pool.h"

#include <math.h>
#include <stdio.h>

enum { REPEATS = 40, PLANE = 256, CHANNELS = 32, MOST = CHANNELS * PLANE * 8 };

typedef struct arrays {
    vec *a, *b, *c, *d, *sums;
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

enum limit { READ, READ_2, READ_WRITE, READ_2_WRITE, N_LIMITS };

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

typedef struct row {
    const char *name;
    void (*run)(arrays *s);
    int n_arrays; /* read or written */
    enum limit limit;
} row;

static const row rows[] = {
    {"read", read_one, 1, READ},
    {"read two", read_two, 2, READ_2},
    {"read, write", read_write, 2, READ_WRITE},
    {"read two, write", read_two_write, 3, READ_2_WRITE},
    {"add", add, 3, READ_2_WRITE},
    {"add, relu", add_relu, 3, READ_2_WRITE},
    {"multiply", multiply, 3, READ_2_WRITE},
    {"scale", scale, 2, READ_WRITE},
    {"scale, weights", scale_sums, 2, READ_2},
    {"relu", relu, 2, READ_WRITE},
    {"relu in place", relu_in_place, 2, READ_WRITE},
    {"prelu", prelu, 2, READ_WRITE},
    {"prelu backward", prelu_backward, 3, READ_2_WRITE},
    {"gelu", gelu, 2, READ_WRITE},
    {"gelu backward", gelu_backward, 3, READ_2_WRITE},
    {"gelu tanh", gelu_tanh, 2, READ_WRITE},
    {"gelu tanh backward", gelu_tanh_backward, 3, READ_2_WRITE},
    {"silu", silu, 2, READ_WRITE},
    {"silu backward", silu_backward, 3, READ_2_WRITE},
    {"tanh", tanh_of, 2, READ_WRITE},
    {"tanh backward", tanh_of_backward, 3, READ_2_WRITE},
    {"dropout", dropout_by_half, 2, READ_WRITE},
    {"dropout backward", dropout_again, 2, READ_WRITE},
};
enum { N_ROWS = sizeof rows / sizeof *rows };

static void measure(arrays *s)
{
    double best[N_ROWS];
    int turns = MOST / (int)s->n;
    for (int k = 0; k < N_ROWS; k++)
        best[k] = INFINITY;
    for (int repeat = 0; repeat < REPEATS; repeat++)
        for (int k = 0; k < N_ROWS; k++) {
            rows[k].run(s);
            double start = clock_now();
            for (int n = 0; n < turns; n++)
                rows[k].run(s);
            best[k] = fmin(best[k], (clock_now() - start) / turns / (double)s->n);
        }
    printf("arrays of %zu kB: ns a vector of %d, GB/s, share of a plain loop\n",
           s->n * sizeof(vec) / 1024, VEC_WIDTH);
    for (int k = 0; k < N_ROWS; k++)
        printf("  %-20s %6.2f %8.1f %6.0f %%\n", rows[k].name, 1e9 * best[k],
               1e-9 * rows[k].n_arrays * (double)sizeof(vec) / best[k],
               100.0 * best[rows[k].limit] / best[k]);
}

int main(void)
{
    arrays s = {.n = MOST};
    vec **const all[] = {&s.a, &s.b, &s.c, &s.d, &s.sums};
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
    s.n = MOST / 8;
    measure(&s);
    s.n = MOST;
    measure(&s);
    return 0;
}
