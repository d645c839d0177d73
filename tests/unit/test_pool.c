/* Max-pooling and ReLU against the plain ones. */
#include "blocks.h"

#include "kernels/pool.h"
#include "kernels/reference.h"

typedef struct pool_case {
    pool_shape s;
    reference_pool r; /* images x channels as planes */
    size_t n_images, channels, in_plane, out_plane;
    float *x, *gy;
    vec *in, *out, *gout, *gin;
    ivec *choice;
} pool_case;

static void pool_new(pool_case *c, const pool_shape *s, int n_images, int channels)
{
    *c = (pool_case){.s = *s, .n_images = (size_t)n_images, .channels = (size_t)channels};
    c->r = (reference_pool){n_images * channels, s->in_height, s->in_width,
                            s->window,           s->stride,    s->padding};
    c->in_plane = (size_t)(s->in_height * s->in_width);
    c->out_plane = (size_t)(s->out_height * s->out_width);
    size_t in = c->channels * c->in_plane, out = c->channels * c->out_plane;
    size_t n_blocks = blocks_of(c->n_images);
    c->x = floats_new(c->n_images * in, INTEGERS); /* of nine values: ties are common */
    c->gy = floats_new(c->n_images * out, INTEGERS);
    c->in = blocks_new(c->x, c->n_images, in);
    c->gout = blocks_new(c->gy, c->n_images, out);
    c->out = guarded_new(n_blocks * out * sizeof(vec));
    c->choice = guarded_new(n_blocks * out * sizeof(ivec));
    c->gin = guarded_new(n_blocks * in * sizeof(vec));
}

static void pool_free(pool_case *c)
{
    void *const all[] = {c->x, c->gy, c->in, c->out, c->gout, c->gin, c->choice};
    for (int k = 0; k < COUNT(all); k++)
        guarded_free(all[k]);
}

static void run_pool_values(void *arg, size_t begin, size_t end)
{
    pool_case *c = arg;
    pool_forward(&c->s, c->in, c->out, NULL, begin, end);
}

static void run_pool_forward(void *arg, size_t begin, size_t end)
{
    pool_case *c = arg;
    pool_forward(&c->s, c->in, c->out, c->choice, begin, end);
}

static void run_pool_backward(void *arg, size_t begin, size_t end)
{
    pool_case *c = arg;
    pool_backward(&c->s, c->gout, c->choice, c->gin, false, begin, end);
}

static void pool_run(pool_case *c)
{
    size_t n_planes = blocks_of(c->n_images) * c->channels;
    operation_run(&(operation){"pool_forward", run_pool_forward, n_planes, c->choice}, c);
    guarded_fill(c->out);
    operation_run(&(operation){"pool_forward for values", run_pool_values, n_planes, c->out}, c);
    operation_run(&(operation){"pool_backward", run_pool_backward, n_planes, c->gin}, c);
}

/* Apart from the kernel's order: ReLU first, then the maximum; back through both. */
static void pool_compare(const pool_case *c)
{
    size_t in = c->channels * c->in_plane, out = c->channels * c->out_plane;
    size_t n_in = c->n_images * in, n_out = c->n_images * out;
    float *x = guarded_new(n_in * sizeof *x), *want = guarded_new(n_out * sizeof *want);
    int *choice = guarded_new(n_out * sizeof *choice);
    double *gx = doubles_new(n_in);
    memcpy(x, c->x, n_in * sizeof *x);
    if (c->s.relu)
        reference_relu_forward(c->x, x, n_in);
    reference_pool_forward(&c->r, x, want, choice);
    reference_pool_backward(&c->r, c->gy, choice, gx);
    for (size_t k = 0; k < n_out; k++) {
        int got = c->choice[k / out / VEC_WIDTH * out + k % out][k / out % VEC_WIDTH];
        assert_true(want[k] == block_element(c->out, out, k / out, k % out));
        assert_int_equal(got, c->s.relu && want[k] <= 0.0F ? -1 : choice[k]);
    }
    for (size_t k = 0; k < n_in; k++) {
        double expected = c->s.relu && x[k] <= 0.0F ? 0.0 : gx[k];
        assert_true(expected == (double)block_element(c->gin, in, k / in, k % in));
    }
    guarded_free(x);
    guarded_free(want);
    guarded_free(choice);
    guarded_free(gx);
}

