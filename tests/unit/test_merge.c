/* Averages and outer rules on a rank alone: what is taken, kept and done. */
#include "base/random.h"
#include "train/merge.h"
#include "train/saved.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { N = 3 };
static const model three = {.n_trained = N, .n_weights = N};

static bool begin(merge *self, const average_rule *rule, const outer_rule *then, const model *of,
                  error *err)
{
    const merge_rules rules = {
        .average = rule, .aggregate = {aggregate_rules[0], 0}, .outer = then};
    return merge_init(self, &rules, of, err);
}

/* None: the weights as they are, and no memory for others. */
static void test_none(void **state)
{
    (void)state;
    const double weight = 1;
    float w[N] = {1, 2, 3};
    const float same[N] = {1, 2, 3};
    merge both;
    error err = {0};
    assert_string_equal(outer_rules[0]->name, "none");
    assert_true(begin(&both, average_rules[0], outer_rules[0], &three, &err));
    assert_null(both.before);
    assert_null(both.outer.states[0]);
    merge_begin(&both, w, false);
    merge_weights(&both, w, &(merge_shares){&weight, 1.0}, 0);
    assert_memory_equal(w, same, sizeof w);
    merge_release(&both);
}

/* Half of the way, and what two states say. */
static void walk(const outer_settings *settings, float *restrict w, const float *restrict before,
                 float *const *states, size_t n, uint64_t round)
{
    (void)settings;
    for (size_t i = 0; i < n; i++) {
        states[0][i] += 1;
        states[1][i] = w[i] - before[i];
        w[i] = before[i] + 0.5F * states[1][i] + (float)round;
    }
}

static float five(const outer_settings *settings)
{
    (void)settings;
    return 5;
}

static const outer_rule half = {
    .name = "half", .states = {{"count", five}, {"way", NULL}}, .apply = walk};

static void test_states(void **state)
{
    (void)state;
    const double weight = 1;
    float w[N] = {0, 1, 2};
    merge both;
    error err = {0};
    assert_true(begin(&both, average_rules[0], &half, &three, &err));
    for (int i = 0; i < N; i++)
        assert_true(both.outer.states[0][i] == 5 && both.outer.states[1][i] == 0);
    assert_null(both.outer.states[2]);
    merge_begin(&both, w, false);
    w[1] = 5;
    merge_weights(&both, w, &(merge_shares){&weight, 1.0}, 0);
    assert_true(w[0] == 0 && w[1] == 3 && w[2] == 2);
    w[1] = 7; /* four from where it went on, not six from where it began */
    merge_weights(&both, w, &(merge_shares){&weight, 1.0}, 1);
    assert_true(w[0] == 1 && w[1] == 6 && w[2] == 3);
    assert_true(both.outer.states[0][0] == 7 && both.outer.states[1][1] == 4);
    merge_release(&both);
}

static const char *const with_norm =
    "[model]\nname = t\ninput = 1 1 2\nclasses = 2\n[b]\nkind = batchnorm\n";

/* Statistics are no weights: the outer rule never sees them, and has no state for them.  A rank alone keeps them as
 * they are, bit by bit. */
static void test_statistics(void **state)
{
    (void)state;
    enum { SCALE, BIAS, MEAN, VAR, ALL };
    error err = {0};
    const double weight = 1;
    model *m = model_new("test.ini", with_norm, &err);
    float w[ALL] = {0, 0, 1000.1F, 1e-3F};
    merge both;
    assert_non_null(m);
    assert_int_equal(m->n_weights, ALL);
    assert_true(begin(&both, average_rules[0], &half, m, &err));
    assert_int_equal(both.outer.n, MEAN);
    merge_begin(&both, w, false);
    w[SCALE] = 4;
    w[MEAN] = 2000.1F;
    merge_weights(&both, w, &(merge_shares){&weight, 1.0}, 0);
    assert_true(w[SCALE] == 2 && w[MEAN] == 2000.1F && w[VAR] == 1e-3F);
    assert_true(both.before[SCALE] == 2 && both.before[MEAN] == 2000.1F);
    merge_release(&both);
    model_free(m);
}

