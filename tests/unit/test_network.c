/* Networks: the same bits for any threads, batches that count right, sums that fit together. */
#include "networks.h"

#include "kernels/reference.h"
#include "kernels/team.h"

#define SMALL                                                                                      \
    "[model]\nname = t\ninput = 2 9 7\nclasses = 5\n"                                              \
    "[c]\nkind = conv\nfilters = 7\nkernel = 3\npadding = 1\n[r]\nkind = relu\n"                   \
    "[p]\nkind = maxpool\nwindow = 3\nstride = 2\n"                                                \
    "[d]\nkind = conv\nfilters = 5\nkernel = 3\nstride = 2\npadding = 2\n[s]\nkind = relu\n"       \
    "[e]\nkind = dense\nunits = 13\n[t]\nkind = relu\n[f]\nkind = dense\nunits = 5\n"
#define PAPER                                                                                      \
    "[model]\nname = t\ninput = 3 32 32\nclasses = 10\n"                                           \
    "[c]\nkind = conv\nfilters = 6\nkernel = 5\n[r]\nkind = relu\n[p]\nkind = maxpool\nwindow = "  \
    "2\n"                                                                                          \
    "[d]\nkind = conv\nfilters = 16\nkernel = 5\n[s]\nkind = relu\n[q]\nkind = maxpool\nwindow = " \
    "2\n"                                                                                          \
    "[e]\nkind = dense\nunits = 120\n[t]\nkind = relu\n[g]\nkind = dense\nunits = 84\n"            \
    "[u]\nkind = relu\n[f]\nkind = dense\nunits = 10\n"

enum { MAX_IMAGES = 40, STEPS = 3 };
static const size_t batches[] = {33, 1, 3, 5, 8, 31, 32, 40};

/* What some steps of training lead to. */
typedef struct outcome {
    network_result result[STEPS];
    network_vectors at;
} outcome;

static void outcome_new(outcome *o, const model *m)
{
    size_t bytes = m->n_weights * sizeof(float);
    *o = (outcome){.at = {weights_new(m), guarded_new(bytes), guarded_new(bytes)}};
    memset(o->at.v, 0, bytes);
}

static void outcome_free(outcome *o)
{
    guarded_free(o->at.w);
    guarded_free(o->at.v);
    guarded_free(o->at.g);
}

static void train(network *net, images *data, size_t n, outcome *o)
{
    const update_rule rule = {
        .lr = 0.05F, .momentum = 0.9F, .weight_decay = 1e-3F, .nesterov = true};
    network_input input = {images_load, data};
    for (int k = 0; k < STEPS; k++) {
        data->first = (size_t)k; /* not the same images every time */
        o->result[k] = network_step(net, &o->at, &rule, &input, n);
    }
    data->first = 0;
}

static void assert_same(const outcome *a, const outcome *b, const model *m, const char *what)
{
    size_t bytes = m->n_weights * sizeof(float);
    for (int k = 0; k < STEPS; k++)
        if (a->result[k].loss_sum != b->result[k].loss_sum ||
            a->result[k].n_correct != b->result[k].n_correct)
            fail_msg("%s: another loss in step %d", what, k);
    if (memcmp(a->at.g, b->at.g, bytes) != 0)
        fail_msg("%s: another gradient", what);
    if (memcmp(a->at.w, b->at.w, bytes) != 0 || memcmp(a->at.v, b->at.v, bytes) != 0)
        fail_msg("%s: other weights", what);
}

/* One network for all batch sizes, large before small, against a fresh one of the right size. */
static void check_threads(const char *text)
{
    model *m = model_of(text);
    images data;
    images_new(&data, m, MAX_IMAGES + STEPS);
    network *used[5] = {NULL};
    for (int t = 1; t <= 4; t++)
        used[t] = network_of(m, MAX_IMAGES, true, t);
    for (int k = 0; k < COUNT(batches); k++) {
        outcome first;
        network *fresh = network_of(m, batches[k], true, 1);
        outcome_new(&first, m);
        train(fresh, &data, batches[k], &first);
        assert_true(first.result[STEPS - 1].loss_sum != first.result[0].loss_sum);
        for (int t = 1; t <= 4; t++) {
            outcome o;
            char what[60];
            snprintf(what, sizeof what, "%d threads, batch %zu", t, batches[k]);
            outcome_new(&o, m);
            train(used[t], &data, batches[k], &o);
            assert_same(&first, &o, m, what);
            outcome_free(&o);
        }
        outcome_free(&first);
        network_free(fresh);
    }
    for (int t = 1; t <= 4; t++)
        network_free(used[t]);
    images_free(&data);
    model_free(m);
}

