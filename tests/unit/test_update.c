/* The step of SGD against the plain one. */
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
        {0.1F, 0.0F, 0.0F, false, 0},  {0.01F, 0.9F, 0.0F, false, 0}, {0.3F, 0.9F, 5e-4F, false, 0},
        {0.02F, 0.95F, 0.0F, true, 0}, {1.5F, 0.5F, 0.1F, true, 0},   {0.0F, 0.9F, 0.01F, true, 0}};
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
        cmocka_unit_test(test_update),
        cmocka_unit_test(test_finite_below),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