/* What is a client's own the outer rule leaves alone, and so does another client. */
static void test_local(void **state)
{
    (void)state;
    enum { SCALE, BIAS, MEAN, VAR, ALL };
    error err = {0};
    const double weight = 1;
    model *m = model_new("test.ini", with_norm, &err);
    float w[ALL] = {1, 0, 0.5F, 2};
    const float first[ALL] = {1, 0, 0.5F, 2}, expected[ALL] = {4, 1, 0.25F, 3};
    merge both;
    const merge_rules rules = {.average = average_rules[0],
                               .aggregate = {aggregate_rules[0], 0},
                               .outer = &half,
                               .keeps_local = true,
                               .n_clients = 2};
    assert_non_null(m);
    assert_true(local_check(m, &err) && merge_init(&both, &rules, m, &err));
    merge_begin(&both, w, false);
    assert_int_equal(both.local.n, ALL);
    memcpy(w, expected, sizeof w);
    local_take(&both.local, 1, w);
    merge_weights(&both, w, &(merge_shares){&weight, 1.0}, 0);
    assert_memory_equal(w, expected, sizeof w); /* the mean of one */
    local_give(&both.local, 0, w);
    assert_memory_equal(w, first, sizeof w);
    local_give(&both.local, 1, w);
    assert_memory_equal(w, expected, sizeof w);
    local_own(&both.local, 1)[BIAS] = 9; /* as a checkpoint has it */
    merge_begin(&both, w, true);
    local_give(&both.local, 1, w);
    assert_true(w[BIAS] == 9 && both.before[BIAS] == 1);
    merge_release(&both);
    model_free(m);
    assert_false(local_check(&three, &err));
    assert_int_equal(err.kind, ERROR_USER);
}

/* Longer than C: a 5 becomes a 2; not longer: as it is, bit by bit.  The noise is that of the seed and the round. */
static void test_privacy(void **state)
{
    (void)state;
    error err = {0};
    const double weight = 1;
    float w[N] = {1, 1, 1};
    merge both;
    merge_rules rules = {.average = average_rules[0],
                         .aggregate = {aggregate_rules[0], 0},
                         .outer = outer_rules[0],
                         .privacy = {.clip = 2, .seed = 7}};
    assert_true(merge_init(&both, &rules, &three, &err));
    merge_begin(&both, w, false);
    w[0] = 4;
    w[2] = 5;
    merge_weights(&both, w, &(merge_shares){&weight, 1.0}, 0);
    assert_true(fabsf(w[0] - 2.2F) < 1e-6F && w[1] == 1 && fabsf(w[2] - 2.6F) < 1e-6F);
    const float short_way[N] = {w[0] + 1, w[1], w[2] - 1};
    memcpy(w, short_way, sizeof w);
    merge_weights(&both, w, &(merge_shares){&weight, 1.0}, 1);
    assert_memory_equal(w, short_way, sizeof w);
    both.privacy.noise = 0.5;
    merge_weights(&both, w, &(merge_shares){&weight, 1.0}, 2);
    for (size_t k = 0; k < N; k++)
        assert_true(w[k] == (float)((double)short_way[k] +
                                    random_normal(7, random_stream(RANDOM_NOISE, 0, 2), k)));
    merge_release(&both);
}

/* A rule of averaging may ask for the weights before, too. */
static void test_before(void **state)
{
    (void)state;
    merge both;
    error err = {0};
    average_rule rule = *average_rules[0];
    rule.uses_before = true;
    assert_true(begin(&both, &rule, outer_rules[0], &three, &err));
    assert_non_null(both.before);
    merge_release(&both);
    assert_null(both.before);
    rule.scratch_bytes = NULL;
    const model huge = {.n_trained = SIZE_MAX / 4, .n_weights = SIZE_MAX / 4};
    assert_false(begin(&both, &rule, &half, &huge, &err));
    merge_release(&both);
}

static size_t find(const saved_vector *list, size_t n, const char *name)
{
    size_t at = 0;
    while (at < n && strcmp(list[at].name, name) != 0)
        at++;
    assert_true(at < n);
    return at;
}

/* What the rules keep, a run goes on from: it is saved, and given back. */
static void test_saved(void **state)
{
    (void)state;
    model m = three;
    train_options options = {.keep_momentum = false};
    job of = {.options = &options, .model = &m};
    saved_vector list[SAVED_MAX];
    error err = {0};
    average_rule rule = *average_rules[0];
    assert_true(begin(&of.merge, &rule, outer_rules[0], &three, &err));
    assert_int_equal(saved_list(&of, list), 1); /* the weights */
    merge_release(&of.merge);
    rule.has_residual = true;
    assert_true(begin(&of.merge, &rule, &half, &three, &err));
    size_t n = saved_list(&of, list), residual = find(list, n, "residual"),
           way = find(list, n, "way");
    assert_int_equal(n, 4);
    for (size_t i = 0; i < n; i++) /* the rule before may have had none */
        assert_int_equal(list[i].may_be_missing, i == residual);
    assert_true(list[residual].per_client &&
                list[residual].own(&of, 0, 0) == of.merge.average.residual);
    assert_true(!list[way].per_client && list[way].at == of.merge.outer.states[1]);
    assert_int_equal(list[way].n, N);
    find(list, n, "count");
    merge_release(&of.merge);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_none),   cmocka_unit_test(test_states),
        cmocka_unit_test(test_before), cmocka_unit_test(test_statistics),
        cmocka_unit_test(test_local),  cmocka_unit_test(test_privacy),
        cmocka_unit_test(test_saved)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
