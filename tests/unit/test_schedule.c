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
    static const uint64_t milestones[] = {3, 2};
    for (int kind = SCHEDULE_CONSTANT; kind <= (int)SCHEDULE_TRIANGLE; kind++)
        for (int w = 0; w < 7; w++)
            for (int t = 1; t < 7; t++) {
                const schedule s = {.kind = (enum schedule_kind)kind,
                                    .lr = 0.3,
                                    .warmup_steps = steps[w],
                                    .total_steps = steps[t],
                                    .final = 0.01,
                                    .milestones = milestones,
                                    .n_milestones = 2,
                                    .round_steps = 1.5,
                                    .gamma = 0.5};
                double last = INFINITY;
                for (int step = 0; step < 120; step++) {
                    double lr = schedule_lr(&s, step);
                    if (!(lr > 0.0 && lr <= 0.3))
                        fail_msg("kind %d, %g + %g steps, step %d: %g", kind, s.warmup_steps,
                                 s.total_steps, step, lr);
                    double rises = s.warmup_steps > 0.0        ? s.warmup_steps
                                   : kind == SCHEDULE_ONECYCLE ? 0.3 * s.total_steps
                                   : kind == SCHEDULE_TRIANGLE ? 0.23 * s.total_steps
                                                               : 0.0;
                    if (step >= rises + 1.0)
                        assert_true(lr <= last + 1e-15);
                    last = lr;
                }
            }
}

/* Numbers of torch.optim.lr_scheduler stand in tests/data/optimizers.h5; here are those to be seen at once. */
static void test_final(void **state)
{
    (void)state;
    schedule s = {.kind = SCHEDULE_LINEAR, .lr = 1.0, .total_steps = 4, .final = 0.2};
    const double straight[] = {1.0, 0.8, 0.6, 0.4, 0.4};
    for (int step = 0; step < 5; step++)
        assert_lr(&s, step, straight[step]);
    s.kind = SCHEDULE_COSINE;
    assert_lr(&s, 2.0, 0.6);
    s = (schedule){.kind = SCHEDULE_ONECYCLE,
                   .lr = 1.0,
                   .warmup_steps = 3,
                   .total_steps = 7,
                   .start = 0.5,
                   .final = 0.1};
    const double cycle[] = {0.5, 0.75, 1.0, NAN, 0.55, NAN, 0.1, 0.1};
    for (int step = 0; step < 8; step++)
        if (!isnan(cycle[step]))
            assert_lr(&s, step, cycle[step]);
    s.kind = SCHEDULE_TRIANGLE;
    const double triangle[] = {0.5, 0.5 + 0.5 / 3.0, 0.5 + 1.0 / 3.0, 1.0, 0.775, 0.55, 0.325};
    for (int step = 0; step < 7; step++)
        assert_lr(&s, step, triangle[step]);
}

static void test_step(void **state)
{
    (void)state;
    static const uint64_t milestones[] = {3, 1};
    const schedule s = {.kind = SCHEDULE_STEP,
                        .lr = 1.0,
                        .warmup_steps = 2,
                        .milestones = milestones,
                        .n_milestones = 2,
                        .round_steps = 2,
                        .gamma = 0.5};
    const double want[] = {0.5, 1.0, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25};
    for (int step = 0; step < 8; step++)
        assert_lr(&s, step, want[step]);
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(schedule_name(SCHEDULE_STEP), "step");
    assert_null(schedule_name(SCHEDULE_TRIANGLE + 1));
    for (int kind = SCHEDULE_CONSTANT; kind <= (int)SCHEDULE_TRIANGLE; kind++) {
        schedule a = {.kind = (enum schedule_kind)kind, .lr = 1.0, .total_steps = 10}, b = a;
        b.total_steps = 20;
        assert_int_equal(schedule_ends(a.kind), schedule_lr(&a, 8.0) != schedule_lr(&b, 8.0));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_constant), cmocka_unit_test(test_linear),
        cmocka_unit_test(test_cosine),   cmocka_unit_test(test_warmup),
        cmocka_unit_test(test_bounds),   cmocka_unit_test(test_final),
        cmocka_unit_test(test_step),     cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
