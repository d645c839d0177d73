#include "model/network.h"

#include "base/memory.h"
#include "buffers.h"
#include "network_step.h"

static bool too_large(size_t n_blocks, error *err)
{
    return error_user(err, "a batch of %zu images of this model exceeds any memory",
                      n_blocks * VEC_WIDTH);
}

static vec *new_blocks(size_t n_blocks, size_t vecs, error *err)
{
    size_t count;
    if (memory_multiply(n_blocks, vecs, &count))
        return memory_new(count, sizeof(vec), err);
    too_large(n_blocks, err);
    return NULL;
}

/* Does anyone leave sums of each block in this layer's? */
static bool has_sums(const network *self, int k)
{
    const layer *l = &self->model->layers[k];
    return l->kind->forward_sums || (self->training && l->by_blocks);
}

/* What the layers decide once, in a copy of their description: others may run the same model otherwise. */
static bool plan_layers(network *self, const model *of, error *err)
{
    self->own = *of;
    self->own.layers = memory_new((size_t)of->n_layers, sizeof *of->layers, err);
    self->model = &self->own;
    for (int k = 0; k < of->n_layers && self->own.layers; k++) {
        layer *l = &self->own.layers[k];
        *l = of->layers[k];
        void *plan = memory_new(l->kind->plan_bytes, 1, err);
        self->passes[k].plan = plan;
        if (!plan)
            return false;
        if (l->kind->plan)
            l->kind->plan(l, self->n_threads, plan);
    }
    return self->own.layers != NULL;
}

/* A layer's own memory. */
static bool allocate_layer(network *self, int k, size_t n_blocks, error *err)
{
    const layer *l = &self->model->layers[k];
    layer_pass *pass = &self->passes[k];
    size_t bytes = 0;
    if (l->kind->workspace_bytes &&
        !l->kind->workspace_bytes(l, pass->plan, n_blocks, self->training, &bytes))
        return too_large(n_blocks, err);
    size_t scratch = l->kind->scratch_bytes ? l->kind->scratch_bytes(l, pass->plan) : 0;
    scratch = memory_lines(scratch);
    self->scratch_bytes = scratch > self->scratch_bytes ? scratch : self->scratch_bytes;
    pass->workspace = memory_new(bytes, 1, err);
    if (has_sums(self, k))
        pass->sums = new_blocks(n_blocks, l->n_sums, err);
    return err->kind == ERROR_NONE;
}

/* Where the layers find their inputs and put their outputs, by the slots of the buffers. */
static void connect(network *self, const buffer *outputs, const buffer *gradients)
{
    const model *m = self->model;
    bool written[MODEL_MAX_LAYERS] = {false};
    for (int k = m->n_layers - 1; k >= 0; k--) { /* as gradients are written */
        const layer *l = &m->layers[k];
        layer_pass *pass = &self->passes[k];
        pass->y = self->slots[outputs[k].slot];
        pass->gy = self->gradients[k] = self->training ? self->slots[gradients[k].slot] : NULL;
        for (int i = 0; i < l->n_inputs; i++) {
            int from = l->inputs[i];
            pass->x[i] = from == LAYER_IMAGES ? self->images : self->slots[outputs[from].slot];
            if (from == LAYER_IMAGES || !self->training)
                continue;
            pass->add[i] = written[from];
            written[from] = true;
        }
    }
    self->logits = self->slots[outputs[m->n_layers - 1].slot];
    self->glogits = self->training ? self->slots[gradients[m->n_layers - 1].slot] : NULL;
}

/* What lives only while a block passes through a stage, once more for each thread. */
static bool allocate_own(network *self, const buffer *outputs, const buffer *gradients, error *err)
{
    buffer own[2 * MODEL_MAX_LAYERS];
    size_t sizes[2 * MODEL_MAX_LAYERS], begins[2 * MODEL_MAX_LAYERS] = {0};
    int n = self->model->n_layers;
    buffers_own(self->model, self->stages, self->n_stages, self->training, outputs, gradients, own);
    int n_slots = buffers_place(own, 2 * n, sizes);
    for (int k = 0; k < n_slots; k++) {
        begins[k] = self->own_vecs;
        self->own_vecs += memory_lines(sizes[k] * sizeof(vec)) / sizeof(vec);
    }
    for (int k = 0; k < n; k++) {
        int y = own[k].slot, gy = own[n + k].slot;
        self->own_places[k] =
            (stage_own){y < 0 ? -1 : (long)begins[y], gy < 0 ? -1 : (long)begins[gy]};
    }
    self->own_memory = new_blocks((size_t)self->n_threads, self->own_vecs, err);
    return self->own_memory != NULL;
}

