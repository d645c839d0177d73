/* What a model file says of how weights are trained: groups of the flat vector, and what a step makes of them. */
#include "graphs.h"
#include "networks.h"

#define TEXT                                                                                       \
    "[model]\nname = t\ninput = 2 6 5\nclasses = 3\n"                                              \
    "[c]\nkind = conv\nfilters = 3\nkernel = 3\n[r]\nkind = relu\n"                                \
    "[d]\nkind = conv\nfilters = 4\nkernel = 3\nlr = 0.25\nweight-decay = 3\n[s]\nkind = relu\n"   \
    "[e]\nkind = dense\nunits = 5\ntrained = 2\n[t]\nkind = relu\n"                                \
    "[f]\nkind = dense\nunits = 3\ntrained = no\nweight-decay = 0\n"

enum { N_IMAGES = 19, N_GRAPHS = 8 };

static void test_groups(void **state)
{
    (void)state;
    static const tensor_training want[] = {{1.0F, 1.0F, TENSOR_ALWAYS},
                                           {0.25F, 3.0F, TENSOR_ALWAYS},
                                           {1.0F, 1.0F, 2},
                                           {1.0F, 0.0F, 0}};
    model *m = model_of(TEXT), *plain = model_of(SMALL);
    size_t end = 0;
    assert_int_equal(m->n_groups, COUNT(want));
    for (int k = 0; k < COUNT(want); k++) {
        const model_group *g = &m->groups[k];
        assert_int_equal(g->begin, end);
        assert_string_equal(model_layer_of(m, g->begin), ((const char *[]){"c", "d", "e", "f"}[k]));
        assert_true(g->training.lr == want[k].lr && g->training.epochs == want[k].epochs &&
                    g->training.weight_decay == want[k].weight_decay);
        end = g->end;
    }
    assert_int_equal(end, m->n_trained);
    assert_int_equal(plain->n_groups, 1); /* alike, they are one */
    assert_int_equal(plain->groups[0].end, plain->n_trained);
    model_free(plain);
    model_free(m);
}

/* One step against its formula, weight by weight; what stands still does so to the last bit, with its velocity. */
static void check_step(const model *m, images *data, double epoch, int n_threads)
{
    optimizer by = optimizer_of(
        "sgd", (optimizer_settings){.lr = 0.1, .momentum = 0.5, .weight_decay = 0.02}, m);
    network_input input = {.load = images_load, .arg = data};
    network *net = network_of(m, N_IMAGES, true, n_threads);
    network_vectors at = vectors_new(m);
    float *w = guarded_new(m->n_weights * sizeof *w), *g = guarded_new(m->n_weights * sizeof *g);
    for (size_t k = 0; k < m->n_weights; k++)
        by.states[0][k] = 0.01F * (float)(k % 7);
    memcpy(w, at.w, m->n_weights * sizeof *w);
    by.epoch = epoch;
    network_gradient(net, w, g, &input, N_IMAGES);
    network_step(net, &at, &by, &input, N_IMAGES);
    for (int j = 0; j < m->n_groups; j++) {
        const tensor_training *how = &m->groups[j].training;
        for (size_t k = m->groups[j].begin; k < m->groups[j].end; k++) {
            double before = (double)(0.01F * (float)(k % 7)), old = (double)w[k];
            double v = 0.5 * before + (double)g[k] + 0.02 * (double)how->weight_decay * old;
            if (epoch >= how->epochs)
                assert_true(at.w[k] == w[k] && by.states[0][k] == 0.01F * (float)(k % 7));
            else
                assert_true(fabs((double)by.states[0][k] - v) < 1e-6 &&
                            fabs((double)at.w[k] - old + 0.1 * (double)how->lr * v) < 1e-6);
        }
    }
    guarded_free(w);
    guarded_free(g);
    vectors_free(&at);
    optimizer_release(&by);
    network_free(net);
}

static void test_steps(void **state)
{
    (void)state;
    static const double epochs[] = {0.0, 1.5, 1.999, 2.0, 7.25};
    model *m = model_of(TEXT);
    images data;
    images_new(&data, m, N_IMAGES);
    for (int k = 0; k < COUNT(epochs); k++)
        check_step(m, &data, epochs[k], 1 + k % 3);
    images_free(&data);
    model_free(m);
}

/* Weights of some layers stand still for good: their gradient is 0, all others' what it would be. */
static void test_standing(void **state)
{
    (void)state;
    for (int turn = 0; turn < enough_of(N_GRAPHS); turn++) {
        model *m = graph_random(9);
        images data;
        images_new(&data, m, N_IMAGES);
        network_input input = {.load = images_load, .arg = &data};
        network *net = network_of(m, N_IMAGES, true, 1 + turn % 3);
        float *w = weights_new(m), *want = guarded_new(m->n_weights * sizeof *want);
        network_gradient(net, w, want, &input, N_IMAGES);
        network_free(net);
        for (int k = 0; k < m->n_layers; k++) {
            layer *l = &m->layers[k];
            if (l->n_trained == 0 || (k > turn && draw(0, 1) == 0))
                continue;
            for (int t = 0; t < l->n_tensors; t++)
                l->tensors[t].training.epochs = 0;
            memset(want + m->places[k].trained, 0, l->n_trained * sizeof *want);
        }
        net = network_of(m, N_IMAGES, true, 1 + turn % 3);
        float *got = guarded_new(m->n_weights * sizeof *got);
        guarded_fill(got);
        network_gradient(net, w, got, &input, N_IMAGES);
        assert_memory_equal(want, got, m->n_weights * sizeof *want);
        guarded_free(w);
        guarded_free(want);
        guarded_free(got);
        network_free(net);
        images_free(&data);
        model_free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_standing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
