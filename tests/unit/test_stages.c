/* Stages: graphs of layers, cut into runs by blocks and by the team; reductions; ranges of stages. */
#include "graphs.h"
#include "mean_loss.h"

#include "model/network_step.h"

enum { MAX_IMAGES = 3 * VEC_WIDTH + 2, N_GRAPHS = 8, GRAPH_LAYERS = 9, STEPS_TAKEN = 3 };

/* ---- which stages ------------------------------------------------------------------------------- */

static void assert_stages(const model *m, const stage *want, int n)
{
    network *net = network_of(m, 1, true, 1);
    const stage *got = net->stages;
    assert_int_equal(net->n_stages, n);
    for (int k = 0; k < n; k++) {
        assert_int_equal(got[k].kind, want[k].kind);
        assert_int_equal(got[k].first, want[k].first);
        assert_int_equal(got[k].last, want[k].last);
        assert_int_equal(got[k].reduces, want[k].reduces);
        if (want[k].kind == STAGE_BLOCKS)
            assert_int_equal(got[k].single, want[k].single);
    }
    network_free(net);
}

static void test_stages_of(void **state)
{
    (void)state;
    /* The paper's: all by blocks, the convolutions and pools one block at a time. */
    model *m = model_of(PAPER);
    assert_stages(m, &(stage){STAGE_BLOCKS, 0, 9, 4, false}, 1);
    model_free(m);
    m = graph_new((layer_shape){3, 5, 4}, 2);
    int first = graph_conv(m, LAYER_IMAGES, 3, 3);
    graph_add(m, &kind_power, first, 0);
    int second = graph_add(m, &kind_power, 1, 0);
    graph_conv(m, second, 3, 5);
    graph_sum(m, first, 3);
    graph_dense(m, 4, 2);
    graph_build(m);
    static const stage want[] = {{STAGE_BLOCKS, 0, 1, 1, false},
                                 {STAGE_BLOCKS, 1, 2, 2, true},
                                 {STAGE_BLOCKS, 2, 3, 3, true},
                                 {STAGE_TEAM, 3, 4, 0, false},
                                 {STAGE_BLOCKS, 4, 6, 5, false}};
    assert_stages(m, want, COUNT(want));
    model_free(m);
}

/* What is no graph that can be run: one line each, about the layer. */
static void test_wrong_graphs(void **state)
{
    (void)state;
    static const struct {
        int inputs[3][2]; /* of a relu, an add, and a dense layer */
        const char *what;
    } list[] = {
        {{{LAYER_IMAGES}, {LAYER_IMAGES, 0}, {1}}, NULL},
        {{{0}, {LAYER_IMAGES, 0}, {1}}, "g:11: [relu0] reads what does not come before it"},
        {{{-2}, {LAYER_IMAGES, 0}, {1}}, "g:11: [relu0] reads what does not come before it"},
        {{{LAYER_IMAGES}, {0, 1}, {1}}, "g:12: [add1] reads what does not come before it"},
        {{{LAYER_IMAGES}, {0, 2}, {1}}, "g:12: [add1] reads what does not come before it"},
        {{{LAYER_IMAGES}, {0, 0}, {1}}, "g:12: [add1] reads the same twice"},
        {{{LAYER_IMAGES}, {LAYER_IMAGES, LAYER_IMAGES}, {1}}, "g:11: [relu0] is read by no other"},
        {{{LAYER_IMAGES}, {LAYER_IMAGES, 0}, {0}}, "g:12: [add1] is read by no other layer"},
    };
    for (int k = 0; k < COUNT(list); k++) {
        error err = {0};
        model *m = graph_new((layer_shape){1, 2, 2}, 2);
        graph_add(m, layer_kind_find("relu"), list[k].inputs[0][0], 0);
        graph_sum(m, list[k].inputs[1][0], list[k].inputs[1][1]);
        graph_dense(m, list[k].inputs[2][0], 2);
        for (int i = 0; i < 3; i++)
            m->layers[i].line = m->layers[i].inputs_line = 11 + i;
        assert_int_equal(build_model(m, "g", &err), !list[k].what);
        assert_int_equal(err.kind, list[k].what ? ERROR_USER : ERROR_NONE);
        if (list[k].what && !strstr(err.text, list[k].what))
            fail_msg("expected %s, got %s", list[k].what, err.text);
        model_free(m);
    }
}

/* ---- gradients ---------------------------------------------------------------------------------- */

