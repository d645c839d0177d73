/* Model files: what is made of a good one (test_model_errors.c: of a wrong one). */
#include "model/model.h"

#include "base/ini.h"
#include "base/memory.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(list) (int)(sizeof(list) / sizeof *(list))
#define HEAD "[model]\nname = t\ninput = 1 8 8\nclasses = 2\n"

static model *model_of(const char *text)
{
    error err = {0};
    model *m = model_new("test.ini", text, &err);
    if (!m)
        fail_msg("%s", err.text);
    return m;
}

static char *paper_text(void)
{
    error err = {0};
    char *text = ini_read_file("models/paper.ini", &err);
    if (!text)
        fail_msg("%s (run from the project's folder)", err.text);
    return text;
}

static model *paper_model(void)
{
    char *text = paper_text();
    model *m = model_of(text);
    memory_free(text);
    return m;
}

static void test_paper(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int n_dims;
        size_t dims[4];
    } want[] = {
        {"conv1.weight", 4, {6, 3, 5, 5}},  {"conv1.bias", 1, {6}},
        {"conv2.weight", 4, {16, 6, 5, 5}}, {"conv2.bias", 1, {16}},
        {"fc1.weight", 2, {120, 400}},      {"fc1.bias", 1, {120}},
        {"fc2.weight", 2, {84, 120}},       {"fc2.bias", 1, {84}},
        {"fc3.weight", 2, {10, 84}},        {"fc3.bias", 1, {10}},
    };
    model *m = paper_model();
    size_t offset = 0;
    assert_string_equal(m->name, "paper");
    assert_int_equal(m->n_classes, 10);
    assert_int_equal(layer_features(m->input), 3072);
    assert_int_equal(m->n_weights, 62006);
    assert_int_equal(m->n_tensors, COUNT(want));
    for (int k = 0; k < COUNT(want); k++) {
        const tensor *t = &m->tensors[k];
        size_t count = 1;
        assert_string_equal(t->name, want[k].name);
        assert_int_equal(t->n_dims, want[k].n_dims);
        for (int d = 0; d < t->n_dims; d++) {
            assert_int_equal(t->dims[d], want[k].dims[d]);
            count *= t->dims[d];
        }
        assert_int_equal(t->count, count);
        assert_int_equal(t->offset, offset);
        offset += count;
    }
    assert_int_equal(offset, m->n_weights);
    /* 2 x (450 x 784 + 2,400 x 100 + 400 x 120 + 120 x 84 + 84 x 10); biases are not counted */
    assert_true(m->flops_forward == 1303440.0);
    assert_true(m->flops_step == 3204720.0); /* thrice, less conv1's gradient of the images */
    assert_string_equal(model_layer_of(m, 0), "conv1");
    assert_string_equal(model_layer_of(m, 455), "conv1");
    assert_string_equal(model_layer_of(m, 456), "conv2");
    assert_string_equal(model_layer_of(m, 62005), "fc3");
    model_free(m);
    model_free(NULL);
}

/* A ReLU goes into the pooling behind it, wherever it stands, and into nothing else. */
static void test_absorption(void **state)
{
    (void)state;
    static const struct {
        const char *layers;
        int n_layers;
    } cases[] = {
        {"[r]\nkind=relu\n[p]\nkind=maxpool\nwindow=2\n", 2},
        {"[p]\nkind=maxpool\nwindow=2\n[r]\nkind=relu\n", 3},
        {"[r]\nkind=relu\n[s]\nkind=relu\n[p]\nkind=maxpool\nwindow=2\n", 3},
        {"[r]\nkind=relu\n[p]\nkind=maxpool\nwindow=2\n[q]\nkind=maxpool\nwindow=2\n", 3},
    };
    for (int k = 0; k < COUNT(cases); k++) {
        char text[400];
        snprintf(text, sizeof text, HEAD "%s[f]\nkind = dense\nunits = 2\n", cases[k].layers);
        model *m = model_of(text);
        assert_int_equal(m->n_layers, cases[k].n_layers);
        layer_shape shape = m->input;
        for (int j = 0; j < m->n_layers; j++) { /* the chain is still one */
            assert_int_equal(layer_features(m->layers[j].in[0]), layer_features(shape));
            shape = m->layers[j].out;
        }
        assert_int_equal(m->places[m->n_layers - 1].trained, 0);
        assert_int_equal(m->n_weights, m->layers[m->n_layers - 1].n_trained);
        model_free(m);
    }
}

