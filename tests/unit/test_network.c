/* Networks: batches that count right, sums that fit together (test_network_bits.c: the same bits). */
#include "networks.h"

#include "kernels/reference.h"

enum { MAX_IMAGES = 40 };

/* Any batch is the sum of its images, each computed alone: the same bits. */
static void test_batches_count_right(void **state)
{
    (void)state;
    enum { N = 3 * VEC_WIDTH + 1 };
    model *m = model_of(SMALL);
    network *net = network_of(m, N, false, 2);
    images data;
    images_new(&data, m, N);
    network_input input = {.load = images_load, .arg = &data};
    float *w = weights_new(m), logits[N][5];
    double losses[N];
    uint16_t guesses[N];
    for (size_t k = 0; k < N; k++) {
        data.first = k;
        losses[k] = network_forward(net, w, &input, 1).loss_sum;
        guesses[k] = network_guess(net, 0);
        assert_int_equal(network_label(net, 0), data.labels[k]);
        for (int c = 0; c < 5; c++)
            logits[k][c] = network_logit(net, 0, c);
    }
    data.first = 0;
    for (size_t n = N; n > 0; n--) {
        size_t n_correct = 0;
        double sum = 0.0;
        memset(data.n_loads, 0, sizeof data.n_loads);
        network_result result = network_forward(net, w, &input, n);
        for (size_t k = 0; k < n; k++) {
            sum += losses[k];
            n_correct += guesses[k] == data.labels[k];
            assert_int_equal(network_guess(net, k), guesses[k]);
            assert_int_equal(network_label(net, k), data.labels[k]);
            for (int c = 0; c < 5; c++)
                assert_true(network_logit(net, k, c) == logits[k][c]);
        }
        assert_true(result.loss_sum == sum);
        assert_int_equal(result.n_correct, n_correct);
        for (size_t b = 0; b <= N / VEC_WIDTH; b++) /* each block once */
            assert_int_equal(data.n_loads[b], b < blocks_of(n));
    }
    guarded_free(w);
    network_free(net);
    images_free(&data);
    model_free(m);
}

/* The guess is the largest logit, the first of equals; hits are guesses that are labels. */
static void test_hits(void **state)
{
    (void)state;
    model *m = model_of(SMALL);
    network *net = network_of(m, MAX_IMAGES, false, 1);
    images data;
    images_new(&data, m, MAX_IMAGES);
    network_input input = {.load = images_load, .arg = &data};
    float *w = weights_new(m);
    memset(w, 0, m->n_weights * sizeof *w);
    for (int label = 0; label < 5; label++) {
        size_t want = 0;
        float *bias = w + m->tensors[m->n_tensors - 1].offset;
        for (int c = 0; c < 5; c++)
            bias[c] = c >= label ? 0.5F : 0.0F;
        for (size_t k = 0; k < MAX_IMAGES; k++)
            want += data.labels[k] == label;
        assert_int_equal(network_forward(net, w, &input, MAX_IMAGES).n_correct, want);
    }
    guarded_free(w);
    network_free(net);
    images_free(&data);
    model_free(m);
}

/* Logits, loss and hits do not depend on what the pass is for. */
static void test_forward_is_training_pass(void **state)
{
    (void)state;
    static const char *const texts[] = {SMALL, PAPER};
    for (int j = 0; j < COUNT(texts); j++) {
        enum { N = 2 * VEC_WIDTH + 3 };
        model *m = model_of(texts[j]);
        network *trained = network_of(m, N, true, 1), *other = network_of(m, N, false, 2);
        images data;
        images_new(&data, m, N);
        network_input input = {.load = images_load, .arg = &data};
        float *w = weights_new(m), *g = guarded_new(m->n_weights * sizeof *g);
        network_result a = network_gradient(trained, w, g, &input, N);
        network_result b = network_forward(other, w, &input, N);
        assert_true(a.loss_sum == b.loss_sum && a.n_correct == b.n_correct);
        for (size_t k = 0; k < N; k++)
            for (int c = 0; c < m->n_classes; c++)
                assert_true(network_logit(trained, k, c) == network_logit(other, k, c));
        b = network_forward(trained, w, &input, N); /* on a network made for training, too */
        assert_true(a.loss_sum == b.loss_sum && a.n_correct == b.n_correct);
        guarded_free(w);
        guarded_free(g);
        network_free(trained);
        network_free(other);
        images_free(&data);
        model_free(m);
    }
}

/* A step is the gradient, then the update, and nothing else. */
static void test_step_is_gradient_and_update(void **state)
{
    (void)state;
    const optimizer_settings settings = {.lr = 0.1, .momentum = 0.9, .weight_decay = 0.01};
    const update_rule rule = {.lr = 0.1F, .momentum = 0.9F, .weight_decay = 0.01F};
    model *m = model_of(SMALL);
    optimizer by = optimizer_of("sgd", settings, m);
    float *v = guarded_new(m->n_weights * sizeof *v);
    memset(v, 0, m->n_weights * sizeof *v);
    network *net = network_of(m, MAX_IMAGES, true, 3);
    images data;
    images_new(&data, m, MAX_IMAGES);
    network_input input = {.load = images_load, .arg = &data};
    network_vectors a = vectors_new(m), b = vectors_new(m);
    for (size_t n = 29; n < 32; n++) {
        network_result x = network_gradient(net, a.w, a.g, &input, n);
        update_sgd(&rule, a.w, v, a.g, 0, m->n_weights);
        network_result y = network_step(net, &b, &by, &input, n);
        assert_true(x.loss_sum == y.loss_sum && x.n_correct == y.n_correct);
        assert_memory_equal(a.w, b.w, m->n_weights * sizeof(float));
        assert_memory_equal(v, by.states[0], m->n_weights * sizeof(float));
    }
    vectors_free(&a);
    vectors_free(&b);
    guarded_free(v);
    optimizer_release(&by);
    network_free(net);
    images_free(&data);
    model_free(m);
}

