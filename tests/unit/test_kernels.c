/* The kernels of dense layers, pooling, loss and update against the plain ones (test_conv.c: conv). */
#include "blocks.h"

#include "kernels/dense.h"
#include "kernels/loss.h"
#include "kernels/pool.h"
#include "kernels/reference.h"
#include "kernels/update.h"

static const int image_counts[] = {1,
                                   VEC_WIDTH - 1,
                                   VEC_WIDTH,
                                   VEC_WIDTH + 1,
                                   3 * VEC_WIDTH + 2,
                                   4 * VEC_WIDTH + 1,
                                   6 * VEC_WIDTH};

/* ---- dense ------------------------------------------------------------------------------------- */

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
    dense_input_gradient(c->r.n_in, c->r.n_out, c->w, c->gout, c->gin,
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
    for (int k = 0; k < COUNT(image_counts); k++)
        for (int i = 0; i < COUNT(features); i++)
            for (int o = 0; o < COUNT(features); o++)
                check_dense(image_counts[k], features[i], features[o],
                            (i + o) % 3 ? INTEGERS : REALS);
}

static void test_dense_large(void **state)
{
    (void)state;
    static const int shapes[][2] = {{400, 1}, {400, 7}, {1, 400}, {400, 120}, {84, 400}, {401, 99}};
    for (int k = 0; k < COUNT(shapes); k++)
        for (int j = 0; j < COUNT(image_counts); j++)
            check_dense(image_counts[j], shapes[k][0], shapes[k][1], k % 2 ? REALS : INTEGERS);
}

/* ---- pooling ----------------------------------------------------------------------------------- */

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
    c->r = (reference_pool){n_images * channels, s->in_height, s->in_width, s->window, s->stride};
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
    pool_backward(&c->s, c->gout, c->choice, c->gin, begin, end);
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

static void test_pool(void **state)
{
    (void)state;
    static const int windows[] = {1, 2, 3, 5};
    int turn = 0;
    for (int w = 0; w < COUNT(windows); w++)
        for (int stride = 1; stride <= windows[w] + 2; stride++)
            for (int height = windows[w]; height <= windows[w] + 7; height++)
                for (int width = windows[w]; width <= windows[w] + 7; width++)
                    for (int relu = 0; relu < 2; relu++, turn++) {
                        pool_shape s = {height,
                                        width,
                                        reference_side(height, windows[w], stride, 0),
                                        reference_side(width, windows[w], stride, 0),
                                        windows[w],
                                        stride,
                                        relu};
                        pool_case c;
                        pool_new(&c, &s, image_counts[turn % 4], 1 + turn % 3);
                        pool_run(&c);
                        pool_compare(&c);
                        pool_free(&c);
                    }
}

static void test_pool_not_a_number(void **state)
{
    (void)state;
    pool_shape s = {
        .in_height = 2, .in_width = 2, .out_height = 1, .out_width = 1, .window = 2, .stride = 2};
    vec in[4], out;
    ivec choice;
    for (int relu = 0; relu < 2; relu++) {
        for (int k = 0; k < 4; k++)
            in[k] = vec_set(NAN);
        s.relu = relu;
        pool_forward(&s, in, &out, &choice, 0, 1);
        assert_true(isnan(out[0])); /* diverged weights must show in the loss */
    }
}

/* ---- ReLU -------------------------------------------------------------------------------------- */

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
    relu_backward(c->y, c->gy, c->gx, begin, end);
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

/* ---- loss -------------------------------------------------------------------------------------- */

typedef struct loss_case {
    int n_classes;
    size_t n;
    float scale;
    float *logits; /* [image][class] */
    uint8_t *labels;
    vec *in, *g;
    loss_result result;
} loss_case;

static void loss_new(loss_case *c, int n_classes, size_t n, float range)
{
    size_t classes = (size_t)n_classes;
    *c = (loss_case){.n_classes = n_classes, .n = n, .scale = 1.0F / (float)n};
    c->logits = floats_new(n * classes, range > 4.0F ? REALS : INTEGERS);
    c->labels = guarded_new(n);
    for (size_t k = 0; k < n * classes; k++)
        c->logits[k] *= range > 4.0F ? range : 1.0F; /* otherwise whole numbers with ties */
    for (size_t k = 0; k < n; k++)
        c->labels[k] = (uint8_t)draw(0, n_classes - 1);
    c->in = blocks_new(c->logits, n, classes);
    c->g = guarded_new(blocks_of(n) * classes * sizeof(vec));
    c->result = (loss_result){guarded_new(n * sizeof(float)), guarded_new(n)};
}

static void loss_free(loss_case *c)
{
    void *const all[] = {c->logits, c->labels, c->in, c->g, c->result.loss, c->result.guess};
    for (int k = 0; k < COUNT(all); k++)
        guarded_free(all[k]);
}

