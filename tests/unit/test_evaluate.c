/* An evaluation in slices: whatever their length, the same bits; and as short as they are asked to be. */
#include "networks.h"
#include "plain_rule.h"

#include "data/source.h"
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
    input = plain_rule(set->shape);
    assert_true(evaluation_init(&e, m, &input, set, &(computing){&engine_own, N_THREADS}, &err));
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
    out.loss = evaluation_loss(&e, EVALUATION_TEST);
    out.accuracy = evaluation_accuracy(&e, EVALUATION_TEST);
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

/* More classes than a byte tells apart; every image is taken for the last. */
static void test_many_classes(void **state)
{
    (void)state;
    enum { N_CLASSES = 300, N = 100 };
    error err = {0};
    model *m = model_of("[model]\nname = t\ninput = 1 1 1\nclasses = 300\n"
                        "[f]\nkind = dense\nunits = 300\n");
    float *w = guarded_new(m->n_weights * sizeof *w); /* weights, biases */
    for (size_t k = 0; k < m->n_weights; k++)
        w[k] = k + 1 == m->n_weights ? 1.0F : 0.0F;
    dataset set;
    input_rule input;
    evaluation e;
    assert_true(dataset_init(&set, (image_shape){1, 1, 1, N_CLASSES}, N, &err));
    for (size_t i = 0; i < N; i++)
        set.labels[i] = (uint16_t)(N_CLASSES - 1 - i % 60);
    input = plain_rule(set.shape);
    assert_true(evaluation_check(m, "m", &input, NULL, "d", &err));
    assert_true(evaluation_init(&e, m, &input, &set, &(computing){&engine_own, N_THREADS}, &err));
    evaluation_begin(&e, w);
    evaluation_finish(&e);
    for (size_t c = 0; c < N_CLASSES; c++)
        for (size_t guess = 0; guess < N_CLASSES; guess++) {
            size_t k = N_CLASSES - 1 - c,
                   want = guess < N_CLASSES - 1 || k >= 60 ? 0 : 1 + (k < 40);
            assert_int_equal(e.confusion[c * N_CLASSES + guess], want);
        }
    assert_int_equal(e.of[EVALUATION_TEST].n_correct, 2);
    evaluation_release(&e);
    input_rule_release(&input);
    dataset_release(&set);
    guarded_free(w);
    model_free(m);
}

/* 34 GB. */
static void test_too_many_classes_for_the_memory(void **state)
{
    (void)state;
    error err = {0};
    evaluation e;
    dataset set = {0};
    model *m = model_of("[model]\nname = t\ninput = 1 1 1\nclasses = 65536\n"
                        "[f]\nkind = dense\nunits = 65536\n");
    bool good = evaluation_init(&e, m, NULL, &set, &(computing){&engine_own, 1}, &err);
    evaluation_release(&e);
    model_free(m);
    if (good) /* a large machine */
        skip();
    assert_int_equal(err.kind, ERROR_ENVIRONMENT);
    assert_non_null(strstr(err.text, "a confusion matrix of 65536 classes: out of memory"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_slices),
                                       cmocka_unit_test(test_many_classes),
                                       cmocka_unit_test(test_too_many_classes_for_the_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
