#include "network_step.h"

#include "base/clock.h"
#include "base/world.h"
#include "kernels/loss.h"

/* In the epoch of the optimizer; where a gradient is for later, all that are ever trained are. */
static bool trains(const step *self, const layer *l)
{
    double epoch = self->by ? self->by->epoch : 0.0;
    for (int k = 0; k < l->n_tensors; k++)
        if (l->tensors[k].role == TENSOR_TRAINED && tensor_trains(&l->tensors[k].training, epoch))
            return true;
    return false;
}

/* Which gradients a layer makes: of its weights, and of inputs behind which something is trained. */
static void want(const step *self, int k, bool *wanted)
{
    const network *net = self->net;
    const layer *l = &net->model->layers[k];
    layer_pass *pass = &net->passes[k];
    bool trained = self->g && trains(self, l);
    pass->g = trained ? self->g + net->model->places[k].trained : NULL;
    wanted[k] = trained;
    for (int i = 0; i < l->n_inputs; i++) {
        int from = l->inputs[i];
        pass->gx[i] = from != LAYER_IMAGES && wanted[from] ? net->gradients[from] : NULL;
        wanted[k] = wanted[k] || pass->gx[i];
    }
}

void step_begin(step *self)
{
    bool wanted[MODEL_MAX_LAYERS];
    network *net = self->net;
    size_t n = self->n_images, n_blocks = n / VEC_WIDTH + (n % VEC_WIDTH != 0);
    size_t n_threads = (size_t)net->n_threads;
    float *measured = self->g ? self->g : self->measured;
    for (int k = 0; k < net->model->n_layers; k++) {
        const model_place *at = &net->model->places[k];
        layer_pass *pass = &net->passes[k];
        pass->n_images = n;
        pass->n_blocks = pass->block_end = n_blocks;
        pass->training = self->g != NULL;
        pass->seed = self->input->seed;
        pass->epoch = self->input->epoch;
        pass->numbers = net->numbers;
        pass->w = self->w + at->trained;
        pass->statistics = self->w + at->statistics;
        pass->measured = measured ? measured + at->statistics : NULL;
        want(self, k, wanted);
    }
    self->pass = (stage_pass){.layers = net->model->layers,
                              .stages = net->stages,
                              .passes = net->passes,
                              .n_blocks = n_blocks,
                              .scratch = net->scratch,
                              .scratch_bytes = net->scratch_bytes,
                              .own = net->own_places,
                              .own_memory = net->own_memory,
                              .own_vecs = net->own_vecs,
                              .measuring = measured != NULL};
    /* By blocks only where no thread is left with less than its share, or, of eight and more each, with a little less. */
    self->pass.by_blocks = n_blocks % n_threads == 0 || n_blocks >= 8 * n_threads;
}

static void number_images(const step *self, size_t first, size_t n)
{
    uint32_t *numbers = self->net->numbers + first;
    if (self->input->number)
        self->input->number(self->input->arg, first, n, numbers);
    for (size_t k = 0; k < n && !self->input->number; k++)
        numbers[k] = (uint32_t)(first + k);
}

void step_load(step *self, stage_walk *at)
{
    network *net = self->net;
    size_t begin, end, features = layer_features(net->model->input);
    double start = at->us->thread == 0 ? clock_now() : 0.0;
    stage_meet(at, true);
    team_share(at->us, self->pass.n_blocks, &begin, &end);
    for (size_t b = begin; b < end; b++) {
        size_t first = b * VEC_WIDTH, left = self->n_images - first;
        size_t n = left < VEC_WIDTH ? left : VEC_WIDTH;
        self->input->load(self->input->arg, first, n, (float *)(net->images + b * features),
                          net->labels + first);
        if (self->g)
            number_images(self, first, n);
    }
    if (at->us->thread == 0)
        self->t_input_s = clock_now() - start;
}

/* What stands still has no gradient. */
static void clear_standing(const step *self, int k, const team *us)
{
    const network *net = self->net;
    size_t begin, end;
    if (!self->g || net->passes[k].g)
        return;
    team_share(us, net->model->layers[k].n_trained, &begin, &end);
    for (float *g = self->g + net->model->places[k].trained; begin < end; begin++)
        g[begin] = 0.0F;
}

void step_prepare(const step *self, stage_walk *at)
{
    for (int k = 0; k < self->net->model->n_layers; k++) {
        const layer *l = &self->net->model->layers[k];
        if (l->kind->prepare)
            l->kind->prepare(l, &self->net->passes[k], at->us);
        clear_standing(self, k, at->us);
    }
    at->own = false;
}

void step_loss(const step *self, stage_walk *at)
{
    const network *net = self->net;
    loss_result result = {net->losses, net->guesses};
    loss_rule rule = {1.0F / (float)self->n_images, net->smoothing, net->others, net->shares};
    size_t begin, end;
    stage_meet(at, true);
    team_share(at->us, self->pass.n_blocks, &begin, &end);
    loss_softmax(net->model->n_classes, net->logits, net->labels, self->n_images, &rule,
                 self->g ? net->glogits : NULL, &result, begin, end);
}

/* What every thread does in a step. */
static void work(const team *us, void *arg)
{
    step *self = arg;
    int n_stages = self->net->n_stages;
    /* Nobody has anything of this step's to wait for yet. */
    stage_walk at = {.pass = &self->pass, .us = us, .own = true};
    step_load(self, &at);
    step_prepare(self, &at);
    stages_forward(&at, 0, n_stages);
    step_loss(self, &at);
    if (self->g)
        stages_backward(&at, 0, n_stages);
    if (!self->at)
        return;
    stage_meet(&at, false);
    optimizer_update(self->by, self->at->w, self->at->g, us);
}

bool step_is_replayed(const network *net)
{
    return net->training && world_replays();
}

/* In a simulation: the time that it takes there. */
static void take_time(const step *self)
{
    const model *of = self->net->model;
    const double each = self->g ? of->flops_step : of->flops_forward,
                 last = self->by ? self->by->operations : 0.0;
    world_work((double)self->n_images * each + last, self->net->n_threads);
}

static network_result execute(step *self)
{
    const network *net = self->net;
    take_time(self);
    if (step_is_replayed(net)) /* a gradient of zeros: weights stay as they are */
        return (network_result){0};
    step_begin(self);
    team_run(net->n_threads, work, self);
    network_result result = {.t_input_s = self->t_input_s};
    for (size_t k = 0; k < self->n_images;
         k++) { /* in the images' order, whatever the threads did */
        result.loss_sum += (double)net->losses[k];
        result.n_correct += net->guesses[k] == net->labels[k];
    }
    return result;
}

network_result network_forward(network *self, const float *w, const network_input *input, size_t n)
{
    step s = {.net = self, .input = input, .n_images = n, .w = w};
    return execute(&s);
}

network_result network_gradient(network *self, const float *w, float *g, const network_input *input,
                                size_t n)
{
    step s = {.net = self, .input = input, .n_images = n, .w = w, .g = g};
    return execute(&s);
}

void network_measure(network *self, const float *w, float *measured, const network_input *input,
                     size_t n)
{
    step s = {.net = self, .input = input, .n_images = n, .w = w, .measured = measured};
    (void)execute(&s);
}

network_result network_step(network *self, const network_vectors *at, optimizer *by,
                            const network_input *input, size_t n)
{
    step s = {
        .net = self, .input = input, .n_images = n, .w = at->w, .g = at->g, .at = at, .by = by};
    optimizer_begin(by);
    return execute(&s);
}
