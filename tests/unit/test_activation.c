/* exp, sigmoid, tanh, the normal distribution and what is made of them, against double precision. */
#include "blocks.h"

#include "kernels/activation.h"
#include "kernels/functions.h"
#include "kernels/reference.h"

/* Every float would take minutes: all from 2^-24 to 100, one in STRIDE, of both signs, and 0. */
enum { STRIDE = 1009, FIRST = 0x33800000, LAST = 0x42c80000 };

typedef double scalar_function(double x);
typedef vec vec_function(vec x);

/* The largest error over low .. high; relative where `relative`, else absolute. */
static double largest_error(vec_function *f, scalar_function *want, double low, double high,
                            bool relative)
{
    double largest = 0.0;
    for (int32_t bits = FIRST - 1; bits < LAST; bits += STRIDE)
        for (int sign = 0; sign < 2; sign++) {
            int32_t pattern = bits < FIRST ? 0 : bits;
            float x;
            memcpy(&x, &pattern, sizeof x);
            x = sign ? -x : x;
            if ((double)x < low || (double)x > high)
                continue;
            vec y = f(vec_set(x));
            double exact = want((double)x), off = fabs((double)y[0] - exact);
            assert_true(y[0] == y[VEC_WIDTH - 1]);
            largest = fmax(largest, relative && exact != 0.0 ? off / fabs(exact) : off);
        }
    return largest;
}

static double exact_sigmoid(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

static double exact_normal(double x)
{
    return 0.5 * erfc(-x / sqrt(2.0));
}

static double exact_bell(double x)
{
    return exp(-x * x / 2.0);
}

static vec run_exp(vec x)
{
    return vec_exp(x);
}

static vec run_sigmoid(vec x)
{
    return vec_sigmoid(x);
}

static vec run_tanh(vec x)
{
    return vec_tanh(x);
}

static vec run_normal(vec x)
{
    return vec_normal(x, NULL);
}

static vec run_bell(vec x)
{
    vec bell;
    vec_normal(x, &bell);
    return bell;
}

static void assert_error_below(const char *what, double got, double bound)
{
    if (!(got < bound) || got < bound / 16.0) /* a bound that says something */
        fail_msg("%s: largest error %.3g, the header says %.3g", what, got, bound);
}

static void test_errors(void **state)
{
    (void)state;
    assert_error_below("exp", largest_error(run_exp, exp, -86.99, 0.0, true), 2e-7);
    assert_error_below("sigmoid", largest_error(run_sigmoid, exact_sigmoid, -86.99, 100.0, true),
                       3e-7);
    assert_error_below("tanh", largest_error(run_tanh, tanh, -100.0, 100.0, true), 3.6e-7);
    assert_error_below("normal", largest_error(run_normal, exact_normal, -100.0, 100.0, false),
                       2e-7);
    assert_error_below("bell", largest_error(run_bell, exact_bell, -1.0, 1.0, true), 2e-7);
    assert_true(largest_error(run_exp, exp, -100.0, -87.0, false) < 2e-38);
}

static void test_tanh_ulps(void **state)
{
    (void)state;
    double most = 0.0;
    for (int32_t bits = FIRST; bits < LAST; bits += STRIDE) {
        float x;
        memcpy(&x, &bits, sizeof x);
        vec y = vec_tanh(vec_set(x));
        double exact = tanh((double)x), ulp = ldexp(1.0, ilogb(exact) - 23);
        most = fmax(most, fabs((double)y[0] - exact) / ulp);
        assert_true(y[0] <= 1.0F);
        assert_true(vec_tanh(vec_set(-x))[0] == -y[0]);
    }
    if (most > 5.0 || most < 1.0)
        fail_msg("tanh: %.3g ulp off, the header says 5", most);
}

static void test_far_and_no_number(void **state)
{
    (void)state;
    assert_true(vec_exp(vec_set(-INFINITY))[0] == 0.0F && vec_exp(vec_set(0.0F))[0] == 1.0F);
    assert_true(vec_sigmoid(vec_set(INFINITY))[0] == 1.0F);
    assert_true(vec_sigmoid(vec_set(-INFINITY))[0] == 0.0F);
    assert_true(vec_tanh(vec_set(INFINITY))[0] == 1.0F);
    assert_true(vec_tanh(vec_set(-INFINITY))[0] == -1.0F);
    assert_true(vec_normal(vec_set(INFINITY), NULL)[0] == 1.0F);
    assert_true(vec_normal(vec_set(-INFINITY), NULL)[0] == 0.0F);
    vec_function *const all[] = {run_exp, run_sigmoid, run_tanh, run_normal, run_bell};
    for (int k = 0; k < COUNT(all); k++)
        assert_true(isnan(all[k](vec_set(NAN))[0]));
}

/* ---- activations -------------------------------------------------------------------------------- */

typedef struct activation_case {
    enum activation f;
    vec *x, *gy, *y, *gx;
    bool add;
} activation_case;

static void run_forward(void *arg, size_t begin, size_t end)
{
    activation_case *c = arg;
    activation_forward(c->f, c->x, c->y, begin, end);
}

static void run_backward(void *arg, size_t begin, size_t end)
{
    activation_case *c = arg;
    const vec *at = c->f == ACTIVATION_TANH ? c->y : c->x;
    for (size_t k = begin; k < end; k++) /* what is added to */
        c->gx[k] = vec_set(1.0F);
    activation_backward(c->f, at, c->gy, c->gx, c->add, begin, end);
}

static void check_values(const activation_case *c, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        double value, slope, x = (double)c->x[k / VEC_WIDTH][k % VEC_WIDTH];
        double g = (double)c->gy[k / VEC_WIDTH][k % VEC_WIDTH], size = fmax(1.0, fabs(x));
        reference_activation(c->f, x, &value, &slope);
        assert_true(fabs((double)c->y[k / VEC_WIDTH][k % VEC_WIDTH] - value) < 4e-7 * size);
        double got = (double)c->gx[k / VEC_WIDTH][k % VEC_WIDTH];
        assert_true(fabs(got - slope * g - (c->add ? 1.0 : 0.0)) < 8e-7 * size);
    }
}

