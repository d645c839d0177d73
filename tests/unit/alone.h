/*
 * alone.h - for the tests of gradients: a layer of one input by itself, forward and backward, by the team and by
 * blocks, adding and overwriting; the function is the sum of its outputs, each times a fixed number
 */
#ifndef BRAMBLE_TESTS_ALONE_H
#define BRAMBLE_TESTS_ALONE_H

#include "difference.h"

#include "kernels/team.h"
#include "layers/layer.h"

enum { ALONE_THREADS = 8 }; /* at most */

typedef struct alone {
    layer l;
    void *plan;
    layer_pass pass;
    float *w, *g, *x, *gx, *factors; /* of the images; row-major */
    vec *in, *out, *gout, *gin;
    uint32_t *numbers;
    char *scratch; /* scratch_bytes for each thread */
    size_t scratch_bytes;
} alone;

static inline void alone_set(layer *l, const char *name, const char *value)
{
    layer_setting *setting = &l->settings[l->n_settings++];
    snprintf(setting->name, sizeof setting->name, "%s", name);
    snprintf(setting->text, sizeof setting->text, "%s", value);
}

static inline void alone_new(alone *self, const layer *what, int n_images)
{
    error err = {0};
    size_t n = (size_t)n_images, bytes = 0;
    *self = (alone){.l = *what};
    layer *l = &self->l;
    l->n_inputs = 1;
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
    self->numbers = guarded_new(blocks_of(n) * VEC_WIDTH * sizeof *self->numbers);
    for (size_t k = 0; k < blocks_of(n) * VEC_WIDTH; k++)
        self->numbers[k] = (uint32_t)(1000 + 7 * k);
    self->plan = memory_new(l->kind->plan_bytes, 1, NULL);
    if (l->kind->plan)
        l->kind->plan(l, ALONE_THREADS, self->plan);
    if (l->kind->workspace_bytes)
        assert_true(l->kind->workspace_bytes(l, self->plan, blocks_of(n), true, &bytes));
    self->scratch_bytes = l->kind->scratch_bytes ? l->kind->scratch_bytes(l, self->plan) : 0;
    self->scratch_bytes = memory_lines(self->scratch_bytes);
    self->scratch = guarded_new(ALONE_THREADS * self->scratch_bytes);
    self->pass = (layer_pass){.n_images = n,
                              .n_blocks = blocks_of(n),
                              .block_end = blocks_of(n),
                              .training = true,
                              .seed = 3,
                              .numbers = self->numbers,
                              .w = self->w,
                              .g = l->n_trained > 0 ? self->g : NULL,
                              .plan = self->plan,
                              .x = {self->in},
                              .y = self->out,
                              .gy = self->gout,
                              .gx = {self->gin},
                              .workspace = guarded_new(bytes),
                              .sums = guarded_new(blocks_of(n) * l->n_sums * sizeof(vec))};
}

static inline void alone_free(alone *self)
{
    memory_free(self->plan);
    void *const all[] = {
        self->w,         self->g,       self->x,      self->gx,   self->pass.workspace,
        self->factors,   self->in,      self->out,    self->gout, self->gin,
        self->pass.sums, self->numbers, self->scratch};
    for (int k = 0; k < COUNT(all); k++)
        guarded_free(all[k]);
}

/* The pass as a thread has it. */
static inline layer_pass alone_pass(const alone *self, const team *us)
{
    layer_pass pass = self->pass;
    assert_true(us->n_threads <= ALONE_THREADS);
    pass.scratch = self->scratch + (size_t)us->thread * self->scratch_bytes;
    return pass;
}

static inline void alone_prepare(const alone *self, const team *us)
{
    if (self->l.kind->prepare)
        self->l.kind->prepare(&self->l, &self->pass, us);
    team_barrier(us);
}

