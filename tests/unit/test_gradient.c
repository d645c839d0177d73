/* Gradients of every kind of layer, alone and in chains, against central differences. */
#include "mean_loss.h"

#include "kernels/team.h"

/* ---- layers alone: the function is the sum of outputs, each times a fixed number ----------------- */

typedef struct alone {
    layer l;
    void *plan;
    layer_pass pass;
    float *w, *g, *x, *gx, *factors; /* of the images; row-major */
    vec *in, *out, *gout, *gin;
} alone;

static void set(layer *l, const char *name, long value)
{
    layer_setting *setting = &l->settings[l->n_settings++];
    snprintf(setting->name, sizeof setting->name, "%s", name);
    snprintf(setting->text, sizeof setting->text, "%ld", value);
}

static void set_word(layer *l, const char *name, const char *word)
{
    set(l, name, 0);
    snprintf(l->settings[l->n_settings - 1].text, LAYER_SETTING_BYTES, "%s", word);
}

static void alone_new(alone *self, const layer *what, int n_images)
{
    error err = {0};
    size_t n = (size_t)n_images, bytes = 0;
    *self = (alone){.l = *what};
    layer *l = &self->l;
    if (!l->kind->infer(l, &err))
        fail_msg("%s", err.text);
    size_t in = layer_features(l->in[0]), out = layer_features(l->out);
    self->w = floats_new(l->n_trained, REALS);
    self->g = guarded_new(l->n_trained * sizeof(float));
    self->x = floats_new(n * in, REALS);
    self->factors = floats_new(n * out, REALS);
    self->in = blocks_new(self->x, n, in);
    self->gout = blocks_new(self->factors, n, out);
    self->out = guarded_new(blocks_of(n) * out * sizeof(vec));
    self->gin = guarded_new(blocks_of(n) * in * sizeof(vec));
    self->plan = memory_new(l->kind->plan_bytes, 1, NULL);
    if (l->kind->plan)
        l->kind->plan(l, self->plan);
    if (l->kind->workspace_bytes)
        assert_true(l->kind->workspace_bytes(l, self->plan, blocks_of(n), true, &bytes));
    self->pass = (layer_pass){.n_images = n,
                              .n_blocks = blocks_of(n),
                              .block_end = blocks_of(n),
                              .training = true,
                              .w = self->w,
                              .g = self->g,
                              .plan = self->plan,
                              .x = {self->in},
                              .y = self->out,
                              .gy = self->gout,
                              .gx = {self->gin},
                              .workspace = guarded_new(bytes),
                              .sums = guarded_new(blocks_of(n) * l->n_sums * sizeof(vec))};
}

static void alone_free(alone *self)
{
    memory_free(self->plan);
    void *const all[] = {self->w,        self->g,  self->x,   self->gx,   self->pass.workspace,
                         self->factors,  self->in, self->out, self->gout, self->gin,
                         self->pass.sums};
    for (int k = 0; k < COUNT(all); k++)
        guarded_free(all[k]);
}

static void prepare(const alone *self, const team *us)
{
    if (self->l.kind->prepare)
        self->l.kind->prepare(&self->l, &self->pass, us);
    team_barrier(us);
}

static void work_forward(const team *us, void *arg)
{
    alone *self = arg;
    prepare(self, us);
    self->l.kind->forward(&self->l, &self->pass, us);
}

static void work_both(const team *us, void *arg)
{
    alone *self = arg;
    prepare(self, us);
    self->l.kind->forward(&self->l, &self->pass, us);
    team_barrier(us);
    self->l.kind->backward(&self->l, &self->pass, us);
}

static void work_by_blocks(const team *us, void *arg)
{
    const alone *self = arg;
    const team solo = {0, 1, NULL};
    layer_pass pass = self->pass;
    pass.by_blocks = true;
    prepare(self, us);
    team_share(us, pass.n_blocks, &pass.block_begin, &pass.block_end);
    if (pass.block_begin < pass.block_end) {
        self->l.kind->forward(&self->l, &pass, &solo);
        self->l.kind->backward(&self->l, &pass, &solo);
    }
    team_barrier(us);
    if (self->l.kind->collect)
        self->l.kind->collect(&self->l, &self->pass, us);
}

