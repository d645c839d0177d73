/* An evaluation in slices: whatever their length, the same bits; and as short as they are asked to be. */
#include "networks.h"

#include "train/evaluate.h"

#include <math.h>

enum { N_IMAGES = 150, N_THREADS = 2 }; /* two groups of 64, and a part of one */

typedef struct outcome {
    double loss, accuracy;
    int64_t confusion[10 * 10];
    size_t n_slices, longest;
} outcome;

/* The lengths asked for are repeated from the first on. */
static outcome evaluate(const model *m, const dataset *set, const float *w, const double *t_s,
                        size_t n)
{
    input_rule input;
    error err = {0};
    evaluation e;
    outcome out = {0};
    assert_true(input_rule_init(&input, set->shape, NULL, NULL, &err));
    assert_true(evaluation_init(&e, m, &input, set, N_THREADS, &err));
    for (int turn = 0; turn < 2; turn++) { /* the second knows how long a block takes */
        evaluation_begin(&e, w);
        out.n_slices = out.longest = 0;
        for (size_t before = 0; evaluation_slice(&e, t_s[out.n_slices % n]); before = e.position) {
            size_t done = e.position - before;
            out.longest = done > out.longest ? done : out.longest;
            out.n_slices++;
        }
        assert_int_equal(e.position, N_IMAGES);
    }
    out.loss = evaluation_loss(&e);
    out.accuracy = evaluation_accuracy(&e);
    memcpy(out.confusion, e.confusion, sizeof out.confusion);
    evaluation_release(&e);
    input_rule_release(&input);
    return out;
}

static void test_slices(void **state)
{
    (void)state;
    error err = {0};
    model *m = model_of(PAPER);
    float *w = weights_new(m);
    dataset set;
    source *from = source_open("synthetic:750", SEED, &err);
    assert_true(from && dataset_init(&set, source_shape(from), N_IMAGES, &err));
    assert_true(source_read(from, SPLIT_TEST, 0, N_IMAGES, set.images, set.labels, &err));
    const double whole[] = {INFINITY}, none[] = {0.0}, mixed[] = {0.0, 1e-9, 1e3, 1e-4, INFINITY};
    outcome expected = evaluate(m, &set, w, whole, 1);
    assert_int_equal(expected.n_slices, 3);
    outcome short_ones = evaluate(m, &set, w, none, 1), others = evaluate(m, &set, w, mixed, 5);
    assert_int_equal(short_ones.longest, VEC_WIDTH);
    assert_true(short_ones.loss == expected.loss && others.loss == expected.loss);
    assert_true(short_ones.accuracy == expected.accuracy && others.accuracy == expected.accuracy);
    assert_memory_equal(short_ones.confusion, expected.confusion, sizeof expected.confusion);
    assert_memory_equal(others.confusion, expected.confusion, sizeof expected.confusion);
    dataset_release(&set);
    source_free(from);
    guarded_free(w);
    model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_slices)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
