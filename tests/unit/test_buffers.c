/* Memory of activations and gradients: what shares it, what lies in a thread's own. */
#include "graphs.h"
#include "networks.h"

#include "model/buffers.h"
#include "model/network_step.h"

/* Buffers that live at once lie apart, and each fits its slot. */
static void test_buffers_lie_apart(void **state)
{
    (void)state;
    for (int turn = 0; turn < 100; turn++) {
        enum { N = 40 };
        buffer all[N];
        size_t sizes[N];
        int moments = draw(1, 30), most = 0;
        for (int k = 0; k < N; k++) {
            all[k] = (buffer){.size = (size_t)draw(0, 5), .first = draw(1, moments)};
            all[k].last = draw(0, 9) ? draw(all[k].first, moments) : BUFFERS_ALWAYS;
        }
        int n = buffers_place(all, N, sizes);
        for (int k = 0; k < N; k++) {
            if (all[k].size == 0)
                continue;
            assert_in_range(all[k].slot, 0, n - 1);
            assert_true(sizes[all[k].slot] >= all[k].size);
            int alive = 0;
            for (int j = 0; j < N; j++) {
                bool together =
                    all[j].size > 0 && all[j].first <= all[k].first && all[j].last >= all[k].first;
                alive += together;
                assert_true(j == k || !together || all[j].slot != all[k].slot);
            }
            most = alive > most ? alive : most;
        }
        assert_true(n >= most && n <= 2 * most);
    }
}

/* A chain of the team's layers needs two buffers without training, whatever its length; in training, for the gradients. */
static void test_chain_needs_two(void **state)
{
    (void)state;
    model *m = graph_new((layer_shape){3, 5, 4}, 60);
    for (int k = 0; k < 9; k++)
        graph_conv(m, k - 1, 3, 5);
    graph_build(m);
    network *net = network_of(m, 1, false, 1), *training = network_of(m, 1, true, 1);
    assert_int_equal(net->n_slots, 2);
    assert_int_equal(training->n_slots,
                     3); /* the logits stay, and padded layers keep their inputs themselves */
    network_free(net);
    network_free(training);
    model_free(m);
}

/* Behind a reduction threads go on without meeting: what it still reads is not what the next layers write. */
static void test_no_meeting_behind_a_reduction(void **state)
{
    (void)state;
    model *m = graph_new((layer_shape){3, 5, 4}, 2);
    graph_conv(m, LAYER_IMAGES, 4, 3);
    graph_conv(m, 0, 3, 3);
    graph_add(m, &kind_power, 1, 0);
    graph_dense(m, 2, 2);
    graph_build(m);
    network *net = network_of(m, 1, true, 1);
    buffer outputs[4], gradients[4];
    buffers_of(net->model, net->stages, net->n_stages, true, outputs, gradients);
    assert_int_equal(gradients[2].last, gradients[0].first); /* power's, and what conv1 writes */
    assert_true(gradients[3].last < gradients[0].first); /* the dense layer's: a barrier between */
    network_free(net);
    model_free(m);
}

