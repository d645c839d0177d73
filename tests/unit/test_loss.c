/* The loss and its gradient against the plain ones. */
#include "blocks.h"

#include "kernels/loss.h"
#include "kernels/reference.h"

enum { MOST = 300 }; /* classes: more than a byte tells apart */

typedef struct loss_case {
    int n_classes;
    size_t n;
    loss_rule rule;
    float *logits; /* [image][class] */
    uint16_t *labels;
    vec *in, *g;
    loss_result result;
} loss_case;

static void loss_new(loss_case *c, int n_classes, size_t n, float range, float smoothing)
{
    size_t classes = (size_t)n_classes;
    *c = (loss_case){
        .n_classes = n_classes, .n = n, .rule = {.scale = 1.0F / (float)n, .smoothing = smoothing}};
    c->logits = floats_new(n * classes, range > 4.0F ? REALS : INTEGERS);
    c->labels = guarded_new(n * sizeof *c->labels);
    for (size_t k = 0; k < n * classes; k++)
        c->logits[k] *= range > 4.0F ? range : 1.0F; /* otherwise whole numbers with ties */
    for (size_t k = 0; k < n; k++)
        c->labels[k] = (uint16_t)draw(0, n_classes - 1);
    c->in = blocks_new(c->logits, n, classes);
    c->g = guarded_new(blocks_of(n) * classes * sizeof(vec));
    c->result =
        (loss_result){guarded_new(n * sizeof(float)), guarded_new(n * sizeof *c->result.guess)};
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
    loss_softmax(c->n_classes, c->in, c->labels, c->n, &c->rule, c->g, &c->result, begin, end);
}

static void run_loss_only(void *arg, size_t begin, size_t end)
{
    loss_case *c = arg;
    loss_softmax(c->n_classes, c->in, c->labels, c->n, &c->rule, NULL, &c->result, begin, end);
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
    const double smoothing = (double)c->rule.smoothing;
    double p[MOST], g[MOST];
    for (size_t k = 0; k < c->n; k++) {
        const float *logits = c->logits + k * classes;
        int label = c->labels[k], guess = 0;
        double want = reference_softmax(c->n_classes, logits, label, &c->rule, p, g);
        for (int i = 1; i < c->n_classes; i++)
            guess = logits[i] > logits[guess] ? i : guess;
        assert_int_equal(c->result.guess[k], guess);
        double sum_error = exp_error + u * c->n_classes + cut * c->n_classes;
        for (size_t i = 0; i < classes; i++)
            sum_error += u * p[i] * fabs((double)logits[i] - (double)logits[guess]);
        double bound = sum_error + 2.0 * u * fabs(want);
        for (size_t i = 0; smoothing > 0.0 && i < classes; i++)
            bound += u * smoothing * fabs((double)logits[i] - (double)logits[guess]);
        assert_near("loss", &c->result.loss[k], &want, &bound, 1.0, 1);
        for (size_t i = 0; i < classes; i++) {
            double x = fabs((double)logits[i] - (double)logits[guess]);
            float got = block_element(c->g, classes, k, i);
            bound = (double)c->rule.scale * (p[i] * (sum_error + exp_error + u * (x + 4.0)) + cut);
            if ((int)i == label)
                bound += 2.0 * u * (double)c->rule.scale; /* of the subtraction */
            bound += 4.0 * u * smoothing * (double)c->rule.scale;
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
    static const int classes[] = {2, 3, 7, 10, 17, MOST};
    static const float ranges[] = {1.0F, 5.0F, 80.0F, 1e4F, 1e30F};
    for (int k = 0; k < COUNT(edge_counts); k++)
        for (int i = 0; i < COUNT(classes); i++)
            for (int j = 0; j < COUNT(ranges); j++) {
                loss_case c;
                size_t n_blocks = blocks_of((size_t)edge_counts[k]);
                float smoothing = (k + i + j) % 2 ? 0.2F * (float)i : 0.0F;
                loss_new(&c, classes[i], (size_t)edge_counts[k], ranges[j], smoothing);
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

/* The loss of two labels is what each has, by their shares: loss and gradient are linear in the label. */
static void test_mixed_labels(void **state)
{
    (void)state;
    enum { CLASSES = 10, N = 2 * VEC_WIDTH + 3 };
    loss_case c;
    uint16_t others[N];
    float shares[N];
    loss_new(&c, CLASSES, N, 5.0F, 0.1F);
    for (size_t k = 0; k < N; k++) {
        others[k] = (uint16_t)(k % 3 ? draw(0, CLASSES - 1) : c.labels[k]);
        shares[k] = (float)(k % 5) / 8.0F;
    }
    c.rule.others = others;
    c.rule.shares = shares;
    run_loss(&c, 0, 1);
    run_loss(&c, 1, blocks_of(N));
    for (size_t k = 0; k < N; k++) {
        const float *logits = c.logits + k * CLASSES;
        const double part = (double)shares[k], near = 1e-5;
        double g[2][CLASSES], loss[2];
        loss[0] = reference_softmax(CLASSES, logits, c.labels[k], &c.rule, NULL, g[0]);
        loss[1] = reference_softmax(CLASSES, logits, others[k], &c.rule, NULL, g[1]);
        double want = loss[0] + part * (loss[1] - loss[0]);
        assert_true(fabs((double)c.result.loss[k] - want) <= near * (1.0 + fabs(want)));
        for (size_t i = 0; i < CLASSES; i++) {
            double wanted = g[0][i] + part * (g[1][i] - g[0][i]);
            assert_true(fabs((double)block_element(c.g, CLASSES, k, i) - wanted) <=
                        near * (double)c.rule.scale);
        }
    }
    loss_free(&c);
}

/* One image, two classes. */
static float loss_of_two(float a, float b, float gradient[2])
{
    float logits[] = {a, b}, loss;
    uint16_t label = 0, guess;
    vec *in = blocks_new(logits, 1, 2), g[2];
    loss_softmax(2, in, &label, 1, &(loss_rule){.scale = 1.0F}, g, &(loss_result){&loss, &guess}, 0,
                 1);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loss),
        cmocka_unit_test(test_mixed_labels),
        cmocka_unit_test(test_loss_extremes),
        cmocka_unit_test(test_exp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
