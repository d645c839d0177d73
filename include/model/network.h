/*
 * network.h - a model with the memory and the threads to run it
 *
 * All memory is taken when the network is made; running it neither allocates nor fails.  A step (load,
 * forward, loss, backward, update) is one parallel region.  Results are the same bits for any number of
 * threads.
 */
#ifndef BRAMBLE_MODEL_NETWORK_H
#define BRAMBLE_MODEL_NETWORK_H

#include "base/error.h"
#include "model/model.h"
#include "model/optimizer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct network network;

/*
 * network_new - for batches of 1 .. max_images, run by n_threads threads
 *   training  in  whether network_gradient and network_step will be called
 * Returns NULL with err (environment: memory; user: a batch beyond any memory).  Release with
 * network_free (NULL is legal).  The model must outlive it.  Not collective.
 */
network *network_new(const model *of, size_t max_images, bool training, int n_threads, error *err);
void network_free(network *self);

/* network_smooth_labels - from now on the loss spreads this share, 0 .. 1, of each label over all classes (kernels/loss.h) */
void network_smooth_labels(network *self, float share);

/* network_mix_labels - from now on load gives, besides its label, another class of each image of the batch and its share
 * (kernels/loss.h), here */
void network_mix_labels(network *self, const uint16_t *others, const float *shares);

/*
 * Where images come from.  load is called once for each block of a batch, by any thread:
 *   first   in   number of the block's first image within the batch
 *   n       in   1 .. VEC_WIDTH images
 *   x       out  [channels][height][width][VEC_WIDTH]; lanes n .. are 0
 *   labels  out  n below n_classes
 * number likewise, in training: n numbers of these images in the whole training set.  Chance in a layer (dropout) is a
 * function of seed, epoch and that number.  NULL: they count from 0 in the batch.
 */
typedef struct network_input {
    void (*load)(void *arg, size_t first, size_t n, float *x, uint16_t *labels);
    void *arg;
    void (*number)(void *arg, size_t first, size_t n, uint32_t *numbers);
    uint64_t seed;
    uint32_t epoch;
} network_input;

/* What a batch gave. */
typedef struct network_result {
    double loss_sum; /* over the images; NaN or infinite when the weights have diverged */
    size_t n_correct;
    double t_input_s; /* time spent in load by the first thread */
} network_result;

/* network_forward - loss and hits of n images under weights w; logits and guesses may then be read */
network_result network_forward(network *self, const float *w, const network_input *input, size_t n);

/*
 * network_gradient - the same, and g = gradient of the mean loss (n_weights floats: behind that of the
 * trained weights stand the statistics of this batch)
 */
network_result network_gradient(network *self, const float *w, float *g, const network_input *input,
                                size_t n);

/*
 * network_measure - forward alone, but normalised as in training, by what is measured of these images
 *   measured  out  n_weights floats, of which the statistics are written
 * Dropout and the like stay off.
 */
void network_measure(network *self, const float *w, float *measured, const network_input *input,
                     size_t n);

/*
 * network_step - the same, and a step of the optimizer with that gradient, on a model's weights: the same model's
 */
typedef struct network_vectors {
    float *w, *g; /* weights, gradient: n_weights floats each, aligned; see optimizer_step */
} network_vectors;
network_result network_step(network *self, const network_vectors *at, optimizer *by,
                            const network_input *input, size_t n);

/* network_logit - of image k of the last batch; network_loss - its loss; network_guess, network_label - its
 * classes */
float network_logit(const network *self, size_t k, int class_number);
float network_loss(const network *self, size_t k);
uint16_t network_guess(const network *self, size_t k);
uint16_t network_label(const network *self, size_t k);

#endif
