/* The kinds of normalisation: against the plain form, and with a ReLU behind as with one of its own. */
#include "blocks.h"

#include "kernels/pool.h"
#include "kernels/reference.h"
#include "layers/layer.h"

/* Of small sets the variance is, too; eps bounds what their rounding is multiplied by. */
#define EPS 0.01
#define EPS_TEXT "0.01"

typedef struct norm_case {
    layer l;
    reference_norm r;
    layer_pass pass;
    size_t n, features; /* images; of one */
    float offset;       /* of all x: how much larger than their deviation their mean is */
    float *x, *gy, *w, *g, *statistics, *measured;
    vec *in, *gout;
} norm_case;

/* What a pass forward and backward gives. */
typedef struct outcome {
    vec *y, *gx;
    float *g;
} outcome;

static void set(layer *l, const char *name, const char *text)
{
    layer_setting *setting = &l->settings[l->n_settings++];
    snprintf(setting->name, sizeof setting->name, "%s", name);
    snprintf(setting->text, sizeof setting->text, "%s", text);
}

static void norm_layer(norm_case *c, const char *kind, layer_shape shape, bool scale, bool bias)
{
    error err = {0};
    static char groups[16];
    layer *l = &c->l;
    *l = (layer){.kind = layer_kind_find(kind), .name = "n", .in = {shape}, .n_inputs = 1};
    set(l, "eps", EPS_TEXT);
    if (!scale)
        set(l, "scale", "no");
    if (!bias)
        set(l, "bias", "no");
    snprintf(groups, sizeof groups, "%d", c->r.groups);
    if (strcmp(kind, "groupnorm") == 0)
        set(l, "groups", groups);
    if (!l->kind->infer(l, &err))
        fail_msg("%s", err.text);
}

static void norm_new(norm_case *c, const char *kind, layer_shape shape, int turn)
{
    int n_images = edge_counts[turn % COUNT(edge_counts)];
    bool scale = turn % 4 != 1, bias = turn % 4 != 2;
    enum reference_over over = kind[0] == 'b'   ? REFERENCE_BATCH
                               : kind[0] == 'g' ? REFERENCE_GROUP
                                                : REFERENCE_PIXEL;
    *c = (norm_case){.n = (size_t)n_images,
                     .features = layer_features(shape),
                     .offset = turn % 5 == 4 ? 1000.0F : 0.0F};
    c->r = (reference_norm){.over = over,
                            .n_images = n_images,
                            .channels = shape.channels,
                            .plane = shape.height * shape.width,
                            .groups = shape.channels % 3 == 0 ? 3 : 1,
                            .eps = EPS};
    norm_layer(c, kind, shape, scale, bias);
    size_t channels = (size_t)shape.channels, blocks = blocks_of(c->n);
    c->x = floats_new(c->n * c->features, REALS);
    for (size_t k = 0; k < c->n * c->features; k++)
        c->x[k] += c->offset;
    c->gy = floats_new(c->n * c->features, REALS);
    c->w = floats_new(c->l.n_trained, REALS);
    c->g = guarded_new(c->l.n_trained * sizeof(float));
    c->statistics = floats_new(c->l.n_statistics, REALS);
    c->measured = guarded_new(c->l.n_statistics * sizeof(float));
    c->r.w = scale ? c->w : NULL;
    c->r.b = bias ? c->w + (scale ? channels : 0) : NULL;
    c->in = blocks_new(c->x, c->n, c->features);
    c->gout = blocks_new(c->gy, c->n, c->features);
    size_t bytes = 0;
    assert_true(c->l.kind->workspace_bytes(&c->l, NULL, blocks, true, &bytes));
    c->pass = (layer_pass){.n_images = c->n,
                           .n_blocks = blocks,
                           .block_end = blocks,
                           .by_blocks = true,
                           .training = true,
                           .w = c->w,
                           .g = c->g,
                           .statistics = c->statistics,
                           .measured = c->measured,
                           .x = {c->in},
                           .gy = c->gout,
                           .workspace = guarded_new(bytes),
                           .sums = guarded_new(blocks * c->l.n_sums * sizeof(vec))};
}

static void norm_free(norm_case *c)
{
    void *const all[] = {c->x,          c->gy,      c->w,    c->g,
                         c->statistics, c->in,      c->gout, c->pass.workspace,
                         c->pass.sums,  c->measured};
    for (int k = 0; k < COUNT(all); k++)
        guarded_free(all[k]);
}

