/* Engines: the same bits from all that have fused multiply-adds, whatever their width; which one is chosen. */
#include "networks.h"

#include "engine/engine.h"

enum { MAX_IMAGES = 37, STEPS = 3 };

/* Images as they are, in blocks of the engine's width. */
typedef struct feed {
    const images *data;
    size_t width;
} feed;

static void load(void *arg, size_t first, size_t n, float *x, uint16_t *labels)
{
    const feed *self = arg;
    const images *data = self->data;
    assert_true(n <= self->width && first % self->width == 0);
    for (size_t f = 0; f < data->features; f++)
        for (size_t lane = 0; lane < self->width; lane++)
            x[f * self->width + lane] =
                lane < n ? data->x[(first + lane) * data->features + f] : 0.0F;
    memcpy(labels, data->labels + first, n * sizeof *labels);
}

/* A training to be done by several engines: a batch of a model's images, a rule by its number. */
typedef struct course {
    const model *model;
    const images *data;
    size_t n, rule;
} course;

/* What it leads to. */
typedef struct outcome {
    double loss;
    network_vectors at;
    optimizer by;
} outcome;

/* The last step is one outside of the network. */
static outcome train(const engine *on, const course *how, int n_threads)
{
    const optimizer_settings settings = {.lr = 0.05,
                                         .momentum = 0.9,
                                         .weight_decay = 1e-3,
                                         .beta1 = 0.9,
                                         .beta2 = 0.999,
                                         .epsilon = 1e-8,
                                         .muon_lr = 0.1,
                                         .muon_momentum = 0.6,
                                         .clip_norm = 0.5};
    feed from = {how->data, (size_t)on->width};
    network_input input = {.load = load, .arg = &from};
    error err = {0};
    outcome o = {.at = vectors_new(how->model)};
    network *net = engine_network_new(on, how->model, how->n, true, n_threads, &err);
    assert_non_null(net);
    assert_true(optimizer_init(&o.by, on->optimizer_rules[how->rule], &settings, how->model, &err));
    on->network_smooth_labels(net, 0.1F);
    for (int k = 0; k < STEPS; k++)
        on->network_step(net, &o.at, &o.by, &input, how->n);
    o.loss = on->network_gradient(net, o.at.w, o.at.g, &input, how->n).loss_sum;
    on->optimizer_step(&o.by, o.at.w, o.at.g, n_threads);
    on->network_measure(net, o.at.w, o.at.g, &input, how->n);
    on->network_free(net);
    return o;
}

static void outcome_free(outcome *o)
{
    vectors_free(&o->at);
    optimizer_release(&o->by);
}

static void assert_same(const outcome *a, const outcome *b, size_t n_weights, const char *what)
{
    size_t bytes = n_weights * sizeof(float);
    if (a->loss != b->loss || memcmp(a->at.w, b->at.w, bytes) != 0)
        fail_msg("%s: other weights", what);
    if (memcmp(a->at.g, b->at.g, bytes) != 0)
        fail_msg("%s: other measures", what);
    for (int k = 0; a->by.states[k]; k++)
        if (memcmp(a->by.states[k], b->by.states[k], bytes) != 0)
            fail_msg("%s: another state", what);
}

static void check_batch(const course *how)
{
    const engine *best = engine_choose(0, NULL);
    outcome first = train(best, how, 1);
    for (const engine *const *e = engines; *e; e++) {
        if (!engine_runs(*e) || *e == best)
            continue;
        char what[80];
        snprintf(what, sizeof what, "%s/%d, %s, batch %zu", (*e)->isa, (*e)->width,
                 optimizer_name(how->rule), how->n);
        outcome other = train(*e, how, 2);
        assert_string_equal(other.by.rule->name, first.by.rule->name);
        if (!(fabs(other.loss - first.loss) < 1e-3 * (fabs(first.loss) + 1.0)))
            fail_msg("%s: loss %g, not %g", what, other.loss, first.loss);
        if ((*e)->fused == best->fused)
            assert_same(&first, &other, how->model->n_weights, what);
        outcome_free(&other);
    }
    outcome_free(&first);
}

static void check_engines(const char *text, const char *rule)
{
    static const size_t batches[] = {MAX_IMAGES, 4, 16, 7, 8, 1};
    model *m = model_of(text);
    images data;
    images_new(&data, m, MAX_IMAGES);
    course how = {.model = m, .data = &data};
    while (strcmp(optimizer_name(how.rule), rule) != 0)
        how.rule++;
    for (int k = 0; k < enough_of(COUNT(batches)); k++) {
        how.n = batches[k];
        check_batch(&how);
    }
    images_free(&data);
    model_free(m);
}

static void test_same_bits(void **state)
{
    (void)state;
    if (!engines[1])
        skip(); /* this build holds but one */
    check_engines(SMALL, "sgd");
    check_engines(SMALL, "adamw");
    check_engines(SMALL, "muon");
    check_engines(PAPER, "sgd");
    check_engines(MIXED, "sgd");
    check_engines(NORMS, "adamw");
    check_engines(WINOGRAD, "sgd");
    check_engines(GROUPED, "adamw");
    check_engines(DEPTHWISE, "sgd");
}

/* One optimizer may serve networks of other engines with the same instruction set, but its rule is no other's. */
static void test_rules_are_the_engine_s(void **state)
{
    (void)state;
    for (const engine *const *e = engines; *e; e++)
        for (size_t k = 0; optimizer_name(k); k++) {
            const optimizer_rule *rule = (*e)->optimizer_rules[k];
            assert_string_equal(rule->name, optimizer_name(k));
            assert_true((rule == optimizer_rules[k]) == (*e == &engine_own));
            assert_true((rule->update == optimizer_rules[k]->update) == (*e == &engine_own));
        }
}

static void test_choice(void **state)
{
    (void)state;
    const engine *best = engine_choose(0, NULL);
    int n_found = 0;
    assert_non_null(best);
    assert_true(engine_runs(best) && engine_runs(&engine_own));
    for (int isa = 1; engine_isa((size_t)isa); isa++) {
        error err = {0};
        const engine *one = engine_choose(isa, &err);
        n_found += one != NULL;
        assert_int_equal(err.kind, one ? ERROR_NONE : ERROR_USER);
        if (one)
            assert_string_equal(one->isa, engine_isa((size_t)isa));
        else
            assert_non_null(strstr(err.text, engine_isa((size_t)isa)));
        assert_true(!one || one->fused == (strcmp(one->isa, "sse2") != 0));
    }
    assert_in_range(n_found, strcmp(engine_own.isa, "generic") != 0, 3);
}

/* No lanes that a batch leaves empty, where there is a narrower engine; never another instruction set. */
static void test_width_follows_the_batch(void **state)
{
    (void)state;
    for (const engine *const *e = engines; *e; e++) {
        const engine *widest = engine_choose(0, NULL);
        for (size_t n = 1; n <= 70; n++) {
            const engine *one = engine_for_batch(widest, n);
            assert_string_equal(one->isa, widest->isa);
            bool fits = n <= (size_t)(*e)->width && strcmp((*e)->isa, widest->isa) == 0;
            assert_true(!fits || one->width <= (*e)->width);
            assert_true(one->width == widest->width || n <= (size_t)one->width);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_bits),
        cmocka_unit_test(test_rules_are_the_engine_s),
        cmocka_unit_test(test_choice),
        cmocka_unit_test(test_width_follows_the_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