static void test_activations(void **state)
{
    (void)state;
    enum { N = 501 };
    for (int f = ACTIVATION_GELU; f <= ACTIVATION_TANH; f++)
        for (int add = 0; add < 2; add++) {
            size_t n = N * VEC_WIDTH;
            float *x = floats_new(n, REALS), *gy = floats_new(n, REALS);
            activation_case c = {(enum activation)f,           guarded_new(N * sizeof(vec)),
                                 guarded_new(N * sizeof(vec)), guarded_new(N * sizeof(vec)),
                                 guarded_new(N * sizeof(vec)), add};
            for (size_t k = 0; k < n; k++) {
                c.x[k / VEC_WIDTH][k % VEC_WIDTH] = x[k] * (float)(k % 12);
                c.gy[k / VEC_WIDTH][k % VEC_WIDTH] = gy[k];
            }
            operation_run(&(operation){"activation_forward", run_forward, N, c.y}, &c);
            operation_run(&(operation){"activation_backward", run_backward, N, c.gx}, &c);
            check_values(&c, n);
            vec *itself = guarded_new(N * sizeof(vec)); /* in the memory of its input */
            memcpy(itself, c.x, N * sizeof(vec));
            activation_forward(c.f, itself, itself, 0, N);
            assert_memory_equal(itself, c.y, N * sizeof(vec));
            void *const all[] = {x, gy, c.x, c.gy, c.y, c.gx, itself};
            for (int k = 0; k < COUNT(all); k++)
                guarded_free(all[k]);
        }
}

static void test_activations_of_no_number(void **state)
{
    (void)state;
    for (int f = ACTIVATION_GELU; f <= ACTIVATION_TANH; f++) {
        vec x[3] = {vec_set(NAN), vec_set(1e30F), vec_set(-1e30F)}, y[3];
        activation_forward((enum activation)f, x, y, 0, 3);
        assert_true(isnan(y[0][0]));
        assert_true(y[1][0] == (f == ACTIVATION_TANH ? 1.0F : 1e30F));
        assert_true(y[2][0] == (f == ACTIVATION_TANH ? -1.0F : 0.0F));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_tanh_ulps),
        cmocka_unit_test(test_far_and_no_number),
        cmocka_unit_test(test_activations),
        cmocka_unit_test(test_activations_of_no_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