static void test_threads(void **state)
{
    (void)state;
    check_threads(SMALL);
    check_threads(PAPER);
}

/* Any batch is the sum of its images, each computed alone: the same bits. */
static void test_batches_count_right(void **state)
{
    (void)state;
    enum { N = 3 * VEC_WIDTH + 1 };
    model *m = model_of(SMALL);
    network *net = network_of(m, N, false, 2);
    images data;
    images_new(&data, m, N);
    network_input input = {images_load, &data};
    float *w = weights_new(m), logits[N][5];
    double losses[N];
    uint8_t guesses[N];
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
    network_input input = {images_load, &data};
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
        network_input input = {images_load, &data};
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
    const update_rule rule = {.lr = 0.1F, .momentum = 0.9F, .weight_decay = 0.01F};
    model *m = model_of(SMALL);
    network *net = network_of(m, MAX_IMAGES, true, 3);
    images data;
    images_new(&data, m, MAX_IMAGES);
    network_input input = {images_load, &data};
    outcome a, b;
    outcome_new(&a, m);
    outcome_new(&b, m);
    for (size_t n = 29; n < 32; n++) {
        network_result x = network_gradient(net, a.at.w, a.at.g, &input, n);
        update_sgd(&rule, a.at.w, a.at.v, a.at.g, 0, m->n_weights);
        network_result y = network_step(net, &b.at, &rule, &input, n);
        assert_true(x.loss_sum == y.loss_sum && x.n_correct == y.n_correct);
        assert_memory_equal(a.at.w, b.at.w, m->n_weights * sizeof(float));
        assert_memory_equal(a.at.v, b.at.v, m->n_weights * sizeof(float));
    }
    outcome_free(&a);
    outcome_free(&b);
    network_free(net);
    images_free(&data);
    model_free(m);
}

/* A ReLU absorbed into the pooling behind it gives what it gives on its own, in front or behind. */
static void test_absorbed_relu(void **state)
{
    (void)state;
#define CHAIN(middle)                                                                              \
    "[model]\nname = t\ninput = 2 8 9\nclasses = 3\n[c]\nkind = conv\nfilters = 4\nkernel = 3\n"   \
    "padding = 1\n" middle "[f]\nkind = dense\nunits = 3\n"
#define RELU "[r]\nkind = relu\n"
#define POOL "[p]\nkind = maxpool\nwindow = 2\n"
    static const char *const texts[] = {CHAIN(RELU POOL), CHAIN(POOL RELU),
                                        CHAIN(RELU "[s]\nkind = relu\n" POOL)};
    static const int n_layers[] = {3, 4, 4};
    enum { N = VEC_WIDTH + 3 };
    images data;
    outcome o[3];
    model *m[3];
    for (int k = 0; k < 3; k++) {
        m[k] = model_of(texts[k]);
        assert_int_equal(m[k]->n_layers, n_layers[k]);
        if (k == 0)
            images_new(&data, m[k], N + STEPS);
        network *net = network_of(m[k], N, true, 2);
        outcome_new(&o[k], m[k]);
        train(net, &data, N, &o[k]);
        assert_same(&o[0], &o[k], m[0], texts[k]);
        network_free(net);
    }
    for (int k = 0; k < 3; k++) {
        outcome_free(&o[k]);
        model_free(m[k]);
    }
    images_free(&data);
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
    network_input input = {images_load, &data};
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
    network_input input = {images_load, &data};
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_batches_count_right),
        cmocka_unit_test(test_hits),
        cmocka_unit_test(test_forward_is_training_pass),
        cmocka_unit_test(test_step_is_gradient_and_update),
        cmocka_unit_test(test_absorbed_relu),
        cmocka_unit_test(test_parts_of_a_batch),
        cmocka_unit_test(test_divergence),
        cmocka_unit_test(test_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