/* Two branches of the images; both read by more than one layer; a residual; statistics of the first and last layer. */
static model *graph_known(int which)
{
    model *m = graph_new((layer_shape){2, 5, 4}, 3);
    int a, b;
    if (which == 0) {
        a = graph_conv(m, LAYER_IMAGES, 4, 3);
        b = graph_conv(m, LAYER_IMAGES, 4, 5);
        a = graph_sum(m, a, b);
        b = graph_sum(m, b, a);
        graph_dense(m, graph_sum(m, b, a), 3);
    } else if (which == 1) {
        a = graph_add(m, layer_kind_find("relu"), graph_conv(m, LAYER_IMAGES, 4, 3), 0);
        b = graph_add(m, &kind_power, graph_conv(m, a, 4, 3), 0);
        b = graph_conv(m, graph_add(m, layer_kind_find("relu"), b, 0), 4, 3);
        graph_dense(m, graph_pool(m, graph_sum(m, b, a)), 3);
    } else {
        a = graph_dense(m, graph_add(m, &kind_power, LAYER_IMAGES, 0), 9);
        b = graph_sum(m, graph_dense(m, a, 3), graph_dense(m, a, 3));
        graph_add(m, &kind_power, b, 0);
    }
    return graph_build(m);
}

static void test_gradients(void **state)
{
    (void)state;
    for (int k = 0; k < 3 + enough_of(N_GRAPHS); k++) {
        char what[40];
        model *m = k < 3 ? graph_known(k) : graph_random(GRAPH_LAYERS);
        snprintf(what, sizeof what, "graph %d", k);
        check_mean_loss(m, what);
        model_free(m);
    }
}

/* A layer that two read is not absorbed; one that a single one reads is, and the numbers of the others move. */
static void test_absorption(void **state)
{
    (void)state;
    for (int read_twice = 0; read_twice < 2; read_twice++) {
        model *m = graph_new((layer_shape){3, 4, 4}, 2);
        int a = graph_conv(m, LAYER_IMAGES, 3, 3), r = graph_add(m, layer_kind_find("relu"), a, 0);
        int p = graph_pool(m, r), q = graph_pool(m, read_twice ? r : a);
        graph_dense(m, graph_sum(m, p, q), 2);
        graph_build(m);
        assert_int_equal(m->n_layers, read_twice ? 6 : 5);
        const layer *add = &m->layers[m->n_layers - 2];
        for (int i = 0; i < 2; i++) {
            const layer *pool = &m->layers[add->inputs[i]];
            assert_string_equal(pool->name, i ? "maxpool3" : "maxpool2");
            assert_string_equal(m->layers[pool->inputs[0]].name, read_twice ? "relu1" : "conv0");
        }
        model_free(m);
    }
}

/* ---- bits --------------------------------------------------------------------------------------- */

static network_vectors train(const model *m, images *data, size_t n, int n_threads)
{
    optimizer by = optimizer_of(
        "sgd", (optimizer_settings){.lr = 0.05, .momentum = 0.9, .weight_decay = 1e-3}, m);
    network *net = network_of(m, n, true, n_threads);
    network_input input = {.load = images_load, .arg = data};
    network_vectors at = vectors_new(m);
    for (int k = 0; k < STEPS_TAKEN; k++)
        network_step(net, &at, &by, &input, n);
    optimizer_release(&by);
    network_free(net);
    return at;
}

static void test_threads(void **state)
{
    (void)state;
    static const size_t batches[] = {1, VEC_WIDTH + 1, 2 * VEC_WIDTH, MAX_IMAGES};
    for (int k = 0; k < enough_of(N_GRAPHS); k++) {
        model *m = graph_random(GRAPH_LAYERS);
        size_t bytes = m->n_weights * sizeof(float);
        images data;
        images_new(&data, m, MAX_IMAGES);
        for (int j = 0; j < COUNT(batches); j++) {
            network_vectors one = train(m, &data, batches[j], 1);
            for (int t = 2; t <= 4; t++) {
                network_vectors at = train(m, &data, batches[j], t);
                if (memcmp(one.w, at.w, bytes) != 0 || memcmp(one.g, at.g, bytes) != 0)
                    fail_msg("graph %d, batch %zu, %d threads: other bits", k, batches[j], t);
                vectors_free(&at);
            }
            vectors_free(&one);
        }
        images_free(&data);
        model_free(m);
    }
}

/* A step in three regions, cut at any stage, as a pipeline would take it. */
typedef struct parts {
    step s;
    int cut, region;
} parts;

static void run_part(const team *us, void *arg)
{
    parts *self = arg;
    step *s = &self->s;
    stage_walk at = {.pass = &s->pass, .us = us};
    if (self->region == 0) {
        step_load(s, &at);
        step_prepare(s, &at);
        stages_forward(&at, 0, self->cut);
    } else if (self->region == 1) {
        stages_forward(&at, self->cut, s->net->n_stages);
        step_loss(s, &at);
        stages_backward(&at, self->cut, s->net->n_stages);
    } else {
        stages_backward(&at, 0, self->cut);
    }
}

