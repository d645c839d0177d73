/* Sums, products and weights of channels against the plain ones; outputs in the memory of inputs. */
#include "blocks.h"

#include "kernels/elementwise.h"
#include "kernels/reference.h"

enum { N = 203 };

static vec *vecs_new(size_t n)
{
    float *x = floats_new(n * VEC_WIDTH, REALS);
    vec *v = guarded_new(n * sizeof *v);
    memcpy(v, x, n * sizeof *v);
    guarded_free(x);
    return v;
}

static vec *vecs_copy(const vec *x, size_t n)
{
    vec *v = guarded_new(n * sizeof *v);
    memcpy(v, x, n * sizeof *v);
    return v;
}

static float lane_of(const vec *x, size_t k)
{
    return x[k / VEC_WIDTH][k % VEC_WIDTH];
}

/* ---- sums and products --------------------------------------------------------------------------- */

typedef struct sum_case {
    int n;
    bool relu;
    vec *x[ELEMENTWISE_MAX], *y, *gy, *gx[ELEMENTWISE_MAX];
} sum_case;

static void run_sum(void *arg, size_t begin, size_t end)
{
    sum_case *c = arg;
    elementwise_add(c->n, (const vec *const *)c->x, c->relu, c->y, begin, end);
}

static void sum_new(sum_case *c, int n, bool relu)
{
    *c = (sum_case){.n = n, .relu = relu, .y = vecs_new(N), .gy = vecs_new(N)};
    for (int i = 0; i < n; i++) {
        c->x[i] = vecs_new(N);
        c->gx[i] = vecs_new(N);
    }
}

static void sum_free(sum_case *c)
{
    guarded_free(c->y);
    guarded_free(c->gy);
    for (int i = 0; i < c->n; i++) {
        guarded_free(c->x[i]);
        guarded_free(c->gx[i]);
    }
}

static void check_sum(const sum_case *c)
{
    for (size_t k = 0; k < N * VEC_WIDTH; k++) {
        float sum = lane_of(c->x[0], k);
        for (int i = 1; i < c->n; i++)
            sum += lane_of(c->x[i], k);
        assert_true(lane_of(c->y, k) == (c->relu && sum < 0.0F ? 0.0F : sum));
    }
}

/* The gradient of each, wanted or not, added or not, and in the memory of gy. */
static void check_sum_backward(sum_case *c, int itself)
{
    vec *start[ELEMENTWISE_MAX], *gy = vecs_copy(c->gy, N), *to[ELEMENTWISE_MAX] = {NULL};
    bool add[ELEMENTWISE_MAX] = {false};
    for (int i = 0; i < c->n; i++) {
        start[i] = vecs_copy(c->gx[i], N);
        add[i] = i != itself && draw(0, 1);
        to[i] = i == itself ? gy : draw(0, 3) ? c->gx[i] : NULL;
    }
    elementwise_add_backward(c->n, c->relu ? c->y : NULL, gy, to, add, 0, N);
    for (int i = 0; i < c->n; i++) {
        for (size_t k = 0; k < N * VEC_WIDTH; k++) {
            float g = c->relu && lane_of(c->y, k) <= 0.0F ? 0.0F : lane_of(c->gy, k);
            float want = add[i] ? lane_of(start[i], k) + g : g;
            if (to[i] && lane_of(to[i], k) != want)
                fail_msg("gradient %d of %d: %g, not %g", i, c->n, (double)lane_of(to[i], k),
                         (double)want);
        }
        guarded_free(start[i]);
    }
    guarded_free(gy);
}

static void test_sums(void **state)
{
    (void)state;
    for (int n = 1; n <= ELEMENTWISE_MAX; n++)
        for (int relu = 0; relu < 2; relu++) {
            sum_case c;
            sum_new(&c, n, relu);
            operation_run(&(operation){"elementwise_add", run_sum, N, c.y}, &c);
            check_sum(&c);
            for (int turn = 0; turn < 4; turn++)
                check_sum_backward(&c, turn % 2 ? draw(0, n - 1) : -1);
            for (int i = 0; i < n; i++) { /* in the memory of an input */
                const vec *in[ELEMENTWISE_MAX] = {c.x[0], c.x[1], c.x[2], c.x[3]};
                vec *y = vecs_copy(c.x[i], N);
                in[i] = y;
                elementwise_add(n, in, relu, y, 0, N);
                assert_memory_equal(y, c.y, N * sizeof(vec));
                guarded_free(y);
            }
            sum_free(&c);
        }
}

static void test_products(void **state)
{
    (void)state;
    vec *a = vecs_new(N), *b = vecs_new(N), *y = vecs_new(N), *start = vecs_copy(y, N);
    elementwise_multiply_add(a, b, y, true, 0, N);
    for (size_t k = 0; k < N * VEC_WIDTH; k++) {
        double exact = (double)lane_of(a, k) * (double)lane_of(b, k) + (double)lane_of(start, k);
        assert_true(fabs((double)lane_of(y, k) - exact) <= 2.0 * ROUNDING * (1.0 + fabs(exact)));
    }
    elementwise_multiply_add(a, b, y, false, 0, N);
    elementwise_multiply(a, b, start, 0, N);
    assert_memory_equal(y, start, N * sizeof(vec));
    elementwise_multiply(b, a, a, 0, N);
    assert_memory_equal(y, a, N * sizeof(vec));
    for (size_t k = 0; k < N * VEC_WIDTH; k++)
        a[k / VEC_WIDTH][k % VEC_WIDTH] = lane_of(y, k) + lane_of(b, k);
    elementwise_copy(b, y, true, N);
    assert_memory_equal(y, a, N * sizeof(vec));
    elementwise_copy(b, y, false, N);
    assert_memory_equal(y, b, N * sizeof(vec));
    guarded_free(a);
    guarded_free(b);
    guarded_free(y);
    guarded_free(start);
}

