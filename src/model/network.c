#include "model/network.h"

#include "base/clock.h"
#include "base/memory.h"
#include "kernels/loss.h"
#include "kernels/team.h"

struct network {
    const model *model;
    size_t max_images;
    bool training;
    int n_threads;
    vec **outputs;             /* n_layers + 1: the images, then each layer's output */
    vec **gradients;           /* likewise; of the images: NULL */
    void **workspaces;         /* n_layers */
    vec **sums;                /* likewise: of layers that run by blocks, else NULL */
    int n_by_blocks, n_single; /* the first layers: see choose_by_blocks */
    uint16_t *labels, *guesses;
    float *losses;
};

/* One call of network_forward, _gradient or _step, as the team sees it. */
typedef struct run {
    network *net;
    const network_input *input;
    size_t n_images, n_blocks;
    const float *w;
    float *g;                  /* NULL: forward only */
    const network_vectors *at; /* NULL: no update */
    const update_rule *rule;
    int n_by_blocks; /* layers that run by blocks */
    double t_input_s;
} run;

static size_t blocks_of(size_t n_images)
{
    return n_images / VEC_WIDTH + (n_images % VEC_WIDTH != 0);
}

static vec *new_blocks(size_t n_blocks, layer_shape shape, error *err)
{
    size_t count;
    if (!memory_multiply(n_blocks, layer_features(shape), &count)) {
        error_user(err, "a batch of %zu images of this model exceeds any memory",
                   n_blocks * VEC_WIDTH);
        return NULL;
    }
    return memory_new(count, sizeof(vec), err);
}

static bool allocate_layer(network *self, int k, size_t n_blocks, error *err)
{
    const layer *l = &self->model->layers[k];
    size_t bytes = 0;
    if (l->kind->workspace_bytes && !l->kind->workspace_bytes(l, n_blocks, self->training, &bytes))
        return error_user(err, "a batch of %zu images of this model exceeds any memory",
                          n_blocks * VEC_WIDTH);
    if (!(self->workspaces[k] = memory_new(bytes, 1, err)))
        return false;
    if (!(self->outputs[k + 1] = new_blocks(n_blocks, l->out, err)))
        return false;
    if (!self->training)
        return true;
    size_t count;
    if (k < self->n_by_blocks && l->n_sums > 0 &&
        (!memory_multiply(n_blocks, l->n_sums, &count) ||
         !(self->sums[k] = memory_new(count, sizeof(vec), err))))
        return false;
    return (self->gradients[k + 1] = new_blocks(n_blocks, l->out, err)) != NULL;
}

/*
 * The first layers, up to one for which it does not pay, run by blocks: those before the first dense layer
 * a block at a time, the others with all blocks of a thread at once, since a block gives a matrix product
 * too little work for each weight that is loaded.
 */
static void choose_by_blocks(network *self)
{
    const model *m = self->model;
    while (self->n_by_blocks < m->n_layers && m->layers[self->n_by_blocks].by_blocks)
        self->n_by_blocks++;
    while (self->n_single < self->n_by_blocks &&
           (m->layers[self->n_single].n_weights == 0 || m->layers[self->n_single].n_sums > 0))
        self->n_single++;
}

static bool allocate(network *self, error *err)
{
    size_t n_blocks = blocks_of(self->max_images), padded;
    size_t n_layers = (size_t)self->model->n_layers;
    if (!memory_multiply(n_blocks, VEC_WIDTH, &padded))
        return error_user(err, "a batch of %zu images exceeds any memory", self->max_images);
    self->outputs = memory_new(n_layers + 1, sizeof *self->outputs, err);
    self->gradients = memory_new(n_layers + 1, sizeof *self->gradients, err);
    self->workspaces = memory_new(n_layers, sizeof *self->workspaces, err);
    self->sums = memory_new(n_layers, sizeof *self->sums, err);
    self->labels = memory_new(padded, sizeof *self->labels, err);
    self->guesses = memory_new(padded, sizeof *self->guesses, err);
    self->losses = memory_new(padded, sizeof *self->losses, err);
    if (!self->outputs || !self->gradients || !self->workspaces || !self->sums || !self->labels ||
        !self->guesses || !self->losses)
        return false;
    choose_by_blocks(self);
    if (!(self->outputs[0] = new_blocks(n_blocks, self->model->input, err)))
        return false;
    for (int k = 0; k < self->model->n_layers; k++)
        if (!allocate_layer(self, k, n_blocks, err))
            return false;
    return true;
}

