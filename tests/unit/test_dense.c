/* The kernels of fully connected layers against the plain ones. */
#include "blocks.h"

#include "kernels/dense.h"
#include "kernels/reference.h"

typedef struct dense_case {
    reference_dense r;
    float *x, *w, *bias, *gy;
    vec *in, *out, *gout, *gin;
    float *rows, *gw, *gb;
} dense_case;

static void dense_new(dense_case *c, const reference_dense *r, enum numbers numbers)
{
    *c = (dense_case){.r = *r};
    size_t n = (size_t)r->n_images, n_in = (size_t)r->n_in, n_out = (size_t)r->n_out;
    c->x = floats_new(n * n_in, numbers);
    c->w = floats_new(n_out * n_in, numbers);
    c->bias = floats_new(n_out, numbers);
    c->gy = floats_new(n * n_out, numbers);
    c->in = blocks_new(c->x, n, n_in);
    c->gout = blocks_new(c->gy, n, n_out);
    c->out = guarded_new(blocks_of(n) * n_out * sizeof(vec));
    c->gin = guarded_new(blocks_of(n) * n_in * sizeof(vec));
    c->rows = guarded_new(blocks_of(n) * VEC_WIDTH * dense_row_floats(r->n_in) * sizeof(float));
    c->gw = guarded_new(n_out * n_in * sizeof(float));
    c->gb = guarded_new(n_out * sizeof(float));
}

static void dense_free(dense_case *c)
{
    void *const all[] = {c->x,    c->w,   c->bias, c->gy, c->in, c->out,
                         c->gout, c->gin, c->rows, c->gw, c->gb};
    for (int k = 0; k < COUNT(all); k++)
        guarded_free(all[k]);
}

static void run_dense_forward(void *arg, size_t begin, size_t end)
{
    dense_case *c = arg;
    dense_forward(c->r.n_in, c->r.n_out, c->w, c->bias, c->in, c->out,
                  blocks_of((size_t)c->r.n_images), begin, end);
}

static void run_dense_input_gradient(void *arg, size_t begin, size_t end)
{
    dense_case *c = arg;
    dense_input_gradient(c->r.n_in, c->r.n_out, c->w, c->gout, c->gin, false,
                         blocks_of((size_t)c->r.n_images), begin, end);
}

static void run_dense_transpose(void *arg, size_t begin, size_t end)
{
    dense_case *c = arg;
    dense_transpose(c->r.n_in, c->in, c->rows, begin, end);
}

static void run_dense_weight_gradient(void *arg, size_t begin, size_t end)
{
    dense_case *c = arg;
    dense_weight_gradient(c->r.n_in, c->r.n_out, c->rows, c->gout, (size_t)c->r.n_images, c->gw,
                          c->gb, begin, end);
}

static void dense_run(dense_case *c)
{
    size_t n_in = (size_t)c->r.n_in, n_out = (size_t)c->r.n_out;
    size_t n_blocks = blocks_of((size_t)c->r.n_images), row = dense_row_floats(c->r.n_in);
    operation_run(&(operation){"dense_forward", run_dense_forward, n_out, c->out}, c);
    operation_run(&(operation){"dense_input_gradient", run_dense_input_gradient, n_in, c->gin}, c);
    operation_run(&(operation){"dense_transpose", run_dense_transpose, n_blocks, c->rows}, c);
    for (size_t k = 0; k < (size_t)c->r.n_images; k++)
        for (size_t i = 0; i < row; i++)
            assert_true(c->rows[k * row + i] == (i < n_in ? c->x[k * n_in + i] : 0.0F));
    operation_run(&(operation){"dense_weight_gradient", run_dense_weight_gradient, n_out, c->gw},
                  c);
    float *gb = guarded_new(n_out * sizeof *gb);
    memcpy(gb, c->gb, n_out * sizeof *gb);
    guarded_fill(c->gb);
    operation_run(&(operation){"bias gradient", run_dense_weight_gradient, n_out, c->gb}, c);
    assert_memory_equal(gb, c->gb, n_out * sizeof *gb);
    guarded_free(gb);
}

