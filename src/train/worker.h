/*
 * worker.h - a worker: its shard, and what it does with it between two averages
 */
#ifndef BRAMBLE_TRAIN_WORKER_H
#define BRAMBLE_TRAIN_WORKER_H

#include "base/clock.h"
#include "course.h"
#include "data/augment.h"
#include "data/dataset.h"
#include "data/input.h"
#include "data/sampler.h"
#include "descent.h"
#include "engine/engine.h"
#include "options/options.h"

#include <stdint.h>

typedef struct worker {
    const course *course;
    const model *model;
    int number; /* 0-based */
    augment augment;
    input_rule input;
    dataset shard;
    sampler sampler;
    const engine *engine; /* that suits its batch */
    network *net;
    network_vectors at; /* the job's */
    descent *by;        /* the job's */
    bool gradients;     /* a step is a gradient, no more (--sync gradients) */
    uint64_t step;      /* how many batches it has taken, over all rounds */
    double push;        /* momentum that gradients of 1 would have by now */
} worker;

/*
 * worker_init - take all memory it will ever need, and stand behind the rounds of former starts
 *   on     in  must outlive it, as the model
 *   input  in  what its own input rule is made of
 *   with   in  engine and threads
 * The shard has room for its images; they are the caller's to fill in.  false with err (environment; user: a batch
 * beyond any memory).  What it works on, at and by, is the caller's to say.  Not collective.
 */
bool worker_init(worker *self, const train_options *options, const course *on,
                 const input_values *input, const model *of, const computing *with, error *err);
void worker_release(worker *self);

/* Gathered from all ranks at the end of a segment, and broadcast with the server's decision. */
typedef struct segment_note {
    double images, loss_sum, correct, steps;
    double lr; /* of the last step; 0 without one */
    double
        way; /* that the weights would have gone, were all gradients 1: sgd's, momentum counted */
    double t_wait_s; /* between the note before this in the round and its decision */
    float largest; /* magnitude in the gradient of what is trained, where gradients are averaged */
    int32_t diverged;
    int32_t signal;               /* it was asked to stop */
    char layer[LAYER_NAME_BYTES]; /* where, when it has */
} segment_note;

/*
 * worker_train - the local steps of segment k of a round, 0 <= k < segments
 *   times  inout  charged with PHASE_TRAIN and PHASE_INPUT; left in PHASE_TRAIN
 *   mine   inout  what was done is added to it
 *   done   in     called with arg after each step
 * Ends early when transport_stop_called, or with diverged set when a loss or a weight is no longer finite or a weight
 * too large to be averaged.  Where gradients are averaged a segment is a step or none, whose gradient is left; the weights
 * stay what they are.  Not collective.
 */
typedef void worker_done(void *arg, const segment_note *mine);
void worker_train(worker *self, phases *times, uint64_t segment, segment_note *mine,
                  worker_done *done, void *arg);

/* worker_skip - stand where worker_train would have ended, without a step.  Not collective. */
void worker_skip(worker *self, uint64_t segment);

#endif
