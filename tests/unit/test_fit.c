/* The model of bramble plan: what it was made with comes out of runs that follow it. */
#include "study/fit.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { WEIGHTS = 62006 };

static const fit truth = {.w_s = 3e-4,
                          .power = 0.9,
                          .spread = 0.05,
                          .serve_s = {2e-3, 5e-4},
                          .message_s = 1e-4,
                          .byte_s = 1e-8,
                          .link_byte_s = 8e-9,
                          .add_s = 2e-9};

static bool near(double a, double b)
{
    return fabs(a - b) <= 1e-9 * fabs(b);
}

/* A run of one block that takes what the model says. */
static fit_run run_of(int nodes, double cores, const char *rule)
{
    fit_run run = {.nodes = nodes,
                   .cores = cores,
                   .rule = average_rule_find(rule),
                   .n_weights = WEIGHTS,
                   .n_blocks = 1};
    fit_case c = {nodes, cores, run.rule, WEIGHTS, 10000.0, 20.0, 1.0, 0};
    fit_time t = fit_predict(&truth, &c);
    run.blocks[0] = (fit_block){.images = c.images,
                                .averages = c.averages,
                                .t_s = t.t_s,
                                .work_s = t.work_s,
                                .wait_s = t.wait_s,
                                .wire_s = t.wire_s + t.pack_s,
                                .rest_s = t.serve_s,
                                .server_pack_s = t.pack_s};
    return run;
}

static fit fit_of(const fit_run *runs, size_t n, double cores)
{
    fit_sample samples[8];
    fit f;
    for (size_t k = 0; k < n; k++)
        fit_sample_all(&samples[k], &runs[k]);
    fit_make(&f, samples, n, cores, truth.link_byte_s);
    return f;
}

static void test_slowest(void **state)
{
    (void)state;
    /* David and Nagaraja, Order Statistics */
    assert_true(fabs(fit_slowest(1)) < 1e-12);
    assert_true(fabs(fit_slowest(2) - 0.56419) < 1e-4);
    assert_true(fabs(fit_slowest(3) - 0.84628) < 1e-4);
    assert_true(fabs(fit_slowest(10) - 1.53875) < 1e-4);
    assert_true(fabs(fit_slowest(100) - 2.50759) < 1e-4);
}

static void test_recovers_the_truth(void **state)
{
    (void)state;
    fit_run runs[] = {run_of(1, 1, "gather"), run_of(3, 2, "gather"),    run_of(2, 4, "slices"),
                      run_of(5, 2, "reduce"), run_of(4, 1, "allreduce"), run_of(6, 3, "slices")};
    fit f = fit_of(runs, 6, 2.0);
    assert_true(near(f.w_s, truth.w_s) && near(f.power, truth.power) &&
                near(f.spread, truth.spread));
    assert_true(near(f.serve_s[0], truth.serve_s[0]) && near(f.serve_s[1], truth.serve_s[1]));
    assert_true(near(f.message_s, truth.message_s) && near(f.byte_s, truth.byte_s));
    assert_true(near(f.add_s, truth.add_s) && near(f.link_byte_s, truth.link_byte_s));
}

/* Gather alone: the sum is right for gather, whatever is messages and whatever is bytes. */
static void test_one_rule(void **state)
{
    (void)state;
    fit_run runs[] = {run_of(1, 1, "gather"), run_of(2, 1, "gather"), run_of(4, 1, "gather")};
    fit f = fit_of(runs, 3, 1.0);
    for (int n = 1; n <= PLAN_NODES; n++) {
        fit_case c = {n, 1.0, runs[0].rule, WEIGHTS, 10000.0, 20.0, 1.0, 0};
        double expected = fit_predict(&truth, &c).wire_s;
        assert_true(near(fit_predict(&f, &c).wire_s, expected));
        /* An endless link leaves what is not its own. */
        c.link_ratio = INFINITY;
        double rest = fit_predict(&f, &c).wire_s;
        assert_true(rest >= 0.0 && rest < expected);
    }
    assert_true(f.power == 1.0);
}