static pool_shape shape_of(int height, int width, int window, int stride, int padding)
{
    return (pool_shape){.in_height = height,
                        .in_width = width,
                        .out_height = reference_side(height, window, stride, padding),
                        .out_width = reference_side(width, window, stride, padding),
                        .window = window,
                        .stride = stride,
                        .padding = padding};
}

/* Calls check with many shapes. */
static void for_shapes(void (*check)(const pool_shape *s, int turn))
{
    static const int windows[] = {1, 2, 3, 5};
    int turn = 0;
    for (int w = 0; w < COUNT(windows); w++)
        for (int stride = 1; stride <= windows[w] + 2; stride++)
            for (int height = windows[w]; height <= windows[w] + 7; height++)
                for (int width = windows[w]; width <= windows[w] + 7; width++, turn++) {
                    pool_shape s = shape_of(height, width, windows[w], stride,
                                            turn % 3 == 0 ? windows[w] / 2 : 0);
                    check(&s, turn);
                }
}

static void check_pool(const pool_shape *s, int turn)
{
    pool_shape mine = *s;
    for (int relu = 0; relu < 2; relu++) {
        pool_case c;
        mine.relu = relu;
        pool_new(&c, &mine, edge_counts[turn % 4], 1 + turn % 3);
        pool_run(&c);
        pool_compare(&c);
        pool_free(&c);
    }
}

static void test_pool(void **state)
{
    (void)state;
    for_shapes(check_pool);
}

static void run_average_forward(void *arg, size_t begin, size_t end)
{
    pool_case *c = arg;
    pool_average_forward(&c->s, c->in, c->out, begin, end);
}

static void run_average_backward(void *arg, size_t begin, size_t end)
{
    pool_case *c = arg;
    pool_average_backward(&c->s, c->gout, c->gin, false, begin, end);
}

static void run_mean_forward(void *arg, size_t begin, size_t end)
{
    pool_case *c = arg;
    pool_mean_forward(c->in_plane, c->in, c->out, begin, end);
}

static void run_mean_backward(void *arg, size_t begin, size_t end)
{
    pool_case *c = arg;
    pool_mean_backward(c->in_plane, c->gout, c->gin, false, begin, end);
}

/* Numbers of -4 .. 4, in blocks, against doubles; so many to an image. */
static void compare_blocks(const char *what, const vec *got, const double *want, size_t n_images,
                           size_t features)
{
    float *rows = rows_new(got, n_images, features);
    double *bound = doubles_new(n_images * features);
    for (size_t k = 0; k < n_images * features; k++)
        bound[k] = 200.0;
    assert_near(what, rows, want, bound, ROUNDING, n_images * features);
    guarded_free(rows);
    guarded_free(bound);
}

static void check_average(const pool_shape *s, int turn)
{
    pool_case c;
    pool_new(&c, s, edge_counts[turn % 4], 1 + turn % 3);
    size_t n_planes = blocks_of(c.n_images) * c.channels;
    size_t in = c.channels * c.in_plane, out = c.channels * c.out_plane;
    double *y = doubles_new(c.n_images * out), *gx = doubles_new(c.n_images * in);
    operation_run(&(operation){"pool_average_forward", run_average_forward, n_planes, c.out}, &c);
    operation_run(&(operation){"pool_average_backward", run_average_backward, n_planes, c.gin}, &c);
    reference_average_forward(&c.r, c.x, y);
    reference_average_backward(&c.r, c.gy, gx);
    compare_blocks("pool_average_forward", c.out, y, c.n_images, out);
    compare_blocks("pool_average_backward", c.gin, gx, c.n_images, in);
    guarded_free(y);
    guarded_free(gx);
    pool_free(&c);
}

static void test_average(void **state)
{
    (void)state;
    for_shapes(check_average);
}