/* ---- weights of channels ------------------------------------------------------------------------ */

typedef struct channel_case {
    channel_weights of;
    size_t n_images, n_planes;
    float *w, *g, *x, *gy; /* of the images; row-major */
    vec *in, *gout, *out, *gin, *sums;
    bool prelu, add;
} channel_case;

static void run_channels(void *arg, size_t begin, size_t end)
{
    channel_case *c = arg;
    (c->prelu ? channel_prelu : channel_scale)(&c->of, c->w, c->in, c->out, begin, end);
}

static void run_channels_backward(void *arg, size_t begin, size_t end)
{
    channel_case *c = arg;
    for (size_t k = begin * c->of.plane; k < end * c->of.plane; k++) /* what is added to */
        c->gin[k] = vec_set(1.0F);
    if (c->prelu)
        channel_prelu_backward(&c->of, c->w, c->in, c->gout, c->gin, c->add, begin, end);
    else
        channel_scale_backward(&c->of, c->w, c->gout, c->gin, c->add, begin, end);
}

static void run_sums(void *arg, size_t begin, size_t end)
{
    channel_case *c = arg;
    (c->prelu ? channel_prelu_sums : channel_scale_sums)(&c->of, c->in, c->gout, c->sums, begin,
                                                         end);
}

static void run_collect(void *arg, size_t begin, size_t end)
{
    channel_case *c = arg;
    channel_collect(&c->of, c->sums, c->n_images, c->g, begin, end);
}

static void compare_channels(const channel_case *c)
{
    size_t features = c->of.n_channels * c->of.plane, n = c->n_images * features;
    size_t n_weights = c->of.one ? 1 : c->of.n_channels;
    reference_channels r = {(int)c->n_images, (int)c->of.n_channels, (int)c->of.plane, c->of.one};
    double *y = doubles_new(n), *gx = doubles_new(n), *gw = doubles_new(n_weights);
    float *got_y = rows_new(c->out, c->n_images, features);
    float *got_gx = rows_new(c->gin, c->n_images, features);
    (c->prelu ? reference_prelu : reference_scale)(&r, c->w, c->x, y);
    (c->prelu ? reference_prelu_backward : reference_scale_backward)(&r, c->w, c->x, c->gy, gx, gw);
    for (size_t k = 0; k < n; k++) {
        double before = c->add ? 1.0 : 0.0;
        assert_true(fabs((double)got_y[k] - y[k]) <= ROUNDING * fabs(y[k]));
        assert_true(fabs((double)got_gx[k] - gx[k] - before) <= 3.0 * ROUNDING);
    }
    for (size_t k = 0; k < n_weights; k++)
        assert_true(fabs((double)c->g[k] - gw[k]) <= 1e-6 * (double)n);
    double *const all[] = {y, gx, gw};
    for (int k = 0; k < COUNT(all); k++)
        guarded_free(all[k]);
    guarded_free(got_y);
    guarded_free(got_gx);
}

static void check_channels(channel_case *c)
{
    size_t features = c->of.n_channels * c->of.plane, n = c->n_images * features;
    size_t bytes = blocks_of(c->n_images) * features * sizeof(vec);
    size_t n_weights = c->of.one ? 1 : c->of.n_channels;
    c->n_planes = blocks_of(c->n_images) * c->of.n_channels;
    c->w = floats_new(n_weights, REALS);
    c->g = guarded_new(n_weights * sizeof(float));
    c->x = floats_new(n, REALS);
    c->gy = floats_new(n, REALS);
    c->x[0] = 0.0F;
    c->in = blocks_new(c->x, c->n_images, features);
    c->gout = blocks_new(c->gy, c->n_images, features);
    c->out = guarded_new(bytes);
    c->gin = guarded_new(bytes);
    c->sums = guarded_new(c->n_planes * sizeof(vec));
    operation_run(&(operation){"channels", run_channels, c->n_planes, c->out}, c);
    operation_run(&(operation){"backward", run_channels_backward, c->n_planes, c->gin}, c);
    operation_run(&(operation){"sums", run_sums, c->n_planes, c->sums}, c);
    operation_run(&(operation){"collect", run_collect, n_weights, c->g}, c);
    compare_channels(c);
    void *const all[] = {c->w, c->g, c->x, c->gy, c->in, c->gout, c->out, c->gin, c->sums};
    for (int k = 0; k < COUNT(all); k++)
        guarded_free(all[k]);
}

static void test_channels(void **state)
{
    (void)state;
    static const size_t shapes[][2] = {{1, 1}, {3, 1}, {2, 3}, {5, 4}, {1, 7}, {3, 30}};
    for (int k = 0; k < COUNT(shapes); k++)
        for (int j = 0; j < COUNT(edge_counts); j++)
            for (int how = 0; how < 8; how++) {
                channel_case c = {.of = {shapes[k][0], shapes[k][1], how % 2},
                                  .n_images = (size_t)edge_counts[j],
                                  .prelu = how & 2,
                                  .add = how & 4};
                check_channels(&c);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_products),
        cmocka_unit_test(test_channels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