/* Block by block a layer gives the bits that it gives at once. */
static void check_by_blocks(alone *a, int n_threads)
{
    size_t n = a->pass.n_blocks, n_in = n * layer_features(a->l.in[0]),
           n_out = n * layer_features(a->l.out);
    size_t n_w = a->l.n_trained;
    vec *out = guarded_new(n_out * sizeof *out), *gin = guarded_new(n_in * sizeof *gin);
    float *g = guarded_new(n_w * sizeof *g);
    memcpy(out, a->out, n_out * sizeof *out);
    memcpy(gin, a->gin, n_in * sizeof *gin);
    memcpy(g, a->g, n_w * sizeof *g);
    guarded_fill(a->out);
    guarded_fill(a->gin);
    guarded_fill(a->g);
    team_run(n_threads, work_by_blocks, a);
    assert_memory_equal(out, a->out, n_out * sizeof *out);
    assert_memory_equal(gin, a->gin, n_in * sizeof *gin);
    assert_memory_equal(g, a->g, n_w * sizeof *g);
    guarded_free(out);
    guarded_free(gin);
    guarded_free(g);
}

/* Told to add, backward adds its gradient to what stands there: by the team and by blocks. */
static void check_adding(alone *a, int n_threads)
{
    size_t n = a->pass.n_images, n_in = layer_features(a->l.in[0]), size = blocks_of(n) * n_in;
    team_work *const ways[] = {work_both, work_by_blocks};
    float *before = floats_new(n * n_in, INTEGERS), *gx = rows_new(a->gin, n, n_in);
    vec *start = blocks_new(before, n, n_in), *first = guarded_new(size * sizeof(vec));
    a->pass.add[0] = true;
    for (int way = 0; way < 2; way++) {
        memcpy(a->gin, start, size * sizeof(vec));
        team_run(n_threads, ways[way], a);
        for (size_t k = 0; k < n * n_in; k++) {
            double got = (double)block_element(a->gin, n_in, k / n_in, k % n_in);
            assert_true(fabs(got - (double)before[k] - (double)gx[k]) <= 1e-4);
        }
        if (way == 0)
            memcpy(first, a->gin, size * sizeof(vec));
        else
            assert_memory_equal(first, a->gin, size * sizeof(vec));
    }
    a->pass.add[0] = false;
    guarded_free(before);
    guarded_free(gx);
    guarded_free(start);
    guarded_free(first);
}

static double alone_value(void *arg, double *magnitude)
{
    alone *self = arg;
    size_t n = self->pass.n_images, in = layer_features(self->l.in[0]),
           out = layer_features(self->l.out);
    double sum = 0.0;
    *magnitude = 0.0;
    for (size_t k = 0; k < n * in; k++)
        self->in[k / in / VEC_WIDTH * in + k % in][k / in % VEC_WIDTH] = self->x[k];
    team_run(1, work_forward, self);
    for (size_t k = 0; k < n * out; k++) {
        double term =
            (double)self->factors[k] * (double)block_element(self->out, out, k / out, k % out);
        sum += term;
        *magnitude += term * term;
    }
    *magnitude =
        2.0 * sqrt(*magnitude); /* the outputs are rounded independently, a few times each */
    return sum;
}

static void check_alone(const layer *what, int n_images, int n_threads)
{
    alone a;
    char name[100];
    alone_new(&a, what, n_images);
    team_run(n_threads, work_both, &a);
    check_by_blocks(&a, n_threads);
    size_t n_in = a.pass.n_images * layer_features(a.l.in[0]);
    check_adding(&a, n_threads);
    team_run(n_threads, work_both, &a);
    float *gx = rows_new(a.gin, a.pass.n_images, layer_features(a.l.in[0]));
    float *g = guarded_new(a.l.n_trained * sizeof *g);
    memcpy(g, a.g, a.l.n_trained * sizeof *g);
    snprintf(name, sizeof name, "%s alone, %d images, input", a.l.kind->name, n_images);
    function of_x = {alone_value, &a, a.x, n_in, gx, name, 0, 0};
    check_gradient(&of_x);
    assert_sharp(&of_x);
    for (int k = 0; k < a.l.n_tensors; k++) {
        const tensor *t = &a.l.tensors[k];
        snprintf(name, sizeof name, "%s alone, %d images, %s", a.l.kind->name, n_images, t->name);
        function of_w = {alone_value, &a, a.w + t->offset, t->count, g + t->offset, name, 0, 0};
        check_gradient(&of_w);
        assert_sharp(&of_w);
    }
    guarded_free(gx);
    guarded_free(g);
    alone_free(&a);
}

