/* The learning rate as a function of the step. */
#include "model/schedule.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void assert_lr(const schedule *s, double step, double want)
{
    double got = schedule_lr(s, step);
    if (!(fabs(got - want) <= 1e-15))
        fail_msg("step %g: %.17g, expected %.17g", step, got, want);
}

static void test_constant(void **state)
{
    (void)state;
    const schedule s = {.kind = SCHEDULE_CONSTANT, .lr = 0.1, .total_steps = 5};
    for (int step = 0; step < 10; step++)
        assert_lr(&s, step, 0.1);
}

static void test_linear(void **state)
{
    (void)state;
    const schedule s = {.kind = SCHEDULE_LINEAR, .lr = 0.1, .total_steps = 5};
    const double want[] = {0.1, 0.08, 0.06, 0.04, 0.02, 0.02, 0.02};
    for (int step = 0; step < 7; step++)
        assert_lr(&s, step, want[step]);
}

static void test_cosine(void **state)
{
    (void)state;
    const schedule s = {.kind = SCHEDULE_COSINE, .lr = 2.0, .total_steps = 6};
    const double want[] = {2.0, 1.0 + sqrt(3.0) / 2.0, 1.5, 1.0, 0.5, 1.0 - sqrt(3.0) / 2.0};
    for (int step = 0; step < 6; step++)
        assert_lr(&s, step, want[step]);
    assert_lr(&s, 100.0, want[5]);
}

static void test_warmup(void **state)
{
    (void)state;
    static const enum schedule_kind kinds[] = {SCHEDULE_CONSTANT, SCHEDULE_LINEAR, SCHEDULE_COSINE};
    for (int k = 0; k < 3; k++) {
        const schedule s = {.kind = kinds[k], .lr = 0.8, .warmup_steps = 4, .total_steps = 12};
        const double want[] = {0.2, 0.4, 0.6, 0.8, 0.8};
        for (int step = 0; step < 5; step++)
            assert_lr(&s, step, want[step]);
    }
    const schedule s = {.kind = SCHEDULE_LINEAR, .lr = 0.8, .warmup_steps = 4, .total_steps = 12};
    assert_lr(&s, 8.0, 0.4); /* half of what is left */
    assert_lr(&s, 11.0, 0.1);
    assert_lr(&s, 12.0, 0.1);
}

/* Whatever the numbers, a rate is positive, no higher than the highest, and falls after the warm-up. */
static void test_bounds(void **state)
{
    (void)state;
    static const double steps[] = {0.0, 0.5, 1.0, 1.5, 3.0, 7.25, 100.0};
    for (int kind = SCHEDULE_CONSTANT; kind <= (int)SCHEDULE_COSINE; kind++)
        for (int w = 0; w < 7; w++)
            for (int t = 1; t < 7; t++) {
                const schedule s = {(enum schedule_kind)kind, 0.3, steps[w], steps[t]};
                double last = INFINITY;
                for (int step = 0; step < 120; step++) {
                    double lr = schedule_lr(&s, step);
                    if (!(lr > 0.0 && lr <= 0.3))
                        fail_msg("kind %d, %g + %g steps, step %d: %g", kind, s.warmup_steps,
                                 s.total_steps, step, lr);
                    if (step >= s.warmup_steps)
                        assert_true(lr <= last);
                    last = lr;
                }
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_constant), cmocka_unit_test(test_linear),
        cmocka_unit_test(test_cosine),   cmocka_unit_test(test_warmup),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