static void run_loss(void *arg, size_t begin, size_t end)
{
    loss_case *c = arg;
    loss_softmax(c->n_classes, c->in, c->labels, c->n, c->scale, c->g, &c->result, begin, end);
}

static void run_loss_only(void *arg, size_t begin, size_t end)
{
    loss_case *c = arg;
    loss_softmax(c->n_classes, c->in, c->labels, c->n, c->scale, NULL, &c->result, begin, end);
}

/*
 * Relative error of a term of the softmax's sum: 2e-7 of exp itself, 2^-24 |x| because x = logit -
 * largest is rounded; of the sum: the terms' mean error and n_classes additions.  Below exp(-87) terms
 * are 0.
 */
static void loss_compare(const loss_case *c)
{
    const double u = ROUNDING, exp_error = 2e-7, cut = exp(-87.0);
    size_t classes = (size_t)c->n_classes;
    double p[256], g[256];
    for (size_t k = 0; k < c->n; k++) {
        const float *logits = c->logits + k * classes;
        int label = c->labels[k], guess = 0;
        double want = reference_softmax(c->n_classes, logits, label, (double)c->scale, p, g);
        for (int i = 1; i < c->n_classes; i++)
            guess = logits[i] > logits[guess] ? i : guess;
        assert_int_equal(c->result.guess[k], guess);
        double sum_error = exp_error + u * c->n_classes + cut * c->n_classes;
        for (size_t i = 0; i < classes; i++)
            sum_error += u * p[i] * fabs((double)logits[i] - (double)logits[guess]);
        double bound = sum_error + 2.0 * u * fabs(want);
        assert_near("loss", &c->result.loss[k], &want, &bound, 1.0, 1);
        for (size_t i = 0; i < classes; i++) {
            double x = fabs((double)logits[i] - (double)logits[guess]);
            float got = block_element(c->g, classes, k, i);
            bound = (double)c->scale * (p[i] * (sum_error + exp_error + u * (x + 4.0)) + cut);
            if ((int)i == label)
                bound += u * (double)c->scale; /* of the subtraction */
            assert_near("gradient of the loss", &got, &g[i], &bound, 1.0, 1);
        }
    }
    for (size_t k = c->n; k < blocks_of(c->n) * VEC_WIDTH; k++)
        for (size_t i = 0; i < classes; i++)
            assert_true(block_element(c->g, classes, k, i) == 0.0F);
}

static void test_loss(void **state)
{
    (void)state;
    static const int classes[] = {2, 3, 7, 10, 17, 256};
    static const float ranges[] = {1.0F, 5.0F, 80.0F, 1e4F, 1e30F};
    for (int k = 0; k < COUNT(image_counts); k++)
        for (int i = 0; i < COUNT(classes); i++)
            for (int j = 0; j < COUNT(ranges); j++) {
                loss_case c;
                size_t n_blocks = blocks_of((size_t)image_counts[k]);
                loss_new(&c, classes[i], (size_t)image_counts[k], ranges[j]);
                operation_run(&(operation){"loss", run_loss, n_blocks, c.result.loss}, &c);
                operation_run(&(operation){"gradient of the loss", run_loss, n_blocks, c.g}, &c);
                operation_run(&(operation){"guess", run_loss, n_blocks, c.result.guess}, &c);
                loss_compare(&c);
                guarded_fill(c.result.loss);
                operation_run(&(operation){"loss alone", run_loss_only, n_blocks, c.result.loss},
                              &c);
                loss_compare(&c);
                loss_free(&c);
            }
}

/* One image, two classes. */
static float loss_of_two(float a, float b, float gradient[2])
{
    float logits[] = {a, b}, loss;
    uint8_t label = 0, guess;
    vec *in = blocks_new(logits, 1, 2), g[2];
    loss_softmax(2, in, &label, 1, 1.0F, g, &(loss_result){&loss, &guess}, 0, 1);
    guarded_free(in);
    gradient[0] = g[0][0];
    gradient[1] = g[1][0];
    return loss;
}

static void test_loss_extremes(void **state)
{
    (void)state;
    float g[2];
    assert_true(loss_of_two(80.0F, -80.0F, g) == 0.0F);
    assert_true(g[0] == 0.0F && g[1] == 0.0F);
    assert_true(loss_of_two(-80.0F, 80.0F, g) == 160.0F);
    assert_true(g[0] == -1.0F && g[1] == 1.0F);
    assert_true(loss_of_two(0.0F, 1e4F, g) == 1e4F);
    assert_true(fabsf(loss_of_two(-7.5F, -7.5F, g) - 0.693147181F) < 1e-7F);
    assert_true(g[0] == -0.5F && g[1] == 0.5F);
    assert_true(loss_of_two(-INFINITY, 0.0F, g) == INFINITY);
    /* A network that has diverged must not look as if it had a loss. */
    assert_true(isnan(loss_of_two(NAN, 0.0F, g)));
    assert_true(isnan(loss_of_two(0.0F, NAN, g)));
    assert_true(isnan(g[0]) && isnan(g[1]));
    assert_true(!isfinite(loss_of_two(0.0F, INFINITY, g)));
}