static void test_dense_alone(void **state)
{
    (void)state;
    static const int shapes[][4] = {{1, 1, 1, 1}, {2, 3, 2, 7}, {17, 1, 1, 5}, {3, 2, 2, 13}};
    for (int k = 0; k < COUNT(shapes); k++) {
        layer l = {.kind = layer_kind_find("dense"),
                   .name = "f",
                   .in = {{shapes[k][0], shapes[k][1], shapes[k][2]}}};
        set(&l, "units", shapes[k][3]);
        if (k % 2)
            set_word(&l, "bias", "no");
        check_alone(&l, 11, 1 + k);
    }
}

static void test_conv_alone(void **state)
{
    (void)state;
    /* filters, kernel, stride, padding on 3 x 7 x 6 */
    static const long shapes[][4] = {{2, 1, 1, 0}, {4, 3, 1, 0}, {5, 3, 1, 1}, {3, 3, 2, 0},
                                     {3, 3, 2, 2}, {2, 5, 3, 4}, {1, 6, 1, 0}, {7, 2, 4, 1}};
    for (int k = 0; k < COUNT(shapes); k++) {
        layer l = {.kind = layer_kind_find("conv"), .name = "c", .in = {{3, 7, 6}}};
        set(&l, "filters", shapes[k][0]);
        set(&l, "kernel", shapes[k][1]);
        set(&l, "stride", shapes[k][2]);
        set(&l, "padding", shapes[k][3]);
        check_alone(&l, 11, 1 + k % 4);
    }
}

/* Groups, dilation, zeros as many as keep the side, no bias. */
static void test_conv_forms_alone(void **state)
{
    (void)state;
    /* filters, kernel, stride, groups, dilation on 6 x 8 x 7; padding -1: same */
    static const long shapes[][6] = {{4, 3, 1, 1, 1, -1}, {4, 4, 2, 1, 1, -1}, {6, 3, 1, 6, 1, 1},
                                     {6, 3, 2, 6, 1, -1}, {6, 5, 1, 6, 2, -1}, {4, 2, 2, 2, 1, 1},
                                     {9, 3, 1, 3, 1, 0},  {5, 3, 1, 1, 2, 2},  {12, 3, 3, 6, 2, 4}};
    for (int k = 0; k < COUNT(shapes); k++) {
        layer l = {.kind = layer_kind_find("conv"), .name = "c", .in = {{6, 8, 7}}};
        set(&l, "filters", shapes[k][0]);
        set(&l, "kernel", shapes[k][1]);
        set(&l, "stride", shapes[k][2]);
        set(&l, "groups", shapes[k][3]);
        set(&l, "dilation", shapes[k][4]);
        if (shapes[k][5] < 0)
            set_word(&l, "padding", "same");
        else
            set(&l, "padding", shapes[k][5]);
        if (k % 2)
            set_word(&l, "bias", "no");
        check_alone(&l, 11, 1 + k % 4);
    }
}

static void test_maxpool_alone(void **state)
{
    (void)state;
    static const long shapes[][2] = {{2, 2}, {2, 1}, {3, 2}, {2, 3}, {1, 2}, {5, 1}};
    for (int k = 0; k < COUNT(shapes); k++)
        for (int absorbing = 0; absorbing < 2; absorbing++) {
            layer relu = {.kind = layer_kind_find("relu")};
            layer l = {.kind = layer_kind_find("maxpool"), .name = "p", .in = {{3, 7, 6}}};
            set(&l, "window", shapes[k][0]);
            set(&l, "stride", shapes[k][1]);
            if (absorbing)
                assert_true(l.kind->absorb(&l, &relu));
            check_alone(&l, 11, 1 + k % 4);
        }
}

static void test_relu_alone(void **state)
{
    (void)state;
    layer l = {.kind = layer_kind_find("relu"), .name = "r", .in = {{3, 7, 6}}};
    for (int n_threads = 1; n_threads <= 4; n_threads++)
        check_alone(&l, 11, n_threads);
}

/* ---- chains: the function is the mean loss ------------------------------------------------------ */

#define HEAD(shape, classes) "[model]\nname = t\ninput = " shape "\nclasses = " classes "\n"
#define CONV(name, settings) "[" name "]\nkind = conv\n" settings "\n"
#define POOL(name, settings) "[" name "]\nkind = maxpool\n" settings "\n"
#define RELU(name) "[" name "]\nkind = relu\n"
#define DENSE(name, units) "[" name "]\nkind = dense\nunits = " units "\n"

static void check_chain(const char *text)
{
    draw_anew(); /* how much such a check sees depends on the numbers */
    model *m = model_of(text);
    check_mean_loss(m, text);
    model_free(m);
}