/*
 * The gradient of a batch is the mean of its parts', weighted by their images.  What an image adds is
 * rounded otherwise in a batch of another size; all of it together by at most some 2^-24 per image and
 * layer of the largest sum of the images' magnitudes.
 */
static void test_parts_of_a_batch(void **state)
{
    (void)state;
    static const size_t parts[] = {1, 7, 8, 3, 13, 1};
    enum { N = 33 };
    model *m = model_of(SMALL);
    size_t n_weights = m->n_weights;
    network *net = network_of(m, N, true, 2);
    images data;
    images_new(&data, m, N);
    network_input input = {.load = images_load, .arg = &data};
    float *w = weights_new(m), *g = guarded_new(n_weights * sizeof *g);
    double *mean = doubles_new(n_weights), *size = doubles_new(n_weights);
    memset(mean, 0, n_weights * sizeof *mean);
    memset(size, 0, n_weights * sizeof *size);
    for (size_t k = 0; k < N; k++, data.first++) {
        network_gradient(net, w, g, &input, 1);
        for (size_t i = 0; i < n_weights; i++)
            size[i] += fabs((double)g[i]) / N;
    }
    data.first = 0;
    for (int k = 0; k < COUNT(parts); data.first += parts[k++]) {
        network_gradient(net, w, g, &input, parts[k]);
        for (size_t i = 0; i < n_weights; i++)
            mean[i] += (double)g[i] * (double)parts[k] / N;
    }
    assert_int_equal(data.first, N);
    data.first = 0;
    network_gradient(net, w, g, &input, N);
    for (int k = 0; k < m->n_tensors; k++) {
        const tensor *t = &m->tensors[k];
        double largest = 0.0;
        for (size_t i = t->offset; i < t->offset + t->count; i++)
            largest = fmax(largest, size[i]);
        for (size_t i = t->offset; i < t->offset + t->count; i++)
            size[i] = largest;
        assert_true(largest > 0.0);
        assert_near(t->name, g + t->offset, mean + t->offset, size + t->offset,
                    (N + m->n_layers) * ROUNDING, t->count);
    }
    void *const all[] = {w, g, mean, size};
    for (int k = 0; k < COUNT(all); k++)
        guarded_free(all[k]);
    network_free(net);
    images_free(&data);
    model_free(m);
}

/* Weights that have diverged never pass for a loss. */
static void test_divergence(void **state)
{
    (void)state;
    model *m = model_of(PAPER);
    network *net = network_of(m, 3, true, 1);
    images data;
    images_new(&data, m, 3);
    network_input input = {.load = images_load, .arg = &data};
    float *w = weights_new(m), *g = guarded_new(m->n_weights * sizeof *g);
    assert_true(isfinite(network_gradient(net, w, g, &input, 3).loss_sum));
    for (int k = 0; k < m->n_tensors; k++) {
        float *at = w + m->tensors[k].offset, good = *at;
        *at = NAN;
        if (!isnan(network_gradient(net, w, g, &input, 3).loss_sum))
            fail_msg("NaN in %s gives a loss", m->tensors[k].name);
        *at = good;
    }
    for (size_t k = 0; k < m->n_weights; k++)
        w[k] *= 1e30F;
    assert_true(!isfinite(network_gradient(net, w, g, &input, 3).loss_sum));
    guarded_free(w);
    guarded_free(g);
    network_free(net);
    images_free(&data);
    model_free(m);
}

/* Batches that no memory holds are refused, at whatever size the numbers overflow. */
static void test_too_large(void **state)
{
    (void)state;
    model *m = model_of(PAPER);
    for (int shift = 0; shift < 12; shift++)
        for (int training = 0; training < 2; training++) {
            error err = {0};
            assert_null(network_new(m, SIZE_MAX >> shift, training, 1, &err));
            assert_true(err.kind != ERROR_NONE && err.text[0]);
            assert_null(network_new(m, (SIZE_MAX >> shift) - VEC_WIDTH, training, 1, NULL));
        }
    network_free(NULL);
    model_free(m);
}

/* Nobody wants the gradient of the images: no room for what leads to it. */
static void test_room_of_a_convolution(void **state)
{
    (void)state;
    model *m = model_of("[model]\nname = t\ninput = 4 8 8\nclasses = 256\n"
                        "[a]\nkind = conv\nfilters = 4\nkernel = 3\npadding = 1\n"
                        "[b]\nkind = conv\nfilters = 4\nkernel = 3\npadding = 1\n");
    size_t bytes[2][2];
    for (int k = 0; k < 2; k++) {
        layer *l = &m->layers[k];
        void *plan = memory_new(l->kind->plan_bytes, 1, NULL);
        l->kind->plan(l, 1, plan);
        for (int training = 0; training < 2; training++)
            assert_true(l->kind->workspace_bytes(l, plan, 3, training, &bytes[k][training]));
        memory_free(plan);
    }
    assert_int_equal(bytes[0][0], bytes[1][0]);
    assert_int_equal(bytes[0][1], bytes[0][0]);
    assert_true(bytes[1][1] > bytes[1][0]);
    model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_room_of_a_convolution),
        cmocka_unit_test(test_batches_count_right),
        cmocka_unit_test(test_hits),
        cmocka_unit_test(test_forward_is_training_pass),
        cmocka_unit_test(test_step_is_gradient_and_update),
        cmocka_unit_test(test_parts_of_a_batch),
        cmocka_unit_test(test_divergence),
        cmocka_unit_test(test_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