static void test_ranges(void **state)
{
    (void)state;
    for (int k = 0; k < enough_of(N_GRAPHS); k++) {
        model *m = graph_random(GRAPH_LAYERS);
        images data;
        images_new(&data, m, MAX_IMAGES);
        network_input input = {.load = images_load, .arg = &data};
        network *net = network_of(m, MAX_IMAGES, true, 2);
        float *w = weights_new(m), *want = guarded_new(m->n_weights * sizeof *want),
              *got = guarded_new(m->n_weights * sizeof *got);
        network_gradient(net, w, want, &input, MAX_IMAGES);
        for (int cut = 0; cut <= net->n_stages; cut++) {
            parts p = {.s = {.net = net, .input = &input, .n_images = MAX_IMAGES, .w = w, .g = got},
                       .cut = cut};
            guarded_fill(got);
            step_begin(&p.s);
            for (; p.region < 3; p.region++)
                team_run(2, run_part, &p);
            assert_memory_equal(want, got, m->n_weights * sizeof *want);
        }
        guarded_free(w);
        guarded_free(want);
        guarded_free(got);
        network_free(net);
        images_free(&data);
        model_free(m);
    }
}

/* ---- statistics --------------------------------------------------------------------------------- */

/* Trained tensors first, statistics behind, the list in the layers' order; names of their layers. */
static void test_flat_vector(void **state)
{
    (void)state;
    model *m = graph_new((layer_shape){2, 5, 4}, 3);
    int a = graph_add(m, &kind_power, LAYER_IMAGES, 0);
    graph_dense(m, graph_add(m, &kind_power, graph_conv(m, a, 4, 3), 0), 3);
    graph_build(m);
    static const struct {
        const char *name;
        size_t offset;
        const char *layer;
    } want[] = {{"power0.gain", 0, "power0"},    {"power0.running_power", 325, "power0"},
                {"conv1.weight", 2, "conv1"},    {"conv1.bias", 74, "conv1"},
                {"power2.gain", 78, "power2"},   {"power2.running_power", 327, "power2"},
                {"dense3.weight", 82, "dense3"}, {"dense3.bias", 322, "dense3"}};
    assert_int_equal(m->n_trained, 325);
    assert_int_equal(m->n_weights, 331);
    assert_int_equal(m->n_tensors, COUNT(want));
    for (int k = 0; k < COUNT(want); k++) {
        const tensor *t = &m->tensors[k];
        assert_string_equal(t->name, want[k].name);
        assert_int_equal(t->offset, want[k].offset);
        assert_int_equal(t->role, strstr(t->name, "running") ? TENSOR_STATISTIC : TENSOR_TRAINED);
        assert_string_equal(model_layer_of(m, t->offset), want[k].layer);
        assert_string_equal(model_layer_of(m, t->offset + t->count - 1), want[k].layer);
    }
    model_free(m);
}

/* A step moves them towards the batch's, whatever the rule says of weights; passes without training read them. */
static void test_statistics(void **state)
{
    (void)state;
    model *m = graph_new((layer_shape){2, 5, 4}, 3);
    graph_dense(m, graph_add(m, &kind_power, LAYER_IMAGES, 0), 3);
    graph_build(m);
    images data;
    images_new(&data, m, MAX_IMAGES);
    network_input input = {.load = images_load, .arg = &data};
    network *net = network_of(m, MAX_IMAGES, true, 2);
    network_vectors at = vectors_new(m);
    optimizer by = optimizer_of(
        "sgd", (optimizer_settings){.lr = 0.0, .momentum = 0.9, .weight_decay = 0.5}, m);
    double loss = 0.0;
    for (int turn = 0; turn < 200; turn++)
        loss = network_step(net, &at, &by, &input, MAX_IMAGES).loss_sum;
    for (size_t c = 0; c < 2; c++) {
        double power = 0.0;
        for (size_t k = 0; k < MAX_IMAGES; k++)
            for (size_t p = 0; p < 20; p++)
                power += pow((double)data.x[k * 40 + c * 20 + p], 2.0) / (20.0 * MAX_IMAGES);
        assert_true(fabs((double)at.w[m->n_trained + c] - power) < 1e-5);
        assert_true(by.states[0][m->n_trained + c] == 0.0F);
    }
    assert_true(fabs(network_forward(net, at.w, &input, MAX_IMAGES).loss_sum - loss) < 1e-3);
    optimizer_release(&by);
    at.w[m->n_trained] = 40.0F;
    assert_true(fabs(network_forward(net, at.w, &input, MAX_IMAGES).loss_sum - loss) > 1e-2);
    vectors_free(&at);
    network_free(net);
    images_free(&data);
    model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stages_of),   cmocka_unit_test(test_wrong_graphs),
        cmocka_unit_test(test_gradients),   cmocka_unit_test(test_absorption),
        cmocka_unit_test(test_threads),     cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_flat_vector), cmocka_unit_test(test_statistics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