static bool allocate_buffers(network *self, size_t n_blocks, error *err)
{
    buffer buffers[2 * MODEL_MAX_LAYERS], *outputs = buffers;
    buffer *gradients = buffers + self->model->n_layers;
    size_t sizes[2 * MODEL_MAX_LAYERS];
    buffers_of(self->model, self->stages, self->n_stages, self->training, outputs, gradients);
    self->n_slots = buffers_place(buffers, 2 * self->model->n_layers, sizes);
    if (!(self->slots = memory_new((size_t)self->n_slots, sizeof *self->slots, err)))
        return false;
    for (int k = 0; k < self->n_slots; k++)
        if (!(self->slots[k] = new_blocks(n_blocks, sizes[k], err)))
            return false;
    connect(self, outputs, gradients);
    return allocate_own(self, outputs, gradients, err);
}

static bool allocate(network *self, const model *of, error *err)
{
    size_t n_layers = (size_t)of->n_layers, padded;
    size_t n_blocks = self->max_images / VEC_WIDTH + (self->max_images % VEC_WIDTH != 0);
    if (!memory_multiply(n_blocks, VEC_WIDTH, &padded))
        return error_user(err, "a batch of %zu images exceeds any memory", self->max_images);
    self->stages = memory_new(n_layers, sizeof *self->stages, err);
    self->passes = memory_new(n_layers, sizeof *self->passes, err);
    self->labels = memory_new(padded, sizeof *self->labels, err);
    self->numbers = memory_new(padded, sizeof *self->numbers, err);
    self->guesses = memory_new(padded, sizeof *self->guesses, err);
    self->losses = memory_new(padded, sizeof *self->losses, err);
    if (!self->stages || !self->passes || !self->labels || !self->numbers || !self->guesses ||
        !self->losses || !plan_layers(self, of, err))
        return false;
    if (step_is_replayed(self)) /* room for what is never computed would be a thousand hosts' */
        return true;
    self->images = new_blocks(n_blocks, layer_features(of->input), err);
    self->n_stages = stages_of(self->model, self->stages);
    for (int k = 0; k < self->model->n_layers; k++)
        if (!allocate_layer(self, k, n_blocks, err))
            return false;
    self->scratch = memory_new((size_t)self->n_threads, self->scratch_bytes, err);
    return self->images && self->scratch && allocate_buffers(self, n_blocks, err);
}

network *network_new(const model *of, size_t max_images, bool training, int n_threads, error *err)
{
    network *self = memory_new(1, sizeof *self, err);
    if (!self)
        return NULL;
    self->max_images = max_images;
    self->training = training;
    self->n_threads = n_threads;
    if (!allocate(self, of, err)) {
        network_free(self);
        return NULL;
    }
    return self;
}

void network_free(network *self)
{
    if (!self)
        return;
    for (int k = 0; self->passes && k < self->own.n_layers; k++) {
        memory_free((void *)self->passes[k].plan);
        memory_free(self->passes[k].workspace);
        memory_free(self->passes[k].sums);
    }
    for (int k = 0; self->slots && k < self->n_slots; k++)
        memory_free(self->slots[k]);
    memory_free(self->own.layers);
    memory_free(self->scratch);
    memory_free(self->own_memory);
    memory_free(self->stages);
    memory_free(self->passes);
    memory_free(self->images);
    memory_free(self->slots);
    memory_free(self->labels);
    memory_free(self->numbers);
    memory_free(self->guesses);
    memory_free(self->losses);
    memory_free(self);
}

void network_smooth_labels(network *self, float share)
{
    self->smoothing = share;
}

void network_mix_labels(network *self, const uint16_t *others, const float *shares)
{
    self->others = others;
    self->shares = shares;
}

float network_logit(const network *self, size_t k, int class_number)
{
    return self->logits[k / VEC_WIDTH * (size_t)self->model->n_classes + (size_t)class_number]
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