network *network_new(const model *of, size_t max_images, bool training, int n_threads, error *err)
{
    network *self = memory_new(1, sizeof *self, err);
    if (!self)
        return NULL;
    self->model = of;
    self->max_images = max_images;
    self->training = training;
    self->n_threads = n_threads;
    if (!allocate(self, err)) {
        network_free(self);
        return NULL;
    }
    return self;
}

void network_free(network *self)
{
    if (!self)
        return;
    for (int k = 0; k <= self->model->n_layers; k++) {
        if (self->outputs)
            memory_free(self->outputs[k]);
        if (self->gradients)
            memory_free(self->gradients[k]);
        if (self->workspaces && k < self->model->n_layers)
            memory_free(self->workspaces[k]);
        if (self->sums && k < self->model->n_layers)
            memory_free(self->sums[k]);
    }
    memory_free(self->outputs);
    memory_free(self->gradients);
    memory_free(self->workspaces);
    memory_free(self->sums);
    memory_free(self->labels);
    memory_free(self->guesses);
    memory_free(self->losses);
    memory_free(self);
}

static void load(run *r, const team *us)
{
    network *net = r->net;
    size_t begin, end, features = layer_features(net->model->input);
    double start = us->thread == 0 ? clock_now() : 0.0;
    team_share(us, r->n_blocks, &begin, &end);
    for (size_t b = begin; b < end; b++) {
        size_t first = b * VEC_WIDTH, left = r->n_images - first;
        r->input->load(r->input->arg, first, left < VEC_WIDTH ? left : VEC_WIDTH,
                       (float *)(net->outputs[0] + b * features), net->labels + first);
    }
    if (us->thread == 0)
        r->t_input_s = clock_now() - start;
}

static layer_pass pass_of(const run *r, int k)
{
    const network *net = r->net;
    size_t offset = net->model->offsets[k];
    return (layer_pass){.n_images = r->n_images,
                        .n_blocks = r->n_blocks,
                        .block_end = r->n_blocks,
                        .by_blocks = k < r->n_by_blocks,
                        .training = r->g != NULL,
                        .w = r->w + offset,
                        .g = r->g ? r->g + offset : NULL,
                        .x = net->outputs[k],
                        .y = net->outputs[k + 1],
                        .gy = net->gradients[k + 1],
                        .gx = net->gradients[k],
                        .workspace = net->workspaces[k],
                        .sums = net->sums[k]};
}

enum stage { FORWARD, BACKWARD };

static void run_layer(const run *r, const team *us, int k, enum stage stage, layer_pass pass)
{
    const layer *l = &r->net->model->layers[k];
    (stage == BACKWARD ? l->kind->backward : l->kind->forward)(l, &pass, us);
    team_barrier(us);
}

/* Layers from..to - 1, or backward, of some blocks. */
static void run_layers(const run *r, int from, int to, enum stage stage, size_t begin, size_t end)
{
    const team alone = {0, 1, NULL};
    for (int n = from; n < to; n++) {
        int k = stage == FORWARD ? n : to - 1 - (n - from);
        layer_pass pass = pass_of(r, k);
        pass.block_begin = begin;
        pass.block_end = end;
        run_layer(r, &alone, k, stage, pass);
    }
}

/* The layers that run by blocks, on this thread's blocks. */
static void run_blocks(const run *r, const team *us, enum stage stage)
{
    int n = r->n_by_blocks, single = n < r->net->n_single ? n : r->net->n_single;
    size_t begin, end;
    team_share(us, r->n_blocks, &begin, &end);
    if (stage == BACKWARD && begin < end)
        run_layers(r, single, n, stage, begin, end);
    for (size_t b = begin; b < end; b++)
        run_layers(r, 0, single, stage, b, b + 1);
    if (stage == FORWARD && begin < end)
        run_layers(r, single, n, stage, begin, end);
}

static void prepare(run *r, const team *us)
{
    load(r, us);
    for (int k = 0; k < r->net->model->n_layers; k++) {
        const layer *l = &r->net->model->layers[k];
        layer_pass pass = pass_of(r, k);
        if (l->kind->prepare)
            l->kind->prepare(l, &pass, us);
    }
    team_barrier(us);
}

