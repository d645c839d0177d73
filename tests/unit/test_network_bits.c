/* Networks: the same bits for any number of threads, and whatever a ReLU is absorbed into. */
#include "networks.h"

enum { MAX_IMAGES = 40, STEPS = 3 };
static const size_t batches[] = {33, 1, 3, 5, 8, 31, 32, 40};

/* What some steps of training lead to. */
typedef struct outcome {
    network_result result[STEPS];
    network_vectors at;
    optimizer by;
} outcome;

static void outcome_new(outcome *o, const model *m, const char *name, double clip_norm)
{
    const optimizer_settings settings = {.lr = 0.05,
                                         .momentum = 0.9,
                                         .weight_decay = 1e-3,
                                         .beta1 = 0.9,
                                         .beta2 = 0.999,
                                         .epsilon = 1e-8,
                                         .muon_lr = 0.1,
                                         .muon_momentum = 0.6,
                                         .clip_norm = clip_norm,
                                         .nesterov = true};
    *o = (outcome){.at = vectors_new(m), .by = optimizer_of(name, settings, m)};
}

static void outcome_free(outcome *o)
{
    vectors_free(&o->at);
    optimizer_release(&o->by);
}

static void train(network *net, images *data, size_t n, outcome *o)
{
    network_input input = {.load = images_load, .arg = data};
    for (int k = 0; k < STEPS; k++) {
        data->first = (size_t)k; /* not the same images every time */
        o->result[k] = network_step(net, &o->at, &o->by, &input, n);
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
    if (memcmp(a->at.w, b->at.w, bytes) != 0)
        fail_msg("%s: other weights", what);
    for (int k = 0; a->by.states[k]; k++)
        if (memcmp(a->by.states[k], b->by.states[k], bytes) != 0)
            fail_msg("%s: another state", what);
}

/* One network for all batch sizes, large before small, against a fresh one of the right size. */
static void check_threads(const char *text, const char *name, double clip_norm)
{
    model *m = model_of(text);
    images data;
    images_new(&data, m, MAX_IMAGES + STEPS);
    network *used[5] = {NULL};
    for (int t = 1; t <= 4; t++)
        used[t] = network_of(m, MAX_IMAGES, true, t);
    for (int k = 0; k < enough_of(COUNT(batches)); k++) {
        outcome first;
        network *fresh = network_of(m, batches[k], true, 1);
        outcome_new(&first, m, name, clip_norm);
        train(fresh, &data, batches[k], &first);
        assert_true(first.result[STEPS - 1].loss_sum != first.result[0].loss_sum);
        for (int t = 1; t <= 4; t++) {
            outcome o;
            char what[60];
            snprintf(what, sizeof what, "%s, %d threads, batch %zu", name, t, batches[k]);
            outcome_new(&o, m, name, clip_norm);
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
    check_threads(SMALL, "sgd", 0.0);
    check_threads(SMALL, "adamw", 1.0);
    check_threads(SMALL, "muon", 0.5);
    check_threads(PAPER, "sgd", 0.1);
    check_threads(WINOGRAD, "sgd", 0.0);
    check_threads(MIXED, "sgd", 0.0);
    check_threads(NORMS, "sgd", 0.0);
    check_threads(GROUPED, "sgd", 0.0);
    check_threads(DEPTHWISE, "sgd", 0.0);
}

/* Models of so many layers each, once absorbed, that train to the same bits. */
static void check_alike(const char *const *texts, const int *n_layers, int n)
{
    enum { N = VEC_WIDTH + 3, MOST = 3 };
    images data;
    outcome o[MOST];
    model *m[MOST];
    assert_true(n <= MOST);
    for (int k = 0; k < n; k++) {
        m[k] = model_of(texts[k]);
        assert_int_equal(m[k]->n_layers, n_layers[k]);
        if (k == 0)
            images_new(&data, m[k], N + STEPS);
        network *net = network_of(m[k], N, true, 2);
        outcome_new(&o[k], m[k], "sgd", 0.0);
        train(net, &data, N, &o[k]);
        assert_same(&o[0], &o[k], m[0], texts[k]);
        network_free(net);
    }
    for (int k = 0; k < n; k++) {
        outcome_free(&o[k]);
        model_free(m[k]);
    }
    images_free(&data);
}

/* A ReLU absorbed into the sum before it gives what it gives behind a layer that does nothing. */
static void test_absorbed_by_a_sum(void **state)
{
    (void)state;
#define SUM(between)                                                                               \
    "[model]\nname = t\ninput = 2 8 9\nclasses = 3\n[c]\nkind = conv\nfilters = 4\nkernel = 3\n"   \
    "padding = 1\n[d]\nkind = conv\nfilters = 4\nkernel = 3\npadding = 1\n"                        \
    "[a]\nkind = add\ninput = c, d\n" between "[r]\nkind = relu\n[e]\nkind = add\ninput = r, c\n"  \
    "[f]\nkind = dense\nunits = 3\n"
    static const char *const texts[] = {SUM(""), SUM("[s]\nkind = scale\nfactor = 1\n")};
    check_alike(texts, (const int[]){5, 7}, 2);
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
    check_alike(texts, (const int[]){3, 4, 4}, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_absorbed_relu),
        cmocka_unit_test(test_absorbed_by_a_sum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
