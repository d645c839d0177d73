/*
 * network_step.h - the parts of a step, as every thread of a team calls them; inside this room only
 *
 * A step is load, prepare, forward through all stages, loss, backward through all stages, update.  A range of
 * stages may run by itself, as a pipeline's rank would: stages_forward and stages_backward (stages.h).
 */
#ifndef BRAMBLE_MODEL_NETWORK_STEP_H
#define BRAMBLE_MODEL_NETWORK_STEP_H

#include "model/network.h"
#include "stages.h"

struct network {
    const model *model; /* own: the description, with layers as planned for this width of a block */
    struct model own;
    size_t max_images;
    bool training;
    int n_threads;
    const uint16_t *others; /* of mixed labels; NULL: none */
    const float *shares;
    float smoothing;
    stage *stages;
    int n_stages;
    layer_pass *passes; /* one for each layer, with its memory */
    char *scratch;      /* scratch_bytes for each thread */
    size_t scratch_bytes;
    vec *images;
    vec *gradients[MODEL_MAX_LAYERS]; /* of the layers' outputs; NULL unless training */
    stage_own own_places[MODEL_MAX_LAYERS];
    vec *own_memory; /* own_vecs for each thread */
    size_t own_vecs;
    vec **slots; /* memory of activations and gradients (buffers.h) */
    int n_slots;
    const vec *logits;
    vec *glogits; /* NULL unless training */
    uint16_t *labels, *guesses;
    uint32_t *numbers; /* of the images */
    float *losses;
};

/* One call of network_forward, _gradient or _step, as the team sees it. */
typedef struct step {
    network *net;
    const network_input *input;
    size_t n_images;
    const float *w;
    float *g;        /* NULL: forward only */
    float *measured; /* without g: where statistics go that are measured all the same; or NULL */
    const network_vectors *at; /* NULL: no update */
    const optimizer *by;
    stage_pass pass;
    double t_input_s;
} step;

/* step_is_replayed - do the steps of this network take their time, and no more (world_replays)?  It has no room then. */
bool step_is_replayed(const network *net);

/* step_begin - set up the passes for self's images, weights and gradient; by one thread, before the others */
void step_begin(step *self);

/*
 * step_load - images and labels, by blocks; a barrier before unless at->own
 * step_prepare - what depends on the weights alone; no barrier before, and one needed behind (at->own is false then)
 */
void step_load(step *self, stage_walk *at);
void step_prepare(const step *self, stage_walk *at);

/* step_loss - losses, guesses and, with g, the gradient of the logits; after the last stage */
void step_loss(const step *self, stage_walk *at);

#endif