static void backward(const run *r, const team *us)
{
    for (int k = r->net->model->n_layers - 1; k >= r->n_by_blocks; k--)
        run_layer(r, us, k, BACKWARD, pass_of(r, k));
    if (r->n_by_blocks == 0)
        return;
    run_blocks(r, us, BACKWARD);
    team_barrier(us);
    for (int k = 0; k < r->n_by_blocks; k++) {
        const layer *l = &r->net->model->layers[k];
        layer_pass pass = pass_of(r, k);
        if (l->kind->collect)
            l->kind->collect(l, &pass, us);
    }
    team_barrier(us);
}

static void update(const run *r, const team *us)
{
    size_t n = r->net->model->n_weights, begin, end;
    team_share(us, (n + MEMORY_ALIGNMENT - 1) / MEMORY_ALIGNMENT, &begin, &end);
    begin *= MEMORY_ALIGNMENT;
    end *= MEMORY_ALIGNMENT;
    end = end < n ? end : n;
    if (begin < end)
        update_sgd(r->rule, r->at->w, r->at->v, r->at->g, begin, end);
}

/* What every thread does in a step. */
static void work(const team *us, void *arg)
{
    run *r = arg;
    network *net = r->net;
    int n_layers = net->model->n_layers;
    size_t begin, end;
    bool all_by_blocks = r->n_by_blocks == n_layers;
    prepare(r, us);
    run_blocks(r, us, FORWARD);
    if (r->n_by_blocks > 0 && !all_by_blocks)
        team_barrier(us);
    for (int k = r->n_by_blocks; k < n_layers; k++)
        run_layer(r, us, k, FORWARD, pass_of(r, k));
    loss_result result = {net->losses, net->guesses};
    team_share(us, r->n_blocks, &begin, &end);
    loss_softmax(net->model->n_classes, net->outputs[n_layers], net->labels, r->n_images,
                 1.0F / (float)r->n_images, r->g ? net->gradients[n_layers] : NULL, &result, begin,
                 end);
    if (!r->g)
        return;
    if (!all_by_blocks) /* else each thread goes on with its own blocks */
        team_barrier(us);
    backward(r, us);
    if (r->at)
        update(r, us);
}

static network_result execute(run *r)
{
    network *net = r->net;
    size_t n_threads = (size_t)net->n_threads;
    r->n_blocks = blocks_of(r->n_images);
    /* By blocks only where no thread is left with less than its share. */
    bool even = r->n_blocks % n_threads == 0 || r->n_blocks >= 8 * n_threads;
    r->n_by_blocks = even ? net->n_by_blocks : 0;
    team_run(net->n_threads, work, r);
    network_result result = {.t_input_s = r->t_input_s};
    for (size_t k = 0; k < r->n_images; k++) { /* in the images' order, whatever the threads did */
        result.loss_sum += (double)net->losses[k];
        result.n_correct += net->guesses[k] == net->labels[k];
    }
    return result;
}

network_result network_forward(network *self, const float *w, const network_input *input, size_t n)
{
    run r = {.net = self, .input = input, .n_images = n, .w = w};
    return execute(&r);
}

network_result network_gradient(network *self, const float *w, float *g, const network_input *input,
                                size_t n)
{
    run r = {.net = self, .input = input, .n_images = n, .w = w, .g = g};
    return execute(&r);
}

network_result network_step(network *self, const network_vectors *at, const update_rule *rule,
                            const network_input *input, size_t n)
{
    run r = {
        .net = self, .input = input, .n_images = n, .w = at->w, .g = at->g, .at = at, .rule = rule};
    return execute(&r);
}

float network_logit(const network *self, size_t k, int class_number)
{
    const vec *logits = self->outputs[self->model->n_layers];
    return logits[k / VEC_WIDTH * (size_t)self->model->n_classes + (size_t)class_number]
                 [k % VEC_WIDTH];
}

float network_loss(const network *self, size_t k)
{
    return self->losses[k];
}

uint16_t network_guess(const network *self, size_t k)
{
    return self->guesses[k];
}

uint16_t network_label(const network *self, size_t k)
{
    return self->labels[k];
}
