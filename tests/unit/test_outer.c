/* Server optimizers: what their sources say comes of one weight that the workers move by -0.1 each time. */
#include "model/outer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { TIMES = 3 };

typedef struct golden {
    const char *name;
    outer_settings settings;
    double w[TIMES];
} golden;

/* From the formulas, in double precision; momentum, nesterov, adam and yogi also by the programs that use them. */
static const golden all[] = {
    {"momentum", {1, 0.9, 0, 0, 0, 0}, {0.9, 0.71, 0.439}},
    {"nesterov", {0.7, 0.9, 0, 0, 0, 0}, {0.867, 0.6773, 0.43657}},
    {"adam", {0.1, 0.9, 0.99, 1e-3, 0, 0}, {0.9325037, 0.8525204, 0.7667325}},
    {"adam-paper", {0.1, 0.9, 0.99, 1e-3, 0, 0}, {0.9094972, 0.7840137, 0.6356189}},
    {"yogi", {0.01, 0.9, 0.99, 1e-3, 0, 0}, {0.9909091, 0.9783613, 0.9635692}},
    {"adagrad", {0.1, 0, 0, 1e-3, 0, 0}, {0.9009901, 0.8307759, 0.7733723}},
};

static const outer_rule *find(const char *name)
{
    size_t k = 0;
    while (outer_rules[k] && strcmp(outer_rules[k]->name, name) != 0)
        k++;
    assert_non_null(outer_rules[k]);
    return outer_rules[k];
}

static void test_golden(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        outer self;
        error err = {0};
        float w[2] = {1, 5}, before[2] = {1, 5};
        assert_true(outer_init(&self, find(all[i].name), &all[i].settings, 2, &err));
        for (int t = 0; t < TIMES; t++) {
            w[0] -= 0.1F; /* the other one stands still */
            outer_apply(&self, w, before, (uint64_t)t);
            if (fabs((double)w[0] - all[i].w[t]) > 2e-6)
                fail_msg("%s: %.7f after %d averages, not %.7f", all[i].name, (double)w[0], t + 1,
                         all[i].w[t]);
            assert_true(w[1] == 5);
            memcpy(before, w, sizeof w);
        }
        outer_release(&self);
    }
}

/* Where an average leaves everything as it is, and nothing has been before, so does each rule. */
static void test_nothing(void **state)
{
    (void)state;
    for (size_t k = 0; outer_rules[k]; k++) {
        outer self;
        error err = {0};
        const outer_settings settings = {1, 0.9, 0.99, 1e-3, 0, 0};
        float w[3] = {0, -1, 1e20F}, before[3] = {0, -1, 1e20F};
        assert_true(outer_init(&self, outer_rules[k], &settings, 3, &err));
        outer_apply(&self, w, before, 0);
        assert_memory_equal(w, before, sizeof w);
        outer_release(&self);
    }
}

/* Ever less far, and past the end no less than at it. */
static void test_lookahead(void **state)
{
    (void)state;
    const outer_settings settings = {.keep = 0.8, .averages = 4};
    const double rates[] = {1 - 0.8 / 64, 0.9, 1 - 0.8 * 27 / 64, 0.2, 0.2};
    outer self;
    error err = {0};
    assert_true(outer_init(&self, &outer_lookahead, &settings, 1, &err));
    for (int t = 0; t < 5; t++) {
        float w = 3, before = 1;
        outer_apply(&self, &w, &before, (uint64_t)t);
        assert_true(fabs((double)w - 1 - 2 * rates[t]) < 1e-6);
    }
    outer_release(&self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lookahead),
                                       cmocka_unit_test(test_golden),
                                       cmocka_unit_test(test_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
