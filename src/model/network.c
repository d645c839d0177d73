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
    vec **outputs;      /* n_layers + 1: the images, then each layer's output */
    vec **gradients;    /* likewise; of the images: NULL */
    void **workspaces;  /* n_layers */
    uint8_t *labels, *guesses;
    float *losses;
    double (*profile)[2]; /* n_layers, while measuring */
};

/* One call of network_forward, _gradient or _step, as the team sees it. */
typedef struct run {
    network *net;
    const network_input *input;
    size_t n_images, n_blocks;
    const float *w;
    float *g;                /* NULL: forward only */
    const network_vectors *at; /* NULL: no update */
    const update_rule *rule;
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
        error_user(err, "a batch of %zu images of this model exceeds any memory", n_blocks * VEC_WIDTH);
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
    return !self->training || (self->gradients[k + 1] = new_blocks(n_blocks, l->out, err)) != NULL;
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
    self->labels = memory_new(padded, 1, err);
    self->guesses = memory_new(padded, 1, err);
    self->losses = memory_new(padded, sizeof *self->losses, err);
    if (!self->outputs || !self->gradients || !self->workspaces || !self->labels || !self->guesses ||
        !self->losses)
        return false;
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
    }
    memory_free(self->outputs);
    memory_free(self->gradients);
    memory_free(self->workspaces);
    memory_free(self->labels);
    memory_free(self->guesses);
    memory_free(self->losses);
    memory_free(self->profile);
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
    team_barrier(us);
}

static layer_pass pass_of(const run *r, int k)
{
    const network *net = r->net;
    size_t offset = net->model->offsets[k];
    return (layer_pass){.n_images = r->n_images,
                        .n_blocks = r->n_blocks,
                        .training = r->g != NULL,
                        .w = r->w + offset,
                        .g = r->g ? r->g + offset : NULL,
                        .x = net->outputs[k],
                        .y = net->outputs[k + 1],
                        .gy = net->gradients[k + 1],
                        .gx = net->gradients[k],
                        .workspace = net->workspaces[k]};
}

static void run_layer(const run *r, const team *us, int k, bool backward)
{
    const layer *l = &r->net->model->layers[k];
    layer_pass pass = pass_of(r, k);
    double (*profile)[2] = us->thread == 0 ? r->net->profile : NULL;
    double start = profile ? clock_now() : 0.0;
    (backward ? l->kind->backward : l->kind->forward)(l, &pass, us);
    team_barrier(us);
    if (profile)
        profile[k][backward] += clock_now() - start;
}

/* What every thread does in a step. */
static void work(const team *us, void *arg)
{
    run *r = arg;
    network *net = r->net;
    int n_layers = net->model->n_layers;
    size_t begin, end;
    load(r, us);
    for (int k = 0; k < n_layers; k++)
        run_layer(r, us, k, false);
    loss_result result = {net->losses, net->guesses};
    team_share(us, r->n_blocks, &begin, &end);
    loss_softmax(net->model->n_classes, net->outputs[n_layers], net->labels, r->n_images,
                 1.0F / (float)r->n_images, r->g ? net->gradients[n_layers] : NULL, &result, begin, end);
    if (!r->g)
        return;
    team_barrier(us);
    for (int k = n_layers - 1; k >= 0; k--)
        run_layer(r, us, k, true);
    if (!r->at)
        return;
    team_share(us, (net->model->n_weights + MEMORY_ALIGNMENT - 1) / MEMORY_ALIGNMENT, &begin, &end);
    begin *= MEMORY_ALIGNMENT;
    end *= MEMORY_ALIGNMENT;
    end = end < net->model->n_weights ? end : net->model->n_weights;
    if (begin < end)
        update_sgd(r->rule, r->at->w, r->at->v, r->at->g, begin, end);
}

static network_result execute(run *r)
{
    network *net = r->net;
    r->n_blocks = blocks_of(r->n_images);
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
    run r = {.net = self, .input = input, .n_images = n, .w = at->w, .g = at->g, .at = at,
             .rule = rule};
    return execute(&r);
}

float network_logit(const network *self, size_t k, int class_number)
{
    const vec *logits = self->outputs[self->model->n_layers];
    return logits[k / VEC_WIDTH * (size_t)self->model->n_classes +
                  (size_t)class_number][k % VEC_WIDTH];
}

uint8_t network_guess(const network *self, size_t k)
{
    return self->guesses[k];
}

uint8_t network_label(const network *self, size_t k)
{
    return self->labels[k];
}

void network_profile(network *self, double (*t_s)[2])
{
    size_t bytes = (size_t)self->model->n_layers * sizeof *self->profile;
    if (!self->profile)
        self->profile = memory_new(bytes, 1, NULL);
    if (!self->profile)
        return;
    memcpy(t_s, self->profile, bytes);
    memset(self->profile, 0, bytes);
}
