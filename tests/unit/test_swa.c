/* The mean of a round's last averages. */
#include "train/swa.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { N = 3, SEGMENTS = 4 };

static const model of = {.n_weights = N, .n_trained = N};

/* The model of a round whose averages are 1, 2, 4, 8 times (1, -1, 3). */
static void assert_round(swa *s, float factor)
{
    float w[N];
    swa_begin(s);
    for (uint64_t k = 0; k < SEGMENTS; k++) {
        const float now[N] = {1.0F, -1.0F, 3.0F};
        for (int i = 0; i < N; i++)
            w[i] = now[i] * (float)(1U << k);
        swa_add(s, w, k, SEGMENTS);
    }
    const float *mean = swa_model(s, w);
    assert_true(mean[0] == factor && mean[1] == -factor && mean[2] == 3.0F * factor);
}

static void test_shares(void **state)
{
    (void)state;
    const struct {
        double share;
        float factor;
    } cases[] = {{0.0, 8.0F}, {0.25, 8.0F}, {0.5, 6.0F}, {0.3, 6.0F}, {1.0, 3.75F}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        swa s;
        error err = {0};
        assert_true(swa_init(&s, cases[i].share, &of, &err));
        assert_round(&s, cases[i].factor);
        assert_round(&s, cases[i].factor); /* nothing of the round before is in it */
        swa_release(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_shares)};
    return cmocka_run_group_tests_name("swa", tests, NULL, NULL);
}