/* By blocks, as a thread alone runs it. */
static outcome norm_run(norm_case *c)
{
    const layer_kind *kind = c->l.kind;
    const team alone = {0, 1, NULL};
    size_t bytes = blocks_of(c->n) * c->features * sizeof(vec);
    outcome o = {guarded_new(bytes), guarded_new(bytes), c->g};
    c->pass.y = o.y;
    c->pass.gx[0] = o.gx;
    layer_function *const order[] = {kind->prepare,  kind->forward_sums,  kind->forward_combine,
                                     kind->forward,  kind->backward_sums, kind->backward_combine,
                                     kind->backward, kind->collect};
    for (int k = 0; k < COUNT(order); k++)
        if (order[k])
            order[k](&c->l, &c->pass, &alone);
    return o;
}

static void outcome_free(outcome *o)
{
    guarded_free(o->y);
    guarded_free(o->gx);
}

static void compare(const norm_case *c, const char *what, const float *got, const double *want,
                    double size, size_t n)
{
    double *bound = doubles_new(n);
    for (size_t k = 0; k < n; k++)
        bound[k] = size;
    assert_near(what, got, want, bound, 16.0 * ROUNDING * (1.0 + (double)c->offset), n);
    guarded_free(bound);
}

/* Of a batch, what the running ones come nearer to: PyTorch's, of the unbiased variance. */
static void compare_measured(const norm_case *c, const double *mean, const double *variance)
{
    size_t channels = (size_t)c->r.channels;
    double n = (double)c->n * c->r.plane;
    double *want = doubles_new(2 * channels);
    for (size_t k = 0; k < channels; k++) {
        want[k] = mean[k];
        want[channels + k] =
            n > 1.0 ? variance[k] * n / (n - 1.0) : (double)c->statistics[channels + k];
    }
    compare(c, "measured", c->measured, want, 4.0, 2 * channels);
    guarded_free(want);
}

static void check_against_reference(norm_case *c)
{
    size_t n = c->n * c->features, channels = (size_t)c->r.channels;
    size_t sets = (size_t)reference_norm_sets(&c->r);
    double *y = doubles_new(n), *gx = doubles_new(n), *g = doubles_new(2 * channels);
    double *mean = doubles_new(sets), *variance = doubles_new(sets);
    outcome o = norm_run(c);
    float *rows = rows_new(o.y, c->n, c->features), *grows = rows_new(o.gx, c->n, c->features);
    reference_norm_forward(&c->r, c->x, y, mean, variance);
    reference_norm_backward(&c->r, c->x, c->gy, gx, g, g + channels);
    compare(c, "y", rows, y, 40.0, n);
    compare(c, "gx", grows, gx, 400.0, n);
    double each = 8.0 * (double)c->n * c->r.plane;
    if (c->r.w)
        compare(c, "weight", o.g, g, each, channels);
    if (c->r.b)
        compare(c, "bias", o.g + (c->r.w ? channels : 0), g + channels, each, channels);
    if (c->r.over == REFERENCE_BATCH)
        compare_measured(c, mean, variance);
    double *const all[] = {y, gx, g, mean, variance};
    for (int k = 0; k < COUNT(all); k++)
        guarded_free(all[k]);
    guarded_free(rows);
    guarded_free(grows);
    outcome_free(&o);
}

/* A ReLU taken over gives the bits of one of its own; and the plain form has it too. */
static void check_relu(norm_case *c)
{
    layer relu = {.kind = layer_kind_find("relu")};
    size_t n = blocks_of(c->n) * c->features;
    outcome bare = norm_run(c);
    float *g = guarded_new(c->l.n_trained * sizeof *g);
    relu_forward(bare.y, bare.y, 0, n);
    vec *through = guarded_new(n * sizeof *through);
    relu_backward(bare.y, c->gout, through, false, 0, n);
    c->pass.gy = through;
    outcome apart = norm_run(c);
    memcpy(g, c->g, c->l.n_trained * sizeof *g);
    c->pass.gy = c->gout;
    assert_true(c->l.kind->extend(&c->l, &relu));
    outcome together = norm_run(c);
    for (size_t k = 0; k < c->n * c->features; k++) {
        size_t image = k / c->features, feature = k % c->features;
        float y = block_element(together.y, c->features, image, feature);
        assert_true(y == block_element(bare.y, c->features, image, feature) && y >= 0.0F);
        assert_true(block_element(together.gx, c->features, image, feature) ==
                    block_element(apart.gx, c->features, image, feature));
    }
    assert_memory_equal(g, c->g, c->l.n_trained * sizeof *g);
    c->r.relu = true;
    if (c->offset == 0.0F) /* else what is near 0 may be on the other side */
        check_against_reference(c);
    assert_false(c->l.kind->extend(&c->l, &relu)); /* one is enough */
    outcome_free(&bare);
    outcome_free(&apart);
    outcome_free(&together);
    guarded_free(through);
    guarded_free(g);
}