/* The mean of a plane: a window as large as it, if it could be oblong. */
static void test_mean(void **state)
{
    (void)state;
    for (int height = 1; height <= 7; height++)
        for (int width = 1; width <= 9; width++) {
            pool_shape s = {
                .in_height = height, .in_width = width, .out_height = 1, .out_width = 1};
            pool_case c;
            pool_new(&c, &s, edge_counts[(height + width) % 4], 1 + width % 3);
            size_t n_planes = blocks_of(c.n_images) * c.channels, in = c.channels * c.in_plane;
            double *y = doubles_new(c.n_images * c.channels), *gx = doubles_new(c.n_images * in);
            operation_run(&(operation){"pool_mean_forward", run_mean_forward, n_planes, c.out}, &c);
            operation_run(&(operation){"pool_mean_backward", run_mean_backward, n_planes, c.gin},
                          &c);
            reference_mean_forward(c.r.n_planes, height * width, c.x, y);
            reference_mean_backward(c.r.n_planes, height * width, c.gy, gx);
            compare_blocks("pool_mean_forward", c.out, y, c.n_images, c.channels);
            compare_blocks("pool_mean_backward", c.gin, gx, c.n_images, in);
            guarded_free(y);
            guarded_free(gx);
            pool_free(&c);
        }
}

/* One NaN among numbers, wherever it stands, or several: diverged weights must show in the loss. */
static void test_pool_not_a_number(void **state)
{
    (void)state;
    pool_shape s = shape_of(2, 2, 2, 2, 0);
    reference_pool r = {1, 2, 2, 2, 2, 0};
    vec in[4], out;
    ivec choice;
    for (int mask = 1; mask < 1 << 4; mask++)
        for (int relu = 0; relu < 2; relu++) {
            float x[4], y;
            int wanted;
            for (int k = 0; k < 4; k++) {
                x[k] = mask & 1 << k ? (k % 2 ? NAN : -NAN) : (float)(k - 2);
                in[k] = vec_set(x[k]);
            }
            s.relu = relu;
            pool_forward(&s, in, &out, &choice, 0, 1);
            reference_pool_forward(&r, x, &y, &wanted);
            assert_true(isnan(out[0]) && isnan(y));
            assert_int_equal(choice[0], wanted);
            pool_forward(&s, in, &out, NULL, 0, 1);
            assert_true(isnan(out[0]));
        }
}

typedef struct relu_case {
    vec *x, *y, *gy, *gx;
} relu_case;

static void run_relu_forward(void *arg, size_t begin, size_t end)
{
    relu_case *c = arg;
    relu_forward(c->x, c->y, begin, end);
}

static void run_relu_backward(void *arg, size_t begin, size_t end)
{
    relu_case *c = arg;
    relu_backward(c->y, c->gy, c->gx, false, begin, end);
}

static void test_relu(void **state)
{
    (void)state;
    enum { N = 37 };
    size_t n = (size_t)N * VEC_WIDTH;
    float *x = floats_new(n, REALS), *gy = floats_new(n, REALS), y[N * VEC_WIDTH],
          gx[N * VEC_WIDTH];
    const float special[] = {0.0F, -0.0F, INFINITY, -INFINITY, 1e-45F, -1e-45F, 3e38F, NAN};
    memcpy(x, special, sizeof special);
    relu_case c = {(vec *)(void *)x, guarded_new(sizeof y), (vec *)(void *)gy,
                   guarded_new(sizeof gx)};
    operation_run(&(operation){"relu_forward", run_relu_forward, N, c.y}, &c);
    operation_run(&(operation){"relu_backward", run_relu_backward, N, c.gx}, &c);
    reference_relu_forward(x, y, n);
    reference_relu_backward(y, gy, gx, n);
    for (size_t k = 0; k < n; k++) {
        float got = c.y[k / VEC_WIDTH][k % VEC_WIDTH];
        assert_true(got == y[k] || (isnan(got) && isnan(y[k])));
        assert_true(c.gx[k / VEC_WIDTH][k % VEC_WIDTH] == gx[k]);
    }
    guarded_free(x);
    guarded_free(gy);
    guarded_free(c.y);
    guarded_free(c.gx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pool), cmocka_unit_test(test_average),
        cmocka_unit_test(test_mean), cmocka_unit_test(test_pool_not_a_number),
        cmocka_unit_test(test_relu),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
