/* Steps of SGD and AdamW against the plain ones; sums and extremes of vectors. */
#include "blocks.h"

#include "kernels/reference.h"
#include "kernels/update.h"

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
        move += (double)c->rule.weight_decay * fabs(w);
        double bound_v = 4.0 * u * speed, bound_w = 2.0 * u * fabs(w) + 8.0 * u * lr * move;
        reference_sgd(&c->rule, &w, &v, c->g + k, 1);
        assert_near("weight", c->w + k, &w, &bound_w, 1.0, 1);
        assert_near("velocity", c->v + k, &v, &bound_v, 1.0, 1);
    }
}

static void test_update(void **state)
{
    (void)state;
    static const update_rule rules[] = {
        {0.1F, 0.0F, 0.0F, false, false},  {0.01F, 0.9F, 0.0F, false, false},
        {0.3F, 0.9F, 5e-4F, false, false}, {0.02F, 0.95F, 0.0F, true, false},
        {1.5F, 0.5F, 0.1F, true, false},   {0.0F, 0.9F, 0.01F, true, false},
        {0.1F, 0.9F, 0.02F, false, true},  {1.5F, 0.5F, 0.1F, true, true}};
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

typedef struct adamw_case {
    adamw_rule rule;
    size_t n;
    float *start[3], *g;
    adamw_vectors at;
} adamw_case;

static void run_adamw(void *arg, size_t begin, size_t end)
{
    adamw_case *c = arg;
    float *const to[] = {c->at.w, c->at.m, c->at.v};
    for (int k = 0; k < 3; k++)
        memcpy(to[k] + begin, c->start[k] + begin, (end - begin) * sizeof **to);
    update_adamw(&c->rule, &c->at, begin, end);
}

static void adamw_compare(const adamw_case *c)
{
    const double u = ROUNDING;
    for (size_t k = 0; k < c->n; k++) {
        double w = (double)c->start[0][k], m = (double)c->start[1][k], v = (double)c->start[2][k];
        double x = (double)c->g[k];
        double bound_m = 4.0 * u * (fabs(m) + fabs(x)), bound_v = 4.0 * u * (v + x * x), old = w;
        reference_adamw(&c->rule, &w, &m, &v, c->g + k, 1);
        double size = sqrt(v) * (double)c->rule.root + (double)c->rule.epsilon;
        double step = (double)c->rule.step / size;
        double bound_w = 4.0 * u * fabs(old) + step * (bound_m + 8.0 * u * fabs(m)) +
                         step * fabs(m) / size * (double)c->rule.root * bound_v / sqrt(v);
        assert_near("weight", c->at.w + k, &w, &bound_w, 1.0, 1);
        assert_near("mean", c->at.m + k, &m, &bound_m, 1.0, 1);
        assert_near("mean square", c->at.v + k, &v, &bound_v, 1.0, 1);
    }
}

static void test_adamw(void **state)
{
    (void)state;
    static const adamw_rule rules[] = {{0.01F, 1.0F, 0.1F, 0.001F, 31.6F, 1e-8F},
                                       {0.5F, 0.99F, 0.5F, 0.1F, 1.5F, 1e-3F}};
    static const size_t lengths[] = {1, VEC_WIDTH - 1, VEC_WIDTH, 5 * VEC_WIDTH + 3};
    for (int k = 0; k < COUNT(rules); k++)
        for (int j = 0; j < COUNT(lengths); j++) {
            size_t n = lengths[j];
            adamw_case c = {.rule = rules[k], .n = n, .g = floats_new(n, REALS)};
            float **to[] = {&c.at.w, &c.at.m, &c.at.v};
            c.at.g = c.g;
            for (int i = 0; i < 3; i++) {
                c.start[i] = floats_new(n, REALS);
                *to[i] = guarded_new(n * sizeof(float));
            }
            for (size_t i = 0; i < n; i++) /* a mean of squares */
                c.start[2][i] = c.start[2][i] * c.start[2][i];
            for (int i = 0; i < 3; i++)
                operation_run(&(operation){"update_adamw", run_adamw, n, *to[i]}, &c);
            adamw_compare(&c);
            for (int i = 0; i < 3; i++) {
                guarded_free(c.start[i]);
                guarded_free(*to[i]);
            }
            guarded_free(c.g);
        }
}

static void test_vectors(void **state)
{
    (void)state;
    enum { N = 67 };
    float x[N] = {0};
    for (size_t n = 0; n <= N; n++) {
        double squares = 0.0;
        float largest = 0.0F;
        for (size_t k = 0; k < n; k++) {
            x[k] = (float)draw(-1000, 1000);
            squares += (double)x[k] * (double)x[k];
            largest = fmaxf(largest, fabsf(x[k]));
        }
        assert_true(vector_squares(x, n) == squares); /* whole numbers: exact in any order */
        assert_true(vector_largest(x, n) == largest);
        vector_scale(x, n, 0.5F);
        assert_true(vector_largest(x, n) == 0.5F * largest);
        if (n > 0) {
            x[n / 2] = -INFINITY;
            assert_true(vector_largest(x, n) == INFINITY);
            x[n - 1] = -NAN;
            assert_true(isnan(vector_largest(x, n)) && isnan(vector_squares(x, n)));
        }
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
        cmocka_unit_test(test_update),
        cmocka_unit_test(test_adamw),
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_finite_below),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
