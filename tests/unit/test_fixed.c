/* The fixed-point arithmetic against the C library's rounding, and its independence of order. */
#include "base/random.h"
#include "transport/fixed.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

enum { N = 1000 };

static uint64_t bits_at(uint64_t index)
{
    return random_u64(3, random_stream(RANDOM_TEST, 1, 0), index);
}

/* Magnitudes from the smallest float up to 2^20; 0 and both signs. */
static void draw(float *w, uint64_t first)
{
    for (uint64_t i = 0; i < N; i++) {
        uint64_t bits = bits_at(first + i);
        float digits = 1.0F + (float)(bits >> 41) * 0x1p-23F;
        int exponent =
            bits & 4 ? (int)(bits >> 3 & 0xff) % 169 - 149 : (int)(bits >> 3 & 0xff) % 30 - 10;
        w[i] = bits & 0x3f00 ? ldexpf(bits & 1 ? -digits : digits, exponent) : 0;
    }
}

/* A double holds all 53 bits of the product, so llrint sees the number itself. */
static int64_t expected(float w, double share)
{
    int exponent;
    double cut = rint(ldexp(frexp(share, &exponent), 29));
    volatile double product = (double)w * ldexp(cut, exponent - 29 + 40);
    return llrint(product);
}

static void test_round(void **state)
{
    (void)state;
    const double shares[] = {1, 0.5, 1.0 / 3, 0.1, 1e-9, 0.999999999, 12345.0 / 50000};
    static float w[N];
    static int64_t q[N];
    for (size_t s = 0; s < sizeof shares / sizeof *shares; s++) {
        draw(w, s * N);
        fixed_from_floats(q, w, N, shares[s]);
        for (size_t i = 0; i < N; i++)
            assert_int_equal(q[i], expected(w[i], shares[s]));
        fixed_add_floats(q, w, N, 1);
        for (size_t i = 0; i < N; i++)
            assert_int_equal(q[i], expected(w[i], shares[s]) + expected(w[i], 1));
    }
}

static void test_ties_go_to_even(void **state)
{
    (void)state;
    const float w[] = {0x1p-41F, -0x1p-41F, 0x3p-41F, -0x3p-41F, 0x5p-41F, 0x1.000002p-41F};
    const int64_t even[] = {0, 0, 2, -2, 2, 1};
    int64_t q[6];
    fixed_from_floats(q, w, 6, 1);
    for (int i = 0; i < 6; i++)
        assert_int_equal(q[i], even[i]);
}

static void test_share_has_29_bits(void **state)
{
    (void)state;
    float w = 1048575.9375F;
    int64_t a, b;
    fixed_from_floats(&a, &w, 1, 0.75);
    fixed_from_floats(&b, &w, 1, 0.75 + 0x1p-31);
    assert_int_equal(a, b);
    fixed_from_floats(&b, &w, 1, 0.75 + 0x1p-29);
    assert_int_not_equal(a, b);
}

/* Every length up to some vectors, and nothing beyond it. */
static void test_lengths(void **state)
{
    (void)state;
    static float w[N], back[N];
    static int64_t q[N];
    draw(w, 0);
    for (size_t n = 0; n < 70; n++) {
        for (size_t i = 0; i <= n; i++) {
            q[i] = 77;
            back[i] = 77;
        }
        fixed_from_floats(q, w, n, 0.3);
        fixed_to_floats(back, q, n);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(q[i], expected(w[i], 0.3));
            assert_true(back[i] == (float)((double)q[i] * 0x1p-40));
        }
        assert_true(q[n] == 77 && back[n] == 77);
        fixed_add_floats(q, w, n, 0.3);
        assert_true(q[n] == 77);
    }
}

static void test_back(void **state)
{
    (void)state;
    static int64_t q[N];
    static float w[N];
    for (size_t i = 0; i < N; i++) {
        q[i] = (int64_t)bits_at(i) >> (2 + i % 60);
        if (i < 4)
            q[i] = (const int64_t[]){0, (INT64_C(1) << 62) - 1, -(INT64_C(1) << 62), -1}[i];
    }
    fixed_to_floats(w, q, N);
    for (size_t i = 0; i < N; i++) {
        volatile double exact = (double)q[i];
        assert_true(w[i] == (float)(exact * 0x1p-40));
    }
}

/* Weights on the grid come back unchanged. */
static void test_there_and_back(void **state)
{
    (void)state;
    static float w[N], back[N];
    static int64_t q[N];
    for (size_t i = 0; i < N; i++) /* all 24 bits between 2^-40 and 2^20 */
        w[i] = ldexpf((float)((int64_t)(bits_at(i) >> 40) - (1 << 23)), (int)(i % 37) - 40);
    fixed_from_floats(q, w, N, 1);
    fixed_to_floats(back, q, N);
    assert_memory_equal(back, w, sizeof w);
}

static void test_any_order(void **state)
{
    (void)state;
    enum { RANKS = 5 };
    const double shares[RANKS] = {0.3, 0.25, 0.2, 0.15, 0.1};
    static float w[RANKS][N], a[N], b[N];
    static int64_t forth[N], back[N];
    memset(forth, 0, sizeof forth);
    memset(back, 0, sizeof back);
    for (int r = 0; r < RANKS; r++)
        draw(w[r], 10000 + (uint64_t)r * N);
    for (int r = 0; r < RANKS; r++) {
        fixed_add_floats(forth, w[r], N, shares[r]);
        fixed_add_floats(back, w[RANKS - 1 - r], N, shares[RANKS - 1 - r]);
    }
    fixed_to_floats(a, forth, N);
    fixed_to_floats(b, back, N);
    assert_memory_equal(forth, back, sizeof forth);
    assert_memory_equal(a, b, sizeof a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round),     cmocka_unit_test(test_ties_go_to_even),
        cmocka_unit_test(test_lengths),   cmocka_unit_test(test_share_has_29_bits),
        cmocka_unit_test(test_back),      cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