static const layer_shape shapes[] = {{1, 1, 1}, {3, 1, 1},   {6, 1, 5}, {5, 3, 3},
                                     {3, 7, 9}, {2, 17, 19}, {9, 2, 4}, {48, 3, 5}};

static void check_kind(const char *kind)
{
    for (int k = 0, turn = 0; k < COUNT(shapes); k++)
        for (int j = 0; j < enough_of(5); j++, turn++) {
            norm_case c;
            norm_new(&c, kind, shapes[k], turn);
            check_against_reference(&c);
            check_relu(&c);
            norm_free(&c);
        }
}

static void test_batchnorm(void **state)
{
    (void)state;
    check_kind("batchnorm");
}

static void test_groupnorm(void **state)
{
    (void)state;
    check_kind("groupnorm");
}

static void test_layernorm(void **state)
{
    (void)state;
    check_kind("layernorm");
}

/* Without a backward pass behind, batch norm goes by its statistics. */
static void test_inference(void **state)
{
    (void)state;
    norm_case c;
    norm_new(&c, "batchnorm", (layer_shape){3, 5, 2}, 6);
    for (size_t k = 0; k < 3; k++)
        c.statistics[3 + k] = fabsf(c.statistics[3 + k]);
    const team alone = {0, 1, NULL};
    vec *y = c.pass.y = guarded_new(blocks_of(c.n) * c.features * sizeof *y);
    c.pass.training = false;
    c.l.kind->prepare(&c.l, &c.pass, &alone);
    c.l.kind->forward(&c.l, &c.pass, &alone);
    for (size_t k = 0; k < c.n * c.features; k++) {
        size_t of = k % c.features / 10;
        double inverse = 1.0 / sqrt((double)c.statistics[3 + of] + EPS);
        double want = ((double)c.x[k] - (double)c.statistics[of]) * inverse * (double)c.w[of];
        double got = (double)block_element(y, c.features, k / c.features, k % c.features);
        assert_true(fabs(got - want) < 1e-4);
    }
    guarded_free(y);
    norm_free(&c);
}

/* From variance to E[x^2] and back; what rounding would take below 0 is 0. */
static void test_moments(void **state)
{
    (void)state;
    norm_case c;
    norm_new(&c, "batchnorm", (layer_shape){4, 1, 2}, 0);
    float s[8] = {0.0F, -2.0F, 0.5F, 3.0F, 1.0F, 4.0F, 0.0F, NAN};
    const float moments[8] = {0.0F, -2.0F, 0.5F, 3.0F, 1.0F, 8.0F, 0.25F, NAN};
    float back[8];
    c.l.kind->to_moments(&c.l, s, back);
    assert_memory_equal(back, moments, 7 * sizeof *back);
    assert_true(isnan(back[7]));
    c.l.kind->from_moments(&c.l, back, back);
    assert_memory_equal(back, s, 7 * sizeof *back);
    assert_true(isnan(back[7]));
    back[4] = -1e-7F;
    c.l.kind->from_moments(&c.l, back, back);
    assert_true(back[4] == 0.0F);
    norm_free(&c);
}

/* Diverged weights must show in the loss: a NaN anywhere is one in all that is normalised with it. */
static void test_not_a_number(void **state)
{
    (void)state;
    static const char *const kinds[] = {"batchnorm", "groupnorm", "layernorm"};
    for (int k = 0; k < COUNT(kinds); k++) {
        norm_case c;
        norm_new(&c, kinds[k], (layer_shape){3, 2, 2}, 3);
        c.in[c.features - 1][0] = NAN;
        outcome o = norm_run(&c);
        assert_true(isnan(o.y[c.features - 1][0]) && isnan(o.gx[c.features - 1][0]));
        outcome_free(&o);
        norm_free(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batchnorm), cmocka_unit_test(test_groupnorm),
        cmocka_unit_test(test_layernorm), cmocka_unit_test(test_inference),
        cmocka_unit_test(test_moments),   cmocka_unit_test(test_not_a_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
