/*
 * model.h - a graph of layers from an INI file, and its flat vector of weights
 *
 * A model is a description: it holds no weights and no activations (network.h does), and does not change
 * once made.  The file has a [model] section with name, input (channels height width) and classes, then
 * one section per layer in the order of the data: `kind = conv|dense|relu|...` and that kind's settings
 * (layers/layer.h).  Each takes its data from the one above, or from those above that `input = NAME, NAME`
 * names (`image`: the images); the last layer's outputs are the logits, one per class.
 */
#ifndef BRAMBLE_MODEL_MODEL_H
#define BRAMBLE_MODEL_MODEL_H

#include "base/error.h"
#include "base/tensor.h"
#include "layers/layer.h"

#include <stddef.h>
#include <stdint.h>

enum { MODEL_MAX_LAYERS = 256, MODEL_MAX_WEIGHTS = 1 << 28, MODEL_MAX_CLASSES = 1 << 16 };

/* Where a layer's numbers begin in the flat vector. */
typedef struct model_place {
    size_t trained, statistics;
} model_place;

/* Trained weights side by side that are trained alike: an optimizer goes by these, or by tensors, never by layers. */
typedef struct model_group {
    size_t begin, end; /* in the flat vector */
    tensor_training training;
} model_group;

typedef struct model {
    char name[LAYER_NAME_BYTES];
    layer_shape input;
    int n_classes;
    /* n_layers, each behind its inputs; those whose work another has absorbed are gone */
    layer *layers;
    int n_layers;
    model_place *places; /* of each layer */
    tensor *tensors;     /* all weights, in the layers' order, offsets in the flat vector */
    int n_tensors;
    model_group *groups; /* together all that is trained, in order */
    int n_groups;
    size_t n_trained, n_weights; /* all: the trained ones, then the statistics */
    /* Multiplications and additions for one image: forward; forward and backward (no gradient of the image). */
    double flops_forward, flops_step;
} model;

/*
 * model_new - parse and check a model file's text; release with model_free (NULL is legal)
 *   where  in  its name in messages
 * Returns NULL with err (user: "where:line: what was expected"; environment: memory).  Not collective.
 */
model *model_new(const char *where, const char *text, error *err);

/* model_outline - the same with all layers of the file, also those that another would absorb: to look at, not to run */
model *model_outline(const char *where, const char *text, error *err);
void model_free(model *self);

/* model_init - initial weights as each layer's `init` says, a function of seed; w: n_weights floats */
void model_init(const model *self, float *w, uint64_t seed);

/*
 * model_init_images - after model_init: weights that are made of training images
 *   w     inout  n_weights
 *   from  in     n >= 1 images [channels][height][width] of the model's channels, as the network is given them; read
 *                returns false with err, which is then this function's
 * false with err: memory, or read's.  Not collective.
 * model_wants_images - are there any such weights?
 */
typedef struct model_images {
    bool (*read)(void *arg, size_t k, float *x, error *err);
    void *arg;
    size_t n;
    int height, width;
} model_images;
bool model_wants_images(const model *self);
bool model_init_images(const model *self, float *w, const model_images *from, error *err);

/*
 * model_to_moments - of the statistics of w, what their average over several models may be taken of (layer.h)
 * model_from_moments - and back
 * Of vectors of n_weights, whose trained part neither reads nor writes; both may be the same one.
 */
void model_to_moments(const model *self, const float *w, float *moments);
void model_from_moments(const model *self, const float *moments, float *w);

/* model_layer_of - the name of the layer that weight k belongs to */
const char *model_layer_of(const model *self, size_t k);

#endif