/* The same model, however the file is laid out. */
static void test_layout_of_file(void **state)
{
    (void)state;
    const char *const texts[] = {
        HEAD "[a]\nkind = conv\nfilters = 3\nkernel = 3\n[f]\nkind = dense\nunits = 2\n",
        ("\xEF\xBB\xBF" HEAD
         "\n\n; remark\n# remark\n[a]\nkind=conv\nkernel=3 ; remark\nfilters=3\n"
         "stride = 1\npadding = 0\n[f]\nkind: dense\nunits: 2"),
        ("[model]\r\nname = t\r\nclasses = 2\r\ninput = 1  8\t8\r\n[a]\r\nkind = conv\r\n"
         "filters = 3\r\nkernel = 3\r\n[f]\r\nkind = dense\r\nunits = +2\r\n"),
        ("[model]\n  name = t\n  input = 1 8 8\n  classes = 2\n\n[a]\n\tkind = conv\n\tfilters = "
         "3\n"
         "\tkernel = 3\n[f]\n    kind = dense\n    units = 2\n"),
        HEAD "[a]\nkind = conv\ninput = image\nfilters = 3\nkernel = 3\n"
             "[f]\nkind = dense\nunits = 2\ninput = a\n",
    };
    for (int k = 0; k < COUNT(texts); k++) {
        model *m = model_of(texts[k]);
        assert_int_equal(m->n_weights, 3 * 9 + 3 + 2 * 3 * 36 + 2);
        assert_int_equal(m->n_layers, 2);
        model_free(m);
    }
}

static float *weights_of(const model *m, uint64_t seed)
{
    float *w = memory_new(m->n_weights, sizeof *w, NULL);
    assert_non_null(w);
    model_init(m, w, seed);
    return w;
}

static void test_init(void **state)
{
    (void)state;
    static const double fan_in[] = {75, 75, 150, 150, 400, 400, 120, 120, 84, 84};
    model *m = paper_model();
    float *w = weights_of(m, 1), *same = weights_of(m, 1), *other = weights_of(m, 2);
    size_t n_equal = 0;
    assert_memory_equal(w, same, m->n_weights * sizeof *w);
    for (size_t k = 0; k < m->n_weights; k++)
        n_equal += w[k] == other[k];
    assert_true(n_equal < 100);
    for (int k = 0; k < m->n_tensors; k++) {
        const tensor *t = &m->tensors[k];
        double bound = 1.0 / sqrt(fan_in[k]), sum = 0.0, squares = 0.0, largest = 0.0;
        for (size_t j = 0; j < t->count; j++) {
            double x = (double)w[t->offset + j] / bound;
            sum += x;
            squares += x * x;
            largest = fmax(largest, fabs(x));
        }
        double count = (double)t->count;
        assert_true(largest <= 1.0);
        assert_true(largest > 1.0 - 10.0 / count);        /* misses that once in e^10 tensors */
        assert_true(fabs(sum) < 5.0 * sqrt(count / 3.0)); /* five deviations */
        assert_true(fabs(squares - count / 3.0) < 5.0 * sqrt(count * 4.0 / 45.0));
    }
    /* No tensor repeats another. */
    for (int k = 1; k < m->n_tensors; k++)
        assert_true(w[m->tensors[k].offset] * (float)sqrt(fan_in[k]) !=
                    w[m->tensors[k - 1].offset] * (float)sqrt(fan_in[k - 1]));
    memory_free(w);
    memory_free(same);
    memory_free(other);
    model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paper),
        cmocka_unit_test(test_absorption),
        cmocka_unit_test(test_layout_of_file),
        cmocka_unit_test(test_init),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