/* With logits 0 and x and label 0, the gradient of the second is e^x / (1 + e^x): e^x itself for x << 0. */
static void test_exp(void **state)
{
    (void)state;
    double worst = 0.0;
    for (int k = 1; k < 87 * 512; k++) {
        float x = (float)k * (-1.0F / 512.0F) * 0.9999F, g[2];
        loss_of_two(0.0F, x, g);
        double want = exp((double)x) / (1.0 + exp((double)x));
        worst = fmax(worst, fabs((double)g[1] - want) / want);
    }
    /* Exp, twice where it is large, the sum's and the quotient's rounding. */
    assert_true(worst > 0.0 && worst <= 2e-7 + 3.0 * ROUNDING);
}

/* ---- update ------------------------------------------------------------------------------------ */

typedef struct update_case {
    update_rule rule;
    size_t n;
    float *w0, *v0, *g, *w, *v;
} update_case;

/* The whole step again from the same start; the vectors outside begin .. end - 1 are not touched. */
static void run_update(void *arg, size_t begin, size_t end)
{
    update_case *c = arg;
    memcpy(c->w + begin, c->w0 + begin, (end - begin) * sizeof *c->w);
    memcpy(c->v + begin, c->v0 + begin, (end - begin) * sizeof *c->v);
    update_sgd(&c->rule, c->w, c->v, c->g, begin, end);
}

/* Every product and sum rounds by 2^-24 of the magnitudes that went into it. */
static void update_compare(const update_case *c)
{
    const double u = ROUNDING, lr = (double)c->rule.lr, m = (double)c->rule.momentum;
    for (size_t k = 0; k < c->n; k++) {
        double w = (double)c->w0[k], v = (double)c->v0[k];
        double d = fabs((double)c->g[k]) + (double)c->rule.weight_decay * fabs(w);
        double speed = m * fabs(v) + d, move = c->rule.nesterov ? d + m * speed : speed;
        double bound_v = 4.0 * u * speed, bound_w = 2.0 * u * fabs(w) + 8.0 * u * lr * move;
        reference_sgd(&c->rule, &w, &v, c->g + k, 1);
        assert_near("weight", c->w + k, &w, &bound_w, 1.0, 1);
        assert_near("velocity", c->v + k, &v, &bound_v, 1.0, 1);
    }
}

static void test_update(void **state)
{
    (void)state;
    static const update_rule rules[] = {{0.1F, 0.0F, 0.0F, false},  {0.01F, 0.9F, 0.0F, false},
                                        {0.3F, 0.9F, 5e-4F, false}, {0.02F, 0.95F, 0.0F, true},
                                        {1.5F, 0.5F, 0.1F, true},   {0.0F, 0.9F, 0.01F, true}};
    static const size_t lengths[] = {
        1, 2, VEC_WIDTH - 1, VEC_WIDTH, VEC_WIDTH + 1, 5 * VEC_WIDTH + 3, 997};
    for (int k = 0; k < COUNT(rules); k++)
        for (int j = 0; j < COUNT(lengths); j++) {
            size_t n = lengths[j], bytes = n * sizeof(float);
            update_case c = {rules[k],
                             n,
                             floats_new(n, REALS),
                             floats_new(n, REALS),
                             floats_new(n, REALS),
                             guarded_new(bytes),
                             guarded_new(bytes)};
            operation_run(&(operation){"update_sgd", run_update, n, c.w}, &c);
            operation_run(&(operation){"update_sgd", run_update, n, c.v}, &c);
            update_compare(&c);
            void *const all[] = {c.w0, c.v0, c.g, c.w, c.v};
            for (int i = 0; i < COUNT(all); i++)
                guarded_free(all[i]);
        }
}

static void test_finite_below(void **state)
{
    (void)state;
    float w[33] = {0};
    assert_true(vector_finite_below(w, 0, 1.0F));
    assert_true(vector_finite_below(w, 33, 1.0F));
    const float bad[] = {1.0F, -1.0F, INFINITY, -INFINITY, NAN};
    for (size_t at = 0; at < 33; at++)
        for (int k = 0; k < COUNT(bad); k++) {
            w[at] = bad[k];
            assert_false(vector_finite_below(w, 33, 1.0F));
            assert_true(vector_finite_below(w, at, 1.0F));
            w[at] = -0.999F;
            assert_true(vector_finite_below(w, 33, 1.0F));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dense),         cmocka_unit_test(test_dense_large),
        cmocka_unit_test(test_pool),          cmocka_unit_test(test_pool_not_a_number),
        cmocka_unit_test(test_relu),          cmocka_unit_test(test_loss),
        cmocka_unit_test(test_loss_extremes), cmocka_unit_test(test_exp),
        cmocka_unit_test(test_update),        cmocka_unit_test(test_finite_below),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