/* A sum of n terms is off by at most (n + 1) * 2^-24 of the sum of their magnitudes. */
static void dense_compare(const dense_case *c, enum numbers numbers)
{
    const reference_dense *r = &c->r;
    size_t n = (size_t)r->n_images, n_in = (size_t)r->n_in, n_out = (size_t)r->n_out;
    float *ax = magnitudes_new(c->x, n * n_in), *aw = magnitudes_new(c->w, n_out * n_in);
    float *ab = magnitudes_new(c->bias, n_out), *ag = magnitudes_new(c->gy, n * n_out);
    float *y = rows_new(c->out, n, n_out), *gx = rows_new(c->gin, n, n_in);
    size_t largest = n * n_in > n * n_out ? n * n_in : n * n_out;
    largest = largest > n_in * n_out ? largest : n_in * n_out;
    double *want = doubles_new(largest), *sum = doubles_new(largest);
    const double *bound = numbers == REALS ? sum : NULL;
    char what[4][100];
    const char *names[4] = {"forward", "input gradient", "weight gradient", "bias gradient"};
    for (int k = 0; k < 4; k++)
        snprintf(what[k], sizeof what[k], "dense %s, %d -> %d, %d images", names[k], r->n_in,
                 r->n_out, r->n_images);
    reference_dense_forward(r, c->w, c->bias, c->x, want);
    reference_dense_forward(r, aw, ab, ax, sum);
    assert_near(what[0], y, want, bound, (r->n_in + 2) * ROUNDING, n * n_out);
    reference_dense_input_gradient(r, c->w, c->gy, want);
    reference_dense_input_gradient(r, aw, ag, sum);
    assert_near(what[1], gx, want, bound, (r->n_out + 1) * ROUNDING, n * n_in);
    reference_dense_weight_gradient(r, c->x, c->gy, want);
    reference_dense_weight_gradient(r, ax, ag, sum);
    assert_near(what[2], c->gw, want, bound, (r->n_images + 1) * ROUNDING, n_in * n_out);
    reference_dense_bias_gradient(r, c->gy, want);
    reference_dense_bias_gradient(r, ag, sum);
    assert_near(what[3], c->gb, want, bound, (r->n_images + 1) * ROUNDING, n_out);
    void *const all[] = {ax, aw, ab, ag, y, gx, want, sum};
    for (int k = 0; k < COUNT(all); k++)
        guarded_free(all[k]);
}

static void check_dense(int n_images, int n_in, int n_out, enum numbers numbers)
{
    dense_case c;
    dense_new(&c, &(reference_dense){n_images, n_in, n_out}, numbers);
    dense_run(&c);
    dense_compare(&c, numbers);
    dense_free(&c);
}

static void test_dense(void **state)
{
    (void)state;
    static const int features[] = {1, 2, 3, 5, 6, 7, 8, 10, 13, 16, 23, 24, 25, 33, 84};
    for (int k = 0; k < COUNT(edge_counts); k++)
        for (int i = 0; i < COUNT(features); i++)
            for (int o = 0; o < COUNT(features); o++)
                check_dense(edge_counts[k], features[i], features[o],
                            (i + o) % 3 ? INTEGERS : REALS);
}

static void test_dense_large(void **state)
{
    (void)state;
    static const int shapes[][2] = {{400, 1}, {400, 7}, {1, 400}, {400, 120}, {84, 400}, {401, 99}};
    for (int k = 0; k < COUNT(shapes); k++)
        for (int j = 0; j < COUNT(edge_counts); j++)
            check_dense(edge_counts[j], shapes[k][0], shapes[k][1], k % 2 ? REALS : INTEGERS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dense),
        cmocka_unit_test(test_dense_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