static inline void alone_forward(const team *us, void *arg)
{
    alone *self = arg;
    layer_pass pass = alone_pass(self, us);
    alone_prepare(self, us);
    self->l.kind->forward(&self->l, &pass, us);
}

static inline void alone_both(const team *us, void *arg)
{
    alone *self = arg;
    layer_pass pass = alone_pass(self, us);
    alone_prepare(self, us);
    self->l.kind->forward(&self->l, &pass, us);
    team_barrier(us);
    self->l.kind->backward(&self->l, &pass, us);
}

static inline void alone_by_blocks(const team *us, void *arg)
{
    const alone *self = arg;
    const team solo = {0, 1, NULL};
    const layer_pass all = alone_pass(self, us);
    size_t begin, end;
    alone_prepare(self, us);
    team_share(us, all.n_blocks, &begin, &end);
    if (begin < end) {
        const layer_pass pass = layer_pass_of(&self->l, &all, begin, end);
        self->l.kind->forward(&self->l, &pass, &solo);
        self->l.kind->backward(&self->l, &pass, &solo);
    }
    team_barrier(us);
    if (self->l.kind->collect)
        self->l.kind->collect(&self->l, &all, us);
}

/* Block by block a layer gives the bits that it gives at once. */
static inline void alone_check_by_blocks(alone *a, int n_threads)
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
    team_run(n_threads, alone_by_blocks, a);
    assert_memory_equal(out, a->out, n_out * sizeof *out);
    assert_memory_equal(gin, a->gin, n_in * sizeof *gin);
    assert_memory_equal(g, a->g, n_w * sizeof *g);
    guarded_free(out);
    guarded_free(gin);
    guarded_free(g);
}

/* Told to add, backward adds its gradient to what stands there: by the team and by blocks. */
static inline void alone_check_adding(alone *a, int n_threads)
{
    size_t n = a->pass.n_images, n_in = layer_features(a->l.in[0]), size = blocks_of(n) * n_in;
    team_work *const ways[] = {alone_both, alone_by_blocks};
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

/* In the memory of its input, and of the gradient of its output, it gives the same. */
static inline void alone_check_in_place(alone *a, int n_threads)
{
    size_t size = a->pass.n_blocks * layer_features(a->l.out) * sizeof(vec);
    if (!a->l.in_place)
        return;
    team_run(n_threads, alone_both, a);
    vec *x = guarded_new(size), *gy = guarded_new(size);
    memcpy(x, a->in, size);
    memcpy(gy, a->gout, size);
    if (a->l.forgets_x)
        a->pass.x[0] = a->pass.y = x;
    a->pass.gy = a->pass.gx[0] = gy;
    team_run(n_threads, alone_both, a);
    assert_memory_equal(a->pass.y, a->out, size);
    assert_memory_equal(gy, a->gin, size);
    a->pass.x[0] = a->in;
    a->pass.y = a->out;
    a->pass.gy = a->gout;
    a->pass.gx[0] = a->gin;
    guarded_free(x);
    guarded_free(gy);
}

static inline double alone_value(void *arg, double *magnitude)
{
    alone *self = arg;
    size_t n = self->pass.n_images, in = layer_features(self->l.in[0]),
           out = layer_features(self->l.out);
    double sum = 0.0;
    *magnitude = 0.0;
    for (size_t k = 0; k < n * in; k++)
        self->in[k / in / VEC_WIDTH * in + k % in][k / in % VEC_WIDTH] = self->x[k];
    team_run(1, alone_forward, self);
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

static inline void check_alone(const layer *what, int n_images, int n_threads)
{
    alone a;
    char name[100];
    alone_new(&a, what, n_images);
    team_run(n_threads, alone_both, &a);
    alone_check_by_blocks(&a, n_threads);
    size_t n_in = a.pass.n_images * layer_features(a.l.in[0]);
    alone_check_adding(&a, n_threads);
    alone_check_in_place(&a, n_threads);
    team_run(n_threads, alone_both, &a);
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

#endif