static void test_one_run(void **state)
{
    (void)state;
    fit_run run = run_of(3, 2, "reduce");
    fit f = fit_of(&run, 1, 2.0);
    fit_case c = {3, 2.0, run.rule, WEIGHTS, 10000.0, 20.0, 1.0, 0};
    assert_true(near(fit_predict(&f, &c).t_s, run.blocks[0].t_s));
    assert_true(f.serve_s[1] == 0.0);
}

/* Without a link all of it is the bytes'. */
static void test_no_link(void **state)
{
    (void)state;
    fit_run runs[] = {run_of(2, 1, "gather"), run_of(4, 1, "gather")};
    fit_sample samples[2];
    fit f;
    for (size_t k = 0; k < 2; k++)
        fit_sample_all(&samples[k], &runs[k]);
    fit_make(&f, samples, 2, 1.0, INFINITY);
    fit_case c = {4, 1.0, runs[0].rule, WEIGHTS, 10000.0, 20.0, 1.0, 0};
    assert_true(f.message_s == 0.0 && f.byte_s > truth.byte_s);
    assert_true(near(fit_predict(&f, &c).wire_s, fit_predict(&truth, &c).wire_s));
}

/* The table in study/fit.h, for 62006 weights: of every rule there is. */
static void test_costs(void **state)
{
    (void)state;
    const double n = WEIGHTS, x = 4 * n;
    size_t most = (WEIGHTS / 16 + 4) / 4 * 16; /* a slice of one of four */
    const struct {
        const char *name;
        average_cost three, four;
    } expected[] = {
        {"gather", {6, 6 * x, 3 * n}, {8, 8 * x, 4 * n}},
        {"reduce", {3 + 4 * 2, 4 * x + 3 * x, 3 * n}, {4 + 4 * 3, 6 * x + 4 * x, 4 * n}},
        {"allreduce", {4, 3 * x, 3 * n}, {4 + 3, 3 * x + 4 * x, 4 * n}},
        {"tree", {10, 9 * x, 4 * n}, {10, 9 * x, 4 * n}}, /* two groups of two, or of two and one */
        {"slices", {6, 4.0 * (WEIGHTS + 2.0 * (double)most), n}, {8, 0, n}},
    };
    for (size_t k = 0; average_rules[k]; k++) {
        average_cost one = average_rule_cost(average_rules[k], WEIGHTS, 1, 0);
        assert_true(one.messages == 1 && one.bytes == x && one.adds == 0);
        for (size_t j = 0; j < sizeof expected / sizeof *expected; j++) {
            if (strcmp(expected[j].name, average_rules[k]->name) != 0)
                continue;
            average_cost three = average_rule_cost(average_rules[k], WEIGHTS, 3, 0),
                         four = average_rule_cost(average_rules[k], WEIGHTS, 4, 0);
            assert_true(near(three.messages, expected[j].three.messages));
            assert_true(near(three.bytes, expected[j].three.bytes));
            assert_true(near(three.adds, expected[j].three.adds));
            assert_true(near(four.messages, expected[j].four.messages));
            assert_true(expected[j].four.bytes == 0 || near(four.bytes, expected[j].four.bytes));
            assert_true(near(four.adds, expected[j].four.adds));
        }
    }
}

/* The same number, the same draw, of the same case; different ones differ. */
static void test_draws(void **state)
{
    (void)state;
    fit_run runs[] = {run_of(2, 1, "gather"), run_of(2, 1, "gather"), run_of(4, 1, "gather")};
    int seen[3] = {0};
    for (uint64_t k = 0; k < 100; k++) {
        fit_sample a, b;
        fit_sample_draw(&a, runs, 3, k % 3, k);
        fit_sample_draw(&b, runs, 3, k % 3, k);
        assert_true(a.run == b.run && memcmp(&a.sum, &b.sum, sizeof a.sum) == 0);
        assert_int_equal(a.run->nodes, runs[k % 3].nodes);
        seen[a.run - runs]++;
    }
    assert_true(seen[0] > 10 && seen[1] > 10 && seen[2] > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slowest),  cmocka_unit_test(test_recovers_the_truth),
        cmocka_unit_test(test_one_rule), cmocka_unit_test(test_one_run),
        cmocka_unit_test(test_no_link),  cmocka_unit_test(test_costs),
        cmocka_unit_test(test_draws)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