/* Where nobody needs what a layer overwrites, it works in place: forward if that holds for the backward pass, too. */
static void test_in_place(void **state)
{
    (void)state;
    static const struct {
        const char *second, *third;
        bool residual, output[2], inference[2], gradient[2]; /* of the second in the first's, ... */
    } list[] = {
        /* a convolution's output is needed by a gelu's backward pass; a gelu's own by a tanh's nowhere */
        {"gelu", "tanh", false, {false, true}, {true, true}, {true, true}},
        {"tanh", "gelu", false, {true, false}, {true, true}, {true, true}},
        {"tanh", "tanh", false, {true, false}, {true, true}, {true, true}},
        /* a layer behind reads the first: it is not overwritten, nor its gradient here first written */
        {"tanh", "dropout", true, {false, false}, {false, true}, {false, true}},
    };
    for (int k = 0; k < COUNT(list); k++)
        for (int training = 0; training < 2; training++) {
            model *m = graph_new((layer_shape){2, 5, 4}, 2);
            int a = graph_conv(m, LAYER_IMAGES, 4, 3);
            int b = graph_add(m, layer_kind_find(list[k].second), a, 0);
            int c = graph_add(m, layer_kind_find(list[k].third), b, 0);
            graph_dense(m, list[k].residual ? graph_sum(m, graph_conv(m, c, 4, 3), a) : c, 2);
            graph_build(m);
            network *net = network_of(m, 1, training, 1);
            layer_pass *p = net->passes;
            const bool *want = training ? list[k].output : list[k].inference;
            assert_int_equal(p[b].y == p[a].y, want[0]);
            assert_int_equal(p[c].y == p[b].y, want[1]);
            assert_int_equal(training && net->gradients[a] == p[b].gy,
                             training && list[k].gradient[0]);
            assert_int_equal(training && net->gradients[b] == p[c].gy,
                             training && list[k].gradient[1]);
            network_free(net);
            model_free(m);
        }
}

/* Of the paper's net: what its pools have read, and gradients up to the last pool's, whose output the dense layers get. */
static void test_own(void **state)
{
    (void)state;
    static const bool y[] = {true, false, true, false}, gy[] = {true, true, true, false};
    for (int training = 0; training < 2; training++) {
        model *m = model_of(PAPER);
        network *net = network_of(m, 1, training, 2);
        const stage_own *own = net->own_places;
        for (int k = 0; k < m->n_layers; k++) {
            assert_int_equal(own[k].y >= 0, k < 4 && (y[k] || (!training && k == 1)));
            assert_int_equal(own[k].gy >= 0, training && k < 4 && gy[k]);
        }
        if (training) /* each is made of the one before */
            assert_true(own[2].gy != own[1].gy && own[1].gy != own[0].gy);
        network_free(net);
        model_free(m);
    }
}

/* Whoever reads what is a thread's own is passed by the same block, and two that live at once lie apart. */
static void test_own_of_graphs(void **state)
{
    (void)state;
    for (int turn = 0; turn < 30; turn++) {
        model *m = graph_random(draw(2, 12));
        network *net = network_of(m, 1, true, 1);
        int n = m->n_layers;
        buffer all[2 * MODEL_MAX_LAYERS], own[2 * MODEL_MAX_LAYERS];
        buffers_of(net->model, net->stages, net->n_stages, true, all, all + n);
        buffers_own(net->model, net->stages, net->n_stages, true, all, all + n, own);
        for (int k = 0; k < n; k++) {
            const stage *s = net->stages;
            while (s->last <= k)
                s++;
            bool passed = s->kind == STAGE_BLOCKS && k < s->single && k + 1 < n, read = false;
            for (int j = k + 1; j < n; j++)
                for (int i = 0; i < m->layers[j].n_inputs; i++) {
                    bool by = m->layers[j].inputs[i] == k;
                    passed = passed && (!by || j < s->single);
                    read = read || (by && !net->model->layers[j].forgets_x);
                }
            assert_true(passed || (own[k].size == 0 && own[n + k].size == 0));
            const layer *l = &net->model->layers[k];
            bool later = l->kind->backward_sums || (l->n_trained > 0 && l->n_sums == 0);
            assert_true(own[k].size == 0 || (!read && l->forgets_y));
            assert_true(own[n + k].size == 0 || !later); /* else gy is read behind the block */
            assert_true(own[k].size == 0 || own[k].size == all[k].size);
        }
        network_free(net);
        model_free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buffers_lie_apart),
        cmocka_unit_test(test_chain_needs_two),
        cmocka_unit_test(test_in_place),
        cmocka_unit_test(test_no_meeting_behind_a_reduction),
        cmocka_unit_test(test_own),
        cmocka_unit_test(test_own_of_graphs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