static void test_chains(void **state)
{
    (void)state;
    static const char *const chains[] = {
        HEAD("2 3 1", "3") DENSE("f", "3"),
        HEAD("2 3 3", "4") DENSE("e", "9") RELU("r") DENSE("f", "4"),
        HEAD("2 6 5", "2") CONV("c", "filters=3\nkernel=3") RELU("r") DENSE("f", "2"),
        /* ReLU absorbed; not absorbed, behind the pooling; pooling that overlaps, pooling with gaps */
        HEAD("2 7 6", "3") CONV("c", "filters=3\nkernel=3") RELU("r") POOL("p", "window=2")
            DENSE("f", "3"),
        HEAD("2 7 6", "3") CONV("c", "filters=3\nkernel=3") POOL("p", "window=2") RELU("r")
            DENSE("f", "3"),
        HEAD("1 8 8", "3") CONV("c", "filters=2\nkernel=2\npadding=1") RELU("r")
            POOL("p", "window=3\nstride=2") CONV("d", "filters=3\nkernel=2") RELU("s")
                DENSE("f", "3"),
        HEAD("2 9 8", "2") CONV("c", "filters=4\nkernel=3\nstride=2\npadding=1") RELU("r")
            CONV("d", "filters=3\nkernel=3\nstride=2\npadding=2") RELU("s")
                POOL("p", "window=1\nstride=2") DENSE("f", "2"),
        HEAD("1 9 9", "2") CONV("c", "filters=2\nkernel=5\nstride=3\npadding=4")
            CONV("d", "filters=5\nkernel=1") RELU("r") RELU("s") DENSE("f", "2"),
        /* first layers without weights; no dense layer at all */
        HEAD("2 6 6", "3") RELU("r") POOL("p", "window=2\nstride=1")
            CONV("c", "filters=2\nkernel=3") DENSE("f", "3"),
        HEAD("2 7 6", "3") CONV("c", "filters=4\nkernel=3\nbias=no\npadding=same") RELU("r")
            CONV("d", "filters=4\nkernel=3\ngroups=4\ndilation=2\npadding=same") RELU("s")
                CONV("e", "filters=6\nkernel=3\nstride=2\ngroups=2\nbias=no") POOL("p", "window=2")
                    DENSE("f", "3\nbias=no"),
        HEAD("3 6 6", "4") CONV("c", "filters=3\nkernel=3\npadding=2") RELU("r")
            POOL("p", "window=2") CONV("d", "filters=4\nkernel=4"),
        /* Winograd's, alone and beside the direct method */
        HEAD("2 7 6", "3") CONV("c", "filters=3\nkernel=3\npadding=1\nalgorithm=f2") RELU("r")
            CONV("d", "filters=4\nkernel=3\nalgorithm=f2") DENSE("f", "3"),
        HEAD("2 9 10", "3") CONV("c", "filters=3\nkernel=3\npadding=2\nalgorithm=f4") RELU("r")
            POOL("p", "window=2") CONV("d", "filters=4\nkernel=3\nalgorithm=direct") RELU("s")
                CONV("e", "filters=3\nkernel=3\npadding=1\nalgorithm=f4") DENSE("f", "3"),
    };
    for (int k = 0; k < COUNT(chains); k++)
        check_chain(chains[k]);
}

/* The check itself is checked: a small error is refused. */
static void test_check_can_fail(void **state)
{
    (void)state;
    alone a;
    layer l = {.kind = layer_kind_find("conv"), .name = "c", .in = {{2, 4, 4}}};
    set(&l, "filters", 2);
    set(&l, "kernel", 3);
    alone_new(&a, &l, 11);
    team_run(1, work_both, &a);
    function f = {alone_value, &a, a.w, a.l.n_trained, a.g, "", 0, 0};
    for (size_t k = 0; k < f.n; k++) {
        double direction[38] = {0};
        direction[k] = 1.0;
        assert_true(agrees(compare(&f, direction)));
        a.g[k] += 0.01F; /* of elements about 3 in size */
        assert_false(agrees(compare(&f, direction)));
    }
    alone_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dense_alone),      cmocka_unit_test(test_conv_alone),
        cmocka_unit_test(test_conv_forms_alone), cmocka_unit_test(test_maxpool_alone),
        cmocka_unit_test(test_relu_alone),       cmocka_unit_test(test_chains),
        cmocka_unit_test(test_check_can_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
